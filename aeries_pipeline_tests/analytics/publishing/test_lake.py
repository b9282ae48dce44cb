"""The lake holds what the copy holds, district by district, and nothing of what is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.analytics.publishing.lake import Holding, plan_lake
from aeries_pipeline.analytics.publishing.lake_access import (
    CATALOGUE,
    LAKE,
    MARK,
    Lake,
    attached,
    lake_of,
    target_of,
)
from aeries_pipeline.analytics.publishing.publish import NotPublishedError, publish
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.roster import Roster, RosterError, load_roster
from aeries_pipeline.operations.privacy.forget import Wish, forget
from aeries_pipeline.operations.privacy.person import find_person
from aeries_pipeline.operations.privacy.search import search_student
from aeries_pipeline.stores.connection import tables_of
from aeries_pipeline_tests.analytics.publishing.test_by_district import (
    NAMES,
    change,
    county,
    settle,
)
from aeries_pipeline_tests.conftest import World

__all__ = ["county"]

STUDENT, MARKED = 10_000_001, "Aaaamarker"
_PUBLISH = """
import sys
from pathlib import Path
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import Settings
settings = Settings(Path(sys.argv[1]), Path(sys.argv[2]))
publish(settings, load_roster(settings.roster))
"""

_READ = """
import sys
from pathlib import Path
from aeries_pipeline.analytics.publishing.lake_access import attached, lake_of, target_of
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import Settings
settings = Settings(Path(sys.argv[1]), Path(sys.argv[2]))
lake = lake_of(settings, load_roster(settings.roster).publish)
while True:
    ended = Path(sys.argv[3]).exists()
    with attached(lake, target_of(lake), reads=True) as connection:
        print(sorted(connection.execute(
            "SELECT d.district, d.part, (SELECT count(*) FROM lake.raw.students AS s "
            "WHERE s.district = d.district), (SELECT max(finished_at) FROM lake.meta.pulls AS p "
            "WHERE p.district = d.district) FROM lake.meta.lake_districts AS d"
        ).fetchall()))
    if ended:
        break
"""


def roster(world: World, **settled: object) -> Roster:
    """Let the roster ask for a lake."""
    text = world.settings.roster.read_text("utf-8")
    if "ducklake" not in text:
        words = "".join(f"  {name}: {value}\n" for name, value in settled.items())
        world.settings.roster.write_text(f"{text}\npublish:\n  format: ducklake\n{words}", "utf-8")
    return load_roster(world.settings.roster)


def lake(world: World) -> Lake:
    found = lake_of(world.settings, roster(world).publish)
    assert found
    return found


@contextmanager
def opened(world: World) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the lake as an analyst does, for reading, as the current database."""
    with attached(lake(world), target_of(lake(world)), reads=True) as connection:
        connection.execute(f"USE {LAKE}")
        yield connection


def held(connection: duckdb.DuckDBPyConnection, catalog: str, *views: str) -> dict[str, object]:
    """Return count and hash of every table, and of some views, and what views there are."""
    found: dict[str, object] = {}
    tables = [f"{schema}.{quoted(table)}" for schema, table in tables_of(connection, catalog)]
    for name in (*tables, *views):
        if name not in {'meta."published"', 'meta."lake_districts"'}:
            found[name] = connection.execute(
                f"SELECT count(*), coalesce(sum(hash(t::VARCHAR)::HUGEINT), 0) "
                f"FROM {catalog}.{name} AS t"
            ).fetchall()
    found["views"] = connection.execute(
        "SELECT schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal "
        "AND database_name = ? ORDER BY ALL",
        [catalog],
    ).fetchall()
    return found


def is_as_the_copy(world: World, *views: str) -> None:
    with opened(world) as connection:
        path = world.settings.published / "aeries.duckdb"
        connection.execute(f"ATTACH '{path}' AS aeries (READ_ONLY)")
        assert held(connection, LAKE, *views) == held(connection, "aeries", *views)
        ids = [
            connection.execute(f"SELECT publication_id FROM {one}.meta.published").fetchall()
            for one in (LAKE, "aeries")
        ]
        assert ids[0] == ids[1]
        connection.execute("DETACH aeries")


