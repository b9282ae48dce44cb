"""Nights that read only what changed leave the same tables as a whole pull."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Covers, Grain
from aeries_pipeline.emulator.days import touch
from aeries_pipeline.emulator.district import Row
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.ingest.checks import FEED, Answer, answers
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.ledger import last_good
from aeries_pipeline.stores.outcomes import Loaded, Mode
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.conftest import CERTIFICATE, FAST, World

EAGER = {"whole": [], "kilobytes_per_request": 0.001, "full_every_days": 30.0}
"""Whatever has a feed is read by it."""
FED = [name for name, one in RESOURCES.items() if one.feed]
TABLES = {table.name: table for one in RESOURCES.values() for table in one.tables}


@contextmanager
def a_world(students: int = 150, **incremental: Any) -> Iterator[World]:
    """Serve a district from a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Shape(seed=5, schools=2, students=students), certificate=CERTIFICATE)
        emulator = Emulator({"eagle-usd": site})
        with serving(emulator) as url:
            paths = Settings(Path(folder) / "districts.yaml", Path(folder) / "data")
            world = World(emulator, site, url, paths)
            world.write_roster(incremental={**EAGER, **incremental})
            yield world
            world.close()


def night(world: World, *names: str, full: bool = False, data: Path | None = None) -> list[Loaded]:
    """Pull everything a day later; into a warehouse of its own where one is named."""
    world.site.clock_offset += 86_400
    if data is not None:
        world = replace(world, settings=Settings(world.settings.roster, data), open_sessions=[])
    found: list[Loaded] = []
    with world.session(replace(FAST, full=full)) as session:
        for name in names or RESOURCES:
            found += pull_resource(session, RESOURCES[name], world.schools)
    return found


def _tables(*names: str) -> list[str]:
    return [table.name for name in names for table in RESOURCES[name].tables]


def contents(warehouse: Warehouse, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of raw tables, apart from the pull that brought them."""
    found = {}
    for name in names or TABLES:
        columns = ", ".join(f'"{field.name}"' for field in TABLES[name].stored)
        rows = warehouse.rows(f'SELECT district, school, _extra, {columns} FROM raw."{name}"')
        found[name] = sorted(rows, key=repr)
    return found


def as_if_new(world: World, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a whole pull into an empty warehouse gives at the same moment."""
    with tempfile.TemporaryDirectory() as folder:
        night(world, *names, data=Path(folder))
        return contents(Store(Path(folder)).warehouse("eagle-usd"), *_tables(*names))


def how(found: list[Loaded], name: str) -> set[Mode]:
    return {one.pull.mode for one in found if one.pull.resource == name}


def verdict_on_the_feed(world: World, one: Loaded) -> Answer:
    good = last_good(world.warehouse, one.pull.district, one.pull.resource)[one.pull.school]
    given = answers(RESOURCES[one.pull.resource], one, good, [], {})
    return next(answer for answer in given if answer.name == FEED)


NIGHTS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 3]), st.sampled_from([0.0, 0.02, 0.3]), st.booleans()),
    min_size=1,
    max_size=4,
)


def hold_to_whole_pulls(nights: list[tuple[int, float, bool]], *names: str) -> None:
    with a_world() as world:
        night(world, *names)
        for days, share, full in nights:
            world.site.advance(days)
            world.site.touch(share)
            found = night(world, *names, full=full)
            assert {one.pull.status for one in found} == {Status.COMPLETE}
            assert contents(world.warehouse, *_tables(*names)) == as_if_new(world, *names)
            # The emulator's feeds name everything, so nothing may look missed.
            assert not [one.pull.resource for one in found if one.pull.missed]
            rows = {(one.pull.resource, one.pull.school): one.pull.rows for one in found}
            for (name, school), n in rows.items():
                counted = world.warehouse.rows(
                    f'SELECT count(*) FROM raw."{name}" WHERE school IS NOT DISTINCT FROM ?',
                    [school],
                )
                assert counted == [(n,)], name


@given(NIGHTS)
@settings(max_examples=3)
def test_nights_of_changes_leave_what_whole_pulls_would(nights) -> None:
    hold_to_whole_pulls(nights, "students", "classes", "gpas")


@pytest.mark.long
@given(NIGHTS)
@settings(max_examples=10)
def test_many_nights_of_changes_leave_what_whole_pulls_would(nights) -> None:
    hold_to_whole_pulls(nights, *RESOURCES)


def test_a_quiet_night_parses_nothing_and_writes_no_row() -> None:
    with a_world() as world:
        night(world)
        before = world.warehouse.rows("SELECT DISTINCT _pull_id FROM raw.gpas")
        lists = len(list(world.settings.landing.rglob("page-*.json")))
        found = night(world)
        assert how(found, "gpas") == how(found, "transcripts") == {Mode.UNCHANGED}
        assert how(found, "classes") == how(found, "students") == {Mode.CHANGES}
        assert {one.pull.status for one in found} == {Status.COMPLETE}
        assert world.warehouse.rows("SELECT DISTINCT _pull_id FROM raw.gpas") == before
        assert len(list(world.settings.landing.rglob("page-*.json"))) == lists
        (ledger,) = world.warehouse.dicts(
            "SELECT count(*) AS n, min(rows) AS least FROM meta.pulls "
            "WHERE resource = 'gpas' AND mode = 'unchanged'"
        )
        assert ledger["n"] == len(world.schools)
        assert ledger["least"] > 0


