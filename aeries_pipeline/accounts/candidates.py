"""Finds, in DuckDB, the students about whom there is anything to decide.

On most nights nearly every account agrees with its row. One full join skips
those; only the rest is fetched and decided one by one in ``decide``. The filter
may let through a student who needs no change, but must never hold back one who
does; a property test compares it with deciding about everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts.confirmations import Purpose, Replies, Reply, Said
from aeries_pipeline.accounts.evidence import Picture, SchoolPull
from aeries_pipeline.accounts.model import ACCOUNT_FIELDS, LONG_AGO, Account, StudentRow
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.accounts.tables import account_of
from aeries_pipeline.catalog.blank import is_blank, trimmed
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.ingest.listed_schools import teaching_schools
from aeries_pipeline.stores.connection import table_exists


def _date(column: str) -> str:
    """Return SQL for a date, NULL where no school means it: Python knows no year 0 or 10000."""
    return f'CASE WHEN year("{column}") BETWEEN 1900 AND 2100 THEN CAST("{column}" AS DATE) END'


def _name(column: str) -> str:
    """Return SQL for a name; one of white space is none."""
    return f"CASE WHEN {is_blank(chr(34) + column + chr(34))} THEN '' ELSE \"{column}\" END"


_ROWS = """
SELECT "StudentID" AS student_id, CAST("SchoolCode" AS INTEGER) AS school,
       "StudentNumber" AS student_number,
       {code} AS code,
       _pulled_at AS pulled_at, _pull_id AS pull_id,
       {entered} AS entered, {left_on} AS left_on,
       coalesce("AttendanceProgramCodePrimary", '') AS program,
       coalesce("NextSchoolCode", 0) AS next_school, coalesce("NextGrade", 0) AS next_grade,
       coalesce("OldStudentID", 0) AS old_student_id, "Grade" AS grade,
       {first_name} AS first_name, {last_name} AS last_name,
       coalesce("Gender", '') AS gender, {birthdate} AS birthdate,
       nullif("StudentEmailAddress", '') AS email, nullif("StateStudentID", '') AS state_student_id
FROM raw.students
WHERE district = {district} AND ("SchoolCode" = school OR "SchoolCode" = {inactive_school})
  AND "InactiveStatusCode" IS NOT NULL
"""

_JOIN = """
CREATE OR REPLACE TEMP TABLE suspects AS
WITH r AS (
    SELECT *, code IN ({active}) AND school <> {inactive_school} AS is_active,
           code IN ({awaited}) AND school <> {inactive_school} AS is_awaited
    FROM ({rows}) WHERE school IN ({readable}) AND code NOT IN ({ignored})
), a AS (
    SELECT *, state = 'active' AS in_use,
           state = 'active' AND school IN ({unread}) AS is_frozen
    FROM core.accounts WHERE district = {district}
), pairs AS (
    SELECT coalesce(r.student_id, a.student_id) AS student_id,
           CASE
             WHEN a.student_id IS NULL THEN
               CASE WHEN r.is_active OR (r.is_awaited AND {make_awaited}) THEN 2 ELSE 0 END
             WHEN a.is_frozen THEN 0
             WHEN NOT a.in_use THEN CASE WHEN r.is_active THEN 2 ELSE 0 END
             WHEN r.student_id IS NULL THEN 2
             WHEN r.is_active THEN
               CASE WHEN r.school = a.school
                     AND coalesce(a.student_number, r.student_number) = r.student_number
                     AND coalesce(r.grade, a.grade) IS NOT DISTINCT FROM a.grade
                     AND coalesce(nullif(r.last_name, ''), a.last_name) = a.last_name
                     AND coalesce(nullif(r.first_name, ''), a.first_name) = a.first_name
                     AND r.gender = a.gender
                     AND r.birthdate IS NOT DISTINCT FROM a.birthdate
                     AND r.email IS NOT DISTINCT FROM a.email
                     AND r.state_student_id IS NOT DISTINCT FROM a.state_student_id
                     AND CASE WHEN r.next_grade >= 13
                                OR r.next_school IN (0, r.school, {inactive_school})
                              THEN a.next_school IS NULL
                              ELSE r.next_school IS NOT DISTINCT FROM a.next_school END
                     AND a.missing_since IS NULL AND len(a.other_schools) = 0
               THEN 0 ELSE 2 END
             WHEN r.is_awaited AND r.school IS DISTINCT FROM a.next_school THEN 2
             ELSE 1
           END AS doubt
    FROM r FULL JOIN a ON r.student_id = a.student_id
)
SELECT student_id, max(doubt) AS doubt FROM pairs WHERE doubt > 0 GROUP BY student_id
"""

_CHOSEN = """
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT student_id FROM suspects WHERE doubt = 2
UNION
SELECT s.student_id FROM suspects s
JOIN core.accounts a ON a.district = {district} AND a.student_id = s.student_id
WHERE s.doubt = 1 AND NOT EXISTS (
    SELECT 1 FROM ({rows}) r
    WHERE r.student_id = s.student_id AND r.school = a.school AND r.code IN ({active})
      AND r.school IN ({readable}))
