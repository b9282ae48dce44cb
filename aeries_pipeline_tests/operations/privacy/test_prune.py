"""Retention: what is old goes, the newest of its kind stays."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.districts.configuration import RetentionSettings
from aeries_pipeline.operations.privacy.prune import old_ones, prune
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.retention import prune_dagster, prune_ticks
from aeries_pipeline.stores.backup import backups, take_backup
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.course_requests.test_pipeline import put
from aeries_pipeline_tests.processes.test_command_line import call

DAY = timedelta(days=1)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))


@given(st.sets(moments.map(lambda at: f"{at:%Y%m%dT%H%M%S}Z-abc123"), max_size=8), moments)
def test_the_newest_always_stays_and_what_goes_is_old(names: set[str], before: datetime) -> None:
    gone = old_ones([*names, "manifest.json", ".making-x"], before)
    assert set(gone) <= names
    assert all(name[:15] < f"{before:%Y%m%dT%H%M%S}" for name in gone)
    if names:
        assert max(names) not in gone
        stays = names - set(gone) - {max(names)}
        assert all(name[:15] >= f"{before:%Y%m%dT%H%M%S}" for name in stays)


def test_a_year_later_little_is_left_and_all_that_is_needed(world: World) -> None:
    world.write_roster(landing_keep=3)
    for _night in range(3):
        world.site.advance(1)
        world.site.clock_offset += 86400
        assert call(world, "sync", "eagle-usd", "--full").exit_code == 0
    student = next(row.person.id for row in world.site.district.rows[994] if not row.tag)
    put(world, f"StudentID,CourseID\n{student},0001\n", "spring.csv")
    call(world, "requests", "export", "eagle-usd")
    for number in range(9):
        take_backup(world.warehouse, world.settings.backups, moment=now() - number * DAY)
    with world.warehouse.open() as connection:
        connection.execute(
            "INSERT INTO quarantine.students SELECT 'eagle-usd', 994, 'p', now()::TIMESTAMP, 'r', "
            "'{}'"
        )
    kept = world.warehouse.rows("SELECT count(*) FROM raw.students")
    retention = RetentionSettings()
    assert prune(world.settings, retention) == {
        "landing": 0, "deliveries": 0, "inbox": 0, "quarantine": 0, "backups": 2,
        "rehearsals": 0, "history": 0,
    }  # fmt: skip
    removed = prune(world.settings, retention, moment=now() + 500 * DAY)
    assert removed["landing"] > 10
    assert removed["deliveries"] >= 2
    assert removed["inbox"] == 2, "the file and its report"
    assert removed["quarantine"] == 1
    assert world.warehouse.rows("SELECT count(*) FROM raw.students") == kept
    assert world.warehouse.rows("SELECT count(*) FROM core.course_requests") == [(1,)]
    for partition in world.settings.landing.glob("*/*/*"):
        assert len(list(partition.iterdir())) == 1, "the newest answer of each partition"
    xello = world.settings.out / "eagle-usd" / "xello"
    assert len(list(xello.iterdir())) == 1
    assert len(backups(world.settings.backups)) == 7
    world.site.advance(1)
    assert call(world, "sync", "eagle-usd").exit_code == 0


def test_old_runs_go_but_for_what_the_ui_still_shows(world: World) -> None:
    for _night in range(2):
        world.site.advance(1)
        assert call(world, "sync", "eagle-usd", "--full").exit_code == 0
    with open_instance(world.settings) as instance:
        runs = {one.run_id: one.job_name for one in instance.get_runs()}
        keys = list(instance.all_asset_keys())
        newest = {key: shown(instance, key) for key in keys}
        assert prune_dagster(instance, 90) == 0
        later = datetime.now(UTC) + 100 * DAY
        gone = prune_dagster(instance, 90, now=later)
        left = {one.run_id for one in instance.get_runs()}
        assert gone == len(runs) - len(left)
        assert gone >= 3, "the first night's runs"
        assert {key: shown(instance, key) for key in keys} == newest
        files = {path.stem for path in (Path(world.settings.data) / "dagster").rglob("*.db")}
        assert not (set(runs) - left) & files, "their files went as well"
        checks = build_defs(world.settings).resolve_asset_graph().asset_check_keys
        verdicts = instance.event_log_storage.get_asset_check_partition_info(list(checks))
        assert len(verdicts) > 20
        assert prune_dagster(instance, 90, now=later) == 0


def shown(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, int]:
    storage = instance.event_log_storage
    return dict(
        storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    )


def test_the_command_and_the_schedule_prune(world: World) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    done = call(world, "prune")
    assert done.exit_code == 0, done.output
    assert "landing: 0 removed" in done.output
    assert "dagster runs: 0 removed" in done.output
    schedule = build_defs(world.settings).resolve_schedule_def("prune_nightly")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "prune"


def test_logs_of_ticks_go_with_the_days(world: World) -> None:
    with open_instance(world.settings) as instance:
        folder = Path(instance.storage_directory()) / "__repository__" / "notify_of_failed_checks"
        folder.mkdir(parents=True)
        for name in ("99.err", "100.err"):
            (folder / name).touch()
        long_ago = datetime.now(UTC) - timedelta(days=4)
        os.utime(folder / "99.err", (long_ago.timestamp(), long_ago.timestamp()))
        assert prune_ticks(instance) == 1
        assert [one.name for one in folder.iterdir()] == ["100.err"]
        assert prune_ticks(instance, now=datetime.now(UTC) + timedelta(days=4)) == 1
