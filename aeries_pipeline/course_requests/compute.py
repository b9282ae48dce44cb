"""Brings every open request of a district up to date with the newest pulls, in one transaction.

``rules`` decides which row of Aeries a request is for, and what is wrong with it; only
what changed is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts.policy import policy_of
from aeries_pipeline.course_requests.evidence import read_district, read_students
from aeries_pipeline.course_requests.holds import judge, left_out, waiting_files
from aeries_pipeline.course_requests.lost_zeros import meant_course
from aeries_pipeline.course_requests.model import (
    District as Known,
)
from aeries_pipeline.course_requests.model import (
    Outcome,
    Place,
    Reason,
    Request,
    State,
    Student,
    Warn,
)
from aeries_pipeline.course_requests.reconcile import Reconciled, reconciled
from aeries_pipeline.course_requests.rules import decide
from aeries_pipeline.course_requests.standing import collect, follow_carriers, name, place
from aeries_pipeline.course_requests.tables import OF_YEAR, prepare
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import writing


@dataclass(frozen=True, slots=True)
class Computed:
    """How a district's requests of the coming year stand.

    Attributes:
        next_year: First calendar year of the coming school year; None before any pull.
        states: Requests in each state.
        reasons: Requests for each reason, and exported ones that would not be today.
        changed: Requests whose state or reason is another than before.
        received: All requests of the coming year.
        waiting: Files that wait for a person, with the reason.
        reconciled: What schools were given, beside what is in Aeries.
        left_out: Students whom the newest whole export of a file no longer names.
    """

    next_year: int | None
    states: Mapping[State, int]
    reasons: Mapping[tuple[State, Reason], int]
    changed: int
    received: int
    waiting: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    reconciled: Sequence[Reconciled] = ()

    @property
    def arrivals(self) -> dict[tuple[int, str], int]:
        """Exported requests by what became of them in Aeries, by school.

        A registrar imports some days after the files were made: until then one is awaited.
        """
        return {
            (one.school, kind): number
            for one in self.reconciled
            for kind, number in sorted(one.given.items())
        }


_OPEN = """
SELECT r.student_id, r.file_id, r.line, r.course_id, r.alternate_for, r.school_year, r.problem,
       r.unread, e.school, e.student_number, r.state, r.reason, r.warnings, r.school,
       r.student_number, r.grade, e.places, c.is_left_out, r.proposed