UNION
SELECT unnest({also})
"""


_ONLY_ACCOUNTS = """
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT student_id FROM chosen
WHERE student_id NOT IN (SELECT student_id FROM not_shared) OR list_contains({also}, student_id)
UNION
SELECT student_id FROM core.accounts SEMI JOIN not_shared USING (student_id)
WHERE district = {district} AND state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One student about whom to decide.

    Attributes:
        account: None if there is none.
        rows: Every readable row of the student.
        successors: Rows of other ids that name this one as their former id.
    """

    account: Account | None = None
    rows: list[StudentRow] = field(default_factory=list)
    successors: list[StudentRow] = field(default_factory=list)


def school_pulls(connection: duckdb.DuckDBPyConnection, district: str) -> list[SchoolPull]:
    """Return what the ledger says of each school's pulls of ``students``.

    A pull that was skipped because the window had closed was no attempt. One
    that read only what a feed named proves nobody's absence: of what has left
    the feed is no witness, so the newest whole list counts.
    """
    rows = connection.execute(
        """
        WITH tries AS (
            SELECT *, status = 'complete' AND coalesce(mode, '') <> 'changes' AS is_whole,
                row_number() OVER (
                PARTITION BY school ORDER BY finished_at DESC, started_at DESC) AS place
            FROM meta.pulls
            WHERE district = $district AND resource = 'students' AND status <> 'skipped'
        )
        SELECT school, max_by(pull_id, started_at) FILTER (is_whole),
               max(started_at) FILTER (is_whole),
               max_by(finished_at, started_at) FILTER (is_whole),
               max_by(database_year, started_at) FILTER (is_whole),
               max(reason) FILTER (place = 1 AND status <> 'complete')
        FROM tries WHERE school IS NOT NULL GROUP BY school
        """,
        {"district": district},
    ).fetchall()
    return [
        SchoolPull(school, pull_id or "", started, finished, year or "", trouble or "")
        for school, pull_id, started, finished, year, trouble in rows
    ]


def counts_by_school(
    connection: duckdb.DuckDBPyConnection, district: str, policy: Policy
) -> tuple[dict[int, int], dict[int, int]]:
    """Return active rows and active accounts, by school."""
    names = _names(district, policy, ())
    active = connection.execute(
        f"SELECT school, count(*) FROM ({_ROWS.format(**names)}) WHERE code IN ({names['active']}) "
        f"AND school <> {policy.inactive_school} GROUP BY school"
    ).fetchall()
    accounts = connection.execute(
        "SELECT school, count(*) FROM core.accounts WHERE district = ? AND state = 'active' "
        "GROUP BY school",
        [district],
    ).fetchall()
    return dict(active), dict(accounts)


def unreadable(
    connection: duckdb.DuckDBPyConnection, district: str, policy: Policy
) -> tuple[frozenset[int], frozenset[int]]:
    """Return students with a row that cannot be read, and schools with a nameless one.

    A row in quarantine is missing from ``raw.students``, and so is in effect
    one that names another school, or whose status is null. None means that the
    student has left. An id that is itself what is wrong with a row does not
    tell whose it is.
    """
    rows = connection.execute(
        """
        SELECT school, CASE WHEN NOT contains(coalesce(reason, ''), 'StudentID')
                             AND regexp_full_match(record->>'StudentID', '[0-9]+')
                       THEN TRY_CAST(record->>'StudentID' AS BIGINT) END
        FROM quarantine.students WHERE district = $district
        UNION ALL
        SELECT school, "StudentID" FROM raw.students
        WHERE district = $district
          AND ("SchoolCode" NOT IN (school, $inactive) OR "InactiveStatusCode" IS NULL)
        """,
        {"district": district, "inactive": policy.inactive_school},
    ).fetchall()
    students = frozenset(student for _, student in rows if student is not None)
    return students, frozenset(school for school, student in rows if student is None)


def lacking(connection: duckdb.DuckDBPyConnection, district: str, policy: Policy) -> frozenset[int]:
    """Return schools whose list lacks a student who was found there when asked for alone.

    What a later list shows, or another answer, closes the case.
    """
    query = "SELECT DISTINCT active_at FROM core.confirmations WHERE district = ? AND open"
    if not connection.execute(query, [district]).fetchall():
        return frozenset()
    names = _names(district, policy, ())
    connection.execute(
        "UPDATE core.confirmations c SET open = false WHERE open AND district = $district "
        f"AND EXISTS (SELECT 1 FROM ({_ROWS.format(**names)}) r WHERE r.student_id = c.student_id "
        f"AND r.school = c.active_at AND r.code IN ({names['active']}) "
        "AND r.pulled_at > c.asked_at)",
        {"district": district},
    )
    found = connection.execute(query, [district]).fetchall()
    return frozenset(school for (school,) in found) & policy.schools


def unrostered(
    connection: duckdb.DuckDBPyConnection, district: str, policy: Policy
) -> frozenset[int]:
    """Return the schools that teach, by Aeries' list, and that the roster lacks."""
    if not table_exists(connection, "raw", "schools"):
        return frozenset()
    names = ("SchoolCode", "InactiveStatusCode", "DoNotReport", "Terms")
    rows = connection.execute(
        f"SELECT {', '.join(map(quoted, names))} FROM raw.schools WHERE district = ?", [district]
    ).fetchall()
    schools = [dict(zip(names, row, strict=True)) for row in rows]
    return frozenset(teaching_schools(schools, policy.inactive_school)) - policy.schools


