"""Which files wait for a person before they count, and what the person answered.

A file that brings much less than the one before is held, as a pull is: if a share of
the students or requests vanishes at once, a forgotten filter is more likely than that
many changed plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import duckdb

from aeries_pipeline.course_requests.model import Reason
from aeries_pipeline.course_requests.standing import name, order_files
from aeries_pipeline.course_requests.statement import Covers
from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.districts.configuration import CourseRequestSettings
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.transaction import writing

SAME_AS_OLDER = (
    "it is byte for byte a file that a newer one has replaced; it may be the newest plan again, "
    "or an old file that was handed in by mistake"
)


class Answer(StrEnum):
    """What a person says about a file."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    KEEP = "keep"


class NoSuchFileError(LookupError):
    """There is no file to which the answer belongs."""


@dataclass(frozen=True, slots=True)
class Vanishing:
    """What a file would take away.

    Attributes:
        students: Students with requests for whom a whole export speaks.
        students_gone: Those whom it no longer names.
        requests: Requests of the students for whom the file speaks.
        requests_gone: By how many they are fewer; a course that takes the place
            of another does not count.
    """

    students: int = 0
    students_gone: int = 0
    requests: int = 0
    requests_gone: int = 0


def held_because(found: Vanishing, share: float, least: int) -> str:
    """Return why a file has to wait for a person; empty if it need not.

    Args:
        found: What the file would take away.
        share: More than this share is held.
        least: Fewer than this are never too many.
    """
    told = []
    for what, gone, before in (
        ("students", found.students_gone, found.students),
        ("requests", found.requests_gone, found.requests),
    ):
        if gone >= least and gone > share * before:
            told.append(f"{gone:,} of {before:,} {what}")
    return f"it would take away {' and '.join(told)}" if told else ""


def judge(
    connection: duckdb.DuckDBPyConnection, district: str, settled: CourseRequestSettings
) -> None:
    """Let each new file count, or hold it.

    Args:
        connection: Has what ``standing.collect`` has made.
        district: District id.
        settled: The district's settings.
    """
    fresh = connection.execute(
        "SELECT file_id, covers, ord FROM request_files WHERE standing IS NULL "
        "ORDER BY received_at, ord"
    ).fetchall()
    for file_id, covers, order in fresh:
        reason = ""
        if covers == Covers.SCHOOL:
            reason = _settle_school(connection, district, file_id, order)
        if not reason:
            _set(connection, district, file_id, "counts", "")
            found = _vanishing(connection, covers, order)
            reason = held_because(found, settled.max_vanishing, settled.min_vanishing)
        if reason:
            _set(connection, district, file_id, "held", reason)


def _set(
    connection: duckdb.DuckDBPyConnection, district: str, file_id: str, standing: str, hold: str
) -> None:
    connection.execute(
        "UPDATE core.course_request_files SET standing = $standing, hold = $hold "
        "WHERE district = $district AND file_id = $file AND status = 'taken'",
        {"standing": standing, "hold": hold, "district": district, "file": file_id},
    )
    connection.execute(
        "UPDATE request_files SET standing = ? WHERE file_id = ?", [standing, file_id]
    )


def _settle_school(
    connection: duckdb.DuckDBPyConnection, district: str, file_id: str, order: int
) -> str:
    """Find the school of which a file is the whole export; return why there is none."""
    rows = connection.execute(
        """
        SELECT coalesce(nullif(s."NextSchoolCode", 0), s."SchoolCode") AS school,
               count(DISTINCT s."StudentID") AS students
        FROM raw.students s
        WHERE s.district = ? AND CAST(s."StudentID" AS VARCHAR) IN (
            SELECT who FROM request_said WHERE ord = ?)
        GROUP BY ALL ORDER BY students DESC LIMIT 1
        """,
        [district, order],
    ).fetchall()
    total = _one(connection, "SELECT count(DISTINCT who) FROM request_said WHERE ord = ?", [order])
    if not rows or 2 * rows[0][1] <= total[0]:
        return "it is to cover a school, and no school has more than half of its students"
    for table in ("core.course_request_files", "request_files"):
        connection.execute(
            f"UPDATE {table} SET covers_school = ? WHERE file_id = ?", [rows[0][0], file_id]
        )
    return ""


