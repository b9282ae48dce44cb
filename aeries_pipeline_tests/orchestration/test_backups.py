"""The asset that backs warehouses up daily, its check, and the sensor that looks after it."""

from datetime import timedelta

import dagster as dg

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.backups import BACKUPS, recent
from aeries_pipeline.stores.backup import backups
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.conftest import World, roster_entry, write_roster


def settle(world: World, **said: object) -> None:
    entry = roster_entry(world.url, world.schools)
    write_roster(world.settings.roster, [entry], backups=said, retention={"backups_keep": 2})


def run(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build_defs(world.settings).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=[BACKUPS], instance=instance)


def pull(world: World) -> None:
    with world.session() as session:
        pull_resource(session, RESOURCES["schools"], world.schools)


def test_warehouses_that_changed_are_backed_up_and_old_ones_go(world: World) -> None:
    settle(world, daily=True, oldest_days=1)
    pull(world)
    roster = load_roster(world.settings.roster)
    assert not recent(world.settings, roster, now()).passed, "never backed up"
    assert "eagle-usd (never)" in recent(world.settings, roster, now()).text
    with dg.DagsterInstance.ephemeral() as instance:
        for night in range(4):
            if night:
                pull(world)
            result = run(world, instance)
            assert result.success
            (done,) = result.asset_materializations_for_node("meta__backups")
            assert done.metadata["backed_up_now"].value == 1
            (check,) = result.get_asset_check_evaluations()
            assert check.passed
        (again,) = run(world, instance).asset_materializations_for_node("meta__backups")
    assert again.metadata["backed_up_now"].value == 0
    assert len(backups(world.settings.backups)) == 2
    later = now() + timedelta(days=30)
    assert recent(world.settings, roster, later).passed, "nothing has changed since"
    pull(world)
    told = recent(world.settings, roster, later)
    assert not told.passed
    assert "the newest backup of 1 district is older than 1 day: eagle-usd (" in told.text


def test_a_folder_elsewhere_and_no_daily_backups(world: World) -> None:
    elsewhere = world.settings.data.with_name("elsewhere")
    settle(world, folder=str(elsewhere))
    pull(world)
    roster = load_roster(world.settings.roster)
    assert recent(world.settings, roster, now()).text == "the roster asks for no daily backups"
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(world, instance).success
    assert [one.parent.name for one in backups(elsewhere)] == ["eagle-usd"]
    assert backups(world.settings.backups) == []


def test_a_warehouse_that_cannot_be_read_keeps_no_other_from_its_backup(world: World) -> None:
    settle(world, daily=True)
    pull(world)
    world.store.path("falcon-usd").write_bytes(b"x" * 9000)
    with dg.DagsterInstance.ephemeral() as instance:
        (done,) = run(world, instance).asset_materializations_for_node("meta__backups")
    assert done.metadata["could_not_be_backed_up"].value == 1
    assert done.metadata["backed_up_now"].value == 1
