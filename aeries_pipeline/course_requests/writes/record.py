"""What is to be written through the API, and the record of every answer. Queries and DDL.

A row is stored before each request is sent, and its answer as soon as it comes, so that
whatever stops the program, the warehouse knows what was requested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import groupby

import duckdb

from aeries_pipeline.accounts.policy import policy_of
from aeries_pipeline.course_requests.evidence import read_district
from aeries_pipeline.course_requests.sss.plan import Wanted
from aeries_pipeline.course_requests.sss.reading import School, read_wanted
from aeries_pipeline.course_requests.tables import WRITES_COLUMNS, prepare
from aeries_pipeline.course_requests.writes.calls import Answered, Said
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.ledger import last_good
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows, writing

FRESH_FOR = timedelta(days=8)
"""A list of students that is older is not relied on; windows at weekends give one a week."""

SETTLES_WITHIN = timedelta(minutes=10)
"""A request without an answer may still be carried out for so long."""


class Outcome(StrEnum):
    """What became of one request on its way to Aeries."""

    SHOWN = "shown"
    ASKED = "asked"
    WRITTEN = "written"
    FOUND = "found"
    THERE = "there"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_WRITTEN = "not_written"
    TAKEN_OUT = "taken_out"


@dataclass(frozen=True, slots=True)
class Wish:
    """One request that the files give out, and what was done about it.

    Attributes:
        wanted: The request.
        is_shown: Whether a dry run has shown it.
        was_there: Whether it was written, or found in Aeries, since it was last asked for.
        is_open: Whether it was sent a while ago and may still be carried out.
    """

    wanted: Wanted
    is_shown: bool
    was_there: bool
    is_open: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """The requests of one student at one school, in the order of their numbers."""

    school: int
    student_id: int
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is to be written for a district.

    Attributes:
        next_year: First calendar year of the coming school year; None before any pull.
        desks: Student by student.
        stale: Schools whose students were not completely pulled for too long.
    """

    next_year: int | None
    desks: tuple[Desk, ...]
    stale: tuple[int, ...] = ()


_KNOWN = """
SELECT w.file_id, w.line, w.student_number, w.course_id, bool_or(w.outcome = 'shown'),
       bool_or(w.kind <> 'link' AND w.outcome IN ('written', 'found', 'there')
               AND w.asked_at >= coalesce(t.withdrawn_at, w.asked_at)),
       bool_or(w.outcome IN ('asked', 'unknown') AND w.asked_at > $settled::TIMESTAMP)
FROM core.course_request_writes w
LEFT JOIN (SELECT file_id, line, max(exported_at) AS withdrawn_at
           FROM core.course_request_exports
           WHERE district = $district AND action = 'withdraw' GROUP BY ALL) t
  ON t.file_id = w.file_id AND t.line = w.line
WHERE w.district = $district AND w.school = $school GROUP BY ALL
"""
_NUMBERED = """
INSERT INTO core.course_request_exports BY NAME
SELECT * REPLACE ($number::INTEGER AS sequence_number, $moment::TIMESTAMP AS exported_at)
FROM core.course_request_exports
WHERE district = $district AND school = $school AND student_id = $student
  AND file_id = $file AND line = $line AND coalesce(action, 'insert') = 'insert'
QUALIFY row_number() OVER (ORDER BY exported_at DESC, export_id DESC) = 1
  AND sequence_number <> $number
"""


def read_ahead(warehouse: Warehouse, district: District, schools: Sequence[int]) -> Ahead:
    """Return what is in the files of schools and not known to be in Aeries.

    Args:
        warehouse: Of the district.
        district: The roster's entry.
        schools: School codes.
    """
    moment = now()
    pulled = last_good(warehouse, district.id, "students")
    fresh = {one for one, good in pulled.items() if good.finished_at >= moment - FRESH_FOR}
    with warehouse.open() as connection:
        prepare(connection)
        known = read_district(connection, district.id, policy_of(district, district.day_of(moment)))
        year = known.next_year
        stale = tuple(one for one in schools if one not in fresh)
        if year is None:
            return Ahead(None, (), stale)
        desks = [
            desk
            for school in schools
            if school in fresh
            for desk in _desks(connection, School(district.id, school, year))
        ]
    return Ahead(year, tuple(desks), stale)