def _vanishing(connection: duckdb.DuckDBPyConnection, covers: str, order: int) -> Vanishing:
    """Compare what stands with the file with what stood without it."""
    others = _one(
        connection,
        "SELECT count(*) FROM request_files WHERE standing = 'counts' AND ord <> ?", [order],
    )  # fmt: skip
    if covers == Covers.ADDITIONS or not others[0]:
        return Vanishing()
    name(connection, without=order)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE request_before AS "
        "SELECT n.who, n.year, count(*) AS requests, any_value(s.school) AS school, "
        "any_value(s.named) AS named FROM request_named n "
        "JOIN request_latest s USING (who, year) WHERE n.is_good GROUP BY ALL"
    )
    name(connection)
    row = _one(
        connection,
        """
        WITH after AS (
            SELECT who, year, count(*) AS requests FROM request_named WHERE is_good GROUP BY ALL
        ), changed AS (
            SELECT b.requests AS before, greatest(b.requests - coalesce(a.requests, 0), 0) AS gone
            FROM request_before b LEFT JOIN after a USING (who, year)
            WHERE EXISTS (FROM request_said s WHERE s.ord = $order AND s.who = b.who
                          AND s.year = b.year)
        ), whole AS (
            SELECT f.ord > b.named AND NOT EXISTS (
                       FROM request_said s WHERE s.ord = $order AND s.who = b.who) AS is_gone
            FROM request_before b, request_files f
            WHERE f.ord = $order AND f.covers IN ('school', 'district')
              AND (f.covers_school IS NULL OR f.covers_school = b.school)
              AND NOT starts_with(b.who, '?')
              AND b.year IN (SELECT year FROM request_said WHERE ord = $order)
        )
        SELECT (SELECT count(*) FROM whole), (SELECT count(*) FROM whole WHERE is_gone),
               (SELECT coalesce(sum(before), 0) FROM changed),
               (SELECT coalesce(sum(gone), 0) FROM changed)
        """,
        {"order": order},
    )
    connection.execute("DROP TABLE temp.request_before")
    return Vanishing(*(int(number) for number in row))


def _one(connection: duckdb.DuckDBPyConnection, query: str, bound: Any) -> tuple[Any, ...]:  # noqa: ANN401
    row = connection.execute(query, bound).fetchone()
    return row or ()


def waiting_files(connection: duckdb.DuckDBPyConnection, district: str) -> dict[str, str]:
    """Return the files that wait for a person, with the reason."""
    return dict(
        connection.execute(
            "SELECT file_id, hold FROM core.course_request_files WHERE district = ? "
            "AND status = 'taken' AND standing = 'held' ORDER BY received_at, file_id",
            [district],
        ).fetchall()
    )


def left_out(connection: duckdb.DuckDBPyConnection, district: str) -> dict[str, int]:
    """Return how many students the newest whole export no longer names, by its file."""
    rows = connection.execute(
        f"""
        SELECT (SELECT file_id FROM core.course_request_files WHERE district = $district
                AND status = 'taken' AND standing = 'counts' AND covers IN ('school', 'district')
                AND (covers_school IS NULL OR covers_school = r.school)
                ORDER BY coalesce(stated_at, received_at) DESC LIMIT 1) AS file_id,
               count(DISTINCT student_id)
        FROM core.course_requests r
        WHERE district = $district AND reason = '{Reason.STUDENT_LEFT_OUT}' GROUP BY ALL
        """,
        {"district": district},
    ).fetchall()
    return {file_id: number for file_id, number in rows if file_id}


def answer(
    warehouse: Warehouse, district: District, file_id: str, said: Answer, who: str, moment: datetime
) -> None:
    """Record what a person says about a file; the next computation obeys.

    Args:
        warehouse: Where the files are recorded.
        district: The roster's entry.
        file_id: The file, as ``requests show`` names it.
        said: Accept or refuse a file that is held; withdraw or keep the requests
            of students whom a whole export no longer names.
        who: Who decides.
        moment: The present, UTC without a zone.

    Raises:
        NoSuchFileError: If no such file waits for this answer.
    """
    about_file = said in {Answer.ACCEPT, Answer.REFUSE}
    with writing(warehouse, f"{district.id}, course requests", "answer again") as connection:
        prepare(connection)
        order_files(connection, district.id)
        fits = (
            "standing = 'held'"
            if about_file
            else ("standing = 'counts' AND covers IN ('school', 'district')")
        )
        found = connection.execute(
            f"SELECT 1 FROM request_files WHERE file_id = ? AND {fits}", [file_id]
        ).fetchone()
        if found is None:
            raise NoSuchFileError(
                f"{district.id}: no file {file_id} of course requests waits for such an answer; "
                f"aeries-pipeline requests show {district.id} lists those that wait"
            )
        column, value = "missing", str(said)
        if about_file:
            column, value = "standing", "counts" if said is Answer.ACCEPT else "refused"
        connection.execute(
            f"UPDATE core.course_request_files SET {column} = $value, answered_by = $who, "
            "answered_at = $moment WHERE district = $district AND file_id = $file",
            {"value": value, "who": who, "moment": moment, "district": district.id,
             "file": file_id},
        )  # fmt: skip
