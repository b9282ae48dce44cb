"""What the warehouse knows of the students and courses of open requests.

Queries only; what follows from the answers is decided in ``rules``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import duckdb

from aeries_pipeline.accounts.candidates import school_pulls, unreadable
from aeries_pipeline.accounts.evidence import picture_of
from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.catalog.blank import is_blank, trimmed
from aeries_pipeline.course_requests.lost_zeros import without_zeros
from aeries_pipeline.course_requests.model import Course, District, Student, StudentRow
from aeries_pipeline.stores.connection import table_exists

_NEVER = 10**9
_UNSET = 0


@dataclass
class _Found:
    """What belongs to one student, while it is collected."""

    rows: list[StudentRow] = field(default_factory=list)
    requests: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    alternates: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    taken: set[str] = field(default_factory=set)
    in_quarantine: bool = False


def read_district(connection: duckdb.DuckDBPyConnection, district: str, policy: Policy) -> District:
    """Return what the pulls of a district say of its schools and courses."""
    pulls = school_pulls(connection, district)
    picture = picture_of(pulls, policy.schools, _NEVER)
    pulled = {pull.school for pull in pulls if pull.pull_id}
    year = picture.database_year
    courses = _courses(connection, district)
    return District(
        schools=_schools(connection, district),
        roster=policy.schools,
        inactive_school=policy.inactive_school,
        courses=courses,
        students_read=picture.is_whole,
        schools_read=frozenset(pulled),
        next_year=int(year[:4]) + 1 if year else None,
        by_digits=without_zeros(courses or ()),
    )


def _schools(
    connection: duckdb.DuckDBPyConnection, district: str
) -> dict[int, tuple[int | None, int | None]]:
    if not table_exists(connection, "raw", "schools"):
        return {}
    rows = connection.execute(
        'SELECT "SchoolCode", "LowGradeLevel", "HighGradeLevel" FROM raw.schools '
        "WHERE district = ?",
        [district],
    ).fetchall()
    return {code: (low, high) for code, low, high in rows}


def _courses(connection: duckdb.DuckDBPyConnection, district: str) -> dict[str, Course] | None:
    if not table_exists(connection, "raw", "courses"):
        return None
    rows = connection.execute(
        f"""
        SELECT trim("ID"), coalesce(trim("Title"), ''),
               {trimmed('"InactiveStatusCode"')} = '',
               {is_blank('"NextYearInactiveStatusCode"')},
               "LowGrade", nullif("HighGrade", 0), coalesce(trim("PrerequisiteCourse"), '')
        FROM raw.courses WHERE district = ?
        """,
        [district],
    ).fetchall()
    found = {row[0]: Course(*row[1:]) for row in rows}
    if table_exists(connection, "quarantine", "courses"):
        # A course whose record could not be read is there, and nobody knows whether it is offered.
        for (course,) in connection.execute(
            "SELECT DISTINCT trim((record->>'ID')) FROM quarantine.courses "
            "WHERE district = ? AND (record->>'ID') IS NOT NULL",
            [district],
        ).fetchall():
            found.setdefault(course, Course(active=None))
    return found or None


def read_students(
    connection: duckdb.DuckDBPyConnection, district: str, policy: Policy, known: District
) -> dict[int, Student]:
    """Return what Aeries says of each student in the temporary table ``wanted``.

    Args:
        connection: On the warehouse; ``wanted`` has the column ``student_id``.
        district: District id.
        policy: How the district's status codes are read.
        known: What is known of the district.
    """
    found: dict[int, _Found] = defaultdict(_Found)
    _collect_rows(connection, district, policy, found)
    _collect_requests(connection, district, found)
    _collect_quarantine(connection, district, policy, found)
    if any(course.prerequisite for course in (known.courses or {}).values()):
        _collect_taken(connection, district, found)
    return {student: _student(one) for student, one in found.items()}


def _student(one: _Found) -> Student:
    return Student(
        rows=tuple(one.rows),
        in_aeries={school: frozenset(ids) for school, ids in one.requests.items()},
        alternates_in_aeries={school: frozenset(ids) for school, ids in one.alternates.items()},
        taken=frozenset(one.taken),
        in_quarantine=one.in_quarantine,
    )


def _collect_rows(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    policy: Policy,
    found: Mapping[int, _Found],
) -> None:
    if not table_exists(connection, "raw", "students"):
        return
    accounts = _accounts(connection, district)
    rows = connection.execute(
        """
        SELECT "StudentID", "SchoolCode", "StudentNumber", "InactiveStatusCode", "Grade",
               nullif("NextSchoolCode", 0), "NextGrade",
               trim(coalesce("AttendanceProgramCodePrimary", '')), CAST("SchoolEnterDate" AS DATE)
        FROM raw.students SEMI JOIN wanted ON "StudentID" = wanted.student_id
        WHERE district = ? AND school = "SchoolCode" AND "InactiveStatusCode" IS NOT NULL
        ORDER BY "StudentID", "SchoolCode", "StudentNumber"
        """,
        [district],
    ).fetchall()
    main: dict[int, tuple[Any, ...]] = {}
    for student, school, number, code, grade, next_school, next_grade, program, entered in rows:
        standing = policy.standing(code, school)
        if standing is None or school not in policy.schools | {policy.inactive_school}:
            continue
        home, last_grade = accounts.get(student, (school, None))
        grade = last_grade if grade is None else grade  # noqa: PLW2901
        # 0 is kindergarten, and what stands there where nothing was set.
        unset = next_grade is None or (next_grade == _UNSET and (grade is None or grade >= 0))
        row = StudentRow(
            school, number, standing, grade, next_school, None if unset else next_grade,
            is_main=False,
        )  # fmt: skip
        found[student].rows.append(row)
        # The order in which accounts choose, see accounts.decide.primary.
        second = program in policy.secondary_programs
        elsewhere = school != home
        since = -(entered or date.min).toordinal()
        key = (standing is not Standing.ACTIVE, second, elsewhere, since, school, -number)
        if student not in main or key < main[student][0]:
            main[student] = (key, len(found[student].rows) - 1)
    for student, (_key, place) in main.items():
        one = found[student].rows
        one[place] = replace(one[place], is_main=True)


def _collect_quarantine(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    policy: Policy,
    found: Mapping[int, _Found],
) -> None:
    if not all(table_exists(connection, schema, "students") for schema in ("raw", "quarantine")):
        return
    students, _schools = unreadable(connection, district, policy)
    for student in students:
        found[student].in_quarantine = True


def _accounts(
    connection: duckdb.DuckDBPyConnection, district: str
) -> dict[int, tuple[int, int | None]]:
    """Return school and grade of the students' accounts; a grade stays when Aeries has none."""
    if not table_exists(connection, "core", "accounts"):
        return {}
    rows = connection.execute(
        "SELECT student_id, school, grade FROM core.accounts SEMI JOIN wanted USING (student_id) "
        "WHERE district = ? AND state = 'active'",
        [district],
    ).fetchall()
    return {student: (school, grade) for student, school, grade in rows}


