"""Who is to be forgotten: how to recognize a row, a line or a file about somebody.

Held in memory while a command runs. Nothing of it is printed, logged or stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from aeries_pipeline.analytics.publishing.contents import STUDENT_KEYS
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.stores.connection import CATALOG, table_exists, tables_of

_LEAST = 6
"""A shorter value says too little to search for."""

_MARKS = {
    "raw.students": (
        '"StudentID"',
        ("StateStudentID", "StudentEmailAddress", "StudentPersonalEmailAddress", "NetworkLoginID"),
    ),
    "core.accounts": ("student_id", ("state_student_id", "email")),
}
_MARKS["history.students"] = _MARKS["raw.students"]
"""Columns whose values mostly belong to one student, by table and its column of ids."""

_OTHERS = {
    "raw.students": '"StudentID"',
    "history.students": '"StudentID"',
    "raw.contacts": '"StudentID"',
    "core.accounts": "student_id",
}
"""Where the same value would be somebody else's as well."""

_SPECIAL = re.compile(r"([.^$*+?{}\[\]\\|()-])")


_IN_QUARANTINE = """
SELECT 1 FROM quarantine.students AS q
WHERE q.district = $district AND json_extract_string(q.record, '$.StudentID') = $student::VARCHAR
  AND q._pull_id = (SELECT arg_max(p.pull_id, p.finished_at) FROM meta.pulls AS p
                    WHERE p.district = q.district AND p.school = q.school
                      AND p.resource = 'students' AND p.status = 'complete')
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Person:
    """One student of one district.

    Attributes:
        district: District id.
        student: StudentID.
        numbers: Student numbers by school, which stand in files for Aeries.
        marks: Values that no other student of the district has.
        is_listed: Whether the newest pulls list the student.
    """

    district: str
    student: int
    numbers: Mapping[int, frozenset[int]] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    is_listed: bool = False

    def __repr__(self) -> str:
        """Say nothing of whom."""
        return f"Person(district={self.district!r}, ...)"

    @property
    def pattern(self) -> str:
        """A regular expression, as Python and DuckDB read it, for the id or a mark in a text."""
        number = rf"(?:^|[^0-9A-Za-z]){self.student}(?:[^0-9A-Za-z]|$)"
        return "|".join([number, *(_SPECIAL.sub(r"\\\1", mark) for mark in sorted(self.marks))])

    def is_in(self, text: str) -> bool:
        """Tell whether a text is about the student."""
        return re.search(self.pattern, text) is not None


def find_person(connection: duckdb.DuckDBPyConnection, district: str, student: int) -> Person:
    """Collect what the warehouse knows of a student, so that all of it can be found again.

    Args:
        connection: On the warehouse.
        district: District id.
        student: StudentID.
    """
    bound = {"district": district, "student": student}
    numbers: dict[int, set[int]] = {}
    listed = False
    for table, query in {
        "raw.students": 'SELECT "SchoolCode", "StudentNumber" FROM raw.students '
        'WHERE district = $district AND "StudentID" = $student',
        "core.course_request_exports": "SELECT DISTINCT school, student_number "
        "FROM core.course_request_exports WHERE district = $district AND student_id = $student",
        "core.course_requests": "SELECT DISTINCT school, student_number FROM core.course_requests "
        "WHERE district = $district AND student_id = $student AND student_number IS NOT NULL",
    }.items():
        if not _exists(connection, table):
            continue
        found = connection.execute(query, bound).fetchall()
        listed = listed or (table == "raw.students" and bool(found))
        for school, number in found:
            numbers.setdefault(int(school), set()).add(int(number))
    if _exists(connection, "quarantine.students"):
        listed = listed or bool(connection.execute(_IN_QUARANTINE, bound).fetchone())
    marks = set()
    for table, (key, columns) in _MARKS.items():
        if _exists(connection, table):
            for column in columns:
                marks |= _marks(connection, (table, key, column), bound)
    return Person(
        district,
        student,
        {school: frozenset(them) for school, them in numbers.items()},
        frozenset(marks),
        listed,
    )


def _marks(
    connection: duckdb.DuckDBPyConnection, place: tuple[str, str, str], bound: Mapping[str, object]
) -> set[str]:
    table, key, column = place
    found = connection.execute(
        f'SELECT DISTINCT trim("{column}") FROM {table} '
        f"WHERE district = $district AND {key} = $student "
        f"AND length(trim(coalesce(\"{column}\", ''))) >= {_LEAST}",
        dict(bound),
    ).fetchall()
    return {str(value) for (value,) in found if not _is_shared(connection, str(value), bound)}


def _is_shared(
    connection: duckdb.DuckDBPyConnection, mark: str, bound: Mapping[str, object]
) -> bool:
    """Tell whether a value stands, or is a part of one, in the row of anybody else.

    An address that a family shares must not make a brother's row look like
    the student's, nor one that is the end of somebody's longer one.
    """
    for table, key in _OTHERS.items():
        if _exists(connection, table):
            other = connection.execute(
                f"SELECT 1 FROM {table} AS other WHERE contains(other::VARCHAR, $mark) "
                f"AND NOT (district = $district AND {key} = $student) LIMIT 1",
                {**bound, "mark": mark},
            ).fetchone()
            if other is not None:
                return True
    return False


def is_known(connection: duckdb.DuckDBPyConnection, catalog: str, person: Person) -> bool:
    """Tell whether a database has a row of a student, by the columns that hold a StudentID.

    A number that no student has may appear elsewhere, for example as the code of a school.

    Args:
        connection: Has the database attached.
        catalog: Under this name.
        person: Of whom.
    """
    student = person.student
    for (schema, table), columns in tables_of(connection, catalog).items():
        tests = [f"{quoted(one)} = {student}" for one in STUDENT_KEYS if one in columns]
        if "stated_student" in columns:
            tests.append(f"TRY_CAST(trim(stated_student) AS BIGINT) = {student}")
        if schema == "quarantine" and "record" in columns:
            tests.append(f"json_extract_string(record, '$.StudentID') = '{student}'")
        if not tests:
            continue
        own = f"district = {literal(person.district)} AND " if "district" in columns else ""
        name = f"{catalog}.{schema}.{quoted(table)}"
        if connection.execute(
            f"SELECT 1 FROM {name} WHERE {own}({' OR '.join(tests)}) LIMIT 1"
        ).fetchone():
            return True
    return False


def _exists(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    schema, _, table = name.partition(".")
    return table_exists(connection, schema, table, CATALOG)
