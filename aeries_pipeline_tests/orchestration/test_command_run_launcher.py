"""What the daemon does with a run of a command: it leaves it, or says that the command is gone."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext

from aeries_pipeline.orchestration.automation.command_runs import daemon_is_at_work
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.origin import PROCESS_TAG, process_tag
from aeries_pipeline_tests.conftest import World


@dg.job
def work() -> None: ...


def launch(instance: dg.DagsterInstance, tag: str, run_id: str) -> None:
    run = instance.create_run_for_job(work, run_id=run_id, tags={PROCESS_TAG: tag})
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))


def test_a_run_of_a_command_is_left_to_it_and_one_of_a_dead_command_fails(world: World) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ids = [f"{place}0000000-0000-4000-8000-000000000000" for place in (1, 2, 3)]
    mine = process_tag(ids[0])
    host = mine.split(" ", maxsplit=1)[0]
    with open_instance(world.settings) as instance:
        launch(instance, mine, ids[0])
        with pytest.raises(RuntimeError, match="was killed while it waited"):
            launch(instance, f"{host} {gone.pid} {ids[1]}", ids[1])
        # Who executes a command's run again has its tags, and is launched as any other.
        with pytest.raises(dg.DagsterInvariantViolationError, match="workspace"):
            launch(instance, mine, ids[2])


def test_nobody_waits_for_a_daemon_that_never_was(world: World) -> None:
    with open_instance(world.settings) as instance:
        assert not daemon_is_at_work(instance)