def _collect_requests(
    connection: duckdb.DuckDBPyConnection, district: str, found: Mapping[int, _Found]
) -> None:
    if table_exists(connection, "raw", "course_requests"):
        for student, school, course, primary in _rows_of(
            connection,
            district,
            "course_requests",
            'trim("CourseID"), CASE WHEN trim("AlternateTag") = \'X\' '
            'THEN trim("ActualPrimaryCourseID") END',
        ):
            found[student].requests[school] |= {one for one in (course, primary) if one}
    if table_exists(connection, "raw", "alternate_course_requests"):
        for student, school, course in _rows_of(
            connection, district, "alternate_course_requests", 'trim("CourseID")'
        ):
            found[student].alternates[school].add(course)


def _rows_of(
    connection: duckdb.DuckDBPyConnection, district: str, table: str, columns: str
) -> list[tuple[Any, ...]]:
    return connection.execute(
        f'SELECT "StudentID", "SchoolCode", {columns} FROM raw.{table} '
        'SEMI JOIN wanted ON "StudentID" = wanted.student_id WHERE district = ?',
        [district],
    ).fetchall()


def _collect_taken(
    connection: duckdb.DuckDBPyConnection, district: str, found: Mapping[int, _Found]
) -> None:
    for table in ("transcripts", "classes"):
        if not table_exists(connection, "raw", table):
            continue
        rows = connection.execute(
            f'SELECT DISTINCT "StudentID", trim("CourseID") FROM raw.{table} '
            'SEMI JOIN wanted ON "StudentID" = wanted.student_id WHERE district = ?',
            [district],
        ).fetchall()
        for student, course in rows:
            found[student].taken.add(course)
