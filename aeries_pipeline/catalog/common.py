"""Fields, permissions and paging rules that several resources share."""

from __future__ import annotations

from aeries_pipeline.catalog.fields import integer
from aeries_pipeline.catalog.resource import Area, Covers, Feed, Paging

STUDENT = integer(
    "StudentID",
    "STU.ID",
    "Identifies the person in the whole district; one person may own several rows",
    required=True,
    minimum=1,
)
"""Which student."""

STUDENT_AT_SCHOOL = (
    STUDENT,
    integer("SchoolCode", "STU.SC", "Aeries code of the school", required=True),
)
"""Which student, and at which school."""

STUDENT_ROW = (
    *STUDENT_AT_SCHOOL,
    integer(
        "StudentNumber",
        "STU.SN",
        "Number of the student inside this school",
        required=True,
        minimum=1,
    ),
)
"""The same with the number that the school knows the student by."""

STUDENT_DATA = Area("Student Data", "Student Data")
CLASS_SCHEDULES = Area("Class Schedules/History", "Student Data")
CONTACTS_AREA = Area("Contacts", "Student Data")
STUDENT_PROGRAMS = Area("Student Programs", "Student Data")
ENROLLMENT_HISTORY = Area("Enrollment History", "Attendance")
ABSENCE_CODES_AREA = Area("Absence Code Table", "Attendance")
CALENDAR_AREA = Area("Calendar", "Attendance")
COURSE_DATA = Area("Course Data", "Scheduling")
MASTER_SCHEDULE = Area("Master Schedule", "Scheduling")
COURSE_REQUESTS_AREA = Area("Student Scheduling Schedules (Course Requests)", "Scheduling")
TRANSCRIPTS_AREA = Area("Transcripts", "Grade Reporting")
GRADUATION_STATUS_AREA = Area("Graduation Status", "Grade Reporting")
GRADUATION_REQUIREMENTS_AREA = Area("Graduation Requirements", "School Information")
STAFF_DATA = Area("Staff Data", "Teacher/Staff Data")

RECORDS = Paging("StartingRecord", "EndingRecord", 500)
"""Paging of student lists, GPAs and graduation status."""

STUDENTS_PAGING = Paging("StartingStudent", "EndingStudent", 200)
"""Paging of transcripts: the unit is a student, not a line."""


def student_feed(area: str, one: str, covers: Covers) -> Feed:
    """Return the feed of one area of student data.

    Args:
        area: Such as ``student`` or ``class``.
        one: Path below a school that reads what belongs to one student.
        covers: Whether that is what belongs to the student at this school, or at all.
    """
    return Feed(
        f"StudentDataChanges/{area}", "StudentID", "StudentID", f"schools/{{school}}/{one}", covers
    )