def snapshots(connection: duckdb.DuckDBPyConnection) -> int:
    query = f"SELECT count(*) FROM {CATALOGUE}.ducklake_snapshot"
    return connection.execute(query).fetchall()[0][0]


def files(world: World) -> dict[str, set[str]]:
    """Return the lake's files by the district whose rows they hold; one file has one district's."""
    found: dict[str, set[str]] = {}
    for path in lake(world).data.rglob("*.parquet"):
        with duckdb.connect() as connection:
            columns = [one[0] for one in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()]
            ((name,),) = (
                connection.execute(f"SELECT DISTINCT district FROM '{path}'").fetchall()
                if "district" in columns
                else [("",)]
            )
        found.setdefault(name, set()).add(path.name)
    return found


def test_districts_are_exchanged_one_by_one_and_nothing_else_is_written(county: World) -> None:
    publish(county.settings, roster(county, snapshot_days=0))
    is_as_the_copy(county, "analytics.students_now", "analytics.data_quality")
    before = files(county)
    assert set(before) == {"", *NAMES}
    change(county, "falcon-usd")
    assert publish(county.settings, roster(county)).read == ("falcon-usd",)
    is_as_the_copy(county)
    after = files(county)
    for name in ("eagle-usd", "heron-jusd"):
        assert after[name] == before[name], "the same files, not written again"
    assert not after["falcon-usd"] & before["falcon-usd"], "the former ones have expired"
    place = lake(county)
    modes = {one.stat().st_mode & 0o777 for one in place.data.rglob("*") if one.is_file()}
    assert modes == {0o600}
    assert place.catalog
    assert place.catalog.stat().st_mode & 0o777 == 0o600
    assert {one.name for one in place.catalog.parent.iterdir()} == {place.catalog.name, "data"}
    # What a district no longer shows is gone at once, with the one that left the roster.
    settle(county, NAMES[:2], eagle={"analysts": {"access": "none"}})
    publish(county.settings, roster(county, snapshot_days=7))
    is_as_the_copy(county)
    assert set(files(county)) == {"", "falcon-usd"}
    with opened(county) as connection:
        assert snapshots(connection) == 1


def mark_a_student(world: World) -> None:
    """Let a student of Eagle have the first name, address and number of all."""
    mail = f"{MARKED}@example.org"
    with world.warehouse.open() as connection:
        for table, key, values in (
            ("raw.students", '"StudentID"', {
                "FirstName": MARKED, "StateStudentID": MARKED, "StudentEmailAddress": mail,
                "StudentPersonalEmailAddress": mail, "NetworkLoginID": mail,
            }),
            ("core.accounts", "student_id", {
                "first_name": MARKED, "state_student_id": MARKED, "email": mail,
            }),
        ):  # fmt: skip
            changes = ", ".join(f'"{name}" = ?' for name in values)
            connection.execute(
                f"UPDATE {table} SET {key} = ?, {changes} WHERE {key} = "
                f"(SELECT min({key}) FROM {table})",
                [STUDENT, *values.values()],
            )


def traces(root: Path) -> set[str]:
    return {
        one.suffix
        for one in root.rglob("*")
        if one.is_file() and MARKED.encode() in one.read_bytes()
    }


