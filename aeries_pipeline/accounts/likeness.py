"""What two StudentIDs have in common: SQL over accounts, and over students who come.

Which spellings count as the same, and whom a state id or a name tells nothing
about. What follows from a likeness is in ``duplicates``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts.model import Change
from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.catalog.tables import literal

MOST_ALIKE = 3
"""What more ids than this have in common is no child's: somebody typed it for many."""

_COUNTED = ("1234567890", "123456789", "9876543210", "987654321")
"""What is typed where a form demands a number, without a zero before it."""

SAME_STATE_ID = "same_state_id"
SAME_NAME = "same_name_and_birthdate"
ALIKE: Mapping[str, str] = {SAME_STATE_ID: "state id", SAME_NAME: "name and birth date"}
"""What two ids have in common, by the code of a change that waits for it."""

_END = "right('0000' || {column}, 4)"
"""The last digits of a state id: cheap, and it sets nearly everybody aside."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """An id that is about to get an account, and one that has or gets one.

    Attributes:
        student_id: Who comes.
        related_student_id: Who is there, or comes as well.
        code: What they have in common.
    """

    student_id: int
    related_student_id: int
    code: str


def alike(
    connection: duckdb.DuckDBPyConnection, district: str, coming: Sequence[Change]
) -> list[Likeness]:
    """Return who comes and is like somebody who is there, or comes with a lower id."""
    after = [change.after for change in coming]
    table = pa.table(
        {
            "student_id": pa.array([one.student_id for one in after], pa.int64()),
            "state_student_id": pa.array([one.state_student_id for one in after], pa.string()),
            "birthdate": pa.array([one.birthdate for one in after], pa.date32()),
            "first_name": pa.array([one.first_name for one in after], pa.string()),
            "last_name": pa.array([one.last_name for one in after], pa.string()),
        }
    )
    connection.register("coming", table)
    rows = connection.execute(_ALIKE, {"district": district}).fetchall()
    connection.unregister("coming")
    return [Likeness(*row) for row in rows]


def _key_sql(column: str) -> str:
    """Return SQL for what spellings of one state id have in common, NULL where it is none.

    A text of one character only is none, zeros above all. Nearly all are
    digits alone; only the others are worth what a pattern costs.
    """
    text = f"upper({trimmed(column)})"
    return (
        f"CASE WHEN {column} SIMILAR TO '[0-9]+' THEN "
        f"CASE WHEN ltrim({column}, left({column}, 1)) <> '' THEN ltrim({column}, '0') END "
        f"WHEN {column} SIMILAR TO '.*[0-9].*' AND ltrim({text}, left({text}, 1)) <> '' "
        f"THEN ltrim({text}, '0') END"
    )


def _is_state_id(key: str) -> str:
    """Return SQL that is true of a key that may be a child's own."""
    return f"{key} NOT IN ({', '.join(literal(one) for one in _COUNTED)})"


def _name_sql(column: str) -> str:
    """Return SQL for what spellings of one name have in common; empty if nothing."""
    bare = f"regexp_replace(strip_accents({column}), '[^\\pL\\pN]+', '', 'g')"
    return f"lower(CASE WHEN {column} SIMILAR TO '[A-Za-z]+' THEN {column} ELSE {bare} END)"


_STUDENTS = (
    "CASE count(*) WHEN 2 THEN [min(student_id), max(student_id)] ELSE "
    "[min(student_id), sum(student_id)::BIGINT - min(student_id) - max(student_id), "
    "max(student_id)] END"
)
"""The two or three ids of a group, without a list for each of a million groups of one."""


def _pairs_sql(source: str, by: str = "") -> str:
    """Return CTEs, the last of them ``pairs``: ids of a source that have something in common."""
    return f"""
    by_state_id AS (
        SELECT {by} {_STUDENTS} AS students, '{SAME_STATE_ID}' AS code
        FROM (SELECT {by} student_id, {_key_sql("state_student_id")} AS key FROM {source})
        WHERE key IS NOT NULL GROUP BY {by} key
        HAVING count(*) BETWEEN 2 AND {MOST_ALIKE} AND {_is_state_id("key")}
    ), by_name AS (
        SELECT {by} {_STUDENTS} AS students, '{SAME_NAME}' AS code
        FROM (SELECT {by} student_id, birthdate, {_name_sql("first_name")} AS first_key,
                     {_name_sql("last_name")} AS last_key FROM {source})
        WHERE birthdate IS NOT NULL AND first_key <> '' AND last_key <> ''
        GROUP BY {by} birthdate, first_key, last_key
        HAVING count(*) BETWEEN 2 AND {MOST_ALIKE}
    ), ones AS (
        SELECT *, unnest(students) AS student_id FROM (FROM by_state_id UNION ALL FROM by_name)
    ), pairs AS (
        SELECT * EXCLUDE (students) FROM (
            SELECT *, unnest(students) AS related_student_id FROM ones)
        WHERE student_id <> related_student_id
    )"""