def replies(connection: duckdb.DuckDBPyConnection, district: str, policy: Policy) -> Replies:
    """Return the newest answers about single students."""
    rows = connection.execute(
        "SELECT student_id, purpose, school, said, active_at, asked_at FROM core.confirmations "
        "WHERE district = ? QUALIFY row_number() OVER "
        "(PARTITION BY student_id, purpose ORDER BY asked_at DESC) = 1",
        [district],
    ).fetchall()
    found = [
        Reply(student, Purpose(purpose), school, Said(said), active_at, asked_at)
        for student, purpose, school, said, active_at, asked_at in rows
    ]
    return Replies(
        {(one.student_id, one.purpose): one for one in found}, wanted=policy.confirm_alone
    )


def find(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    picture: Picture,
    policy: Policy,
    also: Collection[int] = (),
    left_out: Collection[int] = (),
) -> None:
    """Fill the temporary table ``chosen`` with students to decide about.

    Args:
        connection: The warehouse is its current catalog.
        district: District id.
        picture: What the pulls prove.
        policy: The district's settings.
        also: Students to be decided about in any case.
        left_out: Students who are not shared: of these such as have an account alone.
    """
    names = _names(district, policy, picture.pulls)
    rows = _ROWS.format(**names)
    _number_rows(connection, names, rows)
    connection.execute(_JOIN.format(**names, rows=rows))
    also_list = f"[{', '.join(map(str, sorted(also)))}]::BIGINT[]"
    connection.execute(_CHOSEN.format(**names, rows=rows, also=also_list))
    if left_out:
        ids = pa.table({"student_id": pa.array(list(left_out), pa.int64())})
        connection.register("not_shared", ids)
        connection.execute(_ONLY_ACCOUNTS.format(**names, also=also_list))
        connection.unregister("not_shared")


def _number_rows(
    connection: duckdb.DuckDBPyConnection, names: Mapping[str, Any], rows: str
) -> None:
    """Note which row an account follows, where an older release did not.

    Where several rows could be meant, none is: their status proves nothing.
    """
    some = connection.execute(
        "SELECT 1 FROM core.accounts WHERE state = 'active' AND student_number IS NULL "
        f"AND district = {names['district']} LIMIT 1"
    ).fetchone()
    if some:
        connection.execute(
            "UPDATE core.accounts a SET student_number = coalesce(r.active, r.alone) FROM ("
            "SELECT student_id, school, "
            f"max(student_number) FILTER (code IN ({names['active']})) AS active, "
            "CASE WHEN count(*) = 1 THEN max(student_number) END AS alone "
            f"FROM ({rows}) GROUP BY student_id, school) r "
            "WHERE a.state = 'active' AND a.student_number IS NULL "
            f"AND a.district = {names['district']} "
            "AND r.student_id = a.student_id AND r.school = a.school"
        )