@pytest.mark.long
def test_who_is_forgotten_is_in_no_file_snapshot_or_statistic(county: World) -> None:
    mark_a_student(county)
    where = lake(county)
    publish(county.settings, roster(county))
    root = where.data.parent
    assert traces(root) == {".parquet", ".ducklake"}
    with county.warehouse.open() as connection:
        person = find_person(connection, "eagle-usd", STUDENT)
    told = search_student(county.settings, person, where).places
    assert "the lake's catalogue: a statistic of students.StudentEmailAddress" in told
    assert "the lake's catalogue: a file's statistic of student_id" in told
    wish = Wish("eagle-usd", "an engineer", "asked for", STUDENT, although_listed=True)
    done = forget(county.settings, roster(county), wish)
    assert done.places == ()
    assert traces(root) == set()
    is_as_the_copy(county)
    with opened(county) as connection:
        assert snapshots(connection) == 1
    # The same numbers of other districts are somebody else's, and a whole district goes as well.
    settle(county, NAMES[1:])
    ended = forget(county.settings, roster(county), Wish("eagle-usd", "an engineer", "it ended"))
    assert ended.places == ()
    assert set(files(county)) == {"", *NAMES[1:]}


@pytest.mark.long
def test_a_killed_publication_leaves_districts_old_or_new_and_a_reader_sees_no_half(
    county: World,
) -> None:
    settled = roster(county)
    publish(county.settings, settled)
    place = lake(county)
    end = county.settings.data / "end"
    words = [sys.executable, "-c", _READ, str(county.settings.roster), str(county.settings.data)]
    reader = subprocess.Popen([*words, str(end)], stdout=subprocess.PIPE, text=True)
    try:
        for name in NAMES[:2]:
            change(county, name)
        known = set(place.data.rglob("*.parquet"))
        words[2] = _PUBLISH
        process = subprocess.Popen(words)
        while set(place.data.rglob("*.parquet")) == known:
            assert process.poll() is None, "it wrote no file"
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        left = set(place.data.rglob("*.parquet")) - known
        assert left, "files that no catalogue names"
        publish(county.settings, settled)
        assert not left & set(place.data.rglob("*.parquet"))
        time.sleep(1)
    finally:
        end.touch()
        told, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    seen = list(dict.fromkeys(told.splitlines()))
    assert len(seen) == 2, "as it was, and as it is"
    is_as_the_copy(county, "analytics.on_track_by_school", "analytics.enrollment_by_day")


def test_what_the_lake_needs_is_said_before_anything_is_made(
    county: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = county.settings.data / "lake" / "data"
    folder.mkdir(parents=True)
    (folder / "thesis.parquet").touch()
    with pytest.raises(NotPublishedError, match="is not empty and holds no lake of this pipeline"):
        publish(county.settings, roster(county))
    assert (folder / "thesis.parquet").exists()
    assert not (folder / MARK).exists()
    monkeypatch.setitem(sys.modules, "duckdb_extension_ducklake", None)
    with pytest.raises(NotPublishedError, match=r"pip install 'aeries-pipeline\[ducklake\]'"):
        publish(county.settings, roster(county))


@pytest.mark.parametrize(
    "line",
    ["catalog: postgres://host/lake?password=word", "catalog: host=db password=word",
     "catalog: 'env:'", "data: s3://bucket/lake", "snapshot_days: -1"],
)  # fmt: skip
def test_a_roster_holds_no_password_and_no_place_that_cannot_be(world: World, line: str) -> None:
    name, _, value = line.partition(": ")
    with pytest.raises(RosterError) as raised:
        roster(world, **{name: value})
    assert "word" not in str(raised.value).replace("password", "")


_holdings = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Holding, *[st.sampled_from("ab")] * 3), max_size=3
)


@given(present=_holdings, wanted=_holdings, whole=st.booleans())
def test_a_plan_ends_with_what_is_wanted_and_hides_what_is_not(
    present: dict[str, Holding], wanted: dict[str, Holding], whole: bool
) -> None:
    plan = plan_lake(present, wanted, whole=whole)
    after = {} if plan.is_whole else dict(present)
    after |= {name: wanted[name] for name in plan.make}
    assert after == wanted
    if not plan.is_whole:
        assert not whole
        assert all(present.get(name) != wanted[name] for name in plan.make)
        assert all(one.settings == wanted[name].settings for name, one in present.items())