def _state_id_sql(column: str) -> str:
    """Return SQL for a state id to be compared, NULL where it is none."""
    key = _key_sql(column)
    return f"CASE WHEN {_is_state_id(key)} THEN {key} END"


_ALIKE = f"""
    WITH births AS (
        SELECT DISTINCT birthdate FROM coming WHERE birthdate IS NOT NULL
    ), ends AS (
        SELECT DISTINCT {_END.format(column=_key_sql("state_student_id"))} AS last_digits
        FROM coming
    ), everybody AS (
        SELECT student_id, true AS comes, state_student_id, birthdate, first_name, last_name
        FROM coming
        UNION ALL
        SELECT student_id, false, state_student_id, birthdate, first_name, last_name
        FROM core.accounts
        WHERE district = $district AND state = 'active' AND (
            birthdate IN (FROM births)
            OR {_END.format(column="state_student_id")} IN (FROM ends)
            OR state_student_id NOT SIMILAR TO '[0-9]+')
    ), {_pairs_sql("everybody")}
    SELECT p.student_id, p.related_student_id, p.code FROM pairs p
    JOIN everybody a ON a.student_id = p.student_id
    JOIN everybody b ON b.student_id = p.related_student_id
    WHERE a.comes AND (NOT b.comes OR b.student_id < a.student_id)
      AND coalesce({_state_id_sql("a.state_student_id")} = {_state_id_sql("b.state_student_id")},
                   true)
    ORDER BY p.student_id, p.code = '{SAME_NAME}', b.comes, p.related_student_id
"""


_SPOKEN = " ".join(f"WHEN '{code}' THEN '{text}'" for code, text in ALIKE.items())
VIEW = f"""
    WITH active AS (
        SELECT * FROM core.accounts WHERE state = 'active'
    ), {_pairs_sql("active", "district,")}, every_pair AS (
        SELECT district, student_id, related_student_id, code,
               NULL::TIMESTAMP AS held_since, NULL::INTEGER AS to_school
        FROM pairs WHERE student_id < related_student_id
        UNION ALL
        SELECT district, student_id, related_student_id, code, min(detected_at),
               any_value(to_school)
        FROM core.account_changes_now WHERE status = 'held'
          AND code IN ('{SAME_STATE_ID}', '{SAME_NAME}')
        GROUP BY district, student_id, related_student_id, code
    ), said AS (
        SELECT district, least(student_id, related_student_id) AS low,
               greatest(student_id, related_student_id) AS high,
               arg_max(verdict, decided_at) AS verdict
        FROM meta.account_pairs GROUP BY ALL
    ), somebody AS (
        SELECT district, student_id, school, state_student_id FROM active
        SEMI JOIN (SELECT district, unnest([student_id, related_student_id]) AS student_id
                   FROM every_pair) USING (district, student_id)
    )
    SELECT p.district, p.student_id, p.related_student_id,
           CASE max(p.code) {_SPOKEN} END AS alike,
           coalesce(any_value(a.school), any_value(p.to_school)) AS school,
           any_value(b.school) AS related_school,
           -- Two children of one name and birthday have two state ids; a child has one.
           coalesce(any_value({_state_id_sql("a.state_student_id")})
                    <> any_value({_state_id_sql("b.state_student_id")}), false) AS other_state_id,
           count(p.held_since) > 0 AS waits, min(p.held_since) AS held_since,
           any_value(s.verdict) AS verdict
    FROM every_pair p
    LEFT JOIN somebody a ON a.district = p.district AND a.student_id = p.student_id
    LEFT JOIN somebody b ON b.district = p.district AND b.student_id = p.related_student_id
    LEFT JOIN said s ON s.district = p.district
      AND s.low = least(p.student_id, p.related_student_id)
      AND s.high = greatest(p.student_id, p.related_student_id)
    GROUP BY p.district, p.student_id, p.related_student_id
"""
"""``core.possible_duplicates``: pairs of ids that may be one child, with what was said of them."""
