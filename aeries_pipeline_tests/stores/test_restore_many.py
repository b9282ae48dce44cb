"""Backups of many districts: taken, rehearsed, put back, and one of all from before 0.2."""

import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest

from aeries_pipeline.stores.across import Question, ask_each
from aeries_pipeline.stores.backup import BackupError, backups, inspect, thin_out
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.restore_many import (
    newest_of,
    rehearse,
    restore_file,
    take_backups,
    without_recent,
)
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.stores.several import copy_district, join_files
from aeries_pipeline_tests.stores.test_store import RELEASE, sums

NAMES = ["eagle-usd", "falcon-usd"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path)
    found.folder.mkdir(parents=True)
    found.path("eagle-usd").write_bytes(gzip.decompress(RELEASE.read_bytes()))
    # Brought up to date before anything is compared.
    found.warehouse("eagle-usd").rows("SELECT 1")
    copy_district(found, "eagle-usd", "falcon-usd")
    found.ledger.rows("SELECT 1")
    return found


def lose(store: Store, name: str) -> None:
    with store.warehouse(name).open() as connection:
        connection.execute("DELETE FROM raw.students")


def test_each_district_and_the_ledger_is_backed_up_by_itself(store: Store) -> None:
    taken = dict(take_backups(store, store.backups))
    assert [*taken] == [*NAMES, ""]
    assert [taken[name].path.parent.name for name in NAMES] == NAMES
    assert taken[""].path.name.startswith("ledger-")
    assert [one for one in backups(store.backups) if "schema" not in one.name] == sorted(
        one.path for one in taken.values()
    )
    assert [*dict(take_backups(store, store.backups / "x", ["falcon-usd"]))] == ["falcon-usd"]
    with pytest.raises(BackupError, match="nothing to back up"):
        list(take_backups(Store(store.folder / "none"), store.backups))


def test_what_has_not_changed_is_not_backed_up_again(store: Store) -> None:
    dict(take_backups(store, store.backups))
    assert [*dict(take_backups(store, store.backups, NAMES, only_changed=True))] == []
    lose(store, "falcon-usd")
    later = now() + timedelta(days=9)
    assert [*without_recent(store, store.backups, [*NAMES, "gull-usd"], later)] == ["falcon-usd"]
    assert without_recent(store, store.backups, NAMES, now() - timedelta(days=1)) == {}
    assert [*dict(take_backups(store, store.backups, NAMES, only_changed=True))] == ["falcon-usd"]
    assert without_recent(store, store.backups, NAMES, later) == {}
    assert without_recent(store, store.backups / "x", NAMES, later) == dict.fromkeys(NAMES)


def test_a_district_is_put_back_and_the_others_are_as_they_were(store: Store) -> None:
    before = {name: sums(store.path(name)) for name in NAMES}
    dict(take_backups(store, store.backups))
    for name in NAMES:
        lose(store, name)
    lost = sums(store.path("falcon-usd"))
    path = newest_of(store.backups, "eagle-usd")
    (seen,) = rehearse(store, path)
    assert seen.tables["raw.students"] > 0 == seen.present["raw.students"]
    assert sums(store.path("eagle-usd")) != before["eagle-usd"], "a rehearsal changes nothing"
    (back,) = restore_file(store, path)
    assert back.district == "eagle-usd"
    assert back.before is not None
    assert back.before.parent.name == "eagle-usd"
    assert sums(store.path("eagle-usd")) == before["eagle-usd"]
    assert sums(store.path("falcon-usd")) == lost
    with pytest.raises(BackupError, match="holds nothing of this district but of eagle-usd"):
        restore_file(store, path, "falcon-usd")
    with pytest.raises(BackupError, match="gull-usd: there is no backup of this district"):
        newest_of(store.backups, "gull-usd")
    assert [one for one in store.folder.iterdir() if one.name.startswith(".rest")] == []


