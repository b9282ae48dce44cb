"""Who belongs in the files of people for Xello according to the last pulls: queries.

Works on a copy of the district's tables in memory. Who is really in a file is
decided in ``members``, with what was kept from the nights before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb

from aeries_pipeline.accounts.xello.members import File, Found, Key, Member, Reading, Standing
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.xello_files import Conditions
from aeries_pipeline.stores.connection import Warehouse, table_exists

EDUCATORS = File("Educator", "educators")
FAMILY = File("Family", "contacts of students")
TEACHERS = File("SectionTeacher", "teachers of sections", absence_waits=False)
"""No file of Xello's: who teaches which section, from which the students of an educator follow."""

_TABLES = {
    "Educator": ("staff", ("staff", "staff_school_access")),
    "Family": ("contacts", ("contacts",)),
    "SectionTeacher": ("sections", ("sections", "section_staff")),
}
_ADDRESS = re.compile(r"[^@|\s]+@[^@|\s]+\.[^@|\s.]+")


def files_of(district: District) -> list[File]:
    """Return the files of people that a district has."""
    on = district.accounts.xello
    taught = on.educator_students or on.student_groups
    wanted = ((FAMILY, on.family), (EDUCATORS, on.educators), (TEACHERS, taught))
    return [file for file, is_on in wanted if is_on]


def copy_people(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, district: District, file: File
) -> dict[int | None, Reading]:
    """Copy the tables that a file is made from into memory, and return how they were read."""
    resource, names = _TABLES[file.name]
    with warehouse.attached(connection) as catalog:
        for name in names:
            if table_exists(connection, "raw", name):
                connection.execute(
                    f"CREATE TABLE memory.main.{name} AS FROM {catalog}.raw.{name} "
                    f"WHERE district = {literal(district.id)}"
                )
        rows = connection.execute(
            f"""
            WITH tries AS (
                SELECT *, status = 'complete' AND coalesce(mode, '') <> 'changes' AS is_whole,
                    row_number() OVER (
                        PARTITION BY school ORDER BY finished_at DESC, started_at DESC) AS place
                FROM {catalog}.meta.pulls
                WHERE district = $district AND resource = $resource AND status <> 'skipped'
            )
            SELECT school, max(started_at) FILTER (is_whole),
                   max(coalesce(nullif(reason, ''), status))
                     FILTER (place = 1 AND status <> 'complete')
            FROM tries GROUP BY school
            """,
            {"district": district.id, "resource": resource},
        ).fetchall()
    return {school: Reading(whole_at, trouble or "") for school, whole_at, trouble in rows}


def found_in(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    file: File,
    before: Mapping[Key, Member],
    today: date,
) -> dict[Key, Found]:
    """Return what the newest good lists show of a file's people.

    Args:
        connection: Has the copy, with accounts and schools.
        district: Says which fields count.
        file: Which file.
        before: Who was kept; of them it is said whether they have left.
        today: The district's day.
    """
    if not is_there(connection, _TABLES[file.name][1][0]):
        return {}
    if file is FAMILY:
        return dict(_family(connection, district))
    if file is EDUCATORS:
        return _educators(connection, district, before, today)
    return _teachers(connection, before, today)


