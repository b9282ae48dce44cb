"""Whether the process of a run is still there, and the end of runs whose process is not.

A process holds a lock file for each run that it executes; the system lets go
of the lock however the process ends. Dagster by itself waits for a timeout
of hours, in which a district's other runs wait too and its window passes.
Holds for runs of this machine; a run without a lock file is left to Dagster.
On many machines the process says in the shared database that it is there.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import dagster as dg
from filelock import FileLock

from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.place import shared_place

if TYPE_CHECKING:
    from aeries_pipeline.stores.shared.pulses import Beat

_FOLDER = "runs"
_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

MESSAGE = (
    "The process of this run is gone: it was killed, or the machine was cut off or restarted. "
    "Every partition is whole, old or new; what is left to do is tried again by itself while the "
    "district's window is open."
)


class Beating(Protocol):
    """Tells others that the process of a run is there."""

    def end(self) -> None:
        """The run has ended."""


def begin_pulse(settings: Settings, run_id: str) -> Beating:
    """Let others know that this process executes a run.

    Raises:
        WarehouseUnusableError: If the shared database cannot be used.
    """
    place = shared_place()
    if place is None:
        return Pulse(settings, run_id)
    from aeries_pipeline.stores.shared.homes import pulses

    return pulses(place).begin(run_id)


def beat_of(run_id: str) -> Beat | None:
    """Return what the shared database knows of a run's process; None if nothing is shared."""
    place = shared_place()
    if place is None:
        return None
    from aeries_pipeline.stores.shared.homes import pulses

    return pulses(place).of(run_id)


class Pulse:
    """Held by the process of a run from its first step to its last.

    Args:
        settings: Where lock files are.
        run_id: The Dagster run.
    """

    def __init__(self, settings: Settings, run_id: str) -> None:
        """Take the lock of the run."""
        self._path = _path(settings, run_id)
        private_directory(self._path.parent)
        self._lock = FileLock(self._path, thread_local=False)
        self._lock.acquire(timeout=0)

    def end(self) -> None:
        """Remove the lock file, then release it."""
        self._path.unlink(missing_ok=True)
        self._lock.release()


def is_dead(settings: Settings, run_id: str) -> bool:
    """Say whether a run's process began and is no longer there."""
    return _is_held(settings, run_id) is False


def is_alive(settings: Settings, run_id: str) -> bool:
    """Say whether a run's process is at work."""
    return _is_held(settings, run_id) is True


def _is_held(settings: Settings, run_id: str) -> bool | None:
    """Return whether somebody holds a run's lock; None if there is none."""
    beat = beat_of(run_id)
    if beat is not None:
        return not beat.is_silent
    try:
        file = os.open(_path(settings, run_id), os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        # A file without a name is that of a run which is just ending well.
        return False if os.fstat(file).st_nlink > 0 else None
    finally:
        os.close(file)


def end_dead_runs(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Let every run whose process is gone be a failed one.

    Returns:
        Their ids.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if is_dead(settings, run.run_id):
            instance.report_run_failed(run, MESSAGE)
            _forget(settings, run.run_id)
            ended.append(run.run_id)
    return ended


def _forget(settings: Settings, run_id: str) -> None:
    _path(settings, run_id).unlink(missing_ok=True)
    place = shared_place()
    if place is not None:
        from aeries_pipeline.stores.shared.homes import pulses

        pulses(place).forget(run_id)


def build_dead_run_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that ends dead runs, twice a minute."""

    @dg.sensor(
        name="dead_runs",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends runs whose process was killed, so that their district is pulled again "
        "in the same opening.",
    )
    @without_values
    def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        ended = end_dead_runs(context.instance, settings)
        if not ended:
            return dg.SkipReason("every run under way has its process")
        return dg.SkipReason(f"ended {', '.join(ended)}: their processes are gone")

    return dead_runs


def _path(settings: Settings, run_id: str) -> Path:
    return settings.locks / _FOLDER / f"{run_id}.lock"
