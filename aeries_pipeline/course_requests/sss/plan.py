"""Which rows of SSS, ACR and ACA a school's requests become, and with which numbers. Pure.

The primary key of SSS and ACR is school, student number and sequence. A number once
given to a request stays with it, so the whole file can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from aeries_pipeline.course_requests.model import ANY_REQUEST

MAX_SEQUENCE = 32767
"""SSS.SQ is a 16-bit integer."""


class NumbersUsedUpError(Exception):
    """A student has no free sequence number; the message names none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request that belongs into Aeries.

    Attributes:
        file_id: The file that brought it.
        line: Its line there.
        student_id: STU.ID.
        student_number: STU.SN at this school.
        course_id: The course, with leading zeros.
        alternate_for: Empty for a request; the course it is an alternate of, or ``*``.
        priority: 1 is the first wish; None if not stated.
        is_new: Whether it is in no export for this student number as yet.
        given: The sequence number it was exported with; None before.
        sort_order: The ACR.SRT it was exported with; None before.
        is_present: Whether the last pull shows it in Aeries.
    """

    file_id: str
    line: int
    student_id: int
    student_number: int
    course_id: str
    alternate_for: str = ""
    priority: float | None = None
    is_new: bool = True
    given: int | None = None
    sort_order: float | None = None
    is_present: bool = False


@dataclass(frozen=True, slots=True)
class Numbers:
    """Sequence numbers of one student at one school that are taken.

    Attributes:
        requests: Highest SSS.SQ that is known: in Aeries, and ever exported.
        alternates: Highest ACR.SQ that is known.
        sort_order: Highest ACR.SRT that is known.
        by_course: SSS.SQ of each course in Aeries.
    """

    requests: int = 0
    alternates: int = 0
    sort_order: float = 0.0
    by_course: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One row for SSS, or for ACR and ACA.

    Attributes:
        wanted: The request.
        sequence: SSS.SQ, or ACR.SQ of an alternate.
        linked: SSS.SQ that ACA ties an alternate to; None if to none.
        sort_order: ACR.SRT of an alternate; 0 otherwise.
    """

    wanted: Wanted
    sequence: int
    linked: int | None = None
    sort_order: float = 0.0

    @property
    def is_alternate(self) -> bool:
        """Whether it is a row of ACR."""
        return bool(self.wanted.alternate_for)


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of one school, ordered by student and number.

    Attributes:
        requests: Rows of SSS.
        alternates: Rows of ACR; those with ``linked`` also of ACA.
    """

    requests: tuple[Row, ...]
    alternates: tuple[Row, ...]

    @property
    def new(self) -> Plan:
        """What is exported for the first time."""
        return Plan(
            tuple(row for row in self.requests if row.wanted.is_new),
            tuple(row for row in self.alternates if row.wanted.is_new),
        )

    @property
    def whole(self) -> Plan:
        """Everything that the last pull does not show in Aeries."""
        return Plan(
            tuple(row for row in self.requests if not row.wanted.is_present),
            tuple(row for row in self.alternates if not row.wanted.is_present),
        )

    def __len__(self) -> int:
        return len(self.requests) + len(self.alternates)


def make_plan(
    wanted: Sequence[Wanted], numbers: Mapping[int, Numbers], first_sequence: int
) -> Plan:
    """Give each request its sequence number.

    Args:
        wanted: Requests of one school, ready or exported, in the order in
            which they came.
        numbers: Taken numbers, by student number.
        first_sequence: Lowest number to give.

    Raises:
        NumbersUsedUpError: If a student's numbers would exceed ``MAX_SEQUENCE``.
    """
    requests: list[Row] = []
    alternates: list[Row] = []
    nothing = Numbers()
    for student, group in groupby(
        sorted(wanted, key=lambda one: one.student_number), key=lambda one: one.student_number
    ):
        of_student = list(group)
        taken = numbers.get(student, nothing)
        primary = _numbered(
            [one for one in of_student if not one.alternate_for],
            max(taken.requests, first_sequence - 1),
        )
        requests += primary
        alternates += _alternates(of_student, primary, taken, first_sequence)
    return Plan(tuple(requests), tuple(alternates))


def _numbered(wanted: Sequence[Wanted], highest: int) -> list[Row]:
    """Keep given numbers; give the others the next free ones by priority."""
    rows = [Row(one, one.given) for one in wanted if one.given is not None]
    highest = max([highest, *(row.sequence for row in rows)])
    fresh = sorted(
        (one for one in wanted if one.given is None),
        key=lambda one: (one.priority is None, one.priority),
    )
    rows += [Row(one, highest + step) for step, one in enumerate(fresh, start=1)]
    if highest + len(fresh) > MAX_SEQUENCE:
        raise NumbersUsedUpError(
            f"a student has no free sequence number below {MAX_SEQUENCE}; lower first_sequence "
            "under course_requests in the roster"
        )
    return sorted(rows, key=lambda row: row.sequence)


def _alternates(
    of_student: Sequence[Wanted], primary: Sequence[Row], taken: Numbers, first_sequence: int
) -> list[Row]:
    wanted = [one for one in of_student if one.alternate_for]
    rows = _numbered(wanted, max(taken.alternates, first_sequence - 1))
    links = {**taken.by_course, **{row.wanted.course_id: row.sequence for row in primary}}
    order = max([taken.sort_order, *(one.sort_order or 0.0 for one in wanted)])
    found = []
    for row in rows:
        one = row.wanted
        sort_order = one.sort_order
        if sort_order is None:
            order = sort_order = float(int(order) + 1)
        linked = None if one.alternate_for == ANY_REQUEST else links.get(one.alternate_for)
        found.append(Row(one, row.sequence, linked, sort_order))
    return found