def test_only_the_school_that_changed_is_parsed() -> None:
    with a_world() as world:
        night(world, "students")
        row = world.site.district.rows[world.schools[0]][0]
        world.site.district.version += 1
        row.person.last = "Another"
        found = {one.pull.school: one.pull.mode for one in night(world, "students")}
        # Without a word of the feed nothing is read again, and a whole night finds it.
        assert set(found.values()) == {Mode.CHANGES}
        again = night(world, "students", full=True)
        missed = {one.pull.school: one.pull.missed for one in again}
        assert missed == {world.schools[0]: 1, world.schools[1]: 0}
        assert [verdict_on_the_feed(world, one).passed for one in again] == [False, True]
        assert (
            "list the resource under incremental.whole" in verdict_on_the_feed(world, again[0]).text
        )
        # The next nights do not forget it before a whole list says otherwise.
        quiet = night(world, "students")
        assert [verdict_on_the_feed(world, one).passed for one in quiet] == [False, True]
        assert contents(world.warehouse, "students") == as_if_new(world, "students")


def test_a_whole_night_finds_and_reports_what_was_deleted_in_silence() -> None:
    with a_world() as world:
        night(world, "students")
        gone = world.site.district.rows[world.schools[0]].pop(3)
        world.site.district.version += 1
        quiet = night(world, "students")
        assert {one.pull.mode for one in quiet} == {Mode.CHANGES}
        assert f"{gone.person.id}" in str(contents(world.warehouse, "students"))
        found = night(world, "students", full=True)
        assert [(one.pull.missed, one.pull.removed) for one in found] == [(1, 1), (0, 0)]
        verdict = verdict_on_the_feed(world, found[0])
        assert verdict.passed, "no feed tells of deletions"
        assert verdict.text == ("0 changed without being named, 1 were deleted; the rows are right")
        assert contents(world.warehouse, "students") == as_if_new(world, "students")


def test_what_a_feed_named_and_the_list_confirms_is_not_missed() -> None:
    with a_world() as world:
        night(world, "students")
        night(world, "students")
        world.site.touch(0.1)
        found = night(world, "students", full=True)
        assert [one.pull.missed for one in found] == [0, 0]


def test_the_rhythm_of_whole_lists_is_settable() -> None:
    with a_world(full_every_days=0) as world:
        night(world, "students", "classes")
        found = night(world, "students", "classes")
        assert Mode.CHANGES not in {one.pull.mode for one in found}


@pytest.mark.parametrize("name", FED)
def test_a_record_that_is_read_again_replaces_its_own_rows_alone(name: str) -> None:
    with a_world() as world:
        night(world, name)
        world.site.advance(1)
        found = night(world, name)
        assert contents(world.warehouse, *_tables(name)) == as_if_new(world, name)
        changed = [one.pull for one in found if one.pull.mode is Mode.CHANGES and one.pull.changed]
        for pull in changed:
            fresh = world.warehouse.rows(
                f"SELECT count(*) FROM raw.{name} WHERE _pull_id = ? AND "
                "school IS NOT DISTINCT FROM ?",
                [pull.pull_id, pull.school],
            )[0][0]
            assert fresh < pull.rows, "only what the feed named was written"


def test_a_record_that_is_gone_has_the_list_read_whole() -> None:
    with a_world() as world:
        night(world, "students")
        rows = world.site.district.rows[world.schools[0]]
        gone = rows.pop(3)
        world.site.district.note(gone, "student", world.site.now().replace(tzinfo=None))
        world.site.district.version += 1
        found = {one.pull.school: one.pull for one in night(world, "students")}
        # No list of students may lose one on the word of a single answer.
        assert found[world.schools[0]].mode is Mode.FULL
        assert found[world.schools[1]].mode is Mode.CHANGES
        assert contents(world.warehouse, "students") == as_if_new(world, "students")


def test_many_changes_have_the_list_read_whole() -> None:
    with a_world(kilobytes_per_request=50) as world:
        night(world, "classes")
        world.site.touch(0.5)
        assert how(night(world, "classes"), "classes") == {Mode.FULL}


@pytest.mark.parametrize("kind", ["html", "message", "cut"])
def test_a_feed_in_trouble_has_the_lists_read_whole(kind: str) -> None:
    with a_world() as world:
        night(world, "students", "classes")
        world.faults({"kind": kind, "path": "StudentDataChanges"})
        found = night(world, "students", "classes")
        assert how(found, "students") == {Mode.UNCHANGED}
        assert how(found, "classes") == {Mode.UNCHANGED}


