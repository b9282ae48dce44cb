"""Writes what the schools' files contain into Aeries, one student at a time.

First it reads what the student has there, then it writes what is missing: alternates,
the requests with links to them, links to requests that are there. If an answer fails to
come, it is looked for by reading again, and in no other way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from aeries_pipeline.course_requests.model import ANY_REQUEST
from aeries_pipeline.course_requests.sss.plan import Wanted
from aeries_pipeline.course_requests.writes.calls import ANOTHER, Answered, Calls, Held, Said
from aeries_pipeline.course_requests.writes.record import (
    LINK,
    Ahead,
    Desk,
    Outcome,
    Record,
    Wish,
    outcome_of,
    read_ahead,
)
from aeries_pipeline.districts.errors import (
    AeriesError,
    ConfigurationError,
    StoppedError,
    TransientError,
)
from aeries_pipeline.districts.roster import District
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import new_id, now

MOST_TROUBLES = 3
"""After so many students in a row without usable answers the server is left alone."""


@dataclass(slots=True)
class Sent:
    """What came of a run; counts only.

    Attributes:
        counts: Requests by school and outcome.
        links: Alternates that were linked to requests which are there.
        left: Students who wait for another run.
        unsettled: Those of them to whom something was sent lately that has no answer as yet.
        not_shown: Requests that no dry run has shown as yet.
        stale: Schools whose students were not completely pulled for too long.
        trouble: Why it ended early, or went badly for some; empty if it did not.
    """

    counts: Counter[tuple[int, Outcome]] = field(default_factory=Counter)
    links: int = 0
    left: int = 0
    unsettled: int = 0
    not_shown: int = 0
    stale: tuple[int, ...] = ()
    trouble: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all that was asked for happened."""
        bad = {Outcome.REFUSED, Outcome.UNKNOWN}
        return not (
            self.trouble or self.left or self.not_shown or self.stale
            or any(number for (_school, one), number in self.counts.items() if one in bad)
        )  # fmt: skip


def show(
    warehouse: Warehouse, district: District, schools: Sequence[int], *, again: bool = False
) -> Sent:
    """Show what would be written, send nothing, and record what was shown.

    Args:
        warehouse: Of the district.
        district: The roster's entry.
        schools: School codes.
        again: Whether what was there before and is no longer is to be written again.

    Raises:
        ConfigurationError: If the district has not settled that requests are written.
    """
    _consented(district)
    ahead = read_ahead(warehouse, district, schools)
    record = Record(warehouse, district.id, new_id(now()))
    sent = Sent(stale=ahead.stale)
    by_school: dict[int, list[Wanted]] = {}
    for desk in ahead.desks:
        for wish in desk.wishes:
            outcome = Outcome.THERE if wish.was_there and not again else Outcome.SHOWN
            sent.counts[desk.school, outcome] += 1
            if not wish.is_shown:
                by_school.setdefault(desk.school, []).append(wish.wanted)
    for school, wanted in by_school.items():
        record.show(school, wanted)
    return sent