def _desks(connection: duckdb.DuckDBPyConnection, school: School) -> list[Desk]:
    bound = {
        "district": school.district, "school": school.code, "settled": now() - SETTLES_WITHIN
    }  # fmt: skip
    known = {tuple(row[:4]): row[4:] for row in connection.execute(_KNOWN, bound).fetchall()}
    given = [one for one in read_wanted(connection, school) if not one.is_new]
    given.sort(key=lambda one: (one.student_id, one.given or 0, one.file_id, one.line))
    found = []
    for student, group in groupby(given, key=lambda one: one.student_id):
        wishes = [
            Wish(one, *known.get(_key(one), (False, False, False)))
            for one in group
            if not one.is_present
        ]
        if wishes:
            found.append(Desk(school.code, student, tuple(wishes)))
    return found


def _key(one: Wanted) -> tuple[str, int, int, str]:
    return one.file_id, one.line, one.student_number, one.course_id


class Record:
    """The record of one run of ``requests send``."""

    def __init__(self, warehouse: Warehouse, district: str, write_id: str) -> None:
        """Begin; nothing is written yet.

        Args:
            warehouse: Of the district.
            district: District id.
            write_id: Sorts by time; unique among all runs.
        """
        self._warehouse = warehouse
        self._district = district
        self._write_id = write_id
        self._calls = 0

    def note(self, school: int, one: Wanted, outcome: Outcome, number: int | None = None) -> None:
        """Keep what was seen of a request for which nothing was sent."""
        self._keep([self._row(school, one, _kind(one), "", outcome, number)])

    def show(self, school: int, wanted: Sequence[Wanted]) -> None:
        """Keep what a dry run has shown."""
        self._keep([self._row(school, one, _kind(one), "", Outcome.SHOWN, None) for one in wanted])

    def ask(self, school: int, one: Wanted, kind: str, call: str) -> int:
        """Keep that a request is about to be sent; return what names it."""
        row = self._row(school, one, kind, call, Outcome.ASKED, None)
        self._keep([row])
        return self._calls

    def answer(
        self, place: int, school: int, one: Wanted, answered: Answered, outcome: Outcome
    ) -> None:
        """Keep the answer to it, and the number that a new request has been given."""
        moment = now()
        bound = {"district": self._district, "id": self._write_id, "call": place}
        is_new = outcome in {Outcome.WRITTEN, Outcome.FOUND}
        with writing(self._warehouse, f"{self._district}, course requests", "send again") as open_:
            found = open_.execute(
                "UPDATE core.course_request_writes SET outcome = $outcome, status = $status, "
                "sequence_number = $number, answer = $answer, answered_at = $moment "
                "WHERE district = $district AND write_id = $id AND call_number = $call "
                "RETURNING kind",
                {**bound, "outcome": str(outcome), "status": answered.status, "moment": moment,
                 "number": answered.number, "answer": answered.text},
            ).fetchone()  # fmt: skip
            if is_new and answered.number is not None and found and found[0] != LINK:
                open_.execute(
                    _NUMBERED,
                    {"district": self._district, "school": school, "student": one.student_id,
                     "file": one.file_id, "line": one.line, "number": answered.number,
                     "moment": moment},
                )  # fmt: skip

    def _row(
        self, school: int, one: Wanted, kind: str, call: str, outcome: Outcome, number: int | None
    ) -> tuple[object, ...]:
        self._calls += 1
        return (
            self._write_id, self._calls, self._district, school, one.student_id,
            one.student_number, one.file_id, one.line, one.course_id, kind, call, str(outcome),
            None, number, None, now(), None,
        )  # fmt: skip

    def _keep(self, rows: Sequence[tuple[object, ...]]) -> None:
        with writing(self._warehouse, f"{self._district}, course requests", "send again") as open_:
            insert_rows(open_, "core.course_request_writes", WRITES_COLUMNS, rows)


LINK = "link"


def _kind(one: Wanted) -> str:
    return "alternate" if one.alternate_for else "request"


def outcome_of(answered: Answered, found: int | None) -> Outcome:
    """Return what became of a request, which reading again may have found."""
    if answered.said is Said.UNKNOWN and found is not None:
        return Outcome.FOUND
    return Outcome(str(answered.said))