def test_a_record_that_cannot_be_had_costs_its_school_and_nothing_else() -> None:
    with a_world() as world:
        night(world, "students")
        touch(world.site.district, 0.1, world.site.now().replace(tzinfo=None))
        before = contents(world.warehouse, "students")
        first, other = world.schools
        world.faults({"kind": "status", "status": 503, "path": rf"schools/{first}/students/\d+$"})
        found = {one.pull.school: one.pull for one in night(world, "students")}
        assert found[first].status is Status.FAILED
        assert found[other].status is Status.COMPLETE
        kept = [row for row in contents(world.warehouse, "students")["students"] if row[1] == first]
        assert kept == [row for row in before["students"] if row[1] == first]
        world.faults()
        # The failed night did not move the moment from which the feed is asked.
        night(world, "students")
        assert contents(world.warehouse, "students") == as_if_new(world, "students")


def a_student_of_two_schools(world: World) -> tuple[int, list[Row]]:
    """Give a student of the first school a row at the second, and return id and rows."""
    district = world.site.district
    first, second = world.schools
    # Of every ninth id there are programs as well.
    row = next(one for one in district.rows[first] if not one.tag and not one.person.id % 9)
    other = district.add_row(Row(row.person, second, 0, row.grade, "", row.entered))
    return row.person.id, [row, other]


@pytest.mark.parametrize("name", [one for one in FED if RESOURCES[one].grain is Grain.SCHOOL])
@pytest.mark.parametrize("named_at", [0, 1])
@pytest.mark.parametrize("student_by_id", ["row_of_school", "all_rows"])
def test_a_student_of_two_schools_is_read_again_in_each(name, named_at, student_by_id) -> None:
    with a_world() as world:
        student, rows = a_student_of_two_schools(world)
        night(world, name)
        before = contents(world.warehouse, name)[name]
        world.site.switches = Switches(student_by_id=student_by_id)
        feed = RESOURCES[name].feed
        assert feed is not None
        district = world.site.district
        rows[0].person.last = "Newname"
        # What belongs to the student at all may be named at one of the two schools.
        named = rows if feed.covers is Covers.SCHOOL else [rows[named_at]]
        for row in named:
            district.note(row, feed.path.rsplit("/")[-1], world.site.now().replace(tzinfo=None))
        found = night(world, name)
        assert {one.pull.status for one in found} == {Status.COMPLETE}
        if name == "contacts":
            # The answer names the first school: the list of the second is read whole.
            assert {one.pull.mode for one in found} == {Mode.CHANGES, Mode.FULL}
        else:
            assert sum(one.pull.changed or 0 for one in found) == 2
        assert contents(world.warehouse, name)[name] == as_if_new(world, name)[name]
        assert len(contents(world.warehouse, name)[name]) == len(before)
        if name in {"students", "contacts"}:
            assert world.warehouse.rows(
                f'SELECT DISTINCT "LastName" FROM raw.{name} WHERE "StudentID" = ?', [student]
            ) == [("Newname",)]
        whole = night(world, name, full=True)
        assert not [one for one in whole if one.pull.missed]


def test_what_a_single_answer_covers_is_said_of_every_feed() -> None:
    assert {name: str(one.feed.covers) for name, one in RESOURCES.items() if one.feed} == {
        "courses": "record",
        "students": "school",
        "students_extended": "school",
        "classes": "school",
        "staff": "record",
        "contacts": "record",
        "programs": "record",
        "enrollment": "school",
        "test_scores": "record",
    }


def test_rows_of_other_schools_do_not_come_in_with_a_single_record() -> None:
    with a_world() as world:
        world.site.switches = Switches(student_by_id="all_rows")
        night(world, "students")
        world.site.advance(5)
        night(world, "students")
        assert contents(world.warehouse, "students") == as_if_new(world, "students")


def test_after_an_answer_was_refused_the_next_one_is_read_whole() -> None:
    with a_world() as world:
        night(world, "gpas")
        world.faults({"kind": "bad_value", "path": "schools/.*/gpas", "field": "ClassRank"})
        refused = night(world, "gpas")
        assert {one.pull.status for one in refused} == {Status.REFUSED}
        assert world.warehouse.rows("SELECT count(*) FROM quarantine.gpas") != [(0,)]
        world.faults()
        assert how(night(world, "gpas"), "gpas") == {Mode.FULL}
        assert world.warehouse.rows("SELECT count(*) FROM quarantine.gpas") == [(0,)]
        assert how(night(world, "gpas"), "gpas") == {Mode.UNCHANGED}


def test_the_moment_of_the_feed_is_the_servers_and_overlaps() -> None:
    with a_world(overlap_minutes=15) as world:
        night(world, "classes")
        world.site.clock_offset += 3 * 3600
        night(world, "classes")
        asked = [visit.path for visit in world.emulator.log if "DataChanges/class" in visit.path]
        (clock,) = world.warehouse.rows(
            "SELECT DISTINCT server_time FROM meta.pulls ORDER BY server_time LIMIT 1"
        )[0]
        assert len(asked) == 1, "one question for all schools"
        hour, minute = map(int, asked[0].rsplit("/", 2)[1:])
        stated = int(clock[11:13]) * 60 + int(clock[14:16])
        assert (stated - 15) % (24 * 60) == hour * 60 + minute
