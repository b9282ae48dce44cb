"""Backups, and a warehouse of the previous release."""

import gzip
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.stores.backup import (
    BackupError,
    announce,
    backups,
    check_backup,
    inspect,
    restore,
    settle,
    take_backup,
)
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.restore_many import newest_of
from aeries_pipeline.stores.versions import SCHEMA_VERSION
from aeries_pipeline_tests.analytics.publishing.test_publish import pull_all
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call
from aeries_pipeline_tests.stores.several import copy_district

RELEASE = Path(__file__).with_name("release-0.1.0.duckdb.gz")
"""A district of two schools after two nights and a file of requests, by release 0.1."""


@pytest.fixture
def older(tmp_path: Path) -> Warehouse:
    path = tmp_path / "data" / "warehouse.duckdb"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(RELEASE.read_bytes()))
    return Warehouse(path)


def everything(path: Path) -> dict[str, int]:
    return inspect(path)[1]


def test_a_backup_is_the_warehouse_and_can_be_put_back(world: World) -> None:
    pull_all(world)
    made = take_backup(world.warehouse, world.settings.backups)
    assert made.schema_version == SCHEMA_VERSION
    assert made.tables == everything(world.warehouse.path)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
    with world.warehouse.open() as connection:
        connection.execute("DELETE FROM raw.students")
    before = restore(world.warehouse, made.path)
    assert everything(world.warehouse.path) == made.tables
    assert everything(before)["raw.students"] == 0, "what was there is a backup now"
    assert before in backups(world.settings.backups)
    world.site.advance(1)
    pull_all(world)


