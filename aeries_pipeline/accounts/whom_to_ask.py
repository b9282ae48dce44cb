"""Which students to request individually, and at which schools.

Follows from the decisions that the newest lists lead to; the requests are in ``ask``.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import duckdb

from aeries_pipeline.accounts.batch import Batch
from aeries_pipeline.accounts.compute import Proposed, proposed
from aeries_pipeline.accounts.confirmations import (
    Purpose,
    Question,
    many_arrivals,
    places_of,
    shared,
    unanswered,
)
from aeries_pipeline.accounts.model import Change, Kind
from aeries_pipeline.accounts.policy import Policy, policy_of
from aeries_pipeline.accounts.tables import looking
from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse, table_exists

_T = TypeVar("_T")
_STATUS = '"InactiveStatusCode"'
WORTH = 100
"""With more requests than this a student is asked for only where the grade is taught.

And of these schools only at the likeliest, so that a county's ordinary night
costs no more.
"""


@dataclass(frozen=True)
class Plan:
    """Whom to ask, and who is known to be there, by school."""

    questions: Sequence[Question]
    due: int
    known: Mapping[int, Sequence[int]]


def plan_of(warehouse: Warehouse, district: District, moment: datetime) -> Plan:
    """Find whom to ask, from the decisions that the lists lead to."""
    with looking(warehouse) as connection:
        if not table_exists(connection, "raw", "students"):
            return Plan((), 0, {})
        policy = policy_of(district, district.day_of(moment))
        batch = Batch(connection, district, policy, moment, None)
        found = proposed(batch)
        leaving = {
            one.student_id: one
            for one in found.proposals
            if one.kind is Kind.DEACTIVATE and one.student_id in found.unconfirmed
        }
        arriving = unanswered(
            many_arrivals(found.proposals, found.accounts), Purpose.ARRIVING,
            found.replies, found.picture,
        )  # fmt: skip
        again = _contradicted(connection, district.id, set(leaving))
        due = len(leaving) + len(arriving) + len(again)
        chosen = _sample(sorted(leaving), policy, moment)
        coming = _sample(arriving, policy, moment)
        schools, spans = _listed_schools(connection, district)
        everywhere = (len(chosen) + len(again)) * len(schools) <= WORTH
        # Each student costs one request at the school, which somebody known there confirms.
        least = 2 * len(chosen) + len(coming)
        where = _Where(
            schools, spans, _ways(connection, district.id), frozenset(district.schools),
            most=None if everywhere else shared(WORTH, least, len(chosen)),
        )  # fmt: skip
        questions = [_question_of(leaving[one], found, where) for one in chosen]
        questions += [
            Question(
                student, Purpose.LEAVING, school, pull_id, (school, *sorted(schools - {school}))
            )
            for student, school, pull_id in again
        ]
        questions += [
            Question(one.student_id, Purpose.ARRIVING, one.to_school or 0,
                     found.picture.pulls[one.to_school or 0].pull_id, (one.to_school or 0,))
            for one in coming
        ]  # fmt: skip
        return Plan(questions, due, _known(connection, district.id, policy, questions))


def _sample(found: Sequence[_T], policy: Policy, moment: datetime) -> list[_T]:
    """Return all where they are few, else a sample of them."""
    if len(found) <= policy.bounds.max_asked:
        return list(found)
    drawn = random.Random(moment.isoformat())  # noqa: S311 - no secret
    return drawn.sample(list(found), policy.bounds.sample_asked)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where students may be asked for.

    Attributes:
        schools: Every school of Aeries' own list and of the roster.
        spans: Lowest and highest grade of each, where known.
        ways: How many students went from one school to another until now.
        roster: Schools whose lists are read.
        most: Schools besides those that a row or a next school names; None for all.
    """

    schools: set[int]
    spans: Mapping[int, tuple[int, int]]
    ways: Mapping[tuple[int, int], int]
    roster: Collection[int]
    most: int | None

    def likely(self, school: int) -> list[int]:
        """Return the schools to which a student of this one may have gone, the likeliest first.

        A school whose list is not read has said nothing of anybody yet.
        """
        return sorted(
            self.schools,
            key=lambda one: (one in self.roster, -self.ways.get((school, one), 0), one),
        )


def _ways(connection: duckdb.DuckDBPyConnection, district: str) -> dict[tuple[int, int], int]:
    rows = connection.execute(
        "SELECT from_school, to_school, count(*) FROM core.account_changes WHERE district = ? "
        "AND kind = 'transfer' AND status = 'applied' GROUP BY ALL",
        [district],
    ).fetchall()
    return {(start, goal): number for start, goal, number in rows}


def _question_of(change: Change, found: Proposed, where: _Where) -> Question:
    account, case = change.after, found.cases[change.student_id]
    schools, spans = where.schools, where.spans
    rows = sorted(row.school for row in case.rows if row.school in schools)
    grade = account.grade
    fits = {
        one
        for one in schools
        if one not in spans or grade is None or spans[one][0] - 1 <= grade <= spans[one][1] + 1
    }
    nexts = [account.next_school, *(row.next_school for row in case.rows)]
    first = [account.school, *rows, *(one for one in nexts if one in schools)]
    places = places_of(
        first, where.likely(account.school), fits, all_of_them=where.most is None, most=where.most
    )
    pull = found.picture.pulls.get(account.school)
    pull_id = pull.pull_id if pull else account.pull_id
    return Question(account.student_id, Purpose.LEAVING, account.school, pull_id, places)


def _contradicted(
    connection: duckdb.DuckDBPyConnection, district: str, but: set[int]
) -> list[tuple[int, int, str]]:
    """Return students whom a list still lacks although they were there: asked every night."""
    rows = connection.execute(
        "SELECT student_id, active_at, pull_id FROM core.confirmations "
        "WHERE district = ? AND open ORDER BY student_id",
        [district],
    ).fetchall()
    return [row for row in rows if row[0] not in but]


def _listed_schools(
    connection: duckdb.DuckDBPyConnection, district: District
) -> tuple[set[int], dict[int, tuple[int, int]]]:
    """Return every school of Aeries' own list and of the roster, and the grades of each."""
    found, spans = set(district.schools), {}
    if table_exists(connection, "raw", "schools"):
        for school, low, high in connection.execute(
            'SELECT "SchoolCode", "LowGradeLevel", "HighGradeLevel" FROM raw.schools '
            'WHERE district = ? AND "SchoolCode" NOT IN (0, ?)',
            [district.id, district.inactive_school],
        ).fetchall():
            found.add(school)
            if low is not None and high is not None and low <= high:
                spans[school] = (low, high)
    return found, spans


def _known(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    policy: Policy,
    questions: Sequence[Question],
) -> dict[int, list[int]]:
    """Return students who are active by the lists and not in question, by school."""
    asked = ", ".join(str(one.student_id) for one in questions) or "NULL"
    codes = ", ".join(literal(code) for code in ("", *sorted(policy.active_codes)))
    rows = connection.execute(
        'SELECT school, "StudentID" FROM raw.students WHERE district = ? AND "SchoolCode" = school '
        f'AND {trimmed(_STATUS)} IN ({codes}) AND "StudentID" NOT IN ({asked}) '
        'QUALIFY row_number() OVER (PARTITION BY school ORDER BY "StudentID") <= 2',
        [district],
    ).fetchall()
    found: dict[int, list[int]] = {}
    for school, student in sorted(rows):
        found.setdefault(school, []).append(student)
    return found
