"""A run of the command line is a run like any other: seen, executed again, terminated. Real UI."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from typing import Any

import dagster as dg
import pytest

from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.origin import LOCATION, REPOSITORY
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_browser import ui
from aeries_pipeline_tests.processes.test_command_line import call

pytestmark = pytest.mark.long

RUNS = """{ runsOrError { ... on Runs { results {
  runId jobName status canTerminate
  repositoryOrigin { repositoryName repositoryLocationName } } } } }"""
JOB = """{ pipelineOrError(params: {pipelineName: "pull_schools", repositoryName: "__repository__",
  repositoryLocationName: "aeries_pipeline"}) { ... on Pipeline { runs { runId } } } }"""
AGAIN = """mutation ($id: String!) { launchRunReexecution(reexecutionParams: {parentRunId: $id,
  strategy: ALL_STEPS}) { __typename ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message } } }"""
END = """mutation ($id: String!) { terminateRun(runId: $id) { __typename
  ... on TerminateRunFailure { message } ... on PythonError { message } } }"""


BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
  assetSelection: [{path: ["raw", "gpas"]}], partitionNames: ["eagle-usd/993", "eagle-usd/994"]})
  { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
FILLED = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status assetBackfillData { assetBackfillStatuses {
    ... on AssetPartitionsStatusCounts {
      numPartitionsMaterialized numPartitionsFailed } } } } } }"""


