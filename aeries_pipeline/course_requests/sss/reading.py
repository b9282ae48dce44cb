"""What the warehouse has for the files of one school. Queries only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.sss.contents import Reject
from aeries_pipeline.course_requests.sss.plan import Numbers, Wanted
from aeries_pipeline.course_requests.tables import OF_YEAR, arrivals
from aeries_pipeline.stores.connection import table_exists

_WANTED = """
WITH asked AS (
    SELECT * FROM core.course_requests r
    WHERE r.district = $district AND r.school = $school AND r.school_year = $year
      AND (r.state = 'ready' OR (r.state = 'exported' AND r.reason IS NULL))
)
SELECT r.file_id, r.line, r.student_id, r.student_number, r.course_id, r.alternate_for, r.priority,
       r.state = 'ready', e.sequence_number, e.sort_order,
       CASE WHEN r.alternate_for = '' THEN coalesce(a.arrival IN ('arrived', 'changed_in_aeries'),
                                                    false)
            ELSE {alternate_is_there} END
FROM asked r
LEFT JOIN (
    SELECT * FROM core.course_request_exports
    WHERE district = $district AND school = $school
    QUALIFY row_number() OVER (PARTITION BY file_id, line, student_number
                               ORDER BY exported_at DESC, export_id DESC, action DESC) = 1
) e ON e.file_id = r.file_id AND e.line = r.line AND e.student_number = r.student_number
LEFT JOIN ({arrivals}) a ON a.file_id = r.file_id AND a.line = r.line
ORDER BY r.received_at, r.file_id, r.line
"""
_OF_ASKED = "district = $district AND (file_id, line) IN (SELECT (file_id, line) FROM asked)"
_OFFERED = trimmed('"InactiveStatusCode"') + " = ''"
_ALTERNATE = """EXISTS (SELECT 1 FROM raw.alternate_course_requests x
    WHERE x.district = r.district AND x."SchoolCode" = r.school
      AND x."StudentID" = r.student_id AND trim(x."CourseID") = r.course_id)"""


@dataclass(frozen=True, slots=True)
class School:
    """Of which school and year.

    Attributes:
        district: District id.
        code: School code.
        year: First calendar year of the coming school year.
    """

    district: str
    code: int
    year: int

    @property
    def bound(self) -> dict[str, str | int]:
        """The values of the queries."""
        return {"district": self.district, "school": self.code, "year": self.year}

    @property
    def year_name(self) -> str:
        """The school year as Aeries writes it."""
        return f"{self.year}-{self.year + 1}"


def read_wanted(connection: duckdb.DuckDBPyConnection, school: School) -> list[Wanted]:
    """Return the requests that belong into Aeries, in the order in which they came."""
    granted = table_exists(connection, "raw", "alternate_course_requests")
    query = _WANTED.replace("{alternate_is_there}", _ALTERNATE if granted else "false")
    query = query.replace("{arrivals}", arrivals(connection, _OF_ASKED))
    rows = connection.execute(query, school.bound).fetchall()
    return [Wanted(*row) for row in rows]


def read_numbers(
    connection: duckdb.DuckDBPyConnection, school: School, wanted: Sequence[Wanted]
) -> dict[int, Numbers]:
    """Return the sequence numbers that are taken, by student number."""
    ever = connection.execute(
        "SELECT student_number, kind, max(sequence_number) FROM core.course_request_exports "
        "WHERE district = $district AND school = $school GROUP BY ALL",
        {"district": school.district, "school": school.code},
    ).fetchall()
    exported = {(number, kind): highest for number, kind, highest in ever}
    requests: dict[int, dict[str, int]] = defaultdict(dict)
    highest: dict[tuple[int, str], int] = {}
    orders: dict[int, float] = {}
    if table_exists(connection, "raw", "course_requests"):
        for student, course, number in _numbered(connection, school, "course_requests"):
            requests[student].setdefault(course, number)
            highest[student, "request"] = max(highest.get((student, "request"), 0), number)
    if table_exists(connection, "raw", "alternate_course_requests"):
        table = "alternate_course_requests"
        for student, _course, number, order in _numbered(
            connection, school, table, ', "PrioritySortOrder"'
        ):
            highest[student, "alternate"] = max(highest.get((student, "alternate"), 0), number)
            orders[student] = max(orders.get(student, 0.0), float(order or 0))
    found = {}
    for one in wanted:
        student, number = one.student_id, one.student_number
        found[number] = Numbers(
            max(highest.get((student, "request"), 0), exported.get((number, "request"), 0)),
            max(highest.get((student, "alternate"), 0), exported.get((number, "alternate"), 0)),
            orders.get(student, 0.0),
            requests.get(student, {}),
        )
    return found


def _numbered(
    connection: duckdb.DuckDBPyConnection, school: School, table: str, more: str = ""
) -> list[tuple[Any, ...]]:
    return connection.execute(
        f'SELECT "StudentID", trim("CourseID"), "SequenceNumber"{more} FROM raw.{table} '
        'WHERE district = ? AND "SchoolCode" = ? ORDER BY "StudentID", "SequenceNumber"',
        [school.district, school.code],
    ).fetchall()


def read_rejects(connection: duckdb.DuckDBPyConnection, school: School) -> list[Reject]:
    """Return what cannot be imported now, exported requests that no longer could included."""
    return _rejects(connection, f"r.school = $school AND {OF_YEAR}", school.bound)


def read_rejects_without_school(
    connection: duckdb.DuckDBPyConnection, district: str
) -> list[Reject]:
    """Return what cannot be imported and belongs to no school, as an unknown StudentID."""
    return _rejects(connection, "r.school IS NULL", {"district": district})


def _rejects(
    connection: duckdb.DuckDBPyConnection, where: str, bound: Mapping[str, str | int]
) -> list[Reject]:
    rows = connection.execute(
        f"""
        SELECT f.name, coalesce(r.place, CAST(r.line AS VARCHAR)), r.stated_student,
               r.stated_course, r.state, r.reason, r.proposed
        FROM core.course_requests r
        JOIN core.course_request_files f
          ON f.district = r.district AND f.file_id = r.file_id AND f.status = 'taken'
        WHERE r.district = $district AND r.reason IS NOT NULL AND {where}
        ORDER BY r.received_at, r.file_id, r.line
        """,
        bound,
    ).fetchall()
    return [
        Reject(name, line, student, course, State(state), Reason(reason), proposed)
        for name, line, student, course, state, reason, proposed in rows
    ]


def read_states(connection: duckdb.DuckDBPyConnection, school: School) -> Counter[State]:
    """Return how many requests of the school are in each state."""
    rows = connection.execute(
        "SELECT state, count(*) FROM core.course_requests r WHERE district = $district "
        f"AND school = $school AND {OF_YEAR} GROUP BY state ORDER BY state",
        school.bound,
    ).fetchall()
    return Counter({State(state): number for state, number in rows})


def read_courses(
    connection: duckdb.DuckDBPyConnection, school: School
) -> dict[str, dict[int | None, int]]:
    """Return the requests by course and grade that stand, alternates left out.

    A student who waits for a next school may have no grade of next year as yet;
    0 is kindergarten, and another thing.
    """
    rows = connection.execute(
        "SELECT course_id, grade, sum(requests) "
        "FROM core.course_requests_by_course WHERE district = $district AND school = $school "
        "AND school_year = $year GROUP BY ALL ORDER BY ALL",
        school.bound,
    ).fetchall()
    found: dict[str, dict[int | None, int]] = defaultdict(dict)
    for course, grade, number in rows:
        found[course][grade] = int(number)
    return found


def read_seats(connection: duckdb.DuckDBPyConnection, school: School) -> dict[str, int]:
    """Return the seats of this year's active sections by course; empty if not granted."""
    if not table_exists(connection, "raw", "sections"):
        return {}
    rows = connection.execute(
        'SELECT trim("CourseID"), sum("MaxStudents") FROM raw.sections WHERE district = ? '
        f'AND "SchoolCode" = ? AND {_OFFERED} GROUP BY ALL',
        [school.district, school.code],
    ).fetchall()
    return {course: int(seats or 0) for course, seats in rows}


def read_name(connection: duckdb.DuckDBPyConnection, school: School) -> str:
    """Return code and name of the school."""
    row = None
    if table_exists(connection, "raw", "schools"):
        row = connection.execute(
            'SELECT trim("Name") FROM raw.schools WHERE district = ? AND "SchoolCode" = ?',
            [school.district, school.code],
        ).fetchone()
    return f"school {school.code}" + (f", {row[0]}" if row else "")
