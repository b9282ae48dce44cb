"""Names of codes: several lists read as one, and views that show name and code."""

from __future__ import annotations

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.build import make_views
from aeries_pipeline.catalog.codes import PARTS
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import Mode
from aeries_pipeline_tests.conftest import MakeWorld, World

NAMES = """
SELECT DISTINCT grade, grade_name, gender, gender_name, ethnicity, ethnicity_name,
       language_fluency, language_fluency_name FROM analytics.students_now ORDER BY ALL
"""


def ask(world: World, query: str) -> list[tuple[object, ...]]:
    with world.warehouse.open() as connection:
        prepare(connection)
        make_views(connection, "warehouse")
        return connection.execute(query).fetchall()


def test_views_show_the_name_where_it_is_granted_and_the_code_alone_where_not(
    make_world: MakeWorld,
) -> None:
    world = make_world(roster={"resources": ["codes", "absence_codes"]})
    session = world.session()
    for name in ("schools", "students", "courses", "classes"):
        pull_resource(session, RESOURCES[name], world.schools)
    compute(world.warehouse, world.district)
    before = ask(world, NAMES)
    assert {name for row in before for name in (row[1], row[3], row[5], row[7])} == {None}
    (first,) = pull_resource(session, RESOURCES["codes"], ())
    assert first.pull.status is Status.COMPLETE
    assert first.pull.requests == len(PARTS)
    after = ask(world, NAMES)
    assert [(row[0], row[2], row[4], row[6]) for row in after] == [
        (row[0], row[2], row[4], row[6]) for row in before
    ]
    named = {(row[0], row[1]) for row in after}
    assert {(0, "Kindergarten"), (9, "Ninth Grade")} <= named
    assert {(row[2], row[3]) for row in after} >= {("F", "Female"), ("M", "Male")}
    assert {(row[4], row[5]) for row in after} == {
        ("N", "Not Hispanic or Latino"), ("Y", "Hispanic or Latino")
    }  # fmt: skip
    assert {(row[6], row[7]) for row in after} == {("E", "English Only")}
    areas = "SELECT DISTINCT subject_area_name FROM analytics.course_enrollment ORDER BY ALL"
    assert ("Mathematics",) in ask(world, areas)
    fields = ask(world, "SELECT DISTINCT field FROM analytics.codes")
    assert {field for (field,) in fields} == {part.replace("/", ".") for part in PARTS}
    (again,) = pull_resource(session, RESOURCES["codes"], ())
    assert again.pull.mode is Mode.UNCHANGED
    results = pull_resource(session, RESOURCES["absence_codes"], world.schools)
    assert all(one.pull.status is Status.COMPLETE for one in results)
    absences = 'SELECT DISTINCT "AbsenceCode", "Title" FROM raw.absence_codes ORDER BY ALL'
    assert world.warehouse.rows(absences) == [("A", "Unverified"), ("D", "Dr Note")]


def test_records_show_status_program_and_absence_with_their_names(make_world: MakeWorld) -> None:
    listed = ["codes", "absence_codes", "programs", "attendance"]
    world = make_world(schools=1, students=60, roster={"resources": listed})
    world.site.district.rows[994][0].tag = "I"
    session = world.session()
    for name in ("schools", "students", *listed):
        assert (
            pull_resource(session, RESOURCES[name], world.schools)[0].pull.status is Status.COMPLETE
        ), name
    compute(world.warehouse, world.district)
    found = ask(world, "SELECT DISTINCT status, status_name FROM analytics.student_records")
    assert {(None, None), ("I", "Inactive")} <= set(found)
    programs = ask(world, "SELECT DISTINCT program, program_name FROM analytics.student_programs")
    assert programs
    assert all(code and name for code, name in programs)
    marked = ask(world, "SELECT DISTINCT absence_code, absence_name FROM analytics.absences")
    assert marked
    assert {name for code, name in marked if code == "A"} <= {"Unverified"}
    for view, table in (("student_programs", "programs"), ("absences", "attendance")):
        ((rows, records),) = ask(
            world,
            f"SELECT (SELECT count(*) FROM analytics.{view}), (SELECT count(*) FROM raw.{table})",
        )
        assert rows == records, "a name makes no second row"


def test_a_list_that_a_site_lacks_is_left_out_and_all_of_them_are_a_failure(
    make_world: MakeWorld,
) -> None:
    world = make_world(schools=1, students=10, roster={"resources": ["codes"]})
    session = world.session()
    world.faults({"kind": "status", "status": 404, "path": "codes/PGM/CD$"})
    (loaded,) = pull_resource(session, RESOURCES["codes"], ())
    assert loaded.pull.status is Status.COMPLETE
    held = world.warehouse.rows('SELECT DISTINCT "Table" FROM raw.codes ORDER BY ALL')
    assert held == [("CRS",), ("STU",), ("TRM",)]
    world.faults({"kind": "status", "status": 500, "path": "codes/CRS/S1$"})
    (loaded,) = pull_resource(session, RESOURCES["codes"], ())
    assert loaded.pull.status is Status.FAILED
    world.faults({"kind": "status", "status": 404, "path": "codes/.*"})
    (loaded,) = pull_resource(session, RESOURCES["codes"], ())
    assert loaded.pull.status is Status.FAILED
    assert "not found (404)" in loaded.pull.reason
    assert world.warehouse.rows('SELECT DISTINCT "Table" FROM raw.codes ORDER BY ALL') == held
