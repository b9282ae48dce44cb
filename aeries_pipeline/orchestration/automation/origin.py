"""What makes a run of the command line a run like one of the UI.

A run that a command executes in its own process has no origin in the code
location, so the timeline and the job's history leave it out and it cannot be
executed again. Here it gets one, and the address of its process, so that it can
be terminated.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from aeries_pipeline.orchestration.automation.pulse import is_alive
from aeries_pipeline.settings import Settings

MODULE = "aeries_pipeline.definitions"
LOCATION = "aeries_pipeline"
"""The code location as ``workspace.yaml`` and ``aeries-pipeline ui`` name it."""

REPOSITORY = "__repository__"
PROCESS_TAG = "aeries/process"


def origin_of(job: str) -> RemoteJobOrigin:
    """Return the origin that the UI gives to runs of a job of this project."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=MODULE, working_directory=None
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)


def adopt(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Give a run of this process the origin of a run of the UI, unless it has one."""
    if run.remote_job_origin is not None:
        return
    origin = origin_of(run.job_name)
    label = origin.repository_origin.get_label()
    process = f"{socket.gethostname()} {os.getpid()} {run.run_id}"
    instance.add_run_tags(run.run_id, {REPOSITORY_LABEL_TAG: label, PROCESS_TAG: process})
    held = instance.get_run_by_id(run.run_id)
    if held is not None:
        instance.run_storage.replace_job_origin(held, origin)


def interrupt(instance: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings) -> bool:
    """Interrupt the command that executes a run, as Ctrl-C does.

    Returns:
        False where the run is none of a command of this machine that goes on.
    """
    # Whoever executes a run again takes its tags along; the id tells them apart.
    host, _, rest = run.tags.get(PROCESS_TAG, "").partition(" ")
    pid, _, run_id = rest.partition(" ")
    if run_id != run.run_id or host != socket.gethostname() or run.is_finished:
        return False
    if not is_alive(settings, run.run_id):
        return False
    instance.report_run_canceling(run)
    os.kill(int(pid), signal.SIGINT)
    return True
