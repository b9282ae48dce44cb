"""Publishing reads the districts that have changed, and ends with the same as reading all."""

import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.publishing.copy import Copy, Held, plan_of, read_copy
from aeries_pipeline.analytics.publishing.due import read_state
from aeries_pipeline.analytics.publishing.publish import Published, publish
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.backup import restore, take_backup
from aeries_pipeline.stores.connection import tables_of
from aeries_pipeline_tests.analytics.publishing.test_publish import rows
from aeries_pipeline_tests.breadth import many
from aeries_pipeline_tests.conftest import MakeWorld, World, roster_entry, write_roster
from aeries_pipeline_tests.stores.several import copy_district

NAMES = ("eagle-usd", "falcon-usd", "heron-jusd")
NOON = datetime(2026, 11, 25, 12)


@pytest.fixture
def county(make_world: MakeWorld) -> World:
    """Three districts with the same rows."""
    world = make_world(schools=2, students=60)
    with world.session() as session:
        for name in ("schools", "students", "gpas", "courses"):
            pull_resource(session, RESOURCES[name], world.schools)
    compute(world.warehouse, world.district)
    for name in NAMES[1:]:
        copy_district(world.store, "eagle-usd", name)
    settle(world)
    return world


def settle(world: World, names: tuple[str, ...] = NAMES, **changes: dict[str, Any]) -> None:
    entries = [
        roster_entry(world.url, world.schools, id=name, **changes.get(name[:5], {}))
        for name in names
    ]
    write_roster(world.settings.roster, entries)


def roster(world: World) -> Roster:
    return load_roster(world.settings.roster)


def change(world: World, name: str) -> None:
    """Let a district have one student fewer, by a pull of its own."""
    with world.store.warehouse(name).open() as connection:
        connection.execute(
            'DELETE FROM raw.students WHERE "StudentID" = '
            '(SELECT min("StudentID") FROM raw.students)'
        )
        connection.execute(
            "INSERT INTO meta.pulls BY NAME SELECT * REPLACE (finished_at + INTERVAL 1 MINUTE "
            "AS finished_at) FROM meta.pulls ORDER BY finished_at DESC LIMIT 1"
        )


