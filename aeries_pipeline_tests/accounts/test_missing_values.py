"""Every value that Aeries may leave out is left out once: accounts, files, requests, views go on.

Each column of each table is set to null in a row of its own, so that one pass
shows what any of them does; a column that stops the others stops the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.accounts.xello.deliver import deliver
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.analytics.registry import VIEWS
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Table
from aeries_pipeline.course_requests import compute as requests
from aeries_pipeline.course_requests.model import State
from aeries_pipeline.course_requests.sss.deliver import export
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline_tests.analytics.publishing.test_publish import ALL, pull_all
from aeries_pipeline_tests.conftest import MakeWorld, World
from aeries_pipeline_tests.course_requests.test_pipeline import courses, lines, put, take

DOWNSTREAM = ("students", "schools", "courses", "classes", "transcripts", "sections")
REQUESTED = ("course_requests", "alternate_course_requests", "enrollment", "gpas", "terms")


def nullable(table: Table) -> list[str]:
    """Return the columns in which a row may lack a value and still be loaded."""
    key = table.key
    return [one.name for one in table.fields if one.stored and not one.needs_value(key)]


def without(world: World, name: str, wanted: Sequence[int] = ()) -> list[str]:
    """Set each column of a table to null, each in another row; return the columns."""
    table = RESOURCES[name].main
    columns = [one for one in nullable(table) if one != "SchoolCode"]
    only = f'WHERE "StudentID" IN ({", ".join(map(str, wanted))})' if wanted else ""
    with world.warehouse.open() as connection:
        places = [
            place
            for (place,) in connection.execute(
                f"SELECT rowid FROM raw.{name} {only} ORDER BY rowid LIMIT {len(columns)}"
            ).fetchall()
        ]
        for number, column in enumerate(columns):
            connection.execute(
                f'UPDATE raw.{name} SET "{column}" = NULL WHERE rowid = ?',
                [places[number % len(places)]],
            )
    return columns


def shown(path: Path) -> dict[str, int]:
    """Read every view of the analysts' copy."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            view: len(connection.execute(f"SELECT * FROM analytics.{view}").fetchall())
            for view in VIEWS
        }


def everything(world: World) -> tuple[list[str], dict[str, int]]:
    """Run all that follows from a pull; return the students of the file, and the views' rows."""
    computed = compute(world.warehouse, world.district)
    assert "deactivate" not in computed.applied
    delivery = deliver(world.warehouse, world.district, world.settings.out)
    file = (delivery.folder / "Student.txt").read_text(encoding="utf-8").splitlines()[1:]
    requests.compute(world.warehouse, world.district)
    for school in world.schools:
        export(world.warehouse, world.district, school, world.settings.out)
    roster = load_roster(world.settings.roster)
    done = publish(world.settings, roster)
    return [line.split("|")[0] for line in file], shown(done.database)


@pytest.fixture
def full(make_world: MakeWorld) -> World:
    optional = ["alternate_course_requests", *ALL]
    # What is asked about is one value that is missing, not what a newer file replaces.
    added = {"resources": optional, "course_requests": {"covers": "additions"}}
    world = make_world(schools=3, students=400, roster=added)
    pull_all(world)
    return world


@pytest.mark.long
def test_a_value_that_is_missing_once_stops_nobody(full: World) -> None:
    active = full.warehouse.rows(
        "SELECT student_id FROM core.accounts WHERE state = 'active' AND school = 994 "
        "ORDER BY student_id"
    )
    asked = [student for (student,) in active]
    some = courses(full)[:2]
    put(full, lines([(student, course) for student in asked for course in some]))
    take(full)
    before, views = everything(full)
    put(full, lines([(student, courses(full)[3]) for student in asked]), "again.csv")
    ready = take(full)[1].states[State.READY]
    assert ready > len(asked) * 0.3
    touched = without(full, "students", asked)
    assert {"FirstName", "LastName", "Grade", "Birthdate", "NextGrade"} <= set(touched)
    assert len(touched) <= len(asked)
    for name in (*DOWNSTREAM[1:], *REQUESTED):
        assert without(full, name), name
    assert take(full)[1].states[State.READY] >= ready - len(touched)
    after, later = everything(full)
    assert after == before
    assert later.keys() == views.keys()
    for name, number in views.items():
        # A row without its code or its day is left out of what counts by it; the others stay.
        assert later[name] >= number * 0.8, name
