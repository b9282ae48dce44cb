"""The content of each file: queries on a copy of a district's tables in memory.

``copy_district`` takes the copy under the warehouse's lock; everything after
it needs no lock. Each query gives the columns of its layout as text.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import duckdb

from aeries_pipeline.catalog.blank import is_blank
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse, table_exists
from aeries_pipeline.words import named


class NothingToDeliverError(RuntimeError):
    """The warehouse lacks what a delivery is made from; the message says what."""


_COPIES = {
    "accounts": (
        "core", "accounts",
        # Whoever is missing from the file is deactivated, so one without a grade stays in it.
        "SELECT *, state = 'active' AND coalesce(grade BETWEEN {low} AND {high}, true) "
        "AS is_delivered",
    ),
    "changes": (
        "core", "account_changes",
        "SELECT * EXCLUDE (fingerprint)",
    ),
    "students": (
        "raw", "students",
        'SELECT "StudentID" AS student_id, CAST("SchoolCode" AS INTEGER) AS school, '
        '"StudentNumber" AS student_number, "Grade" IS NULL AS "CurrentGrade", '
        f'{is_blank(quoted("FirstName"))} AS "FirstName", '
        f'{is_blank(quoted("LastName"))} AS "LastName"',
    ),
    "schools": (
        "raw", "schools",
        'SELECT "SchoolCode" AS code, "Name" AS name, "LowGradeLevel" AS low, '
        '"HighGradeLevel" AS high, _pull_id AS pull_id',
    ),
    "courses": (
        "raw", "courses",
        'SELECT trim("ID") AS id, trim("Title") AS title, "CreditDefault" AS credit, '
        '"LowGrade" AS low, _pull_id AS pull_id',
    ),
    "classes": (
        "raw", "classes",
        'SELECT "StudentID" AS student_id, school, trim("CourseID") AS course, '
        '"SectionNumber" AS section, CAST("DateStarted" AS DATE) AS started, '
        'CAST("DateEnded" AS DATE) AS ended, '
        "_pull_id AS pull_id",
    ),
    "transcripts": (
        "raw", "transcripts",
        'SELECT "StudentID" AS student_id, school, "SequenceNumber" AS number, '
        'trim("CourseID") AS course, trim("TranscriptCourseTitle") AS title, "Mark" AS mark, '
        '"CreditCompleted" AS credit, "StudentGrade" AS grade, '
        'CAST("DateOfCompletion" AS DATE) AS completed, '
        'TRY_CAST(left("SchoolYear", 4) AS INTEGER) AS year, '
        'lower(trim("TermDescription")) AS term, _pulled_at AS pulled_at, '
        "_pull_id AS pull_id",
    ),
    "terms": (
        "raw", "terms",
        'SELECT school, lower(trim("TermDescription")) AS term, '
        'CAST("EndDate" AS DATE) AS ended, year("StartDate") '
        '- CASE WHEN month("StartDate") < 7 THEN 1 ELSE 0 END AS year',
    ),
}  # fmt: skip

_ONLY = {
    "students": f'AND ("Grade" IS NULL OR {is_blank(quoted("FirstName"))} '
    f"OR {is_blank(quoted('LastName'))})"
}
"""Which rows are copied, where not all are needed."""

KEPT = {"CurrentGrade": "grade", "FirstName": "first_name", "LastName": "last_name"}
"""Columns of ``Student`` whose last value stays where Aeries has none any more."""
NEEDED = ("accounts", "changes", "schools")
"""Without these there is no delivery; without the rest there are fewer course lines."""


def copy_district(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    district: District,
    left_out: Collection[int] = (),
) -> list[str]:
    """Copy what a delivery needs into an in-memory connection.

    Args:
        connection: The one.
        warehouse: Where it is.
        district: The roster's entry.
        left_out: Students who are not shared; nothing of them is copied but their accounts.

    Returns:
        Tables that do not exist yet; they are empty in the copy.

    Raises:
        NothingToDeliverError: If the accounts or schools were never computed.
    """
    low, high = district.accounts.delivered_grades
    missing = []
    with warehouse.attached(connection) as catalog:
        _check_pulled(connection, catalog, district)
        for name, (schema, table, select) in _COPIES.items():
            if not table_exists(connection, schema, table):
                missing.append(name)
                continue
            connection.execute(
                f"CREATE TABLE memory.main.{name} AS {select.format(low=low, high=high)} "
                f"FROM {catalog}.{schema}.{table} WHERE district = {literal(district.id)} "
                + _ONLY.get(name, "")
            )
    lacking = [name for name in NEEDED if name in missing]
    if lacking:
        raise NothingToDeliverError(
            f"{district.id}: nothing to deliver to Xello yet, for want of "
            f"{' and '.join(lacking)}; pull the district first"
        )
    for name in missing:
        connection.execute(_EMPTY[name])
    for name in ("changes", "students", "classes", "transcripts") if left_out else ():
        connection.execute(
            f"DELETE FROM {name} WHERE list_contains(?, student_id)", [list(left_out)]
        )
    return missing


def _check_pulled(connection: duckdb.DuckDBPyConnection, catalog: str, district: District) -> None:
    """Refuse while a school was never pulled: its students would be missing from the file."""
    rows = connection.execute(
        f"SELECT DISTINCT school FROM {catalog}.meta.pulls WHERE district = ? "
        "AND resource = 'students' AND status = 'complete'",
        [district.id],
    ).fetchall()
    never = sorted(set(district.schools) - {school for (school,) in rows})
    if never:
        raise NothingToDeliverError(
            f"{district.id}: no files for Xello, because the students of "
            f"{named('school', never)} were never pulled; whoever is missing from the Student "
            "file is deactivated in Xello, so pull the district first"
        )


_EMPTY = {
    "students": "CREATE TABLE students (student_id BIGINT, school INTEGER, "
    'student_number BIGINT, "CurrentGrade" BOOLEAN, "FirstName" BOOLEAN, "LastName" BOOLEAN)',
    "courses": "CREATE TABLE courses (id VARCHAR, title VARCHAR, credit DECIMAL(18,4), "
    "low INTEGER, pull_id VARCHAR)",
    "classes": "CREATE TABLE classes (student_id BIGINT, school INTEGER, course VARCHAR, "
    "section BIGINT, started DATE, ended DATE, pull_id VARCHAR)",
    "transcripts": "CREATE TABLE transcripts (student_id BIGINT, school INTEGER, number BIGINT, "
    "course VARCHAR, title VARCHAR, mark VARCHAR, credit DECIMAL(18,4), grade INTEGER, "
    "completed DATE, year INTEGER, term VARCHAR, pulled_at TIMESTAMP, pull_id VARCHAR)",
    "terms": "CREATE TABLE terms (school INTEGER, term VARCHAR, ended DATE, year INTEGER)",
}

_SCHOOL_TYPE = "CASE WHEN low >= 9 THEN 1 WHEN high <= 8 THEN 2 ELSE 3 END"
"""The same as ``layout.school_type``; a test compares the two."""


def schools_query(roster: list[int]) -> str:
    """Return the rows of ``School``: the roster's, and those an account is at."""
    codes = ", ".join(map(str, roster)) or "NULL"
    return f"""
        SELECT CAST(code AS VARCHAR) AS "SchoolCode", name AS "Name",
               CAST({_SCHOOL_TYPE} AS VARCHAR) AS "SchoolType"
        FROM schools
        WHERE code IN ({codes}) OR code IN (SELECT school FROM accounts WHERE is_delivered)
        ORDER BY code
    """