def send(
    warehouse: Warehouse,
    district: District,
    schools: Sequence[int],
    opened: Callable[[], Session],
    *,
    again: bool = False,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Sent:
    """Write what a dry run has shown and Aeries lacks.

    Args:
        warehouse: Of the district.
        district: The roster's entry.
        schools: School codes.
        opened: Opens the pull in whose window and limits every request stays.
        again: Whether what was there before and is no longer is written again, as after
            Initialize Scheduling.
        told: Is told how many students were looked at, of how many.

    Raises:
        AeriesError: If nothing can be sent at all.
    """
    _consented(district)
    ahead = read_ahead(warehouse, district, schools)
    shown = [
        replace(desk, wishes=tuple(wish for wish in desk.wishes if wish.is_shown))
        for desk in ahead.desks
    ]
    due = [desk for desk in shown if desk.wishes]
    desks = [desk for desk in due if not any(wish.is_open for wish in desk.wishes)]
    unsettled = len(due) - len(desks)
    sent = Sent(stale=ahead.stale, left=unsettled, unsettled=unsettled)
    sent.not_shown = sum(not wish.is_shown for desk in ahead.desks for wish in desk.wishes)
    if not desks:
        return sent
    with opened() as session:
        _same_year(session, ahead)
        _Sender(session, Record(warehouse, district.id, session.pull_id), sent, again).go(
            desks, told
        )
    return sent


def _consented(district: District) -> None:
    if district.course_requests.write != "api":
        raise ConfigurationError(
            "not_settled",
            f"{district.id}: course requests are not written through Aeries' API; where the "
            "district agrees to that, set write: api under course_requests in the roster",
        )


def _same_year(session: Session, ahead: Ahead) -> None:
    year = session.preflight().start_year
    if ahead.next_year != year + 1:
        raise ConfigurationError(
            "another_year",
            f"{session.district.id}: the server answers for {year}, and the requests are for "
            f"{ahead.next_year}; nothing was written; pull the district first",
        )


class _LeftError(Exception):
    """Nothing more may be written for this student in this run."""


class _Sender:
    def __init__(self, session: Session, record: Record, sent: Sent, again: bool) -> None:  # noqa: FBT001
        self._session, self._record, self._sent = session, record, sent
        self._again = again

    def go(self, desks: Sequence[Desk], told: Callable[[int, int], None]) -> None:
        """Write student by student, until all are done or the server is to be left alone."""
        troubles = 0
        for place, desk in enumerate(desks):
            told(place, len(desks))
            try:
                self._write(desk)
                troubles = 0
                continue
            except _LeftError:
                trouble = "no usable answer came for some students"
            except TransientError as error:
                trouble = str(error)
            except AeriesError as error:
                # The window, the certificate, or an answer that names another record.
                self._sent.left += len(desks) - place
                self._sent.trouble = _sentence(error, self._session.district.id)
                return
            self._sent.left += 1
            self._sent.trouble = trouble
            troubles += 1
            if troubles >= MOST_TROUBLES:
                self._sent.left += len(desks) - place - 1
                self._sent.trouble = f"{trouble}; the others wait for another run"
                return
        told(len(desks), len(desks))

    def _write(self, desk: Desk) -> None:
        calls = Calls(self._session, desk.school, desk.student_id)
        requests = calls.requests()
        wishes = [one for one in desk.wishes if not one.wanted.alternate_for]
        others = [one for one in desk.wishes if one.wanted.alternate_for]
        numbers = self._alternates(desk, calls, others) if others else {}
        linked: dict[str, list[int]] = {}
        for one in others:
            number = numbers.get(one.wanted.course_id)
            if number is not None and one.wanted.alternate_for != ANY_REQUEST:
                linked.setdefault(one.wanted.alternate_for, []).append(number)
        for wish in wishes:
            self._request(desk, calls, wish, requests, linked.get(wish.wanted.course_id, []))
        for one in others:
            held = _find(requests, one.wanted.alternate_for)
            missing = set(linked.get(one.wanted.alternate_for, [])) - (
                held.linked if held else frozenset()
            )
            if held and numbers.get(one.wanted.course_id) in missing:
                self._link(desk, calls, one.wanted, held, sorted(missing))
                linked[one.wanted.alternate_for] = []

    def _alternates(self, desk: Desk, calls: Calls, others: Sequence[Wish]) -> dict[str, int]:
        """Return the numbers of the student's alternates by course, those that were missing too."""
        numbers = {held.course: held.number for held in reversed(calls.alternates())}
        for wish in others:
            course = wish.wanted.course_id
            if not self._is_due(desk, wish, numbers.get(course)):
                continue
            number = self._do(
                desk, wish.wanted, "alternate", "POST",
                partial(calls.create_alternate, course), partial(_looked, calls, course),
            )  # fmt: skip
            if number is not None:
                numbers[course] = number
        return numbers

    def _request(
        self, desk: Desk, calls: Calls, wish: Wish, held: Sequence[Held], links: Sequence[int]
    ) -> None:
        course = wish.wanted.course_id
        if self._is_due(desk, wish, _number(_find(held, course))):
            self._do(
                desk, wish.wanted, "request", "POST", lambda: calls.create(course, links),
                lambda: _number(_find(calls.requests(), course)),
            )  # fmt: skip

    def _link(
        self, desk: Desk, calls: Calls, one: Wanted, held: Held, links: Sequence[int]
    ) -> None:
        def found() -> int | None:
            now_held = [row for row in calls.requests() if row.number == held.number]
            return held.number if now_held and now_held[0].linked >= set(links) else None

        if self._do(desk, one, LINK, "PUT", lambda: calls.link(held, links), found) is not None:
            self._sent.links += len(links)

    def _is_due(self, desk: Desk, wish: Wish, number: int | None) -> bool:
        """Tell whether a request is missing in Aeries and is to be written there."""
        if number is not None:
            if not wish.was_there:
                self._record.note(desk.school, wish.wanted, Outcome.THERE, number)
            self._sent.counts[desk.school, Outcome.THERE] += 1
            return False
        if wish.was_there and not self._again:
            # Somebody took it out since; that is not undone by a program.
            self._sent.counts[desk.school, Outcome.TAKEN_OUT] += 1
            return False
        return True

    def _do(
        self,
        desk: Desk,
        one: Wanted,
        kind: str,
        call: str,
        ask: Callable[[], Answered],
        find: Callable[[], int | None],
    ) -> int | None:
        """Send one request, keep its answer, and return the number that is there now."""
        place = self._record.ask(desk.school, one, kind, call)
        answered, found = Answered(Said.UNKNOWN), None
        is_sent = False
        try:
            answered = ask()
            is_sent = True
            if answered.said is Said.UNKNOWN:
                found = find()
                answered = replace(answered, number=found)
        except AeriesError as error:
            is_sent = is_sent or error.code == ANOTHER
            outcome = Outcome.UNKNOWN if is_sent else Outcome.NOT_WRITTEN
            told = replace(answered, text=answered.text or error.code)
            self._record.answer(place, desk.school, one, told, outcome)
            self._sent.counts[desk.school, outcome] += 1
            raise
        outcome = outcome_of(answered, found)
        self._record.answer(place, desk.school, one, answered, outcome)
        if kind != LINK or outcome in {Outcome.REFUSED, Outcome.UNKNOWN}:
            self._sent.counts[desk.school, outcome] += 1
        if outcome is Outcome.UNKNOWN:
            raise _LeftError
        return answered.number


def _find(held: Sequence[Held], course: str) -> Held | None:
    """Return the request for a course; one that the scheduler replaced by its alternate counts."""
    return next((one for one in held if course in {one.course, one.primary} - {""}), None)


def _looked(calls: Calls, course: str) -> int | None:
    return _number(_find(calls.alternates(), course))


def _number(held: Held | None) -> int | None:
    return held.number if held else None


def _sentence(error: AeriesError, district: str) -> str:
    if isinstance(error, StoppedError):
        return f"{district}: the pull window has closed; the others wait for another run"
    return str(error)
