"""Students for whom nothing is decided yet, and since when; schools that are left out.

Written by each computation, so that a wait that never ends is seen. Student
IDs are only in the table and in the review, never in a log or a check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from aeries_pipeline.accounts.evidence import Picture
from aeries_pipeline.accounts.holds import Hold
from aeries_pipeline.accounts.tables import WAITING_COLUMNS, prepare
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows

HELD = "held"
EXPECTED = frozenset({"enters_later", "additions_only"})
"""Waits that end by themselves on a day that the district has named; nobody need look."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One student who waits.

    Attributes:
        student_id: StudentID.
        code: Why; ``held`` for a change that waits for a person.
        since: UTC without a zone.
        school: Where the account is; None if there is none, or nobody asked.
    """

    student_id: int
    code: str
    since: datetime
    school: int | None = None


def waits_of(
    waiting: Mapping[int, str],
    held: Iterable[tuple[int, datetime]],
    before: Mapping[int, datetime],
    moment: datetime,
) -> list[Wait]:
    """Return who waits after a computation, and since when. Pure.

    Args:
        waiting: Why nothing is proposed, by student.
        held: Students with a held change, and when it was first proposed.
        before: Since when each student waited until now.
        moment: The present, UTC without a zone.
    """
    present = {student: (code, moment) for student, code in waiting.items() if code not in EXPECTED}
    for student, detected in held:
        code, began = present.get(student, (HELD, moment))
        present[student] = (code, min(began, detected))
    return [
        Wait(student, code, min(began, before.get(student, began)))
        for student, (code, began) in sorted(present.items())
    ]


def late_among(waits: Iterable[Wait], moment: datetime, days: float) -> list[Wait]:
    """Return who waits for more than a number of days, the longest first. Pure."""
    limit = moment - timedelta(days=days)
    late = (wait for wait in waits if wait.since < limit)
    return sorted(late, key=lambda one: (one.since, one.student_id))


def note_waits(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    waiting: Mapping[int, str],
    holds: Iterable[Hold],
    moment: datetime,
) -> list[Wait]:
    """Write down who waits after a computation; return who waits for too long."""
    before = {wait.student_id: wait.since for wait in _known(connection, district.id)}
    held = [(hold.student_id, hold.detected_at) for hold in holds]
    waits = waits_of(waiting, held, before, moment)
    connection.execute("DELETE FROM core.account_waiting WHERE district = ?", [district.id])
    rows = [(district.id, wait.student_id, wait.code, wait.since) for wait in waits]
    insert_rows(connection, "core.account_waiting", WAITING_COLUMNS, rows)
    return late_among(waits, moment, district.stale_after_days)


def long_waits(
    warehouse: Warehouse, district: District, moment: datetime | None = None
) -> list[Wait]:
    """Return who waits for more than the district's ``stale_after_days``, the longest first."""
    with warehouse.open() as connection:
        prepare(connection)
        waits = _known(connection, district.id)
    return late_among(waits, moment or now(), district.stale_after_days)


def _known(connection: duckdb.DuckDBPyConnection, district: str) -> list[Wait]:
    rows = connection.execute(
        "SELECT w.student_id, w.code, w.since, a.school FROM core.account_waiting w "
        "LEFT JOIN core.accounts a USING (district, student_id) WHERE w.district = ?",
        [district],
    ).fetchall()
    return [Wait(*row) for row in rows]


def left_out_now(warehouse: Warehouse, district: str) -> list[str]:
    """Return a sentence for each school that the newest computation left out, with since when."""
    with warehouse.open() as connection:
        prepare(connection)
        row = connection.execute(
            "SELECT troubles FROM meta.account_batches WHERE district = ? "
            "ORDER BY computed_at DESC LIMIT 1",
            [district],
        ).fetchone()
    return list(row[0] or ()) if row else []


def told_since(
    connection: duckdb.DuckDBPyConnection, district: District, picture: Picture, moment: datetime
) -> dict[int, str]:
    """Return why each school is not in the picture, with the district's day since when.

    That is the first computation that named the school, after the last one that read it.
    """
    if not picture.troubles:
        return {}
    rows = connection.execute(
        "WITH asked AS (SELECT unnest($schools) AS school), "
        "batches AS (SELECT * FROM meta.account_batches WHERE district = $district) "
        "SELECT a.school, min(b.computed_at) FROM asked a JOIN batches b "
        "ON len(list_filter(b.troubles, lambda said: starts_with(said, 'school ' || a.school || ':'"
        "))) > 0 "
        "WHERE b.computed_at > coalesce((SELECT max(r.computed_at) FROM batches r "
        "WHERE list_contains(r.schools, a.school)), TIMESTAMP '1970-01-01') GROUP BY a.school",
        {"district": district.id, "schools": sorted(picture.troubles)},
    ).fetchall()
    since = dict(rows)
    return {
        school: f"{why} (left out since {district.day_of(since.get(school, moment))})"
        for school, why in picture.troubles.items()
    }
