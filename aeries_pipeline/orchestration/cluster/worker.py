"""The side of a worker: executes the runs that the launcher hands out, one process for each.

Started as ``celery -A aeries_pipeline.orchestration.cluster.worker worker``.
Before it loads anything of a run a process takes the newest roster, which is
that of the run or a later one: a worker is never older than a run.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

import dagster as dg
from celery.signals import worker_init
from dagster._cli.api import _execute_run_command_body
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app

# What a run needs of libraries is loaded once, before the processes of runs are forked;
# the definitions, which are made of a roster, are loaded by each of these.
import aeries_pipeline.orchestration.assembly  # noqa: F401
from aeries_pipeline.orchestration.automation.pulse import begin_pulse
from aeries_pipeline.orchestration.automation.storage import batch_events
from aeries_pipeline.orchestration.cluster.launcher import CELERY, ROSTER_VERSION_TAG, make_queues
from aeries_pipeline.settings import load_settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.place import PlaceError, shared_place

BROKER_VARIABLE = "AERIES_BROKER_URL"
"""Names the Redis that hands out runs, such as ``redis://redis.example:6379/0``."""

# What a run writes is about children: nobody else on the machine reads it.
os.umask(0o077)

app = make_app(
    {
        "broker": os.environ.get(BROKER_VARIABLE),
        "backend": os.environ.get(BROKER_VARIABLE),
        "config_source": CELERY,
    }
)


make_queues(app)
batch_events()


@worker_init.connect
def forget_answers_as_received(**_given: object) -> None:
    """Delete what runs that were killed here have received; nothing of it is needed again."""
    shutil.rmtree(load_settings().landing, ignore_errors=True)


@app.task(bind=True, name=TASK_EXECUTE_JOB_NAME, track_started=True)
def execute_job(_self: object, execute_job_args_packed: Any) -> int:  # noqa: ANN401 - of Celery
    """Execute a run in this process."""
    given = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs)
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(given.run_id)
        if run is None or run.is_finished:
            # Taken for lost meanwhile, and run again elsewhere.
            return 0
        settings = load_settings()
        pulse = begin_pulse(settings, given.run_id)
        try:
            take_roster(int(run.tags.get(ROSTER_VERSION_TAG, "0")))
            return int(
                _execute_run_command_body(
                    instance=instance,
                    run_id=given.run_id,
                    write_stream_fn=_nowhere,
                    set_exit_code_on_failure=False,
                )
            )
        finally:
            pulse.end()


def take_roster(wanted: int) -> None:
    """Have the newest roster where this machine's settings look for it.

    Args:
        wanted: The version that the run was launched with.

    Raises:
        PlaceError: If the shared database has not even that one.
    """
    place = shared_place()
    if place is None:
        raise PlaceError("AERIES_DATABASE_URL and AERIES_OBJECTS are not set on this worker")
    from aeries_pipeline.stores.shared.homes import rosters

    newest = rosters(place).newest()
    if newest is None or newest[0] < wanted:
        raise PlaceError(
            f"the run was launched with version {wanted} of the roster, which the shared database "
            "does not have; see that worker and control host use the same database"
        )
    path = load_settings().roster
    private_directory(path.parent)
    if not path.exists() or path.read_text(encoding="utf-8") != newest[1]:
        write_atomically(path, newest[1])


def _nowhere(_event: object) -> None:
    """Take no event: the instance has them."""
