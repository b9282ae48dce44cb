"""Every rule: what Aeries says of a student, one request, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.course_requests.lost_zeros import without_zeros
from aeries_pipeline.course_requests.model import (
    HELD_REASONS,
    Course,
    District,
    Outcome,
    Place,
    Reason,
    Request,
    State,
    Student,
    StudentRow,
    Warn,
)
from aeries_pipeline.course_requests.rules import decide
from aeries_pipeline.course_requests.sentences import SENTENCES, STATES, WARNINGS
from aeries_pipeline.course_requests.target import target_of

HIGH, MIDDLE, OTHER_HIGH, GONE = 994, 993, 995, 999
COURSES = {
    "0315": Course("English 10", low=10, high=10),
    "0608": Course("Biology", low=9, high=12),
    "0001": Course("Art"),
    "0444": Course("Retired", active=False),
    "0445": Course("Ends", active_next_year=False),
    "0900": Course("Calculus", low=9, high=12, prerequisite="0608"),
    "E003": Course("Homeroom 3", low=3, high=3),
}
DISTRICT = District(
    schools={HIGH: (9, 12), MIDDLE: (6, 8), OTHER_HIGH: (9, 12)},
    roster=frozenset({HIGH, MIDDLE, OTHER_HIGH}),
    inactive_school=GONE,
    courses=COURSES,
    students_read=True,
    schools_read=frozenset({HIGH, MIDDLE, OTHER_HIGH}),
    next_year=2027,
)
NINTH = StudentRow(HIGH, 11, Standing.ACTIVE, 9, None, None)
EIGHTH = StudentRow(MIDDLE, 7, Standing.ACTIVE, 8, HIGH, 9)
STAR = StudentRow(HIGH, 300, Standing.PRE_ENROLLED, 8, HIGH, 9)
STUDENT = Student((NINTH,))
REQUEST = Request("file", 2, "0608")


def one(request: Request, student: Student = STUDENT, district: District = DISTRICT) -> Outcome:
    (outcome,) = decide([request], student, district)
    return outcome


def row(**changes: object) -> StudentRow:
    return replace(NINTH, **changes)


@pytest.mark.parametrize(
    ("rows", "place", "grade"),
    [
        ((NINTH,), Place(HIGH, 11), 10),
        ((row(next_school=HIGH, next_grade=10),), Place(HIGH, 11), 10),
        # A returning senior: next school is the present one, next grade 12.
        ((row(grade=12, next_school=HIGH, next_grade=12),), Place(HIGH, 11), 12),
        # Retained by the next grade.
        ((row(next_school=HIGH, next_grade=9),), Place(HIGH, 11), 9),
        # A rising ninth grader: the row that waits at the high school, never the middle school's.
        ((EIGHTH, STAR), Place(HIGH, 300), 9),
        ((STAR, EIGHTH), Place(HIGH, 300), 9),
        # New to the district: only the row that waits.
        ((STAR,), Place(HIGH, 300), 9),
        ((replace(STAR, next_grade=None),), Place(HIGH, 300), 9),
        # Pre-enrolled although nobody filled in the next school.
        ((replace(EIGHTH, next_school=None), STAR), Place(HIGH, 300), 9),
        # Pre-enrolled twice: the next school says which one counts.
        ((EIGHTH, STAR, replace(STAR, school=OTHER_HIGH)), Place(HIGH, 300), 9),
        # A former row elsewhere does not count.
        ((NINTH, StudentRow(OTHER_HIGH, 5, Standing.INACTIVE, 9)), Place(HIGH, 11), 10),
        ((NINTH, StudentRow(GONE, 5, Standing.INACTIVE, 9)), Place(HIGH, 11), 10),
        # Two active rows: the first enrolment, whatever the second one says.
        ((row(school=OTHER_HIGH, next_school=OTHER_HIGH, student_number=4, is_main=False), NINTH),
         Place(HIGH, 11), 10),
        # Two active rows: the one that says where the student goes.
        ((row(school=OTHER_HIGH, next_school=OTHER_HIGH, student_number=4), NINTH),
         Place(OTHER_HIGH, 4), 10),
    ],
)  # fmt: skip
def test_the_row_of_next_year(rows: tuple[StudentRow, ...], place: Place, grade: int) -> None:
    target = target_of(rows, DISTRICT)
    assert (target.place, target.grade, target.reason) == (place, grade, None)
    outcome = one(replace(REQUEST, course_id="0001"), Student(rows))
    assert (outcome.state, outcome.school, outcome.student_number, outcome.grade) == (
        State.READY, place.school, place.student_number, grade,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "state", "reason", "school"),
    [
        ((), State.REJECTED, Reason.STUDENT_UNKNOWN, None),
        ((row(standing=Standing.INACTIVE),), State.REJECTED, Reason.STUDENT_INACTIVE, HIGH),
        ((StudentRow(GONE, 1, Standing.INACTIVE, 9),), State.REJECTED, Reason.STUDENT_LEFT, None),
        ((row(grade=12, next_grade=13),), State.REJECTED, Reason.STUDENT_GRADUATES, HIGH),
        ((row(next_school=GONE),), State.REJECTED, Reason.STUDENT_LEAVES, HIGH),
        ((EIGHTH,), State.HELD, Reason.NO_ROW_AT_NEXT_SCHOOL, HIGH),
        ((replace(EIGHTH, next_school=None),), State.HELD, Reason.NEXT_SCHOOL_UNKNOWN, MIDDLE),
        ((replace(EIGHTH, next_school=777),), State.HELD, Reason.NEXT_SCHOOL_NOT_READ, MIDDLE),
        ((EIGHTH, replace(STAR, school=OTHER_HIGH)), State.HELD, Reason.SEVERAL_NEXT_SCHOOLS,
         MIDDLE),
        ((row(next_school=HIGH), replace(STAR, school=OTHER_HIGH)), State.HELD,
         Reason.SEVERAL_NEXT_SCHOOLS, HIGH),
        ((STAR, replace(STAR, school=OTHER_HIGH)), State.HELD, Reason.SEVERAL_NEXT_SCHOOLS, HIGH),
        # The next school is the inactive one, and a row waits elsewhere: somebody must look.
        ((row(next_school=GONE), replace(STAR, school=OTHER_HIGH)), State.HELD,
         Reason.SEVERAL_NEXT_SCHOOLS, HIGH),
        ((replace(STAR, next_grade=13),), State.REJECTED, Reason.STUDENT_GRADUATES, HIGH),
    ],
)  # fmt: skip
def test_no_row_of_next_year(
    rows: tuple[StudentRow, ...], state: State, reason: Reason, school: int | None
) -> None:
    outcome = one(replace(REQUEST, course_id="0001"), Student(rows))
    assert (outcome.state, outcome.reason) == (state, reason)
    assert outcome.school == school
    assert outcome.student_number is None


def test_a_held_request_passes_when_the_row_appears() -> None:
    request = replace(REQUEST, course_id="0608")
    assert one(request, Student((EIGHTH,))).reason is Reason.NO_ROW_AT_NEXT_SCHOOL
    passed = one(request, Student((EIGHTH, STAR)))
    assert (passed.state, passed.student_number) == (State.READY, 300)


def test_an_unknown_student_waits_until_every_school_was_read() -> None:
    partly = replace(DISTRICT, students_read=False)
    assert one(REQUEST, Student(), partly) == Outcome(State.HELD, Reason.STUDENTS_NOT_READ)
    gone = Student((StudentRow(GONE, 1, Standing.INACTIVE, 9),))
    assert one(REQUEST, gone, partly).reason is Reason.STUDENT_LEFT


@pytest.mark.parametrize(
    ("request_", "state", "reason"),
    [
        (replace(REQUEST, course_id="0608"), State.READY, None),
        (replace(REQUEST, course_id="608"), State.REJECTED, Reason.COURSE_UNKNOWN),
        (replace(REQUEST, course_id="0444"), State.REJECTED, Reason.COURSE_INACTIVE),
        (replace(REQUEST, course_id="0445"), State.REJECTED, Reason.COURSE_ENDS),
        (replace(REQUEST, course_id="E003"), State.REJECTED, Reason.COURSE_NOT_AT_SCHOOL),
        (replace(REQUEST, school_year=2027), State.READY, None),
        (replace(REQUEST, school_year=2026), State.REJECTED, Reason.OTHER_YEAR),
        (replace(REQUEST, school_year=2028), State.REJECTED, Reason.OTHER_YEAR),
        (replace(REQUEST, problem=Reason.FORMULA), State.REJECTED, Reason.FORMULA),
        (replace(REQUEST, alternate_for="*"), State.READY, None),
        (replace(REQUEST, alternate_for="0315"), State.REJECTED, Reason.ALTERNATE_WITHOUT_REQUEST),
        (replace(REQUEST, alternate_for="0608"), State.REJECTED, Reason.ALTERNATE_OF_ITSELF),
    ],
)
def test_the_course_and_the_year(request_: Request, state: State, reason: Reason | None) -> None:
    outcome = one(request_)
    assert (outcome.state, outcome.reason) == (state, reason)


def test_a_course_is_for_the_grade_of_next_year() -> None:
    tenth = replace(REQUEST, course_id="0315")
    assert one(tenth).state is State.READY
    eleventh = Student((row(grade=10),))
    assert one(tenth, eleventh).reason is Reason.COURSE_NOT_FOR_GRADE
    assert one(tenth, Student((EIGHTH, STAR))).reason is Reason.COURSE_NOT_FOR_GRADE


def test_without_a_catalogue_everything_waits() -> None:
    outcome = one(REQUEST, STUDENT, replace(DISTRICT, courses=None))
    assert (outcome.state, outcome.reason) == (State.HELD, Reason.COURSES_NOT_READ)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((), Reason.STUDENT_IN_QUARANTINE),
        ((row(standing=Standing.INACTIVE),), Reason.STUDENT_IN_QUARANTINE),
        ((StudentRow(GONE, 1, Standing.INACTIVE, 9),), Reason.STUDENT_IN_QUARANTINE),
        ((row(grade=12, next_grade=13),), Reason.STUDENT_GRADUATES),
        ((NINTH,), None),
    ],
)
def test_a_row_that_could_not_be_read_may_be_the_one_that_is_missing(rows, reason) -> None:
    plain, hidden = one(REQUEST, Student(rows)), one(REQUEST, Student(rows, in_quarantine=True))
    assert hidden.reason is reason
    if reason is Reason.STUDENT_IN_QUARANTINE:
        assert hidden == replace(plain, state=State.HELD, reason=reason)
    else:
        assert hidden == plain


def test_who_is_left_out_waits_where_nothing_else_is_wrong() -> None:
    outcome = one(replace(REQUEST, is_left_out=True))
    assert (outcome.state, outcome.reason) == (State.HELD, Reason.STUDENT_LEFT_OUT)
    retired = replace(REQUEST, course_id="0444", is_left_out=True)
    assert one(retired).reason is Reason.COURSE_INACTIVE
    unplaced = one(replace(REQUEST, is_left_out=True), Student((EIGHTH,)))
    assert unplaced.reason is Reason.NO_ROW_AT_NEXT_SCHOOL


def test_a_course_that_lost_its_zeros_is_proposed_and_no_other_is() -> None:
    district = replace(DISTRICT, by_digits=without_zeros(COURSES))
    unknown = one(replace(REQUEST, course_id="608"), district=district)
    assert (unknown.reason, unknown.proposed) == (Reason.COURSE_UNKNOWN, "0608")
    cell = replace(REQUEST, course_id="608", problem=Reason.NUMBER_IN_CELL)
    assert one(cell, district=district).proposed == "0608"
    known = replace(REQUEST, problem=Reason.NUMBER_IN_CELL)
    assert one(known, district=district).proposed is None, "it is a course as it stands"
    assert one(replace(REQUEST, course_id="77"), district=district).proposed is None
    other = replace(REQUEST, course_id="608", problem=Reason.FORMULA)
    assert one(other, district=district).proposed is None
    assert one(cell, district=replace(district, courses=None)).proposed == "0608"


def test_a_course_must_be_taught_at_the_school_and_its_status_be_known() -> None:
    district = replace(
        DISTRICT,
        schools={HIGH: (10, 12)},
        courses={"low": Course(low=6, high=9), "high": Course(low=13), "odd": Course(active=None)},
    )
    for course in ("low", "high"):
        found = one(replace(REQUEST, course_id=course), district=district)
        assert found.reason is Reason.COURSE_NOT_AT_SCHOOL
        # Of a school whose grades nobody states, the student's grade alone decides.
        silent = replace(district, schools={})
        found = one(replace(REQUEST, course_id=course), district=silent)
        assert found.reason is Reason.COURSE_NOT_FOR_GRADE
    odd = one(replace(REQUEST, course_id="odd"), district=district)
    assert (odd.state, odd.reason) == (State.HELD, Reason.COURSE_STATUS_UNKNOWN)


def test_what_was_exported_keeps_the_number_under_which_it_was() -> None:
    exported = replace(REQUEST, exported_at=Place(HIGH, 11))
    outcome = one(exported, Student(()))
    assert (outcome.state, outcome.student_number) == (State.EXPORTED, 11)


def test_nothing_is_in_aeries_for_whom_no_school_is_known() -> None:
    there = Student((replace(EIGHTH, next_school=None),), in_aeries={HIGH: frozenset({"0608"})})
    assert one(REQUEST, there).state is not State.IN_AERIES


def test_a_prerequisite_is_only_warned_about() -> None:
    request = replace(REQUEST, course_id="0900")
    assert one(request).warnings == (Warn.PREREQUISITE_NOT_SEEN,)
    assert one(request).state is State.READY
    assert one(request, replace(STUDENT, taken=frozenset({"0608"}))).warnings == ()


def test_of_two_alike_the_first_good_one_counts() -> None:
    bad = replace(REQUEST, line=2, problem=Reason.YEAR_UNREADABLE)
    first, second = replace(REQUEST, line=3), replace(REQUEST, line=4)
    other = replace(REQUEST, file_id="later", line=2, alternate_for="0001")
    found = decide([bad, first, second, other], STUDENT, DISTRICT)
    assert [one.state for one in found][:3] == [State.REJECTED, State.READY, State.REPEATED]
    assert [one.reason for one in found] == [
        Reason.YEAR_UNREADABLE, None, None, Reason.ALTERNATE_WITHOUT_REQUEST,
    ]  # fmt: skip


def test_of_two_alike_that_wait_one_waits() -> None:
    found = decide([REQUEST, replace(REQUEST, line=3)], Student((EIGHTH,)), DISTRICT)
    assert [(one.state, one.reason) for one in found] == [
        (State.HELD, Reason.NO_ROW_AT_NEXT_SCHOOL), (State.REPEATED, None),
    ]  # fmt: skip


def test_what_was_exported_comes_first_and_stays() -> None:
    earlier = replace(REQUEST, file_id="a")
    exported = replace(REQUEST, file_id="b", exported_at=Place(HIGH, 11))
    found = decide([earlier, exported], STUDENT, DISTRICT)
    assert [one.state for one in found] == [State.REPEATED, State.EXPORTED]
    assert found[0].reason is None
    # Two rows of Aeries for one course are one too many.
    both = [replace(REQUEST, exported_at=Place(HIGH, 11)), exported]
    assert [one.state for one in decide(both, STUDENT, DISTRICT)] == [
        State.EXPORTED, State.WITHDRAWN,
    ]  # fmt: skip


def test_an_exported_request_that_would_not_pass_today_says_why() -> None:
    exported = replace(REQUEST, course_id="0444", exported_at=Place(HIGH, 11))
    assert one(exported) == Outcome(State.EXPORTED, Reason.COURSE_INACTIVE, (), HIGH, 11, 10)
    left = one(replace(REQUEST, exported_at=Place(HIGH, 11)), Student())
    assert (left.state, left.reason, left.school) == (
        State.EXPORTED, Reason.STUDENT_UNKNOWN, HIGH,
    )  # fmt: skip


def test_who_moves_after_the_export_is_exported_again_with_a_warning() -> None:
    exported = replace(REQUEST, exported_at=Place(OTHER_HIGH, 5))
    outcome = one(exported)
    assert outcome.state is State.READY
    assert (outcome.school, outcome.student_number) == (HIGH, 11)
    assert outcome.warnings == (Warn.MOVED_SINCE_EXPORT,)
    # The warning outlives the second export: the first one is still to be removed.
    both = (Place(OTHER_HIGH, 5), Place(HIGH, 11))
    again = one(replace(REQUEST, exported_at=Place(HIGH, 11), exported_ever=both))
    assert (again.state, again.warnings) == (State.EXPORTED, (Warn.MOVED_SINCE_EXPORT,))
    stays = one(replace(REQUEST, exported_at=Place(HIGH, 11), exported_ever=both[1:]))
    assert stays.warnings == ()


def test_what_is_in_aeries_already() -> None:
    there = replace(STUDENT, in_aeries={HIGH: frozenset({"0608"})})
    assert one(REQUEST, there).state is State.IN_AERIES
    elsewhere = replace(STUDENT, in_aeries={OTHER_HIGH: frozenset({"0608"})})
    assert one(REQUEST, elsewhere).state is State.READY
    alternate = replace(REQUEST, alternate_for="*")
    assert one(alternate, replace(STUDENT, alternates_in_aeries={HIGH: frozenset({"0608"})})
               ).state is State.IN_AERIES  # fmt: skip
    assert one(alternate, there).state is State.IN_AERIES, "the scheduler may have used it"


def test_an_alternate_follows_its_request() -> None:
    request = replace(REQUEST, course_id="0001")
    alternate = replace(REQUEST, line=3, alternate_for="0001")
    assert [one.state for one in decide([alternate, request], STUDENT, DISTRICT)] == [
        State.READY, State.READY,
    ]  # fmt: skip
    retired = replace(REQUEST, course_id="0444")
    lost = decide([retired, replace(alternate, alternate_for="0444")], STUDENT, DISTRICT)[1]
    assert lost.reason is Reason.ALTERNATE_WITHOUT_REQUEST
    held = decide([request, alternate], Student((EIGHTH,)), DISTRICT)[1]
    assert (held.state, held.reason) == (State.HELD, Reason.REQUEST_IS_HELD)
    there = replace(STUDENT, in_aeries={HIGH: frozenset({"0001"})})
    assert one(alternate, there).state is State.READY


def test_every_code_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert set(WARNINGS) == set(Warn)
    assert set(STATES) == set(State)
    assert all(text.endswith(".") for text in SENTENCES.values())


REQUESTS = st.builds(
    Request,
    file_id=st.sampled_from(["a", "b"]),
    line=st.integers(2, 9),
    course_id=st.sampled_from([*COURSES, "9999", ""]),
    alternate_for=st.sampled_from(["", "", "", "*", "0608", "0001", "9999"]),
    school_year=st.sampled_from([None, 2027, 2026]),
    problem=st.sampled_from([None, None, None, Reason.FORMULA]),
    exported_at=st.sampled_from([None, None, Place(HIGH, 11), Place(OTHER_HIGH, 5)]),
)
ROWS = st.builds(
    StudentRow,
    school=st.sampled_from([HIGH, MIDDLE, OTHER_HIGH, GONE]),
    student_number=st.integers(1, 400),
    standing=st.sampled_from(Standing),
    grade=st.integers(6, 12),
    next_school=st.sampled_from([None, HIGH, MIDDLE, OTHER_HIGH, GONE, 777]),
    next_grade=st.sampled_from([None, 7, 8, 9, 10, 11, 12, 13]),
)
IDS = st.dictionaries(
    st.sampled_from([HIGH, OTHER_HIGH]), st.frozensets(st.sampled_from(list(COURSES)))
)
STUDENTS = st.builds(
    Student, rows=st.lists(ROWS, max_size=4).map(tuple), in_aeries=IDS, alternates_in_aeries=IDS
)
DISTRICTS = st.builds(
    replace,
    st.just(DISTRICT),
    students_read=st.booleans(),
    courses=st.sampled_from([COURSES, None]),
)


@given(st.lists(REQUESTS, max_size=8), STUDENTS, DISTRICTS)
def test_every_request_ends_in_one_state_and_no_course_twice(
    requests: list[Request], student: Student, district: District
) -> None:
    found = decide(requests, student, district)
    assert len(found) == len(requests), "none is lost"
    for outcome in found:
        held = outcome.reason in HELD_REASONS
        if outcome.state in {State.READY, State.IN_AERIES}:
            assert outcome.reason is None
            assert outcome.student_number is not None
        elif outcome.state is State.HELD:
            assert held
        elif outcome.state is State.REJECTED:
            assert outcome.reason is not None
            assert not held
    imported = Counter(
        (outcome.school, outcome.student_number, request.course_id)
        for request, outcome in zip(requests, found, strict=True)
        if outcome.state in {State.READY, State.HELD}
        or (outcome.state is State.EXPORTED and outcome.reason is None)
    )
    assert set(imported.values()) <= {1}
    assert decide(requests, student, district) == found


@given(st.lists(REQUESTS, max_size=8), STUDENTS)
def test_nothing_is_for_a_school_at_which_the_student_has_no_row(
    requests: list[Request], student: Student
) -> None:
    places = {(one.school, one.student_number) for one in student.rows}
    for outcome in decide(requests, student, DISTRICT):
        if outcome.state in {State.READY, State.IN_AERIES}:
            assert (outcome.school, outcome.student_number) in places
            assert outcome.school != GONE
