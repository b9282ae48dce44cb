"""Transcript lines: every course with a final mark."""

from __future__ import annotations

from aeries_pipeline.catalog.common import STUDENTS_PAGING, TRANSCRIPTS_AREA
from aeries_pipeline.catalog.fields import decimal, integer, nested, text, timestamp
from aeries_pipeline.catalog.resource import Grain, Reference, Resource

FIELDS = (
    integer(
        "StudentID",
        "HIS.PID/STU.ID",
        "Identifies the person in the whole district; one person may own several rows",
        required=True,
        minimum=1,
    ),
    integer("SchoolCode", "STU.SC", "Aeries code of the school", required=True),
    nested("CourseGrades"),
)

INNER = (
    integer(
        "SequenceNumber", "HIS.SQ", "Part of the key, without a meaning of its own", required=True
    ),
    text(
        "CourseID",
        "HIS.CN",
        "Course of the district catalogue; text, leading zeros count",
        required=True,
    ),
    text("TranscriptCourseTitle", "HIS.CO"),
    text("Mark", "HIS.MK", "Grade as printed on the transcript"),
    decimal("CreditAttempted", "HIS.CR"),
    decimal("CreditCompleted", "HIS.CC"),
    integer("StudentGrade", "HIS.GR"),
    integer("Term", "HIS.TE", "Number of the term, 0 to 8; not a term code"),
    text("TermDescription"),
    text("SchoolYear", "HIS.YR", "Such as 2025-2026"),
    integer("SchoolTakenID", "HIS.ST", "School where the course was taken"),
    text("SchoolTakenName", "CHI.NM"),
    text("SchoolTakenStateID", "CHI.ID"),
    text("RepeatTagCode", "HIS.RT", "Decides whether a repeated course counts"),
    text("CitizenshipMark", "HIS.CI"),
    text("RecordSourceCode", "HIS.SRC"),
    integer("DualEnrollmentCreditSchoolCode", "HIS.SDE"),
    timestamp("DateOfCompletion", "HIS.DC"),
    decimal("CollegeCreditHours", "HIS.CH"),
    text("PassFailCreditCode", "HIS.PF"),
    decimal("Hours", "HIS.HR"),
    integer("TotalAbsences", "HIS.AB"),
    integer("TotalTardies", "HIS.TD"),
    integer("TotalDaysEnrolled", "HIS.EN"),
    integer("TotalDaysPresent", "HIS.PR"),
    integer("TotalExcusedAbsences", "HIS.EA"),
    integer("TotalUnExcusedAbsences", "HIS.UA"),
    integer("TotalDaysOfSuspension", "HIS.SU"),
    integer("SectionNumber", "HIS.SE", "Section of the master schedule; 0 means none"),
    integer("StaffID", "HIS.SID"),
)


TRANSCRIPTS = Resource(
    name="transcripts",
    title="Transcript lines, one for each course grade",
    path="schools/{school}/Transcript",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("StudentID", "SequenceNumber"),
    area=TRANSCRIPTS_AREA,
    paging=STUDENTS_PAGING,
    nested="CourseGrades",
    inner=INNER,
    references=(
        Reference("StudentID", "students", "StudentID", same_school=True),
        # Courses taken elsewhere are on the transcript and not in the catalogue.
        Reference("CourseID", "courses", "ID", tolerance=0.25),
    ),
    source="https://support.aeries.com/support/solutions/articles/14000113685",
)
