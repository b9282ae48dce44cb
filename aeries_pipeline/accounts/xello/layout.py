"""Xello's file-based data integration as data: files, columns, widths.

From Xello's published "Data Definitions for File-Based Data Integrations":
pipe-delimited text, the first line names the columns in the documented order,
no quoting. Encoding and line ends are not documented; UTF-8 without a mark and
line feeds are written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DELIMITER = "|"


class Mend(StrEnum):
    """What is done with a value that does not fit, beside reporting it.

    A student who is missing from the file is deactivated by Xello, so a bad
    name is made to fit and the row stays, and so is a course's title, which would
    take the course from everybody. An optional value is left blank. A line
    without a course is left out: without it nobody loses an account.
    """

    FIT = "made to fit"
    BLANK = "left blank"
    DROP = "row left out"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: Name in the header.
        width: Most characters that a value may have; None for numbers and dates.
        required: Whether a value must be there.
        mend: What is done with a value that does not fit.
    """

    name: str
    width: int | None = None
    required: bool = False
    mend: Mend = Mend.BLANK


@dataclass(frozen=True, slots=True)
class Layout:
    """One file.

    Attributes:
        name: File name without its ending.
        columns: In the documented order.
        key: Columns that name a row in the report of problems.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name on disk."""
        return f"{self.name}.txt"

    @property
    def header(self) -> str:
        """The first line."""
        return DELIMITER.join(column.name for column in self.columns)


SCHOOL = Layout(
    "School",
    (
        Column("SchoolCode", 15, required=True, mend=Mend.FIT),
        Column("Name", 250, required=True, mend=Mend.FIT),
        Column("SchoolType", required=True),
    ),
    key=("SchoolCode",),
)
"""Schools; SchoolType 1 secondary, 2 elementary or middle, 3 other."""

STUDENT = Layout(
    "Student",
    (
        Column("StudentID", 15, required=True, mend=Mend.FIT),
        Column("FirstName", 100, required=True, mend=Mend.FIT),
        Column("LastName", 100, required=True, mend=Mend.FIT),
        Column("Gender", 1, required=True, mend=Mend.FIT),
        Column("DateOfBirth"),
        Column("CurrentGrade", required=True),
        Column("CurrentSchoolCode", 15, required=True, mend=Mend.FIT),
        Column("PreRegSchoolCode", 75),
        Column("StateProvNumber", 20),
        Column("Email", 100),
    ),
    key=("StudentID",),
)
"""Students with an account, kindergarten as grade 0. No password is ever written."""

STUDENT_COURSES = Layout(
    "StudentCourses",
    (
        Column("StudentID", 20, required=True, mend=Mend.DROP),
        Column("CourseCode", 50, required=True, mend=Mend.DROP),
        Column("CourseName", 100, required=True, mend=Mend.FIT),
        Column("GradeLevel"),
        Column("GradeMark", 5, required=True, mend=Mend.DROP),
        Column("CreditValue", required=True, mend=Mend.DROP),
        Column("DateCourseComplete"),
        Column("HSCourse", 1),
    ),
    key=("StudentID", "CourseCode"),
)
"""Credit history, courses in progress and scheduled ones."""

LAYOUTS = (SCHOOL, STUDENT, STUDENT_COURSES)
"""Files of every delivery."""

FAMILY = Layout(
    "Family",
    (
        Column("FirstName", 100, required=True, mend=Mend.FIT),
        Column("LastName", 100, required=True, mend=Mend.FIT),
        Column("Email", 100, required=True, mend=Mend.DROP),
        Column("StudentId", 15, required=True, mend=Mend.FIT),
        Column("SourceParentId", 15),
        Column("Phone", 20),
    ),
    key=("StudentId",),
)
"""Parents and guardians, a line for each child."""

EDUCATOR = Layout(
    "Educator",
    (
        Column("FirstName", 100, required=True, mend=Mend.FIT),
        Column("LastName", 100, required=True, mend=Mend.FIT),
        Column("Email", 100, required=True, mend=Mend.DROP),
        Column("SchoolCode", 15, required=True, mend=Mend.FIT),
        Column("Permissions", 25),
        Column("EducatorSISId", 25),
        Column("JobTitle", 100),
        Column("DisplayName", 100),
        Column("UserClaim", 50),
    ),
    key=("EducatorSISId", "SchoolCode"),
)
"""Educators, a line for each school; blank permissions are the least that Xello knows."""

EDUCATOR_STUDENT = Layout(
    "EducatorStudent",
    (
        Column("EducatorEmail", 250, required=True, mend=Mend.DROP),
        Column("StudentId", 15, required=True, mend=Mend.DROP),
    ),
    key=("StudentId",),
)
"""Whom an educator teaches now."""

STUDENT_GROUP = Layout(
    "StudentGroup",
    (
        Column("GroupName", 255, required=True, mend=Mend.FIT),
        Column("EducatorEmail", 250, required=True, mend=Mend.DROP),
        Column("StudentId", 15, required=True, mend=Mend.DROP),
        Column("SchoolCode", 15, required=True, mend=Mend.FIT),
    ),
    key=("StudentId", "SchoolCode"),
)
"""Each section as a group of its educator."""

MORE = (FAMILY, EDUCATOR, EDUCATOR_STUDENT, STUDENT_GROUP)
"""Files that a district's roster switches on, in the order in which Xello needs them."""

ALL_LAYOUTS = (*LAYOUTS, *MORE)


def school_type(low: int, high: int) -> int:
    """Return Xello's type of a school from its grade range.

    Only grades 9 and up is a secondary school, only up to 8 an elementary or
    middle school, both is other. The derivation is that of another student
    information system that implements the same specification.
    """
    if low >= 9:
        return 1
    return 2 if high <= 8 else 3