def cases(connection: duckdb.DuckDBPyConnection, district: str, policy: Policy) -> dict[int, Case]:
    """Return everything that is known of the students in ``chosen``."""
    found = {
        student: Case() for (student,) in connection.execute("SELECT * FROM chosen").fetchall()
    }
    columns = ", ".join(ACCOUNT_FIELDS)
    for row in connection.execute(
        f"SELECT {columns} FROM core.accounts SEMI JOIN chosen USING (student_id) "
        "WHERE district = ?",
        [district],
    ).fetchall():
        case = found[row[0]]
        found[row[0]] = Case(account_of(row), case.rows, case.successors)
    rows = _ROWS.format(**_names(district, policy, ()))
    for one in _read(connection, f"{rows} AND student_id IN (FROM chosen)", policy):
        found[one.student_id].rows.append(one)
    successors = f"{rows} AND old_student_id <> 0 AND old_student_id IN (FROM chosen)"
    for one in _read(connection, successors, policy):
        if one.old_student_id != one.student_id:
            found[one.old_student_id].successors.append(one)
    return found


def merged_into(case: Case, picture: Picture) -> int | None:
    """Return the id that has taken over this one, where it is surely the same person.

    A former id may be that of an older system and by chance another student's.
    """
    account = case.account
    if account is None or account.birthdate is None:
        return None
    same = [
        row.student_id
        for row in case.successors
        if row.school in picture.pulls
        and row.birthdate == account.birthdate
        and (
            row.state_student_id == account.state_student_id
            if row.state_student_id and account.state_student_id
            else row.last_name.casefold() == account.last_name.casefold()
        )
    ]
    return min(same, default=None)


def _read(
    connection: duckdb.DuckDBPyConnection, query: str, policy: Policy
) -> Iterable[StudentRow]:
    for row in connection.execute(query).fetchall():
        student, school, number, code, pulled_at, pull_id, *rest = row
        standing = policy.standing(code, school)
        if standing is not None:
            yield StudentRow(student, school, number, standing, pulled_at, pull_id, *rest)


def _names(
    district: str, policy: Policy, readable: Mapping[int, Any] | Collection[int]
) -> dict[str, Any]:
    """Return what the queries are filled with; an empty list becomes one that matches nothing."""

    def codes(values: Collection[str]) -> str:
        return ", ".join(literal(value) for value in sorted(values)) or "NULL"

    def numbers(values: Collection[int]) -> str:
        return ", ".join(str(int(value)) for value in sorted(values)) or "NULL"

    return {
        "district": literal(district),
        "code": trimmed('"InactiveStatusCode"'),
        "first_name": _name("FirstName"),
        "last_name": _name("LastName"),
        "entered": _date("SchoolEnterDate"),
        "left_on": _date("SchoolLeaveDate"),
        "birthdate": _date("Birthdate"),
        "inactive_school": policy.inactive_school,
        "active": codes({"", *policy.active_codes}),
        "awaited": codes(policy.pre_enrolled_codes),
        # NOT IN with a NULL would be true of nothing.
        "ignored": codes(policy.ignored_codes or {"\x01"}),
        "readable": numbers({*readable, policy.inactive_school}),
        "unread": numbers(policy.schools - set(readable)),
        "make_awaited": "true" if policy.pre_enrolled_accounts else "false",
    }


def mark_seen(
    connection: duckdb.DuckDBPyConnection, district: str, pulls: Iterable[SchoolPull]
) -> None:
    """Note on every account that agrees with its row that it was seen again."""
    values = ", ".join(
        f"({pull.school}, {literal(pull.pull_id)}, TIMESTAMP '{_stamp(pull.started_at)}')"
        for pull in pulls
    )
    if not values:
        return
    connection.execute(
        "UPDATE core.accounts a SET last_seen_at = p.started_at, pull_id = p.pull_id "
        f"FROM (VALUES {values}) p(school, pull_id, started_at) "
        "WHERE a.district = ? AND a.state = 'active' AND a.school = p.school "
        "AND a.missing_since IS NULL AND a.last_seen_at < p.started_at "
        "AND a.student_id NOT IN (SELECT student_id FROM chosen)",
        [district],
    )


def _stamp(moment: datetime | None) -> str:
    return (moment or LONG_AGO).isoformat(sep=" ")
