"""Requests single students from a district's server before their accounts change.

Whom to ask for follows from the same decisions that ``compute`` makes. The
warehouse's lock is not held during requests. A student who is not found counts
as gone only if another one, known to be there, is found in the same way: some
sites lack the endpoint.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from aeries_pipeline.accounts.confirmations import (
    Purpose,
    Question,
    Said,
)
from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.accounts.policy import Policy, policy_of
from aeries_pipeline.accounts.tables import CONFIRMATIONS_COLUMNS
from aeries_pipeline.accounts.whom_to_ask import Plan, plan_of
from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.one_student import rows_of_student
from aeries_pipeline.ingest.session import DistrictBusyError, Session
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows, writing

Row = Mapping[str, Any]
Ask = Callable[[int, int], Sequence[Row]]
"""Returns the rows of a student at a school: (school, student) -> rows."""


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
        trouble: Why nobody could be asked; empty if it was possible.
    """

    due: int = 0
    asked: int = 0
    requests: int = 0
    agreed: int = 0
    contradicted: Mapping[int, int] = field(default_factory=dict)
    failed: int = 0
    trouble: str = ""


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
    plan = plan_of(warehouse, district, moment or now())
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
        """Return the school of an active row, None if there is none.

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


def _summed(plan: Plan, answers: Sequence[_Answer], asker: _Asker) -> Confirmed:
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