STUDENTS_QUERY = """
    SELECT CAST(student_id AS VARCHAR) AS "StudentID", first_name AS "FirstName",
           last_name AS "LastName",
           CASE WHEN upper(gender) IN ('M', 'F') THEN upper(gender) ELSE 'N' END AS "Gender",
           strftime(birthdate, '%Y-%m-%d') AS "DateOfBirth",
           CAST(grade AS VARCHAR) AS "CurrentGrade", CAST(school AS VARCHAR) AS "CurrentSchoolCode",
           -- A school that is not in the file would lead nowhere.
           CASE WHEN next_school IN (SELECT CAST("SchoolCode" AS INTEGER) FROM school_rows)
                THEN CAST(next_school AS VARCHAR) END AS "PreRegSchoolCode",
           state_student_id AS "StateProvNumber", email AS "Email"
    FROM accounts WHERE is_delivered
    ORDER BY student_id
"""


def courses_query(today: date) -> str:
    """Return the rows of ``StudentCourses`` as they stand on a day.

    A student with rows at two schools has the same transcript at both; that of
    the account's school counts. A class that has ended stands on the transcript
    or was dropped; one that is running or scheduled has the mark 0 and the
    full credit of its course.

    A line of a transcript mostly has no date of completion, and Xello takes
    a blank for the end of the present year. So it gets the end of its term, as
    the student's school has it, in the line's own school year; a line of an
    earlier year whose term the school does not have gets the July 1 that ends it.
    """
    day = f"DATE '{today.isoformat()}'"
    present = today.year - (today.month < 7)
    number = "CASE WHEN {0} = 0 THEN '0' ELSE regexp_replace(CAST({0} AS VARCHAR), {1}, '') END"
    credit = number.format("coalesce(credit, 0)", r"'\.?0+$'")
    return f"""
        WITH delivered AS (SELECT student_id, school, grade FROM accounts WHERE is_delivered),
        ends AS (
            SELECT school, term, max(ended) AS ended, max(year) AS year FROM terms
            WHERE term <> '' AND ended IS NOT NULL AND year IS NOT NULL GROUP BY ALL
        ), history AS (
            SELECT t.student_id, t.number, t.course,
                   coalesce(nullif(t.title, ''), nullif(c.title, ''), t.course) AS name,
                   t.grade, coalesce(nullif(t.mark, ''), '0') AS mark, t.credit,
                   coalesce(t.completed, CAST(e.ended + to_years(t.year - e.year) AS DATE),
                            CASE WHEN t.year < {present} THEN make_date(t.year + 1, 7, 1) END)
                     AS day,
                   c.low AS lowest
            FROM transcripts t
            JOIN delivered d ON d.student_id = t.student_id
            LEFT JOIN courses c ON c.id = t.course
            LEFT JOIN ends e ON e.school = d.school AND e.term = t.term
            QUALIFY row_number() OVER (
                PARTITION BY t.student_id, t.number
                ORDER BY t.school = d.school DESC, t.pulled_at DESC, t.school) = 1
        ), running AS (
            SELECT DISTINCT k.student_id, NULL::BIGINT AS number, k.course,
                   coalesce(nullif(c.title, ''), k.course) AS name,
                   d.grade, '0' AS mark, c.credit, k.ended AS day, c.low AS lowest
            FROM classes k
            JOIN delivered d ON d.student_id = k.student_id
            LEFT JOIN courses c ON c.id = k.course
            WHERE coalesce(k.ended >= {day}, true)
        )
        SELECT CAST(student_id AS VARCHAR) AS "StudentID", course AS "CourseCode",
               name AS "CourseName", CAST(grade AS VARCHAR) AS "GradeLevel", mark AS "GradeMark",
               {credit} AS "CreditValue", strftime(day, '%Y-%m-%d') AS "DateCourseComplete",
               CASE WHEN grade <= 8 THEN CASE WHEN lowest >= 9 THEN '1' ELSE '0' END END
                 AS "HSCourse"
        FROM (FROM history UNION ALL FROM running)
        ORDER BY student_id, number NULLS LAST, course, day
    """


CHANGES_QUERY = """
    SELECT change_id, kind, student_id, from_school, to_school,
           array_to_string(changed_fields, ' ') AS changed_fields,
           strftime(detected_at, '%Y-%m-%dT%H:%M:%SZ') AS detected_at,
           strftime(effective_at, '%Y-%m-%d') AS effective_at, code, reason,
           related_student_id AS related_student
    FROM changes
    WHERE status = 'applied' AND recorded_at > $since
      AND student_id IN (SELECT student_id FROM accounts
                         WHERE coalesce(grade BETWEEN $low AND $high, true))
    ORDER BY recorded_at, student_id, change_id
"""