def test_a_backup_that_was_changed_or_damaged_is_not_restored(world: World) -> None:
    pull_all(world)
    made = take_backup(world.warehouse, world.settings.backups)
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[: len(whole) // 2])
    now = everything(world.warehouse.path)
    with pytest.raises(BackupError, match="is not what its manifest says"):
        restore(world.warehouse, made.path)
    made.path.with_suffix(".json").unlink()
    with pytest.raises(BackupError, match="cannot be read as a database"):
        restore(world.warehouse, made.path)
    with pytest.raises(BackupError, match="there is no backup"):
        restore(world.warehouse, made.path.with_name("lost.duckdb"))
    assert everything(world.warehouse.path) == now


def test_a_backup_that_is_being_rewritten_is_good_at_every_moment(world: World) -> None:
    pull_all(world)
    path = take_backup(world.warehouse, world.store.backups / "eagle-usd").path
    old = path.read_bytes()
    fresh = path.with_name("fresh.duckdb")
    fresh.write_bytes(old)
    with duckdb.connect(str(fresh)) as connection:
        connection.execute("DELETE FROM raw.gpas")
    # Killed before the new file is in its place, and after it.
    announce(path, fresh)
    assert check_backup(path).tables["raw.gpas"] > 0
    fresh.replace(path)
    assert check_backup(path).tables["raw.gpas"] == 0
    settle(path)
    assert check_backup(path).tables["raw.gpas"] == 0
    path.write_bytes(old)
    with pytest.raises(BackupError, match="not what its manifest says"):
        check_backup(path)


def test_the_commands_back_up_list_and_restore(world: World) -> None:
    nothing = call(world, "backup")
    assert nothing.exit_code == 1
    assert "nothing to back up" in nothing.output
    pull_all(world)
    world.store.ledger.rows("SELECT 1")
    taken = call(world, "backup")
    assert taken.exit_code == 0
    assert "read from end to end" in taken.output
    path = newest_of(world.settings.backups, "eagle-usd")
    shown = call(world, "backup", "--list").output
    assert "eagle-usd" in shown
    assert f"eagle-usd/{path.name}: eagle-usd, taken " in shown
    (ledger,) = world.settings.backups.glob("ledger-*.duckdb")
    assert f"{ledger.name}: ledger, taken " in shown
    assert (
        "there is no backup of falcon-usd" in call(world, "backup", "--list", "falcon-usd").output
    )
    damaged = path.with_name("warehouse-replaced-20260101T000000Z.duckdb")
    damaged.write_bytes(b"x" * 8192)
    listed = call(world, "backup", "--list")
    assert listed.exit_code == 0, listed.output
    assert f"eagle-usd/{damaged.name}: {damaged.name} cannot be read as a database" in listed.output
    assert f"eagle-usd/{path.name}: eagle-usd, taken " in listed.output
    damaged.unlink()
    assert call(world, "backup", "falcon-usd").exit_code == 1
    assert call(world, "backup", "eagle-usd", "--to", "elsewhere").exit_code == 0
    assert newest_of(Path("elsewhere"), "eagle-usd").exists()
    with world.warehouse.open() as connection:
        connection.execute("DELETE FROM raw.students")
    seen = call(world, "restore", "--newest", "--rehearse")
    assert seen.exit_code == 0, seen.output
    assert "nothing was changed" in seen.output
    assert "raw.students" in seen.output
    assert world.warehouse.rows("SELECT count(*) FROM raw.students") == [(0,)]
    export = world.settings.out / "eagle-usd" / "sss" / "994" / "29990101T000000Z"
    export.mkdir(parents=True)
    (export / "manifest.json").write_text("{}", encoding="utf-8")
    back = call(world, "restore", f"eagle-usd/{path.name}")
    assert back.exit_code == 0, back.output
    assert "eagle-usd: the warehouse is as it was" in back.output
    assert "Next: aeries-pipeline sync eagle-usd, aeries-pipeline publish" in back.output
    assert world.warehouse.rows("SELECT count(*) > 0 FROM raw.students") == [(True,)]
    assert "eagle-usd, school 994: 1 export of course requests is newer" in back.output
    assert call(world, "restore", "lost.duckdb").exit_code == 1
    assert call(world, "restore", str(path), "--district", "falcon-usd").exit_code == 1
    assert call(world, "restore").exit_code == 2
    newest = call(world, "restore", "--newest", "--district", "eagle-usd", "--from", "elsewhere")
    assert newest.exit_code == 0, newest.output


def test_a_query_asks_one_district_or_all(world: World) -> None:
    nothing = call(world, "sql", "SELECT 1")
    assert nothing.exit_code == 1
    assert "pull a district first" in nothing.output
    pull_all(world)
    copy_district(world.store, "eagle-usd", "falcon-usd")
    query = "SELECT district, count(*) FROM raw.schools GROUP BY ALL ORDER BY ALL"
    assert call(world, "sql", query).output.split()[1:] == ["eagle-usd,8", "falcon-usd,8"]
    one = call(world, "sql", "--district", "falcon-usd", query)
    assert one.output.split()[1:] == ["falcon-usd,8"]
    views = "SELECT DISTINCT district FROM analytics.students_now ORDER BY 1"
    assert call(world, "sql", views).output.split()[1:] == ["eagle-usd", "falcon-usd"]
    wrong = call(world, "sql", "--district", "eagle", "SELECT 1")
    assert wrong.exit_code == 1
    assert "eagle: there is no warehouse of this district yet" in wrong.output
    call(world, "sql", "DROP TABLE raw.students")
    call(world, "sql", "DELETE FROM district_0.raw.students")
    assert world.warehouse.rows("SELECT count(*) > 0 FROM raw.students") == [(True,)]
    call(world, "publish")
    own = call(world, "sql", "--published", "--district", "eagle-usd", views)
    assert own.output.split()[1:] == ["eagle-usd"]


def test_the_previous_releases_warehouse_is_upgraded_and_nothing_is_lost(
    older: Warehouse, world: World
) -> None:
    before = everything(older.path)
    assert inspect(older.path)[0] == 1
    views = older.rows("SELECT count(*) FROM core.accounts")
    version, after = inspect(older.path)
    assert version == SCHEMA_VERSION
    assert views == [(before["core.accounts"],)]
    assert {name: after[name] for name in before} == before
    (kept,) = backups(older.path.parent / "backups")
    assert kept.name == "warehouse-schema-1.duckdb"
    assert everything(kept) == before


def test_an_upgraded_warehouse_is_pulled_computed_and_published(
    older: Warehouse, world: World
) -> None:
    assert older.path == world.settings.data / "warehouse.duckdb"
    own = world.warehouse
    assert not older.path.exists(), "it was split into a file for each district"
    assert world.store.districts() == ["eagle-usd"]
    world.write_roster(schools=[993, 994])
    changes = own.rows("SELECT count(*) FROM core.account_changes")[0][0]
    # Columns that a newer release adds are no change of what was there.
    names = ", ".join(
        f'"{name}"'
        for (name,) in own.rows(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'core' "
            "AND table_name = 'course_requests' ORDER BY column_index"
        )
    )
    held = f"SELECT count(*), sum(hash({names})::HUGEINT) FROM core.course_requests"
    requests = own.rows(held)
    done = publish(world.settings, load_roster(world.settings.roster))
    assert done.rows["core.account_changes"] == changes
    assert done.rows["analytics.students_now"] > 0
    computed = compute(own, world.district)
    assert not computed.applied, "the same evidence changes nothing after an upgrade"
    assert own.rows("SELECT count(*) FROM core.account_changes") == [(changes,)]
    assert own.rows("SELECT sum(students) FROM core.enrollment_counts")[0][0] > 0
    assert own.rows(held) == requests
    columns = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'pulls' AND schema_name"
    assert ("answers",) in own.rows(f"{columns} = 'meta'")


def test_a_warehouse_without_the_ledgers_newer_columns_gets_them(world: World) -> None:
    pull_all(world)
    with world.warehouse.open() as connection:
        connection.execute("DROP TABLE meta.schema_version")
        connection.execute("ALTER TABLE meta.pulls DROP COLUMN answers")
        connection.execute("ALTER TABLE core.account_changes DROP COLUMN decided_by")
    rows = world.warehouse.rows("SELECT count(*) FROM meta.pulls WHERE answers IS NULL")
    assert rows[0][0] > 0
    compute(world.warehouse, world.district)
    world.warehouse.rows("SELECT decided_by FROM core.account_changes_now")


def test_a_raw_table_without_the_catalogues_newer_fields_is_published_with_them_empty(
    world: World,
) -> None:
    pull_all(world)
    with world.warehouse.open() as connection:
        for column in ('"NextGrade"', '"LanguageFluencyCode"'):
            connection.execute(f"ALTER TABLE raw.students DROP COLUMN {column}")
    done = publish(world.settings, load_roster(world.settings.roster))
    assert done.rows["analytics.students_now"] > 0
    query = "SELECT count(next_grade) FROM analytics.students_now"
    shown = call(world, "sql", "--district", "eagle-usd", query)
    assert int(shown.output.split()[-1]) == 0
    session_again = call(world, "sync", "eagle-usd", "--full")
    assert session_again.exit_code == 0
    shown = call(world, "sql", "--district", "eagle-usd", query)
    assert int(shown.output.split()[-1]) > 0


def test_a_newer_releases_warehouse_is_left_alone(world: World) -> None:
    pull_all(world)
    with world.warehouse.open() as connection:
        connection.execute("INSERT INTO meta.schema_version VALUES (99, now()::TIMESTAMP)")
    before = world.warehouse.path.read_bytes()
    with pytest.raises(WarehouseUnusableError, match="was written by a newer release"):
        world.warehouse.rows("SELECT 1")
    assert world.warehouse.path.read_bytes() == before
    shown = call(world, "sql", "SELECT 1")
    assert shown.exit_code == 1
    assert "install that release, or restore a backup" in shown.output


def test_a_damaged_file_is_a_sentence(world: World) -> None:
    pull_all(world)
    content = bytearray(world.warehouse.path.read_bytes())
    content[:4096] = b"x" * 4096
    world.warehouse.path.write_bytes(content)
    with pytest.raises(WarehouseUnusableError, match="it is damaged"):
        world.warehouse.rows("SELECT 1")


def test_each_damaged_file_names_its_own_way_back(world: World) -> None:
    pull_all(world)
    world.store.ledger.rows("SELECT 1")
    assert call(world, "backup").exit_code == 0
    store = world.store
    # A warehouse of release 0.1 that is damaged is not split, and does not stand in the way.
    single = world.settings.data / "warehouse.duckdb"
    single.write_bytes(b"x" * 8192)
    for command in (["status"], ["restore", "--newest"]):
        told = call(world, *command)
        assert told.exit_code == 1, told.output
        assert "move it out of the data directory, then put its newest backup back" in told.output
    single.unlink()
    for path, remedy in (
        (store.path("eagle-usd"), "aeries-pipeline restore --newest --district eagle-usd"),
        (store.ledger.path, "aeries-pipeline restore ledger-..."),
    ):
        whole = path.read_bytes()
        path.write_bytes(b"x" * 8192)
        owner = store.ledger if path == store.ledger.path else store.warehouse("eagle-usd")
        with pytest.raises(WarehouseUnusableError) as caught:
            owner.rows("SELECT 1")
        assert remedy in str(caught.value)
        path.write_bytes(whole)
    store.path("eagle-usd").write_bytes(b"x" * 8192)
    assert "0 %" in call(world, "status").output
    assert call(world, "restore", "--newest", "--district", "eagle-usd").exit_code == 0
    assert call(world, "sql", "SELECT 1").exit_code == 0
