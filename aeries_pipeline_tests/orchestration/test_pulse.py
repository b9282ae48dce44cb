"""Runs whose process is gone are ended; runs whose process lives never are."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import dagster as dg
import pytest

from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.pulse import Pulse, end_dead_runs, is_dead
from aeries_pipeline.settings import Settings
from aeries_pipeline_tests.conftest import World


def hold(data: str, run_id: str, ready: str) -> None:
    pulse = Pulse(Settings(Path(data, "roster.yaml"), Path(data)), run_id)
    Path(ready).touch()
    time.sleep(60)
    pulse.end()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "roster.yaml", tmp_path)


def test_a_run_is_dead_when_its_process_was_killed_and_not_before(
    settings: Settings, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=hold, args=(str(tmp_path), "one", str(ready)))
    process.start()
    while not ready.exists():
        time.sleep(0.05)
    assert not is_dead(settings, "one")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert is_dead(settings, "one")


def test_a_run_that_ended_or_never_had_a_process_is_not_dead(settings: Settings) -> None:
    Pulse(settings, "one").end()
    assert not is_dead(settings, "one")
    assert not is_dead(settings, "never")


def test_dead_runs_fail_and_all_others_stay(world: World) -> None:
    with open_instance(world.settings) as instance:
        started = dg.DagsterRunStatus.STARTED

        @dg.job
        def work() -> None: ...

        runs = {
            name: instance.create_run_for_job(work, status=started)
            for name in ("dead", "alive", "unknown")
        }
        held = Pulse(world.settings, runs["alive"].run_id)
        gone = Pulse(world.settings, runs["dead"].run_id)
        gone._lock.release()  # as the system does for a process that is killed
        assert end_dead_runs(instance, world.settings) == [runs["dead"].run_id]
        statuses = {name: instance.get_run_by_id(run.run_id).status for name, run in runs.items()}
        assert statuses == {
            "dead": dg.DagsterRunStatus.FAILURE,
            "alive": started,
            "unknown": started,
        }
        assert end_dead_runs(instance, world.settings) == []
        held.end()
