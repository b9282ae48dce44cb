"""The launcher for many machines: Celery's, which asks for the pulse of a run.

Celery's own takes a task that has begun for one that goes on for ever, so that
a run whose machine has died would hold its district until a timeout of hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from celery import Celery
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG, RETRY_NUMBER_TAG, RETRY_STRATEGY_TAG
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import (
    DAGSTER_CELERY_QUEUE_TAG,
    DAGSTER_CELERY_RUN_PRIORITY_TAG,
    DAGSTER_CELERY_TASK_ID_TAG,
)
from kombu import Queue

from aeries_pipeline.orchestration.automation.jobs import PULL_JOBS
from aeries_pipeline.orchestration.automation.origin import is_gone, process_of
from aeries_pipeline.orchestration.automation.pulse import MESSAGE, beat_of
from aeries_pipeline.orchestration.automation.run_queue import DistrictRunCoordinator
from aeries_pipeline.settings import load_settings
from aeries_pipeline.stores.place import PlaceError, shared_place

ROSTER_VERSION_TAG = "aeries/roster_version"
"""On each run: the roster that it was launched with; see ``worker``."""

PULLS, FILES = "dagster", "files"
"""Queues: any worker takes pulls; what makes or reads files is for the one that keeps them."""

FIRST, USUAL = 0, 6
"""Redis takes the lowest number first."""

_BEFORE_OTHERS = "10"

UNSEEN_SECONDS = 60
"""A run that has begun so long ago without any pulse has no process."""

CELERY: dict[str, Any] = {
    "worker_prefetch_multiplier": 1,
    "task_acks_late": False,
    # Each run in a process of its own, which loads the definitions of the present roster.
    "worker_max_tasks_per_child": 1,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "task_default_priority": USUAL,
    "task_default_queue": PULLS,
    "broker_transport_options": {
        "priority_steps": [0, 3, 6, 9],
        "queue_order_strategy": "priority",
        "visibility_timeout": 12 * 3600,
        "socket_timeout": 15,
        "socket_keepalive": True,
    },
}
"""What launcher and workers agree on."""


class ClusterRunCoordinator(DistrictRunCoordinator):
    """The queue of runs for many machines.

    A run whose machine has died is run again whole: what it had told Dagster of may be
    less than its district's file has, and never more. It goes before others.
    """

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Put a run into the queue."""
        run = context.dagster_run
        tags = {RETRY_STRATEGY_TAG: ReexecutionStrategy.ALL_STEPS.value}
        if int(run.tags.get(RETRY_NUMBER_TAG, "0")):
            tags[PRIORITY_TAG] = _BEFORE_OTHERS
        self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


class ClusterRunLauncher(CeleryRunLauncher):
    """Launches runs on the workers, and knows of each whether its process is there."""

    def __init__(self, config_source: Mapping[str, Any] | None = None, **given: Any) -> None:  # noqa: ANN401 - of Dagster
        """Join what ``dagster.yaml`` says with what workers expect."""
        super().__init__(config_source={**CELERY, **(config_source or {})}, **given)
        make_queues(self.celery)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run; one of a command sees by itself that its turn has come.

        Raises:
            RuntimeError: If the command is no longer there; the run fails with this sentence.
        """
        run = context.dagster_run
        process = process_of(run)
        if process is not None:
            if is_gone(process):
                raise RuntimeError(
                    "the command whose run this is was killed while it waited; start it again"
                )
            return
        tags = {
            DAGSTER_CELERY_QUEUE_TAG: PULLS if run.job_name in PULL_JOBS else FILES,
            ROSTER_VERSION_TAG: str(give_roster()),
            DAGSTER_CELERY_RUN_PRIORITY_TAG: str(
                FIRST if int(run.tags.get(RETRY_NUMBER_TAG, "0")) else USUAL
            ),
        }
        self._instance.add_run_tags(run.run_id, tags)
        run = self._instance.get_run_by_id(run.run_id) or run
        super().launch_run(LaunchRunContext(run, context.workspace))

    def terminate(self, run_id: str) -> bool:
        """End a run that was given to a worker."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    @property
    def supports_resume_run(self) -> bool:
        """Say no: a run whose process is gone is run again, from its beginning."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Say whether the process of a run that has begun is still there."""
        beat = beat_of(run.run_id)
        if beat is not None and beat.is_silent:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"{MESSAGE} It was on {beat.host}.")
        if beat is None and self._is_unseen(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, MESSAGE)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,
        include_container_logs: bool | None = True,  # noqa: ARG002, FBT001, FBT002 - of Dagster
    ) -> str | None:
        """Return where the run was."""
        beat = beat_of(run.run_id)
        return None if beat is None else f"host {beat.host}, process {beat.pid}"

    def _is_unseen(self, run: dg.DagsterRun) -> bool:
        if process_of(run) is not None:
            return False
        record = self._instance.get_run_record_by_id(run.run_id)
        place = shared_place()
        if record is None or record.start_time is None or place is None:
            return False
        from aeries_pipeline.stores.shared.homes import SharedHomes

        present = SharedHomes(load_settings(or_demo=True).data, place).present()
        return present.timestamp() - record.start_time > UNSEEN_SECONDS


def make_queues(app: Celery) -> None:
    """Let an application know both queues; by itself it knows the first alone."""
    app.conf.task_queues = [Queue(name, routing_key=f"{name}.#") for name in (PULLS, FILES)]


def give_roster() -> int:
    """Make the roster of this machine the one that all go by, and return its version.

    Raises:
        PlaceError: If the environment does not say what the machines share.
    """
    place = shared_place()
    if place is None:
        raise PlaceError(
            "dagster.yaml names the launcher for many machines, but AERIES_DATABASE_URL and "
            "AERIES_OBJECTS are not set; set both on every machine"
        )
    from aeries_pipeline.stores.shared.homes import rosters

    text = load_settings(or_demo=True).roster.read_text(encoding="utf-8")
    return rosters(place).give(text)
