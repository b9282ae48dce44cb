"""The vocabulary of a course request's lifecycle: states, reasons, evidence, outcome. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from aeries_pipeline.accounts.model import Standing

MAX_COURSE_ID = 6
"""CRS.CN and SSS.CN hold six characters."""
ANY_REQUEST = "*"
"""As ``alternate_for``: an alternate of no request in particular."""


class State(StrEnum):
    """Where a request stands. Every request is in exactly one."""

    READY = "ready"
    EXPORTED = "exported"
    IN_AERIES = "already_in_aeries"
    HELD = "held"
    REJECTED = "rejected"
    REPEATED = "repeated"
    WITHDRAWN = "withdrawn"


ASKED = "('ready', 'exported', 'already_in_aeries', 'held')"
"""In SQL: the states of a request that somebody still wants."""


class Reason(StrEnum):
    """Why a request is held or rejected. Stable; machines may rely on them."""

    STUDENT_MISSING = "student_missing"
    STUDENT_UNREADABLE = "student_unreadable"
    STUDENT_UNKNOWN = "student_unknown"
    STUDENT_INACTIVE = "student_inactive"
    STUDENT_LEFT = "student_left"
    STUDENT_GRADUATES = "student_graduates"
    STUDENT_LEAVES = "student_leaves"
    COURSE_MISSING = "course_missing"
    COURSE_TOO_LONG = "course_too_long"
    COURSE_UNKNOWN = "course_unknown"
    COURSE_INACTIVE = "course_inactive"
    COURSE_ENDS = "course_ends"
    COURSE_NOT_AT_SCHOOL = "course_not_at_school"
    COURSE_NOT_FOR_GRADE = "course_not_for_grade"
    YEAR_UNREADABLE = "year_unreadable"
    OTHER_YEAR = "other_year"
    FORMULA = "formula_in_cell"
    DATE_IN_CELL = "date_in_cell"
    NUMBER_IN_CELL = "number_in_cell"
    ALTERNATE_WITHOUT_REQUEST = "alternate_without_request"
    ALTERNATE_OF_ITSELF = "alternate_of_itself"
    NO_ROW_AT_NEXT_SCHOOL = "no_row_at_next_school"
    NEXT_SCHOOL_UNKNOWN = "next_school_unknown"
    SEVERAL_NEXT_SCHOOLS = "several_next_schools"
    NEXT_SCHOOL_NOT_READ = "next_school_not_read"
    STUDENTS_NOT_READ = "students_not_read"
    STUDENT_IN_QUARANTINE = "student_in_quarantine"
    COURSE_STATUS_UNKNOWN = "course_status_unknown"
    COURSES_NOT_READ = "courses_not_read"
    REQUEST_IS_HELD = "request_is_held"
    FILE_IS_HELD = "file_is_held"
    STUDENT_LEFT_OUT = "student_left_out"


HELD_REASONS = frozenset(
    {
        Reason.NO_ROW_AT_NEXT_SCHOOL,
        Reason.NEXT_SCHOOL_UNKNOWN,
        Reason.SEVERAL_NEXT_SCHOOLS,
        Reason.NEXT_SCHOOL_NOT_READ,
        Reason.STUDENTS_NOT_READ,
        Reason.STUDENT_IN_QUARANTINE,
        Reason.COURSE_STATUS_UNKNOWN,
        Reason.COURSES_NOT_READ,
        Reason.REQUEST_IS_HELD,
        Reason.FILE_IS_HELD,
        Reason.STUDENT_LEFT_OUT,
    }
)
"""Reasons that pass by themselves when Aeries or the next pull has more; all others reject."""


class Warn(StrEnum):
    """What a registrar should know of a request that passes all the same."""

    PREREQUISITE_NOT_SEEN = "prerequisite_not_seen"
    PRIORITY_UNREADABLE = "priority_unreadable"
    DATE_UNREADABLE = "date_unreadable"
    MOVED_SINCE_EXPORT = "moved_since_export"
    ZEROS_RESTORED = "zeros_restored"


@dataclass(frozen=True, slots=True)
class StudentRow:
    """One row of ``raw.students``.

    Attributes:
        school: STU.SC.
        student_number: STU.SN, the number inside this school.
        standing: What its status code means.
        grade: STU.GR; None if it was never set.
        next_school: STU.NS; None if not set.
        next_grade: STU.NG; None if not set. 13 marks a graduating senior.
        is_main: Whether the student's account follows this row, where there are
            several active ones: the first enrolment, and not a second one.
    """

    school: int
    student_number: int
    standing: Standing
    grade: int | None
    next_school: int | None = None
    next_grade: int | None = None
    is_main: bool = True


@dataclass(frozen=True, slots=True)
class Course:
    """One course of the district's catalogue.

    Attributes:
        title: For people.
        active: Whether it is offered now; None if Aeries states no status.
        active_next_year: Whether it is offered in the coming year.
        low: Lowest grade; None if there is no bound.
        high: Highest grade; None if there is no bound.
        prerequisite: Course that should come before; empty if none.
    """

    title: str = ""
    active: bool | None = True
    active_next_year: bool = True
    low: int | None = None
    high: int | None = None
    prerequisite: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A student's row at a school: what SSS.SC and SSS.SN say."""

    school: int
    student_number: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the rules take it, see ``columns.Received``.

    Attributes:
        file_id: The file that brought it.
        line: Its line there.
        exported_at: The row for which it was last exported; None before.
        exported_ever: All rows for which it was ever exported.
        is_left_out: Whether a newer whole export no longer names the student.
    """

    file_id: str
    line: int
    course_id: str
    alternate_for: str = ""
    school_year: int | None = None
    problem: Reason | None = None
    warnings: tuple[Warn, ...] = ()
    exported_at: Place | None = None
    exported_ever: tuple[Place, ...] = ()
    is_left_out: bool = False


@dataclass(frozen=True, slots=True)
class District:
    """What is known of a district when requests are decided.

    Attributes:
        schools: Lowest and highest grade of each school of the roster that
            Aeries lists; None for a bound that it does not state.
        roster: Schools of the roster.
        inactive_school: The school that holds rows of former students.
        courses: The catalogue; None if it was never pulled.
        students_read: Whether every school's students were completely pulled.
        schools_read: Schools whose students were ever completely pulled.
        next_year: First calendar year of the coming school year; None before any pull.
        by_digits: Courses of the catalogue by the numbers that a spreadsheet makes of their ids.
    """

    schools: Mapping[int, tuple[int | None, int | None]]
    roster: frozenset[int]
    inactive_school: int
    courses: Mapping[str, Course] | None
    students_read: bool
    schools_read: frozenset[int]
    next_year: int | None
    by_digits: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Student:
    """What is known of one student.

    Attributes:
        rows: Rows of ``raw.students`` in the schools of the roster.
        in_aeries: Courses already requested in Aeries, by school; a course that
            the scheduler replaced by its alternate counts.
        alternates_in_aeries: The same of alternate requests.
        taken: Courses in transcript and schedule.
        in_quarantine: Whether a row of the student came that could not be read.
    """

    rows: tuple[StudentRow, ...] = ()
    in_aeries: Mapping[int, frozenset[str]] = field(default_factory=dict)
    alternates_in_aeries: Mapping[int, frozenset[str]] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    in_quarantine: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The row of next year, or why there is none.

    Attributes:
        place: School and StudentNumber; None if there is none yet.
        grade: Grade of next year.
        school: The next school, also where there is no row there yet.
        home: The school that knows the student where the next one is not known.
        reason: Why there is no place; None if there is.
    """

    place: Place | None = None
    grade: int | None = None
    school: int | None = None
    home: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Attributes:
        state: Where it stands.
        reason: Why it is held or rejected; of an exported one, why it would not
            be exported today; None otherwise.
        warnings: What to know all the same.
        school: The next school; where it is not known, the present one.
        student_number: SSS.SN there, where there is a row.
        grade: Grade of next year, where known.
        proposed: The only course that an unknown one may mean which a spreadsheet has changed.
    """

    state: State
    reason: Reason | None = None
    warnings: tuple[Warn, ...] = ()
    school: int | None = None
    student_number: int | None = None
    grade: int | None = None
    proposed: str | None = None
