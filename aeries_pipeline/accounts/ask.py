"""Asks a district's server for single students before their accounts change.

Whom to ask follows from the same decisions that ``compute`` makes. The lock of
the warehouse is not held while requests are under way. A student who is not
found counts as gone only where another one, known to be there, is found in the
same way: some sites lack the end point.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import duckdb

from aeries_pipeline.accounts.batch import Batch
from aeries_pipeline.accounts.compute import Proposed, proposed
from aeries_pipeline.accounts.confirmations import (
    Purpose,
    Question,
    Said,
    many_arrivals,
    places_of,
    unanswered,
)
from aeries_pipeline.accounts.model import Change, Kind, Standing
from aeries_pipeline.accounts.policy import Policy, policy_of
from aeries_pipeline.accounts.tables import CONFIRMATIONS_COLUMNS, prepare
from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.one_student import rows_of_student
from aeries_pipeline.ingest.session import DistrictBusyError, Session
from aeries_pipeline.stores.connection import Warehouse, table_exists
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows, writing

Row = Mapping[str, Any]
_T = TypeVar("_T")
Ask = Callable[[int, int], Sequence[Row]]
"""Returns the rows of a student at a school: (school, student) -> rows."""

_STATUS = '"InactiveStatusCode"'
WORTH = 100
"""With more requests than this a student is asked for only where the grade is taught."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What came of the asking; counts only.

    Attributes:
        due: Students about whom the lists ask for something that is to be confirmed.
        asked: Students asked for.
        requests: Requests sent, those for comparison included.
        agreed: Students of whom the answers say the same as the list.
        contradicted: Students of whom they say the contrary, by school of the list.
        failed: Students without a usable answer.
        trouble: Why nobody could be asked; empty where it was possible.
    """

    due: int = 0
    asked: int = 0
    requests: int = 0
    agreed: int = 0
    contradicted: Mapping[int, int] = field(default_factory=dict)
    failed: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class _Plan:
    """Whom to ask, and who is known to be there, by school."""

    questions: Sequence[Question]
    due: int
    known: Mapping[int, Sequence[int]]


def asking(session: Session) -> Ask:
    """Return what asks through an open pull, inside its window and its limits.

    Raises:
        AeriesError: If the server may not be asked now.
    """
    session.preflight()
    tally = Tally()
    return lambda school, student: rows_of_student(session, school, student, tally)


def confirm(
    warehouse: Warehouse,
    district: District,
    opened: Callable[[], Ask],
    *,
    moment: datetime | None = None,
    run_id: str | None = None,
) -> Confirmed:
    """Ask for every student whose account the lists would end or take up again.

    Args:
        warehouse: Where pulls and accounts are.
        district: The roster's entry.
        opened: Returns what asks; called only where there is anybody to ask for.
        moment: The present, UTC without a zone; tests give another.
        run_id: The Dagster run, for the record.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written.
    """
    if not district.accounts.confirm_alone:
        return Confirmed(trouble="confirm_alone is off in the roster")
    plan = _plan(warehouse, district, moment or now())
    if not plan.questions:
        return Confirmed(plan.due)
    try:
        asker = _Asker(opened(), policy_of(district, district.day_of(moment or now())), plan.known)
    except (AeriesError, DistrictBusyError) as error:
        return Confirmed(plan.due, trouble=str(error))
    with ThreadPoolExecutor(max_workers=district.max_concurrent_requests) as pool:
        answers = list(pool.map(asker.answer, plan.questions))
    when = moment or now()
    rows = [
        (
            district.id, one.student_id, str(one.purpose), when, one.school, one.pull_id,
            list(answer.asked), str(answer.said), answer.active_at, answer.code or None,
            one.purpose is Purpose.LEAVING and answer.said is Said.ACTIVE
            and answer.active_at in district.schools,
            run_id,
        )
        for one, answer in zip(plan.questions, answers, strict=True)
        if answer.asked
    ]  # fmt: skip
    with writing(warehouse, f"{district.id}, confirmations", "ask again") as connection:
        _record(connection, district.id, rows)
    return _summed(plan, answers, asker)


@dataclass(slots=True)
class _Answer:
    said: Said
    asked: list[int] = field(default_factory=list)
    active_at: int | None = None
    code: str = ""


class _Asker:
    """Asks, and keeps what one answer means for the next."""

    def __init__(self, ask: Ask, policy: Policy, known: Mapping[int, Sequence[int]]) -> None:
        self._ask, self._policy, self._known = ask, policy, known
        self._locks: dict[int, threading.Lock] = {}
        self._works: dict[int, bool] = {}
        self._lock = threading.Lock()
        self._stopped = ""
        self.requests = 0

    def answer(self, question: Question) -> _Answer:
        """Ask for one student, school by school, until an active row is found."""
        found = _Answer(Said.GONE)
        for school in question.places:
            if self._stopped:
                return _Answer(Said.FAILED, found.asked, code=self._stopped)
            found.asked.append(school)
            try:
                found.active_at = self._active_at(school, question.student_id)
            except (AeriesError, ValueError) as error:
                return _Answer(Said.FAILED, found.asked, code=self._code(error))
            if found.active_at is not None:
                found.said = Said.ACTIVE
                return found
        if not self._finds_others(question.school):
            return _Answer(Said.FAILED, found.asked, code="nobody_is_found")
        return found

    def _code(self, error: Exception) -> str:
        code = error.code if isinstance(error, AeriesError) else "unreadable"
        if isinstance(error, StoppedError):
            self._stopped = code
        return code

    def _active_at(self, school: int, student: int) -> int | None:
        """Return the school of an active row, None where there is none.

        Raises:
            AeriesError: If there is no usable answer.
            ValueError: If a row of the answer cannot be read.
        """
        with self._lock:
            self.requests += 1
        for row in self._ask(school, student):
            code, named = row.get("InactiveStatusCode"), row.get("SchoolCode")
            if not isinstance(code, str) or not isinstance(named, int):
                raise ValueError("a row without status or school")  # noqa: TRY004
            if row.get("StudentID") != student:
                raise ValueError("a row of another student")
            if self._policy.standing(code, named) is Standing.ACTIVE:
                return named
        return None

    def _finds_others(self, school: int) -> bool:
        """Tell whether a student who is known to be there is found in the same way."""
        with self._lock:
            lock = self._locks.setdefault(school, threading.Lock())
        with lock:
            if school not in self._works:
                self._works[school] = self._any_found(school)
            return self._works[school]

    def _any_found(self, school: int) -> bool:
        where = school if self._known.get(school) else next(iter(self._known), None)
        if where is None:
            return False
        for student in self._known[where]:
            try:
                if self._active_at(where, student) is not None:
                    return True
            except (AeriesError, ValueError) as error:
                self._code(error)
                return False
        return False


def _summed(plan: _Plan, answers: Sequence[_Answer], asker: _Asker) -> Confirmed:
    against: Counter[int] = Counter()
    agreed = failed = 0
    for one, answer in zip(plan.questions, answers, strict=True):
        wanted = Said.GONE if one.purpose is Purpose.LEAVING else Said.ACTIVE
        if answer.said is Said.FAILED:
            failed += 1
        elif answer.said is wanted:
            agreed += 1
        else:
            against[answer.active_at or one.school] += 1
    return Confirmed(
        plan.due, len(answers), asker.requests, agreed, dict(sorted(against.items())), failed
    )


def _record(
    connection: duckdb.DuckDBPyConnection, district: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Append the answers, let them stand in for older ones, and mark contradicted pulls."""
    students = [row[1] for row in rows if row[7] != Said.FAILED]
    connection.execute(
        "UPDATE core.confirmations SET open = false "
        "WHERE open AND district = ? AND list_contains(?::BIGINT[], student_id)",
        [district, students],
    )
    insert_rows(connection, "core.confirmations", CONFIRMATIONS_COLUMNS, rows)
    connection.execute(
        "UPDATE meta.pulls p SET contradicted = n FROM ("
        "SELECT pull_id, CASE said WHEN 'active' THEN active_at ELSE school END AS school, "
        "count(DISTINCT student_id) AS n FROM core.confirmations WHERE district = $district "
        "AND (purpose = 'leaving' AND said = 'active' OR purpose = 'arriving' AND said = 'gone') "
        "GROUP BY ALL) c WHERE p.district = $district AND p.resource = 'students' "
        "AND p.pull_id = c.pull_id AND p.school = c.school",
        {"district": district},
    )


