"""Runs of commands: made like those of the UI, executed by the command's own process.

If a daemon is running, the run waits in the daemon's queue and is executed here as soon
as the queue releases it; without a daemon it is executed at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.utils import make_new_run_id
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from aeries_pipeline.districts.errors import StoppedError
from aeries_pipeline.orchestration.automation.origin import PROCESS_TAG, origin_of, process_tag
from aeries_pipeline.orchestration.automation.run_queue import CommandRunLauncher

SILENT_SECONDS = 90
"""A daemon that said nothing for so long is gone; it says something every 30 seconds."""

_LOOK_SECONDS = 0.1
_PATIENT_SECONDS = 3
_WAITING = {dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED}

Tell = Callable[[str], None]


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    tell: Tell,
    **options: Any,  # noqa: ANN401 - of Dagster
) -> dg.ExecuteInProcessResult:
    """Execute a job in this process, as a run that the UI could have launched.

    Args:
        job: What to execute.
        instance: Where the run is kept.
        tell: Is called with a sentence where the run has to wait.
        options: Of ``JobDefinition.execute_in_process``.

    Raises:
        StoppedError: If somebody took the run out of the queue.
    """
    run_id = make_new_run_id()
    with _with_origin(instance, tell):
        return job.execute_in_process(
            instance=instance, run_id=run_id, raise_on_error=False, **options
        )


@contextmanager
def _with_origin(instance: dg.DagsterInstance, tell: Tell) -> Iterator[None]:
    """Let runs of this process have an origin, and take their turn, when they are made.

    ``execute_in_process`` makes its run by itself, and can be told of no origin.
    """
    create = instance.create_run_for_job

    def made(**asked: Any) -> dg.DagsterRun:  # noqa: ANN401 - of Dagster
        origin = origin_of(asked["job_def"].name)
        own = {
            REPOSITORY_LABEL_TAG: origin.repository_origin.get_label(),
            PROCESS_TAG: process_tag(asked["run_id"]),
        }
        asked["tags"] = {**(asked.get("tags") or {}), **own}
        run = create(**asked, remote_job_origin=origin)
        return take_turn(instance, run, tell) if daemon_is_at_work(instance) else run

    vars(instance)["create_run_for_job"] = made
    try:
        yield
    finally:
        del vars(instance)["create_run_for_job"]


def daemon_is_at_work(instance: dg.DagsterInstance) -> bool:
    """Say whether a daemon takes runs from the queue, and leaves those of commands to them."""
    if not isinstance(instance.run_launcher, CommandRunLauncher):
        return False
    beat = instance.get_daemon_heartbeats().get(QueuedRunCoordinatorDaemon.daemon_type())
    return beat is not None and time.time() - beat.timestamp < SILENT_SECONDS


def take_turn(instance: dg.DagsterInstance, run: dg.DagsterRun, tell: Tell) -> dg.DagsterRun:
    """Put a run into the queue and wait until the daemon lets it go.

    Raises:
        StoppedError: If somebody took the run out of the queue.
    """
    # Nothing in this project's queue looks at the workspace, which a command has not loaded.
    context = SubmitRunContext(run, workspace=None)  # type: ignore[arg-type]
    try:
        run = instance.run_coordinator.submit_run(context)
        return _await_turn(instance, run.run_id, tell)
    except BaseException:
        left = instance.get_run_by_id(run.run_id)
        if left is not None and not left.is_finished:
            instance.report_run_canceled(left, "The command that waited for this run was stopped.")
        raise


def _await_turn(instance: dg.DagsterInstance, run_id: str, tell: Tell) -> dg.DagsterRun:
    began = time.monotonic()
    told = False
    while True:
        run = _settled(instance, run_id)
        if run is None or run.is_finished or run.status is dg.DagsterRunStatus.CANCELING:
            raise StoppedError(
                "taken_out",
                "the run was taken out of Dagster's queue before its turn came; nothing was asked "
                "for",
            )
        if run.status not in _WAITING:
            return run
        waited = time.monotonic() - began
        if waited > _PATIENT_SECONDS and not told:
            told = True
            tell(
                f"{run.job_name} waits for its turn in Dagster's queue; run {run_id[:8]} in the UI"
            )
        if waited > _PATIENT_SECONDS and not daemon_is_at_work(instance):
            return run
        time.sleep(_LOOK_SECONDS)


def _settled(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun | None:
    """Return a run; one that somebody takes out of the queue when it is out.

    That is noted in two steps, and must not be noted here a second time.
    """
    until = time.monotonic() + _PATIENT_SECONDS
    while True:
        run = instance.get_run_by_id(run_id)
        is_going = run is not None and run.status is dg.DagsterRunStatus.CANCELING
        if not is_going or time.monotonic() > until:
            return run
        time.sleep(_LOOK_SECONDS)