def test_a_backup_of_all_from_before_is_taken_apart(store: Store, tmp_path: Path) -> None:
    before = {name: sums(store.path(name)) for name in NAMES}
    whole = Store(tmp_path / "old")
    whole.folder.mkdir(parents=True)
    for name in NAMES:
        with store.warehouse(name).locked():
            whole.path(name).write_bytes(store.path(name).read_bytes())
    join_files(whole, "eagle-usd")
    old = store.backups / "warehouse-20260101T000000Z.duckdb"
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(whole.path("eagle-usd").read_bytes())
    for name in NAMES:
        lose(store, name)
    assert [one.district for one in rehearse(store, old)] == NAMES
    assert [one.district for one in restore_file(store, old, "falcon-usd")] == ["falcon-usd"]
    assert sums(store.path("falcon-usd")) == before["falcon-usd"]
    assert inspect(store.path("eagle-usd"))[1]["raw.students"] == 0
    assert [one.district for one in restore_file(store, old)] == NAMES
    for name in NAMES:
        assert sums(store.path(name)) == before[name]


def test_the_ledger_is_put_back(store: Store) -> None:
    dict(take_backups(store, store.backups))
    with store.ledger.open() as connection:
        connection.execute("CREATE TABLE meta.later (a INTEGER)")
    (path,) = store.backups.glob("ledger-*.duckdb")
    (back,) = restore_file(store, path)
    assert back.district == ""
    assert not store.ledger.has_table("meta", "later")


def test_a_damaged_backup_is_not_put_back_and_a_damaged_warehouse_can_be(store: Store) -> None:
    before = sums(store.path("eagle-usd"))
    dict(take_backups(store, store.backups))
    store.path("eagle-usd").write_bytes(b"x" * 9000)
    path = newest_of(store.backups, "eagle-usd")
    (seen,) = rehearse(store, path)
    assert seen.present == {}
    restore_file(store, path)
    assert sums(store.path("eagle-usd")) == before
    path.write_bytes(path.read_bytes()[:9000])
    for act in (rehearse, restore_file):
        with pytest.raises(BackupError, match="is not what its manifest says"):
            act(store, path)
    assert sums(store.path("eagle-usd")) == before


def test_the_newest_stay_whatever_they_are_called(store: Store) -> None:
    dict(take_backups(store, store.backups))
    folder = store.backups / "eagle-usd"
    newest = newest_of(store.backups, "eagle-usd")
    # Copies from before an upgrade and from before a restore sort behind those of every day.
    for day, name in enumerate(("before-split", "replaced-1", "replaced-2", "schema-4")):
        old = folder / f"warehouse-{name}.duckdb"
        old.write_bytes(newest.read_bytes())
        os.utime(old, (day * 86400, day * 86400))
    assert thin_out(store.backups, 2) == 4
    assert sorted(folder.glob("*.duckdb")) == sorted([newest, folder / "warehouse-schema-1.duckdb"])
    assert thin_out(store.backups, 2) == 0
    assert newest_of(store.backups, "falcon-usd").exists()
    assert [*store.backups.glob("ledger-*.duckdb")]


def test_the_ledger_that_was_replaced_is_a_ledger_and_no_warehouse(store: Store) -> None:
    ask_each(store, Question("x", lambda _connection, name: name))
    (made,) = [one for name, one in take_backups(store, store.backups) if not name]
    (back,) = restore_file(store, made.path)
    assert back.before is not None
    assert back.before.name.startswith("ledger-replaced-")
    held = {name: sums(store.path(name)) for name in NAMES}
    assert [one.district for one in restore_file(store, back.before)] == [""]
    assert {name: sums(store.path(name)) for name in NAMES} == held
    # Whatever it is called, a ledger is nobody's warehouse, although it has answers of each.
    astray = made.path.with_name("warehouse-astray.duckdb")
    astray.write_bytes(made.path.read_bytes())
    with pytest.raises(BackupError, match="holds rows of no district"):
        restore_file(store, astray)
    assert {name: sums(store.path(name)) for name in NAMES} == held