@contextmanager
def _looking(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in a transaction of which nothing remains."""
    with warehouse.open() as connection:
        prepare(connection)
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")


def _plan(warehouse: Warehouse, district: District, moment: datetime) -> _Plan:
    """Find whom to ask, from the decisions that the lists lead to."""
    with _looking(warehouse) as connection:
        if not table_exists(connection, "raw", "students"):
            return _Plan((), 0, {})
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
        schools, spans = _schools(connection, district)
        everywhere = (len(chosen) + len(again)) * len(schools) <= WORTH
        questions = [
            _question_of(leaving[one], found, schools, spans, everywhere=everywhere)
            for one in chosen
        ]
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
        return _Plan(questions, due, _known(connection, district.id, policy, questions))


def _sample(found: Sequence[_T], policy: Policy, moment: datetime) -> list[_T]:
    """Return all where they are few, else a sample of them."""
    if len(found) <= policy.bounds.max_asked:
        return list(found)
    drawn = random.Random(moment.isoformat())  # noqa: S311 - no secret
    return drawn.sample(list(found), policy.bounds.sample_asked)


def _question_of(
    change: Change,
    found: Proposed,
    schools: set[int],
    spans: Mapping[int, tuple[int, int]],
    *,
    everywhere: bool,
) -> Question:
    account, case = change.after, found.cases[change.student_id]
    rows = sorted(row.school for row in case.rows if row.school in schools)
    grade = account.grade
    fits = {
        one
        for one in schools
        if one not in spans or grade is None or spans[one][0] - 1 <= grade <= spans[one][1] + 1
    }
    nexts = [account.next_school, *(row.next_school for row in case.rows)]
    first = [account.school, *rows, *(one for one in nexts if one in schools)]
    places = places_of(first, schools, fits, all_of_them=everywhere)
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


def _schools(
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
