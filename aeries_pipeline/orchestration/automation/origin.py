"""What makes a run of the command line look like one of the UI.

A run that a command executes in its own process has no origin in the code location, so
the timeline and the job's history leave it out, and it cannot be executed again. This
module gives it an origin, and the address of its process, by which it is terminated.
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
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from aeries_pipeline.orchestration.automation.pulse import is_alive
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.memory import is_running

MODULE = "aeries_pipeline.definitions"
LOCATION = "aeries_pipeline"
"""The code location as ``workspace.yaml`` and ``aeries-pipeline ui`` name it."""

REPOSITORY = "__repository__"
PROCESS_TAG = ".dagster/aeries_process"
"""Dagster hides tags with this beginning: it is of use to programs alone."""


def origin_of(job: str) -> RemoteJobOrigin:
    """Return the origin that the UI gives to runs of a job of this project."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=MODULE, working_directory=None
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)


def process_tag(run_id: str) -> str:
    """Return what the tag says of a run that this process executes."""
    return f"{socket.gethostname()} {os.getpid()} {run_id}"


def process_of(run: dg.DagsterRun) -> tuple[str, int] | None:
    """Return host and process of the command whose run it is; None for any other run."""
    # Whoever executes a run again takes its tags along; the id tells them apart.
    host, _, rest = run.tags.get(PROCESS_TAG, "").partition(" ")
    pid, _, run_id = rest.partition(" ")
    return (host, int(pid)) if run_id == run.run_id else None


def is_gone(process: tuple[str, int]) -> bool:
    """Tell whether a process of this machine is gone; one elsewhere cannot be seen."""
    host, pid = process
    return host == socket.gethostname() and not is_running(pid)


def interrupt(instance: dg.DagsterInstance, run: dg.DagsterRun, settings: Settings) -> bool:
    """Interrupt the command that executes a run, as Ctrl-C does.

    Returns:
        False if the run is none of a command of this machine that goes on.
    """
    process = process_of(run)
    if process is None or process[0] != socket.gethostname() or run.is_finished:
        return False
    if not is_alive(settings, run.run_id):
        return False
    instance.report_run_canceling(run)
    os.kill(process[1], signal.SIGINT)
    return True
