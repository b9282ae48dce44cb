"""Runs in a Chromium that never reloads a page: launched, read to their end, again, terminated."""

import sys
import time

from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.partitions import school_key
from aeries_pipeline_tests.conftest import MakeWorld, World, roster_entry, write_roster
from aeries_pipeline_tests.processes import test_browser
from aeries_pipeline_tests.processes.test_browser import Browser, from_the_ui, stop_the_sensor, ui
from aeries_pipeline_tests.processes.test_command_line import call
from aeries_pipeline_tests.processes.test_command_runs import (
    BACKFILL,
    ask,
    new_run,
    runs,
    sync_beside,
    wait_for,
)

pytestmark = test_browser.pytestmark
browser = test_browser.browser

NEVER = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
OPEN_IT = ("--outside-window", "a test")
DISTRICTS = 600
SCHOOLS = (990, 991, 992, 993)


def figures(line: str) -> None:
    """Print a figure; ``pytest -s`` shows it."""
    sys.stdout.write(line)


def never_reload(browser: Browser) -> None:
    """Leave a mark in the page that a reload would wipe."""
    browser.driver.execute_script("window.neverReloaded = true")


def was_never_reloaded(browser: Browser) -> bool:
    return bool(browser.driver.execute_script("return window.neverReloaded === true"))


def test_a_school_is_launched_from_the_partitions_tab_and_its_run_is_read_to_the_end(
    world: World, browser: Browser
) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    stop_the_sensor(world)
    world.faults({"kind": "latency", "path": ".", "seconds": 1.5})
    with ui(world) as address, open_instance(world.settings) as instance:
        browser.driver.get(f"{address}/assets/raw/terms?view=partitions")
        browser.wait_for("Materialized (3)", "Missing (0)")
        never_reload(browser)
        browser.click("eagle-usd/993", last=True)
        browser.wait_for("Latest materialization", "dagster/partition_row_count")
        browser.click("Materialize", starts=True)
        browser.click("Launch", starts=True, last=True)
        browser.click("View")
        browser.wait_for("RUN_ENQUEUED")
        browser.wait_for("RUN_SUCCESS", "raw__terms")
        seen = time.time()
        record = from_the_ui(instance)
        assert record.dagster_run.is_success
        assert record.dagster_run.tags["dagster/partition"] == school_key("eagle-usd", 993)
        late = seen - record.end_time
        figures(f"the last event was on the page {late:.1f} s after the run's end\n")
        assert late < 15, "a page that hears of nothing is silent for longer"
        assert was_never_reloaded(browser)


def test_runs_of_commands_stand_in_timeline_and_history_and_are_executed_again_and_terminated(
    world: World, browser: Browser
) -> None:
    world.write_roster(pull_window=NEVER, timezone="Pacific/Kiritimati")
    assert call(world, "sync", "eagle-usd", *OPEN_IT).exit_code == 0
    with ui(world) as address:
        (pulled,) = [
            name for name, one in runs(address).items() if one["jobName"] == "pull_schools"
        ]
        browser.driver.get(f"{address}/overview/activity/timeline")
        shown = browser.wait_for("pull_district", "pull_schools", "accounts_and_files", "publish")
        assert "No runs" not in shown
        browser.driver.get(f"{address}/locations/aeries_pipeline/jobs/pull_schools/runs")
        browser.wait_for(pulled[:8], "Success")

        never_reload(browser)
        browser.click(pulled[:8])
        browser.wait_for("RUN_SUCCESS")
        before = set(runs(address))
        browser.click("Re-execute all", starts=True)
        again = new_run(address, before)
        assert wait_for(address, again, "SUCCESS", "FAILURE") == "SUCCESS"
        browser.wait_for(again[:8], "Succeeded (8)", "Success")
        assert was_never_reloaded(browser)

        world.faults({"kind": "latency", "seconds": 2.0, "path": "."})
        before = set(runs(address))
        command = sync_beside(world, "--full", *OPEN_IT)
        mine = new_run(address, before)
        wait_for(address, mine, "STARTED")
        browser.driver.get(f"{address}/runs/{mine}")
        never_reload(browser)
        browser.click("Terminate")
        browser.click("Terminate", starts=True, last=True)
        browser.wait_for("RUN_CANCELED")
        assert was_never_reloaded(browser)
        world.faults()
        output = command.communicate(timeout=240)[0]
        assert command.returncode == 1
        assert "stopped from outside" in output


PARTITIONS = """query ($name: String!) { assetNodeOrError(assetKey: {path: ["raw", $name]}) {
  ... on AssetNode { partitionKeysByDimension { partitionKeys } } } }"""


def partitions_of(address: str, name: str) -> list[str]:
    """Return the partitions that the UI knows of a raw asset."""
    node = ask(address, PARTITIONS, name=name)["assetNodeOrError"]
    return list(node["partitionKeysByDimension"][0]["partitionKeys"])


def test_a_backfill_of_partitions_that_came_as_before_turns_green(
    world: World, browser: Browser
) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    stop_the_sensor(world)
    with ui(world) as address:
        started = ask(address, BACKFILL)["launchPartitionBackfill"]
        browser.driver.get(f"{address}/runs/b/{started['backfillId']}")
        never_reload(browser)
        shown = browser.wait_for("raw / gpas", "100% completed")
        # Requested, in progress, succeeded, failed.
        assert "100% completed\n2\n0\n2\n0" in shown
        assert was_never_reloaded(browser)

        assert partitions_of(address, "contacts") == [], "nobody lists them, so none is missing"
        assert len(partitions_of(address, "terms")) == len(SCHOOLS) - 1
        world.write_roster(resources=["contacts"])
        until = time.monotonic() + 60
        while partitions_of(address, "contacts") != partitions_of(address, "terms"):
            assert time.monotonic() < until, "a roster that has changed is loaded by itself"
            time.sleep(0.5)


def test_the_ui_answers_for_six_hundred_districts(make_world: MakeWorld, browser: Browser) -> None:
    world = make_world()
    entries = [
        roster_entry(
            world.url,
            list(SCHOOLS),
            id=f"district-{place:03}",
            pull_window=NEVER,
            timezone="Pacific/Kiritimati",
        )
        for place in range(DISTRICTS)
    ]
    write_roster(world.settings.roster, entries)
    with ui(world) as address:
        browser.driver.get(f"{address}/assets/raw/terms")
        browser.wait_for("Materialize")
        took = {}
        for name, place, text in (
            ("catalog", "assets/raw/students", "Materialize"),
            ("partitions", "assets/raw/students?view=partitions", f"({DISTRICTS * len(SCHOOLS)})"),
            ("groups", "asset-groups", "accounts"),
            ("runs", "runs", "Backfills"),
        ):
            began = time.monotonic()
            browser.driver.get(f"{address}/{place}")
            browser.wait_for(text)
            took[name] = time.monotonic() - began
    found = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())
    figures(f"{DISTRICTS} districts: {found}\n")
    # The promise is three seconds; a machine under tests by others is allowed more.
    assert max(took.values()) < 15, found
