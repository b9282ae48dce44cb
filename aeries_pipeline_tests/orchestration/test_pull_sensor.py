"""The sensor that starts pulls, on a real instance and by a real daemon."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from aeries_pipeline.cli.ui import write_workspace
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import build_pull_jobs, pull_job
from aeries_pipeline.orchestration.automation.pulls import build_pull_sensor
from aeries_pipeline.orchestration.partitions import Partitions, build_partitions
from aeries_pipeline_tests.conftest import World, end, roster_entry, write_roster
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET

# Runs of a test end in its present, so the night that the sensor sees lies after all of them.
NIGHT = datetime(2082, 11, 25, 5, 0, tzinfo=UTC)
WINDOW = {"pull_window": "weekdays 8pm-2am"}


def tick(
    world: World,
    instance: dg.DagsterInstance,
    moment: datetime = NIGHT,
    loaded: Partitions | None = None,
) -> dg.SensorResult:
    loaded = loaded or build_partitions(load_roster(world.settings.roster))
    sensor = build_pull_sensor(world.settings, build_pull_jobs(), loaded, lambda: moment)
    return sensor(dg.build_sensor_context(instance=instance))


def obey(world: World, instance: dg.DagsterInstance, request: dg.RunRequest) -> bool:
    """Run what the sensor asked for, as the daemon would."""
    assert request.asset_check_keys == [], "a pull promises no verdict"
    job = pull_job(build_defs(world.settings), request.job_name, request.asset_selection)
    return job.execute_in_process(
        instance=instance,
        run_config=QUIET,
        partition_key=request.partition_key,
        tags=dict(request.tags) | {"aeries/outside_window": "the clock of this test"},
        raise_on_error=False,
    ).success


def test_an_open_window_starts_both_runs_once(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        asked = tick(world, instance).run_requests
        assert [one.run_key for one in asked] == [
            "eagle-usd@2082-11-25T04:00Z/district/1",
            "eagle-usd@2082-11-25T04:00Z/schools/1",
        ]
        assert asked[0].tags["dagster/priority"] == "1"
        assert asked[1].tags["dagster/asset_partition_range_start"] == "eagle-usd/992"
        assert asked[1].tags["dagster/asset_partition_range_end"] == "eagle-usd/994"
        names = {key.path[-1] for key in asked[1].asset_selection}
        assert "students" in names
        assert "contacts" not in names
        assert not world.emulator.log, "a tick asks no server"
        assert all(obey(world, instance, request) for request in asked)
        again = tick(world, instance, NIGHT + timedelta(hours=1))
        assert again.run_requests == []
        assert again.skip_reason.skip_message == "eagle-usd: pulled in this opening"
        next_night = tick(world, instance, NIGHT + timedelta(days=1)).run_requests
        assert next_night[0].run_key == "eagle-usd@2082-11-26T04:00Z/district/1"


@pytest.mark.parametrize(
    "newer", [{"schools": [992, 993]}, {"schools": [994, 992, 993]}, {"resources": ["contacts"]}]
)
def test_a_roster_newer_than_the_code_location_holds_its_district_back_alone(
    make_world, newer: dict[str, object]
) -> None:
    world = make_world(roster=WINDOW)
    eagle = roster_entry(world.url, world.schools) | WINDOW
    before = [eagle, eagle | {"id": "falcon-usd"}]
    write_roster(world.settings.roster, before)
    loaded = build_partitions(load_roster(world.settings.roster))
    write_roster(world.settings.roster, [eagle | newer, before[1], eagle | {"id": "hawk-usd"}])
    with open_instance(world.settings) as instance:
        asked = tick(world, instance, loaded=loaded).run_requests
        assert {one.tags["aeries/district"] for one in asked} == {"falcon-usd"}
        write_roster(world.settings.roster, [eagle | newer])
        told = tick(world, instance, loaded=loaded).skip_reason.skip_message
        assert "eagle-usd: its schools or resources in the roster are others" in told
        assert "reload the code location" in told
        assert len(tick(world, instance).run_requests) == 2, "and once it is loaded anew"


def test_a_closed_window_says_when_it_opens(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        told = tick(world, instance, NIGHT - timedelta(hours=3))
    assert told.skip_reason.skip_message == "eagle-usd: the window opens Tue 2082-11-24 20:00 PST"


def test_a_run_that_has_not_ended_holds_the_sensor_back(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        job = build_defs(world.settings).resolve_job_def("pull_schools")
        # Started by hand in the UI, so without the district's tag.
        instance.create_run_for_job(job, tags={"dagster/partition": "eagle-usd/994"})
        told = tick(world, instance)
    assert told.skip_reason.skip_message == "eagle-usd: a run is under way"


def test_a_run_that_was_never_queued_holds_the_sensor_back_for_minutes_only(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        # A web server was killed between making the run of a click and queueing it.
        lost = dg.DagsterRun("pull_schools", tags={"dagster/partition": "eagle-usd/994"})
        instance.run_storage.add_historical_run(lost, datetime.now(UTC) - timedelta(minutes=4))
        assert tick(world, instance).skip_reason.skip_message == "eagle-usd: a run is under way"
        with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as daemon:
            list(execute_run_monitoring_iteration(daemon, logging.getLogger(__name__)))
        assert len(tick(world, instance).run_requests) == 2


def test_a_passing_failure_is_tried_again_for_the_schools_that_failed(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        district, schools = tick(world, instance).run_requests
        assert obey(world, instance, district)
        world.faults({"kind": "reset", "path": "schools/99[23]/terms"})
        assert not obey(world, instance, schools)
        (again,) = tick(world, instance).run_requests
        assert again.run_key == "eagle-usd@2082-11-25T04:00Z/schools/2"
        assert again.tags["dagster/asset_partition_range_start"] == "eagle-usd/992"
        assert again.tags["dagster/asset_partition_range_end"] == "eagle-usd/993"
        world.faults()
        assert obey(world, instance, again)
        assert tick(world, instance).skip_reason.skip_message == "eagle-usd: pulled in this opening"


def test_what_a_closing_window_cut_off_is_resumed_at_the_next_opening(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        first = tick(world, instance).run_requests
        assert all(obey(world, instance, request) for request in first)
        # The window closed before two schools' transcripts were asked for.
        with world.warehouse.open() as connection:
            connection.execute(
                "UPDATE meta.pulls SET status = 'skipped' WHERE resource = 'transcripts' "
                "AND school IN (992, 993)"
            )
        night = NIGHT + timedelta(days=1)
        (resume,) = tick(world, instance, night).run_requests
        assert resume.run_key == "eagle-usd@2082-11-26T04:00Z/resume/1"
        assert [key.path[-1] for key in resume.asset_selection] == ["transcripts"]
        assert resume.tags["dagster/asset_partition_range_start"] == "eagle-usd/992"
        assert resume.tags["dagster/asset_partition_range_end"] == "eagle-usd/993"
        assert obey(world, instance, resume)
        then = tick(world, instance, night + timedelta(minutes=5)).run_requests
        assert [one.run_key.split("/", 1)[1] for one in then] == ["district/1", "schools/1"]


def test_a_lasting_failure_is_left_to_a_person(make_world) -> None:
    world = make_world(roster=WINDOW)
    with open_instance(world.settings) as instance:
        district, schools = tick(world, instance).run_requests
        assert obey(world, instance, district)
        world.faults({"kind": "html", "path": "schools/993/terms"})
        assert not obey(world, instance, schools)
        told = tick(world, instance)
    assert told.run_requests == []
    assert "failed for a reason that lasts" in told.skip_reason.skip_message


@pytest.mark.long
def test_a_real_daemon_loads_a_district_when_its_window_opens(make_world) -> None:
    opens = datetime.now(UTC) + timedelta(seconds=75)
    minute = opens.replace(second=0, microsecond=0)
    closes = minute + timedelta(hours=2)
    window = [{"opens": f"{minute:%H:%M}", "closes": f"{closes:%H:%M}"}]
    hosted = Switches(time_zone="(UTC) Coordinated Universal Time")
    world = make_world(
        students=90, roster={"pull_window": window, "timezone": "Etc/UTC"}, switches=hosted
    )
    with a_daemon(world):
        rows = sum(len(world.site.district.rows[school]) for school in world.schools)
        done = False
        for _ in range(120):
            time.sleep(3)
            if world.warehouse.has_table("raw", "graduation_status"):
                counts = world.warehouse.rows("SELECT count(*) FROM raw.students")
                done = (
                    counts == [(rows,)]
                    and any(world.settings.out.glob("*/xello/*/manifest.json"))
                    and (world.settings.published / "aeries.duckdb").exists()
                )
            if done:
                break
        assert done, "the daemon did not load the district, or nothing followed from it"
    first = min(visit.at for visit in world.emulator.log)
    assert first >= minute.timestamp(), "a request was sent before the window opened"
    tried = world.warehouse.rows("SELECT DISTINCT run_id FROM meta.pulls")
    assert len(tried) == 2
    # Without a person: declarative automation computed accounts and files.
    active = world.warehouse.rows("SELECT student_id FROM core.accounts WHERE state = 'active'")
    assert {student for (student,) in active} == set(world.site.district.truth())


@contextmanager
def a_daemon(world: World, how: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """Run Dagster's daemon on a world's roster and data; end it and its group by a signal."""
    with open_instance(world.settings):
        workspace = write_workspace(world.settings)
    environment = {
        **os.environ,
        **world.variables,
    }
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)],
        env=environment, cwd=workspace.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        end(daemon, how)