def contents(path: Path) -> dict[str, tuple[int, int]]:
    """Return count and hash of every table and view of a copy, whatever their order."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS it (READ_ONLY)")
        connection.execute("USE it")
        names = [f"{schema}.{quoted(table)}" for schema, table in tables_of(connection, "it")]
        views = connection.execute(
            "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal "
            "AND database_name = 'it'"
        ).fetchall()
        for name in [*names, *(one for (one,) in views)]:
            if name not in {'meta."published"', "meta.published"}:
                found[name] = connection.execute(
                    f"SELECT count(*), coalesce(sum(hash(t::VARCHAR)::HUGEINT), 0) FROM {name} AS t"
                ).fetchall()[0]
    return found


def from_nothing(world: World) -> dict[str, tuple[int, int]]:
    """Return what a copy holds that was made without any before it."""
    kept = world.settings.published.with_name("kept")
    world.settings.published.rename(kept)
    try:
        return contents(publish(world.settings, roster(world)).database)
    finally:
        shutil.rmtree(world.settings.published)
        kept.rename(world.settings.published)


def files_of(done: Published, name: str) -> dict[str, int]:
    """Return the Parquet files of a district with their inodes, by table."""
    return {one.parent.name: one.stat().st_ino for one in done.parquet.glob(f"*/{name}.parquet")}


def test_what_has_not_changed_is_not_read(county: World) -> None:
    first = publish(county.settings, roster(county))
    assert first.read == NAMES
    before = {name: files_of(first, name) for name in NAMES}
    parts = {name: (county.settings.published / "districts" / f"{name}.duckdb").stat().st_mtime_ns
             for name in NAMES}  # fmt: skip
    change(county, "falcon-usd")
    second = publish(county.settings, roster(county))
    assert second.read == ("falcon-usd",)
    for name in ("eagle-usd", "heron-jusd"):
        assert files_of(second, name) == before[name], "the same files, not written again"
        part = county.settings.published / "districts" / f"{name}.duckdb"
        assert part.stat().st_mtime_ns == parts[name]
    assert not set(files_of(second, "falcon-usd").values()) & set(before["falcon-usd"].values())
    assert contents(second.database) == from_nothing(county)
    assert second.rows["raw.students"] == first.rows["raw.students"] - 1
    assert publish(county.settings, roster(county)).read == ()


def test_a_districts_own_file_holds_that_district_alone(county: World) -> None:
    done = publish(county.settings, roster(county))
    own = done.database.parent / "districts" / "heron-jusd.duckdb"
    assert rows(own, "SELECT DISTINCT district FROM raw.students") == [("heron-jusd",)]
    query = "SELECT count(*) FROM analytics.students_now WHERE district = 'heron-jusd'"
    assert rows(own, query) == rows(done.database, query) != [(0,)]
    everywhere = [count for name, (count, _sum) in contents(own).items() if "falcon" in name]
    assert everywhere == []


def test_what_analysts_may_no_longer_see_is_in_no_page_of_any_file(county: World) -> None:
    with county.store.warehouse("heron-jusd").open() as connection:
        connection.execute("UPDATE raw.students SET \"LastName\" = 'Zzyzxmarker'")
    first = publish(county.settings, roster(county))
    assert b"Zzyzxmarker" in first.database.read_bytes(), "the search itself works"
    settle(county, heron={"analysts": {"access": "counts"}})
    done = publish(county.settings, roster(county))
    assert done.read == ("heron-jusd",)
    files = [one for one in done.database.parent.rglob("*") if one.is_file()]
    assert [one for one in files if b"Zzyzxmarker" in one.read_bytes()] == []
    settle(county, NAMES[:2])
    done = publish(county.settings, roster(county))
    assert rows(done.database, "SELECT DISTINCT district FROM raw.students ORDER BY 1") == [
        ("eagle-usd",), ("falcon-usd",),
    ]  # fmt: skip
    assert not (done.database.parent / "districts" / "heron-jusd.duckdb").exists()
    assert contents(done.database) == from_nothing(county)


def test_a_warehouse_that_cannot_be_read_keeps_nobody_elses_rows_back(county: World) -> None:
    publish(county.settings, roster(county))
    for name in NAMES:
        change(county, name)
    whole = county.store.path("falcon-usd").read_bytes()
    county.store.path("falcon-usd").write_bytes(b"x" * 4096 + whole[4096:])
    done = publish(county.settings, roster(county))
    assert [*done.left] == ["falcon-usd"]
    assert "falcon-usd.duckdb cannot be used" in done.left["falcon-usd"]
    counts = dict(rows(done.database, "SELECT district, count(*) FROM raw.students GROUP BY 1"))
    assert counts["falcon-usd"] == counts["eagle-usd"] + 1 == counts["heron-jusd"] + 1
    # Reading every district anew takes nothing out of the copy that cannot be read.
    forced = publish(county.settings, roster(county), again=True)
    assert [*forced.left] == ["falcon-usd"]
    assert set(forced.read) == set(NAMES)
    assert dict(
        rows(forced.database, "SELECT district, count(*) FROM raw.students GROUP BY 1")
    ) == (counts)
    county.store.path("falcon-usd").write_bytes(whole)
    again = publish(county.settings, roster(county))
    assert again.read == ("falcon-usd",)
    assert again.left == {}
    assert contents(again.database) == from_nothing(county)


def test_a_copy_is_behind_until_every_district_is_in_it(county: World) -> None:
    publish(county.settings, roster(county))
    published = county.settings.published
    assert read_state(county.store, read_copy(published)).is_published
    made = take_backup(county.store.warehouse("eagle-usd"), county.store.backups / "eagle-usd")
    change(county, "eagle-usd")
    assert not read_state(county.store, read_copy(published)).is_published
    publish(county.settings, roster(county))
    assert read_state(county.store, read_copy(published)).is_published
    restore(county.store.warehouse("eagle-usd"), made.path)
    state = read_state(county.store, read_copy(published))
    assert not state.is_published, "a backup is older, and other than the copy"
    done = publish(county.settings, roster(county))
    assert done.read == ("eagle-usd",)
    assert contents(done.database) == from_nothing(county)
    county.store.remove("heron-jusd")
    assert not read_state(county.store, read_copy(published)).is_published
    publish(county.settings, roster(county))
    assert read_state(county.store, read_copy(published)).is_published
    copy_district(county.store, "eagle-usd", "heron-jusd")
    assert not read_state(county.store, read_copy(published)).is_published
    assert publish(county.settings, roster(county)).read == ("heron-jusd",)


def test_a_copy_that_somebody_wrote_to_or_whose_note_is_lost_is_made_anew(county: World) -> None:
    done = publish(county.settings, roster(county))
    with duckdb.connect(str(done.database)) as connection:
        connection.execute("DELETE FROM raw.students")
    change(county, "eagle-usd")
    again = publish(county.settings, roster(county))
    assert again.read == ("eagle-usd",)
    assert contents(again.database) == from_nothing(county)
    lost = again.parquet / "raw.students.parquet" / "heron-jusd.parquet"
    lost.unlink()
    third = publish(county.settings, roster(county))
    assert third.read == ("heron-jusd",), "a Parquet file that is gone is written anew"
    assert (third.parquet / "raw.students.parquet" / "heron-jusd.parquet").exists()
    (county.settings.published / ".copy.json").write_text("{}", encoding="utf-8")
    assert publish(county.settings, roster(county)).read == NAMES


@pytest.mark.long
def test_many_nights_of_changes_end_with_what_reading_all_would(county: World) -> None:
    rng = random.Random(11)
    for _ in range(many(5, wide=12)):
        for name in rng.sample(NAMES, rng.randint(0, 3)):
            change(county, name)
        if rng.random() < 0.3:
            access = rng.choice(["rows", "counts", "none"])
            settle(county, falco={"analysts": {"access": access}})
        done = publish(county.settings, roster(county))
        assert contents(done.database) == from_nothing(county)


held = st.builds(
    Held,
    st.none() | st.integers(0, 3).map(lambda one: NOON + timedelta(hours=one)),
    st.sampled_from(["rows", "counts"]),
    st.sampled_from([{}, {"raw.students": 3}]),
)
letters = st.sampled_from("abcde")
moments = st.integers(0, 3).map(lambda one: NOON + timedelta(hours=one))


@given(
    st.dictionaries(letters, held),
    st.dictionaries(letters, st.sampled_from(["rows", "counts"])),
    st.dictionaries(letters, moments),
    st.sets(letters),
    st.booleans(),
)
def test_a_plan_keeps_nothing_that_is_not_as_it_should_be(
    before: dict[str, Held],
    wanted: dict[str, str],
    changed: dict[str, datetime],
    sound: set[str],
    is_intact: bool,
) -> None:
    copy = Copy("1", NOON, districts=before)
    plan = plan_of(copy, wanted, changed, is_intact=is_intact, sound=frozenset(sound & set(before)))
    assert {*plan.make, *plan.keep} == set(wanted)
    assert not set(plan.make) & set(plan.keep)
    assert set(plan.drop) == set(before) - set(wanted)
    for one in plan.keep:
        assert one in sound
        assert before[one].settings == wanted[one]
        assert one not in changed or before[one].until == changed[one]
    narrowed = [one for one in wanted if one in before and before[one].settings != wanted[one]]
    assert plan.is_whole or (is_intact and not plan.drop and not narrowed)
    assert plan.hides == bool(plan.drop or narrowed)
