"""Closed school years: kept once, seen in views and copies, forgotten and let go."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.build import make_views
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.districts.configuration import RetentionSettings
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.days import ROLLOVER_DAY
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.operations.privacy.forget import Wish, forget
from aeries_pipeline.operations.privacy.prune import prune
from aeries_pipeline.stores.judge import Status
from aeries_pipeline_tests.conftest import FAST, MakeWorld, World

NAMES = ("schools", "courses", "students", "classes", "graduation_status")
FIRST, SECOND = "2026-2027", "2027-2028"


def pull(world: World, *, year: int) -> None:
    world.write_roster(database_year=year)
    with world.session(replace(FAST, accept_shrunken="another year")) as session:
        for name in NAMES:
            for one in pull_resource(session, RESOURCES[name], world.schools):
                assert one.pull.status is Status.COMPLETE, one.pull.reason
    compute(world.warehouse, world.district)


def rows(world: World, table: str, schema: str = "raw", where: str = "true") -> list[object]:
    names = ", ".join(f'"{one.name}"' for one in RESOURCES[table].main.stored)
    query = f"SELECT district, school, _pull_id, {names} FROM {schema}.{table} WHERE {where}"
    return sorted(world.warehouse.rows(query), key=repr)


def ask(world: World, query: str) -> list[tuple[object, ...]]:
    with world.warehouse.open() as connection:
        prepare(connection)
        make_views(connection, "warehouse")
        return connection.execute(query).fetchall()


@pytest.fixture
def turned(make_world: MakeWorld) -> World:
    """A district whose first year was closed."""
    world = make_world(schools=2, students=60)
    pull(world, year=2026)
    return world


def test_the_closing_years_last_pull_is_kept_once_and_reached_by_all(turned: World) -> None:
    world = turned
    before = {name: rows(world, name) for name in NAMES}
    assert not world.warehouse.has_table("history", "students"), "nothing within a year"
    senior = '"Grade" = 12 AND "InactiveStatusCode" = \'\''
    ((gone,),) = world.warehouse.rows(f'SELECT min("StudentID") FROM raw.students WHERE {senior}')
    now = ask(world, "SELECT count(*) FROM analytics.credits_by_year")
    world.site.district.day = ROLLOVER_DAY - 1
    world.site.advance(1)
    pull(world, year=2027)
    for name in NAMES:
        assert rows(world, name, "history") == before[name], name
    years = world.warehouse.rows("SELECT DISTINCT school_year FROM history.students")
    assert years == [(FIRST,)]
    pull(world, year=2027)
    assert rows(world, "students", "history") == before["students"], "not once more within a year"
    _look_at_views(world, now)
    _look_at_copy(world, len(before["students"]))
    _come_back(world, before["students"])
    wish = Wish("eagle-usd", "A", "asked for", gone, although_listed=True)
    done = forget(world.settings, load_roster(world.settings.roster), wish)
    assert not done.places
    assert not rows(world, "students", "history", f'"StudentID" = {gone}')
    assert prune(world.settings, RetentionSettings())["history"] == 0
    left = len(rows(world, "students", "history"))
    assert left > 0
    assert prune(world.settings, RetentionSettings(history_years=0))["history"] > left
    assert not rows(world, "students", "history")


def _look_at_views(world: World, credits_now: list[tuple[object, ...]]) -> None:
    year = "SELECT count(*) FROM analytics.credits_by_year WHERE school_year = '2026-2027'"
    assert ask(world, year) == credits_now
    assert credits_now[0][0]
    moved = ask(
        world,
        "SELECT entry_grade, school_year, grade, students FROM analytics.cohorts "
        f"WHERE entry_year = '{FIRST}' ORDER BY ALL",
    )
    both = {grade for grade, year, now, _n in moved if year == SECOND and now == grade + 1}
    assert both, "who was in a grade in the one year is in the next one in the other"
    assert all(now in {grade, grade + 1} for grade, _year, now, _n in moved), moved
    enrolled = dict(
        ask(
            world,
            "SELECT school_year, count(DISTINCT student_id) FROM analytics.students_by_year "
            "GROUP BY ALL",
        )
    )
    assert set(enrolled) == {FIRST, SECOND}
    on_track = ask(
        world,
        "SELECT school_year, sum(students) FROM analytics.on_track_by_year GROUP BY ALL ORDER BY 1",
    )
    assert [year for year, _n in on_track] == [FIRST, SECOND]
    courses = "SELECT DISTINCT school_year FROM analytics.course_enrollment_by_year ORDER BY 1"
    assert ask(world, courses) == [(FIRST,), (SECOND,)]


def _look_at_copy(world: World, students: int) -> None:
    done = publish(world.settings, load_roster(world.settings.roster))
    with duckdb.connect(str(done.database), read_only=True) as connection:
        query = "SELECT count(*) FROM history.students WHERE school_year = ?"
        assert connection.execute(query, [FIRST]).fetchall() == [(students,)]
        query = "SELECT count(DISTINCT school_year) FROM analytics.cohorts"
        assert connection.execute(query).fetchall() == [(2,)]


def _come_back(world: World, before: list[object]) -> None:
    """A year that is accepted again by mistake is in raw, and not kept beside it."""
    second = rows(world, "students")
    world.site.forced_year = 2026
    pull(world, year=2026)
    assert world.warehouse.rows("SELECT DISTINCT school_year FROM history.students") == [(SECOND,)]
    assert rows(world, "students", "history") == second
    world.site.forced_year = None
    pull(world, year=2027)
    assert world.warehouse.rows("SELECT DISTINCT school_year FROM history.students") == [(FIRST,)]
    assert before
