"""Marks of the present year, one row for each course on a student's report card."""

from __future__ import annotations

from aeries_pipeline.catalog.common import STUDENT
from aeries_pipeline.catalog.fields import integer, nested, text
from aeries_pipeline.catalog.resource import Area, Grain, KeySource, Reference, Resource

FIELDS = (
    STUDENT,
    nested("StudentReportCardCourses"),
)

INNER = (
    integer("SchoolCode", "STU.SC", "Aeries code of the school"),
    text(
        "CourseID",
        "GRD.CN",
        "Course of the district catalogue; text, leading zeros count",
        required=True,
    ),
    text("CourseTitle", "CRS.CO"),
    text("Period", "GRD.PD / FTF.STI", "Text: a flexible period has a name"),
    integer("SectionNumber", "GRH.SE", "Section of the master schedule; 0 means none"),
    integer("TeacherNumber", "GRD.TN", "Number of the teacher in this school; 0 means none"),
    nested(
        "MarkingPeriodGrades",
        "GRH / GRD",
        "Mark, credit, comments and days of each marking period, with its number",
    ),
)


REPORT_CARDS = Resource(
    name="report_cards",
    title="Courses on the report cards of this year, with the marks of each marking period",
    path="schools/{school}/ReportCard",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    nested="StudentReportCardCourses",
    inner=INNER,
    key=("StudentID", "SchoolCode", "SectionNumber", "CourseID"),
    key_source=KeySource.INFERRED,
    area=Area("Grades", "Grade Reporting"),
    references=(
        Reference("StudentID", "students", "StudentID", same_school=True),
        Reference("CourseID", "courses", "ID"),
    ),
    optional=True,
    source="https://support.aeries.com/support/solutions/articles/14000113685",
)