def ask(address: str, query: str, **variables: str) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(
        f"{address}/graphql", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    assert "errors" not in found, found
    return found["data"]


def runs(address: str) -> dict[str, dict[str, Any]]:
    return {one["runId"]: one for one in ask(address, RUNS)["runsOrError"]["results"]}


def wait_for(address: str, run_id: str, *statuses: str) -> str:
    until = time.monotonic() + 240
    while True:
        status = str(runs(address)[run_id]["status"])
        if status in statuses:
            return status
        assert time.monotonic() < until, status
        time.sleep(0.5)


def test_runs_of_commands_are_in_the_history_again_and_ended_from_the_ui(world: World) -> None:
    # The window is closed, so that no sensor starts a run of its own beside these.
    never = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
    world.write_roster(pull_window=never, timezone="Pacific/Kiritimati")
    open_it = ("--outside-window", "a test")
    assert call(world, "sync", "eagle-usd", "--school", "994", *open_it).exit_code == 0
    with ui(world) as address:
        seen = runs(address)
        assert {one["jobName"] for one in seen.values()} >= {"pull_schools", "accounts_and_files"}
        place = {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION}
        assert [one["repositoryOrigin"] for one in seen.values()] == [place] * len(seen)
        history = [one["runId"] for one in ask(address, JOB)["pipelineOrError"]["runs"]]
        (pulled,) = [name for name, one in seen.items() if one["jobName"] == "pull_schools"]
        assert history == [pulled]

        again = ask(address, AGAIN, id=pulled)["launchRunReexecution"]
        assert again["__typename"] == "LaunchRunSuccess", again
        new = again["run"]["runId"]
        assert wait_for(address, new, "SUCCESS", "FAILURE") == "SUCCESS"

        world.faults({"kind": "latency", "seconds": 2.0, "path": "."})
        process = subprocess.Popen(
            [sys.executable, "-m", "aeries_pipeline.cli", "sync", "eagle-usd", "--full", *open_it],
            env={**os.environ, **world.variables, "COLUMNS": "200"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        asked = len(world.emulator.log)
        until = time.monotonic() + 120
        while not (fresh := [one for one in runs(address).values()
                             if one["runId"] not in seen and one["canTerminate"]
                             and one["runId"] != new]):  # fmt: skip
            assert time.monotonic() < until
            time.sleep(0.5)
        while len(world.emulator.log) == asked:
            assert time.monotonic() < until
            time.sleep(0.2)
        run_id = fresh[0]["runId"]
        ended = ask(address, END, id=run_id)["terminateRun"]
        assert ended["__typename"] == "TerminateRunSuccess", ended
        assert wait_for(address, run_id, "CANCELED", "FAILURE", "SUCCESS") == "CANCELED"
        world.faults()
        output = process.communicate(timeout=240)[0]
        assert process.returncode == 1
        assert "Traceback" not in output
        assert "stopped from outside" in output


def test_a_backfill_of_partitions_that_came_as_before_is_green(world: World) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    with ui(world) as address:
        started = ask(address, BACKFILL)["launchPartitionBackfill"]
        assert started["__typename"] == "LaunchBackfillSuccess", started
        until = time.monotonic() + 240
        while True:
            found = ask(address, FILLED, id=started["backfillId"])["partitionBackfillOrError"]
            if found["status"] not in {"REQUESTED", "IN_PROGRESS", "COMPLETING"}:
                break
            assert time.monotonic() < until, found
            time.sleep(1)
        assert found["status"] == "COMPLETED_SUCCESS", found
        (counts,) = found["assetBackfillData"]["assetBackfillStatuses"]
        assert counts == {"numPartitionsMaterialized": 2, "numPartitionsFailed": 0}
    # The sensor may have pulled the district besides.
    reads = world.warehouse.rows("SELECT mode FROM meta.pulls WHERE resource = 'gpas'")
    assert sum(mode == "unchanged" for (mode,) in reads) >= 2


def sync_beside(world: World, *options: str) -> subprocess.Popen[str]:
    """Start a sync in a process of its own, as a person does in a terminal beside the UI."""
    return subprocess.Popen(
        [sys.executable, "-m", "aeries_pipeline.cli", "sync", "eagle-usd", *options],
        env={**os.environ, **world.variables, "COLUMNS": "200"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def new_run(address: str, seen: set[str]) -> str:
    """Wait for a run that was not there before."""
    until = time.monotonic() + 120
    while not (fresh := [one for one in runs(address) if one not in seen]):
        assert time.monotonic() < until
        time.sleep(0.3)
    return fresh[0]


def statuses(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return what became of a run, in order."""
    known = {"RUN_ENQUEUED", "RUN_STARTING", "RUN_START", "RUN_SUCCESS", "RUN_CANCELED"}
    kinds = [
        one.dagster_event.event_type.name
        for one in instance.all_logs(run_id)
        if one.dagster_event is not None
    ]
    return [kind for kind in kinds if kind in known]


def test_a_command_takes_its_turn_where_a_daemon_is_at_work_and_runs_at_once_without(
    world: World,
) -> None:
    never = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
    world.write_roster(pull_window=never, timezone="Pacific/Kiritimati")
    open_it = ("--outside-window", "a test")
    with open_instance(world.settings) as instance:
        assert call(world, "sync", "eagle-usd", *open_it).exit_code == 0
        alone = instance.get_run_records()
        assert all(
            statuses(instance, one.dagster_run.run_id) == ["RUN_START", "RUN_SUCCESS"]
            for one in alone
        )
        (first,) = [
            one.dagster_run.run_id for one in alone if one.dagster_run.job_name == "pull_schools"
        ]
        with ui(world) as address:
            world.faults({"kind": "latency", "seconds": 1.0, "path": "."})
            again = ask(address, AGAIN, id=first)["launchRunReexecution"]["run"]["runId"]
            wait_for(address, again, "STARTED")
            seen = set(runs(address))
            command = sync_beside(world, *open_it)
            mine = new_run(address, seen)
            assert wait_for(address, mine, "QUEUED", "STARTED") == "QUEUED"
            assert wait_for(address, again, "SUCCESS", "FAILURE") == "SUCCESS"
            world.faults()
            output = command.communicate(timeout=240)[0]
            assert command.returncode == 0, output
            assert "waits for its turn in Dagster's queue" in output
            its_turn = ["RUN_ENQUEUED", "RUN_STARTING", "RUN_START", "RUN_SUCCESS"]
            assert statuses(instance, mine) == its_turn
            theirs, ours = (instance.get_run_record_by_id(one) for one in (again, mine))
            assert theirs is not None
            assert ours is not None
            assert ours.start_time >= theirs.end_time, "one run for each district at a time"

            # In the queue it can be ended from the UI as well.
            world.faults({"kind": "latency", "seconds": 1.0, "path": "."})
            again = ask(address, AGAIN, id=first)["launchRunReexecution"]["run"]["runId"]
            wait_for(address, again, "STARTED")
            seen = set(runs(address))
            command = sync_beside(world, *open_it)
            mine = new_run(address, seen)
            wait_for(address, mine, "QUEUED")
            assert ask(address, END, id=mine)["terminateRun"]["__typename"] == "TerminateRunSuccess"
            output = command.communicate(timeout=60)[0]
            assert command.returncode == 1
            assert "taken out of Dagster's queue" in output
            assert "Traceback" not in output
            assert statuses(instance, mine) == ["RUN_ENQUEUED", "RUN_CANCELED"]
            world.faults()
        # The daemon has gone, and nobody waits for it.
        seen = {one.run_id for one in instance.get_runs()}
        assert call(world, "sync", "eagle-usd", *open_it).exit_code == 0
        since = [one.run_id for one in instance.get_runs() if one.run_id not in seen]
        assert since
        assert all(statuses(instance, one) == ["RUN_START", "RUN_SUCCESS"] for one in since)