FROM core.course_requests r
JOIN request_carriers c ON c.file_id = r.file_id AND c.line = r.line
LEFT JOIN (
    SELECT file_id, line, if(action = 'withdraw', NULL, school) AS school,
           if(action = 'withdraw', NULL, student_number) AS student_number,
           list([school, student_number]) OVER (PARTITION BY file_id, line) AS places
    FROM core.course_request_exports WHERE district = $district
    QUALIFY row_number() OVER (PARTITION BY file_id, line
                               ORDER BY exported_at DESC, export_id DESC, action DESC) = 1
) e ON e.file_id = r.file_id AND e.line = r.line
WHERE r.district = $district
ORDER BY r.student_id, r.received_at, r.file_id, r.line
"""


def compute(
    warehouse: Warehouse, district: District, *, moment: datetime | None = None
) -> Computed:
    """Decide again about every open request of a district.

    Args:
        warehouse: Where pulls and requests are.
        district: The roster's entry.
        moment: The present, UTC without a zone; tests give another.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written; it is as it was.
    """
    with writing(warehouse, f"{district.id}, course requests") as connection:
        prepare(connection)
        return _compute(connection, district, moment or now())


def _compute(
    connection: duckdb.DuckDBPyConnection, district: District, moment: datetime
) -> Computed:
    policy = policy_of(district, district.day_of(moment))
    known = read_district(connection, district.id, policy)
    if known.next_year is not None:
        connection.execute(
            "UPDATE core.course_requests SET school_year = ? "
            "WHERE district = ? AND school_year IS NULL",
            [known.next_year, district.id],
        )
    _name_the_newest(connection, district, known, moment)
    rows = connection.execute(_OPEN, {"district": district.id}).fetchall()
    ids = pa.table({"student_id": pa.array({row[0] for row in rows if row[0]}, pa.int64())})
    connection.register("wanted", ids)
    students = read_students(connection, district.id, policy, known)
    connection.unregister("wanted")
    changed = _decided(rows, students, known)
    _update(connection, district.id, changed, moment)
    follow_carriers(connection, district.id)
    return _summary(connection, district, known.next_year, len(changed), moment)


def _name_the_newest(
    connection: duckdb.DuckDBPyConnection, district: District, known: Known, moment: datetime
) -> None:
    """Find which line carries each request, after new files were let in or held."""
    connection.execute(
        "UPDATE core.course_request_files SET covers = 'additions', standing = 'counts' "
        "WHERE district = ? AND status = 'taken' AND covers IS NULL",
        [district.id],
    )
    meant = _meant(connection, district.id, known)
    if district.course_requests.restore_zeros:
        # What more than zeros has changed is for a person.
        lost = {one: found for one, found in meant.items() if one.isdigit() and found.isdigit()}
        meant = {one: found for one, found in meant.items() if one not in lost}
        if lost:
            _restore_zeros(connection, district.id, lost)
    collect(connection, district.id, known.next_year, list(known.courses or ()), meant)
    judge(connection, district.id, district.course_requests)
    name(connection)
    place(connection, district.id, moment)


def _meant(connection: duckdb.DuckDBPyConnection, district: str, known: Known) -> dict[str, str]:
    """Return the courses that unknown ids may mean which have lost their zeros."""
    if known.courses is None:
        return {}
    rows = connection.execute(
        "SELECT DISTINCT unnest([course_id, alternate_for]) FROM core.course_requests "
        "WHERE district = ? AND problem = ''",
        [district],
    ).fetchall()
    found = {
        course: meant_course(course, known.by_digits)
        for (course,) in rows
        if course not in known.courses
    }
    return {course: meant for course, meant in found.items() if meant}


def _restore_zeros(
    connection: duckdb.DuckDBPyConnection, district: str, meant: Mapping[str, str]
) -> None:
    table = pa.table([list(meant), list(meant.values())], names=["course_id", "meant"])
    connection.register("restored", table)
    for column in ("course_id", "alternate_for"):
        connection.execute(
            f"UPDATE core.course_requests AS r SET {column} = m.meant, unread = "
            f"list_distinct(list_append(unread, '{Warn.ZEROS_RESTORED}')) FROM restored m "
            f"WHERE r.district = ? AND r.problem = '' AND r.{column} = m.course_id",
            [district],
        )
    connection.unregister("restored")


def _decided(
    rows: Sequence[tuple[Any, ...]], students: Mapping[int, Student], known: Known
) -> list[tuple[str, int, Outcome]]:
    """Return the outcomes that differ from what is stored."""
    changed = []
    nobody = Student()
    for student, group in groupby(rows, key=lambda row: row[0]):
        of_student = list(group)
        requests = [_request(row) for row in of_student]
        outcomes = decide(requests, students.get(student, nobody), known)
        changed += [
            (row[1], row[2], outcome)
            for row, outcome in zip(of_student, outcomes, strict=True)
            if (row[10], row[11], tuple(row[12] or ()), *row[13:16], row[18]) != _flat(outcome)
        ]
    return changed


def _request(row: tuple[Any, ...]) -> Request:
    return Request(
        file_id=row[1],
        line=row[2],
        course_id=row[3],
        alternate_for=row[4],
        school_year=row[5],
        problem=Reason(row[6]) if row[6] else None,
        warnings=tuple(Warn(one) for one in row[7] or ()),
        exported_at=None if row[8] is None else Place(row[8], row[9]),
        exported_ever=tuple(Place(school, number) for school, number in row[16] or ()),
        is_left_out=row[17],
    )


def _flat(outcome: Outcome) -> tuple[Any, ...]:
    return (
        str(outcome.state),
        str(outcome.reason) if outcome.reason else None,
        tuple(str(one) for one in outcome.warnings),
        outcome.school,
        outcome.student_number,
        outcome.grade,
        outcome.proposed,
    )


def _update(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    changed: Sequence[tuple[str, int, Outcome]],
    moment: datetime,
) -> None:
    if not changed:
        return
    flat = [(file_id, line, *_flat(outcome)) for file_id, line, outcome in changed]
    kinds = (
        ("file_id", pa.string()), ("line", pa.int64()), ("state", pa.string()),
        ("reason", pa.string()), ("warnings", pa.list_(pa.string())), ("school", pa.int32()),
        ("student_number", pa.int64()), ("grade", pa.int32()), ("proposed", pa.string()),
    )  # fmt: skip
    arrays = [
        pa.array([row[place] for row in flat], kind) for place, (_name, kind) in enumerate(kinds)
    ]
    connection.register("decided", pa.table(arrays, names=[name for name, _kind in kinds]))
    connection.execute(
        """
        UPDATE core.course_requests AS r
        SET state = d.state, reason = d.reason, warnings = d.warnings, school = d.school,
            student_number = d.student_number, grade = d.grade, proposed = d.proposed,
            decided_at = $moment
        FROM decided d
        WHERE r.district = $district AND r.file_id = d.file_id AND r.line = d.line
        """,
        {"district": district, "moment": moment},
    )
    connection.unregister("decided")


def _summary(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    next_year: int | None,
    changed: int,
    moment: datetime,
) -> Computed:
    year = next_year or 0
    rows = connection.execute(
        "SELECT state, reason, count(*) FROM core.course_requests r "
        f"WHERE district = $district AND (school_year IS NULL OR $year = 0 OR {OF_YEAR}) "
        "GROUP BY ALL ORDER BY ALL",
        {"district": district.id, "year": year},
    ).fetchall()
    states: Counter[State] = Counter()
    reasons: Counter[tuple[State, Reason]] = Counter()
    for state, reason, number in rows:
        states[State(state)] += number
        if reason:
            reasons[State(state), Reason(reason)] += number
    lately = moment - timedelta(days=district.course_requests.arrival_days)
    return Computed(
        next_year, states, reasons, changed, states.total(),
        waiting_files(connection, district.id), left_out(connection, district.id),
        [one for one in reconciled(connection, district.id, lately) if one.year == year],
    )  # fmt: skip
