"""What becomes of one student's requests. Pure.

Requests that were exported come first, then the others in order of arrival: the first
good one for a course counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aeries_pipeline.course_requests.lost_zeros import meant_course
from aeries_pipeline.course_requests.model import (
    ANY_REQUEST,
    HELD_REASONS,
    Course,
    District,
    Outcome,
    Place,
    Reason,
    Request,
    State,
    Student,
    Target,
    Warn,
)
from aeries_pipeline.course_requests.target import target_of

_NOBODY = {Reason.STUDENT_UNKNOWN, Reason.STUDENT_INACTIVE, Reason.STUDENT_LEFT}


@dataclass(slots=True)
class _Desk:
    """One student's requests while they are decided.

    Attributes:
        accepted: The request that counts for each course, by place in the list.
    """

    student: Student
    district: District
    target: Target
    requests: Sequence[Request]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)


def decide(requests: Sequence[Request], student: Student, district: District) -> list[Outcome]:
    """Return what becomes of each request of one student, in their order.

    Args:
        requests: All requests of the student for the coming year, as they came.
        student: What Aeries says of the student.
        district: What is known of the district.
    """
    desk = _Desk(student, district, _target(student, district), requests)
    order = sorted(
        range(len(requests)),
        key=lambda n: (bool(requests[n].alternate_for), requests[n].exported_at is None, n),
    )
    for place in order:
        desk.outcomes[place] = _outcome(desk, place)
    return [desk.outcomes[place] for place in range(len(requests))]


def _target(student: Student, district: District) -> Target:
    """Return the row of next year; one that could not be read may be it."""
    found = target_of(student.rows, district)
    if student.in_quarantine and found.reason in _NOBODY:
        return replace(found, reason=Reason.STUDENT_IN_QUARANTINE)
    return found


def _outcome(desk: _Desk, place: int) -> Outcome:
    request = desk.requests[place]
    reason = request.problem or _reason(desk, request)
    twin = desk.accepted.get(request.course_id)
    is_exported = request.exported_at is not None and request.exported_at == desk.target.place
    may_pass = reason is None or reason in HELD_REASONS
    if may_pass and twin is not None:
        # The course is asked for already, as a request or as another's alternate.
        state = State.WITHDRAWN if request.exported_at else State.REPEATED
        return replace(_placed(desk, request, None), state=state)
    if may_pass:
        desk.accepted[request.course_id] = place
    outcome = _placed(desk, request, reason)
    if is_exported or (request.exported_at is not None and desk.target.place is None):
        return _exported(outcome, request.exported_at)
    if reason is None and _in_aeries(desk, request):
        return replace(outcome, state=State.IN_AERIES)
    return outcome


def _exported(outcome: Outcome, place: Place | None) -> Outcome:
    if place is None:
        return outcome
    return replace(
        outcome, state=State.EXPORTED, school=place.school, student_number=place.student_number
    )


def _placed(desk: _Desk, request: Request, reason: Reason | None) -> Outcome:
    state = State.READY
    if reason is not None:
        state = State.HELD if reason in HELD_REASONS else State.REJECTED
    target = desk.target
    return Outcome(
        state,
        reason,
        _warnings(desk, request),
        target.school or target.home,
        target.place.student_number if target.place else None,
        target.grade,
        _proposed(desk, request, reason),
    )


def _proposed(desk: _Desk, request: Request, reason: Reason | None) -> str | None:
    if reason not in {Reason.COURSE_UNKNOWN, Reason.NUMBER_IN_CELL}:
        return None
    if request.course_id in (desk.district.courses or {}):
        return None
    return meant_course(request.course_id, desk.district.by_digits) or None


def _warnings(desk: _Desk, request: Request) -> tuple[Warn, ...]:
    found = list(request.warnings)
    course = (desk.district.courses or {}).get(request.course_id)
    if course and course.prerequisite and course.prerequisite not in desk.student.taken:
        found.append(Warn.PREREQUISITE_NOT_SEEN)
    places = {request.exported_at, *request.exported_ever} - {None}
    if desk.target.place is not None and places - {desk.target.place}:
        found.append(Warn.MOVED_SINCE_EXPORT)
    return tuple(found)


def _reason(desk: _Desk, request: Request) -> Reason | None:
    district = desk.district
    if request.school_year not in {None, district.next_year} and district.next_year is not None:
        return Reason.OTHER_YEAR
    if district.courses is not None and request.course_id not in district.courses:
        return Reason.COURSE_UNKNOWN
    if desk.target.reason is not None and desk.target.reason not in HELD_REASONS:
        return desk.target.reason
    if request.alternate_for:
        wrong = _alternate(desk, request)
        if wrong is not None:
            return wrong
    if district.courses is None:
        return Reason.COURSES_NOT_READ
    wrong = _course(district.courses[request.course_id], desk.target, district)
    left_out = Reason.STUDENT_LEFT_OUT if request.is_left_out else None
    return wrong or desk.target.reason or left_out


def _course(course: Course, target: Target, district: District) -> Reason | None:
    if course.active is False:
        return Reason.COURSE_INACTIVE
    if not course.active_next_year:
        return Reason.COURSE_ENDS
    if target.school is not None:
        low, high = district.schools.get(target.school, (None, None))
        if _is_above(course.low, high) or _is_above(low, course.high):
            return Reason.COURSE_NOT_AT_SCHOOL
    if target.grade is not None and (
        _is_above(course.low, target.grade) or _is_above(target.grade, course.high)
    ):
        return Reason.COURSE_NOT_FOR_GRADE
    return Reason.COURSE_STATUS_UNKNOWN if course.active is None else None


def _is_above(low: int | None, high: int | None) -> bool:
    return low is not None and high is not None and low > high


def _alternate(desk: _Desk, request: Request) -> Reason | None:
    """Return why an alternate has nothing to be an alternate of."""
    if request.alternate_for == ANY_REQUEST:
        return None
    if request.alternate_for == request.course_id:
        return Reason.ALTERNATE_OF_ITSELF
    primary = desk.accepted.get(request.alternate_for)
    if primary is not None and not desk.requests[primary].alternate_for:
        held = desk.outcomes[primary].state is State.HELD
        return Reason.REQUEST_IS_HELD if held else None
    school = desk.target.school
    if school is not None and request.alternate_for in desk.student.in_aeries.get(school, ()):
        return None
    return Reason.ALTERNATE_WITHOUT_REQUEST


def _in_aeries(desk: _Desk, request: Request) -> bool:
    school = desk.target.school
    if school is None:
        return False
    student = desk.student
    known = student.in_aeries.get(school, frozenset())
    if request.alternate_for:
        # The scheduler may have put the alternate in the place of the request.
        known |= student.alternates_in_aeries.get(school, frozenset())
    return request.course_id in known
