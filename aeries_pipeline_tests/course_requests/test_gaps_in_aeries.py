"""What Aeries does not say about one student or course costs that one request, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from aeries_pipeline.course_requests.compute import compute
from aeries_pipeline.course_requests.intake import take
from aeries_pipeline.course_requests.sss.deliver import export
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline_tests.course_requests.sss.test_golden import DISTRICT, MOMENT, stock

FILE = (
    "StudentID,CourseID\n99400001,0001\n99400001,0608\n99400004,0001\n99400004,0630\n"
    "99400009,0630\n99400003,0630\n"
)
Decided = dict[tuple[int, str], tuple[str, str | None]]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    found = Warehouse(tmp_path / "warehouse.duckdb")
    stock(found)
    with found.open() as connection:
        for table in ("students", "courses"):
            connection.execute(
                f"CREATE TABLE quarantine.{table} (district VARCHAR, school INTEGER, "
                "record JSON, reason VARCHAR)"
            )
    return found


def decided(warehouse: Warehouse, *changes: str) -> Decided:
    take(warehouse, DISTRICT, "planner.csv", FILE.encode(), MOMENT)
    with warehouse.open() as connection:
        for change in changes:
            connection.execute(change)
    compute(warehouse, DISTRICT, moment=MOMENT)
    export(warehouse, DISTRICT, 994, warehouse.path.parent / "out", moment=MOMENT)
    rows = warehouse.rows("SELECT student_id, course_id, state, reason FROM core.course_requests")
    return {(student, course): (state, reason) for student, course, state, reason in rows}


WHOLE = {
    (99400001, "0001"): ("exported", None),
    (99400001, "0608"): ("exported", None),
    (99400004, "0001"): ("exported", None),
    (99400004, "0630"): ("exported", None),
    (99400009, "0630"): ("rejected", "student_unknown"),
    (99400003, "0630"): ("rejected", "student_graduates"),
}


def test_nothing_is_missing(warehouse: Warehouse) -> None:
    assert decided(warehouse) == WHOLE


def test_a_course_without_status_holds_its_requests_alone(warehouse: Warehouse) -> None:
    change = 'UPDATE raw.courses SET "InactiveStatusCode" = NULL WHERE "ID" = \'0001\''
    held = ("held", "course_status_unknown")
    assert decided(warehouse, change) == {
        **WHOLE, (99400001, "0001"): held, (99400004, "0001"): held,
    }  # fmt: skip


def test_a_course_in_quarantine_holds_its_requests_alone(warehouse: Warehouse) -> None:
    held = ("held", "course_status_unknown")
    found = decided(
        warehouse,
        "DELETE FROM raw.courses WHERE \"ID\" = '0001'",
        "INSERT INTO quarantine.courses VALUES ('eagle-usd', NULL, '{\"ID\": \"0001 \"}', 'Title')",
    )
    assert found == {**WHOLE, (99400001, "0001"): held, (99400004, "0001"): held}


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE raw.courses SET "Title" = NULL',
        'UPDATE raw.courses SET "LowGrade" = NULL, "HighGrade" = NULL',
        'UPDATE raw.courses SET "PrerequisiteCourse" = NULL',
        'UPDATE raw.students SET "Grade" = NULL WHERE "StudentID" = 99400001',
        'UPDATE raw.students SET "Grade" = NULL WHERE "StudentID" = 99400004',
        'UPDATE raw.students SET "Grade" = NULL, "NextSchoolCode" = 994 '
        'WHERE "StudentID" = 99400001',
        'UPDATE raw.schools SET "LowGradeLevel" = NULL, "HighGradeLevel" = NULL, "Name" = NULL',
    ],
)
def test_a_value_that_is_null_stops_nobody(warehouse: Warehouse, change: str) -> None:
    assert decided(warehouse, change) == WHOLE


def test_a_student_whose_grade_nobody_knows_waits_alone(warehouse: Warehouse) -> None:
    change = (
        'UPDATE raw.students SET "Grade" = NULL, "NextGrade" = NULL WHERE "StudentID" = 99400001'
    )
    held = ("held", "next_school_unknown")
    assert decided(warehouse, change) == {
        **WHOLE, (99400001, "0001"): held, (99400001, "0608"): held,
    }  # fmt: skip


def test_a_student_in_quarantine_is_held_and_not_unknown(warehouse: Warehouse) -> None:
    found = decided(
        warehouse,
        "INSERT INTO quarantine.students VALUES "
        "('eagle-usd', 994, '{\"StudentID\": 99400009}', 'Grade')",
    )
    assert found == {**WHOLE, (99400009, "0630"): ("held", "student_in_quarantine")}
    with warehouse.open() as connection:
        connection.execute("DELETE FROM quarantine.students")
    compute(warehouse, DISTRICT, moment=MOMENT)
    assert decided(warehouse) == WHOLE