def is_there(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Tell whether the copy has a table."""
    return bool(
        connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = 'memory' AND table_name = ?",
            [name],
        ).fetchone()
    )


def address(text: str | None) -> str:
    """Return an address that Xello can take; empty if it is none."""
    found = (text or "").strip()
    return found if len(found) <= 100 and _ADDRESS.fullmatch(found) else ""


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, conditions: Conditions
) -> Iterator[tuple[dict[str, Any], bool, bool]]:
    """Yield rows, whether their codes are right, and whether one that is wrong says something."""
    codes = "".join(
        f", coalesce({quoted(name)}, '') AS code{at}" for at, name in enumerate(conditions)
    )
    cursor = connection.execute(query.format(codes=codes))
    names = [column[0] for column in cursor.description or []]
    for row in cursor.fetchall():
        values = dict(zip(names, row, strict=True))
        wrong = [
            values[f"code{at}"]
            for at, one in enumerate(conditions.values())
            if not one.shares(values[f"code{at}"])
        ]
        yield values, not wrong, any(code.strip() for code in wrong)


def _family(
    connection: duckdb.DuckDBPyConnection, district: District
) -> Iterator[tuple[Key, Found]]:
    family = district.accounts.xello.family
    assert family is not None  # noqa: S101 - the caller asks for files that are on
    query = """
        SELECT a.student_id, a.school, c."SequenceNumber" AS number, c."FirstName" AS first,
               c."LastName" AS last, c."EmailAddress" AS email, c."PortalAccountID" AS account,
               coalesce(nullif(trim(c."CellPhone"), ''), trim(c."HomePhone")) AS phone,
               coalesce(c."RedFlag", false) AS is_flagged {codes}
        FROM contacts c JOIN accounts a ON a.student_id = c."StudentID" AND a.is_delivered
        QUALIFY row_number() OVER (PARTITION BY c."StudentID", c."SequenceNumber"
                                   ORDER BY c.school = a.school DESC, c._pulled_at DESC) = 1
    """
    for row, is_right, says in _rows(connection, query, family.fields):
        email = address(row["email"])
        key = (f"{row['student_id']}/{row['number']}", row["school"])
        if row["is_flagged"] or says:
            # A word about this one person: the right to know of the child was taken back.
            yield key, Found(Standing.WITHDRAWN)
        elif is_right and email:
            number = str(row["account"]) if row["account"] else ""
            values = (
                row["first"] or "", row["last"] or "", email, str(row["student_id"]), number,
                row["phone"] or "",
            )  # fmt: skip
            yield key, Found(Standing.HERE, values, row["student_id"])


def _educators(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    before: Mapping[Key, Member],
    today: date,
) -> dict[Key, Found]:
    educators = district.accounts.xello.educators
    assert educators is not None  # noqa: S101
    access: dict[int, list[int]] = {}
    if is_there(connection, "staff_school_access"):
        for person, school in connection.execute(
            'SELECT "ID", "SchoolCode" FROM staff_school_access'
        ).fetchall():
            access.setdefault(person, []).append(school)
    schools = {int(code) for (code,) in connection.execute('SELECT "SchoolCode" FROM school_rows')
               .fetchall()}  # fmt: skip
    query = """
        SELECT "ID" AS person, "FirstName" AS first, "LastName" AS last, "EmailAddress" AS email,
               "Title" AS title, "PrimaryAeriesSchool" AS school,
               trim(coalesce("InactiveStatusCode", '')) AS code,
               CAST("LeaveDate" AS DATE) AS left_on {codes}
        FROM staff
    """
    known: dict[str, list[Key]] = {}
    for key in before:
        known.setdefault(key[0], []).append(key)
    found: dict[Key, Found] = {}
    for row, is_right, says in _rows(connection, query, educators.fields):
        person, email = str(row["person"]), address(row["email"])
        is_active = not row["code"] and (row["left_on"] is None or row["left_on"] >= today)
        mine = sorted({*access.get(row["person"], [row["school"]])} & schools)
        is_here = is_active and is_right and bool(email)
        for school in mine:
            values = (
                row["first"] or "", row["last"] or "", email, str(school), "", person,
                row["title"] or "", "", "",
            )  # fmt: skip
            if is_here:
                found[person, school] = Found(Standing.HERE, values)
        if not is_active or says or (is_here and mine):
            # The row itself says that the person is no educator any more, or not of that school.
            for key in known.get(person, ()):
                found.setdefault(key, Found(Standing.LEFT))
    return found


def _teachers(
    connection: duckdb.DuckDBPyConnection, before: Mapping[Key, Member], today: date
) -> dict[Key, Found]:
    sections = connection.execute(
        "SELECT school, \"SectionNumber\", trim(coalesce(\"InactiveStatusCode\", '')) = '' "
        "FROM sections"
    ).fetchall()
    running = {(school, number) for school, number, is_active in sections if is_active}
    found: dict[Key, Found] = {}
    if is_there(connection, "section_staff"):
        for school, number, person, is_active in connection.execute(
            'SELECT school, "SectionNumber", "StaffID", '
            "trim(coalesce(\"InactiveStatusCode\", '')) = '' "
            'AND coalesce(CAST("EndDate" AS DATE) >= ?, true) FROM section_staff',
            [today],
        ).fetchall():
            is_here = is_active and (school, number) in running
            values = (str(number), str(person))
            found[f"{number}/{person}", school] = (
                Found(Standing.HERE, values) if is_here else Found(Standing.LEFT)
            )
    listed = {(school, number) for school, number, _active in sections}
    for person, school in before:
        if (school, int(person.partition("/")[0])) in listed:
            found.setdefault((person, school), Found(Standing.LEFT))
    return found


def with_present_students(
    connection: duckdb.DuckDBPyConnection, before: Mapping[Key, Member]
) -> dict[Key, Member]:
    """Return contacts of the students who are delivered, each at the student's present school.

    Whoever is no longer delivered takes the family along at once: who may not be
    shared is in no file, and who has left was decided with the account.
    """
    schools = dict(
        connection.execute("SELECT student_id, school FROM accounts WHERE is_delivered").fetchall()
    )
    return {
        (person, schools[one.student_id]): one
        for (person, _school), one in before.items()
        if one.student_id in schools
    }
