"""What the codes of course requests say to a registrar, and what to do. Plain words."""

from __future__ import annotations

from aeries_pipeline.course_requests.model import Reason, State, Warn

SENTENCES: dict[Reason, str] = {
    Reason.STUDENT_MISSING: "The line has no StudentID. Add it and send the line again.",
    Reason.STUDENT_UNREADABLE: (
        "The StudentID is not a number. It must be the permanent ID of Aeries, not the "
        "student's name, e-mail or login."
    ),
    Reason.STUDENT_UNKNOWN: (
        "No student of the district has this StudentID. Compare it with the Permanent ID in Aeries."
    ),
    Reason.STUDENT_INACTIVE: (
        "The student is not active in Aeries at any school. If that is wrong, correct the "
        "status there; the request is then taken by itself."
    ),
    Reason.STUDENT_LEFT: "The student has left: the only record is in the inactive school.",
    Reason.STUDENT_GRADUATES: (
        "The student graduates this year (next grade 13) and takes no courses next year. For "
        "a returning senior set the next grade to 12 in Aeries."
    ),
    Reason.STUDENT_LEAVES: (
        "The student leaves the district at the end of the year: the next school in Aeries is"
        " the inactive school."
    ),
    Reason.COURSE_MISSING: "The line has no course. Add the CourseID and send the line again.",
    Reason.COURSE_TOO_LONG: (
        "The CourseID is longer than the six characters that Aeries takes. Use the CourseID, "
        "not the title."
    ),
    Reason.COURSE_UNKNOWN: (
        "The district's course catalogue has no such CourseID. Spreadsheets drop leading "
        "zeros: course 0315 is not course 315."
    ),
    Reason.COURSE_INACTIVE: "The course is inactive in the course catalogue.",
    Reason.COURSE_ENDS: "The course is marked inactive for next year in the course catalogue.",
    Reason.COURSE_NOT_AT_SCHOOL: (
        "The course is for other grades than the student's next school has."
    ),
    Reason.COURSE_NOT_FOR_GRADE: (
        "The course is not for the grade that the student is in next year."
    ),
    Reason.YEAR_UNREADABLE: "The school year is not one. Write 2027-2028.",
    Reason.OTHER_YEAR: "The request is for another year than the coming one.",
    Reason.FORMULA: (
        "A cell holds a formula instead of a value. Copy the values and send the line again."
    ),
    Reason.DATE_IN_CELL: (
        "A spreadsheet has made a date of the StudentID or CourseID. Format the column as text, "
        "enter it again and send the line again."
    ),
    Reason.NUMBER_IN_CELL: (
        "A spreadsheet has made a number such as 3.00E+05 of the StudentID or CourseID. Format the "
        "column as text, enter it again and send the line again."
    ),
    Reason.ALTERNATE_WITHOUT_REQUEST: (
        "It is an alternate of a course that the student does not ask for, or whose request "
        "was rejected."
    ),
    Reason.ALTERNATE_OF_ITSELF: "The course is given as an alternate of itself.",
    Reason.NO_ROW_AT_NEXT_SCHOOL: (
        "The student changes schools and is not yet pre-enrolled at the next one. Create the "
        "pre-enrolled students in Aeries; the request then follows by itself."
    ),
    Reason.NEXT_SCHOOL_UNKNOWN: (
        "The student's grade ends at the present school and Aeries does not say which school "
        "is next. Fill in the next school; the request then follows by itself."
    ),
    Reason.SEVERAL_NEXT_SCHOOLS: (
        "The student is pre-enrolled at another school than the next school in Aeries, or at "
        "several. Correct one of them."
    ),
    Reason.NEXT_SCHOOL_NOT_READ: (
        "The next school is not among the schools that are read. Ask the data team to add it."
    ),
    Reason.STUDENTS_NOT_READ: (
        "Not every school could be read last night, so the student may be at one of these. It"
        " is looked at again after the next pull."
    ),
    Reason.STUDENT_IN_QUARANTINE: (
        "Aeries sends a record of this student that cannot be read, so it is not known whether "
        "the student is at a school. Ask the data team; the request then follows by itself."
    ),
    Reason.COURSE_STATUS_UNKNOWN: (
        "Aeries does not say whether the course is offered, or its record cannot be read. Save "
        "the course once more in Aeries; the request then follows by itself."
    ),
    Reason.COURSES_NOT_READ: (
        "The course catalogue was not read yet. It is looked at again after the next pull."
    ),
    Reason.REQUEST_IS_HELD: "The request that this is an alternate of waits.",
    Reason.FILE_IS_HELD: (
        "The file waits for a person, as the data team has been told. Ask them to accept or to "
        "refuse it."
    ),
    Reason.STUDENT_LEFT_OUT: (
        "The newest whole export no longer names this student. If the student takes no courses "
        "next year, ask the data team to withdraw the requests; if not, to keep them."
    ),
}
"""One sentence or two for each reason; a test keeps it complete."""

WARNINGS: dict[Warn, str] = {
    Warn.PREREQUISITE_NOT_SEEN: (
        "the course that should come before is neither in the transcript nor in this year's "
        "schedule"
    ),
    Warn.PRIORITY_UNREADABLE: "the priority is not a number and was left out",
    Warn.DATE_UNREADABLE: "the date of the request could not be read and was left out",
    Warn.MOVED_SINCE_EXPORT: (
        "it was exported for another record of the student before; remove it there"
    ),
    Warn.ZEROS_RESTORED: (
        "the CourseID had lost its leading zeros; the only course that it can mean was taken"
    ),
}

STATES: dict[State, str] = {
    State.READY: "ready for the next files for Aeries",
    State.EXPORTED: "in files for Aeries",
    State.IN_AERIES: "in Aeries already",
    State.HELD: "waiting",
    State.REJECTED: "cannot be imported",
    State.REPEATED: "said before, nothing new",
    State.WITHDRAWN: "no longer asked for",
}


def what_to_do(reason: Reason, proposed: str | None = None) -> str:
    """Return what a reason says, with the course that an unknown one may mean."""
    if not proposed:
        return SENTENCES[reason]
    is_number = reason is Reason.NUMBER_IN_CELL or not proposed.isdigit()
    fits = "is this number to a spreadsheet" if is_number else "has these digits"
    return f"{SENTENCES[reason]} Only course {proposed} {fits}."
