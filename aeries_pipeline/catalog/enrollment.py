"""Enrollment history of the school year."""

from __future__ import annotations

from aeries_pipeline.catalog.common import ENROLLMENT_HISTORY, student_feed
from aeries_pipeline.catalog.fields import integer, text, timestamp
from aeries_pipeline.catalog.resource import Covers, Grain, KeySource, Resource

FIELDS = (
    integer(
        "StudentID",
        "ENR.ID",
        "Identifies the person in the whole district; one person may own several rows",
        required=True,
        minimum=1,
    ),
    integer("SchoolCode", "ENR.SC", "Aeries code of the school", required=True),
    integer("StudentNumber", "ENR.SN", "Number of the student inside this school"),
    text("AcademicYear", "ENR.YR", "First year of the school year, four digits", required=True),
    integer(
        "Grade",
        "ENR.GR",
        "-2 preschool, -1 and 0 kindergarten, 1 to 12, above 12 by the district",
    ),
    timestamp("EnterDate", "ENR.ED"),
    timestamp("LeaveDate", "ENR.LD"),
    text("ExitReasonCode", "ENR.ER"),
    text("Track", "ENR.TR"),
    text("AttendanceProgramCode", "ENR.PR"),
    text("AttendanceProgramCodeAdditional1", "ENR.AP1"),
    text("AttendanceProgramCodeAdditional2", "ENR.AP2"),
    integer("ElementaryTeacherNumber", "ENR.TN"),
    text("ElementaryTeacherName", "ENR.TE"),
    text("InterIntraDistrictTransferCode", "ENR.IT"),
    text("InterIntraDistrictStateCode", "ENR.ITD"),
    text("NonpublicSchoolStateCode"),
    integer("NextSchoolCode", "", "School of the coming year; 0 where not set"),
    integer("ReportingSchoolCode"),
)


ENROLLMENT = Resource(
    name="enrollment",
    title="Enrollment history of the school year",
    path="schools/{school}/enrollment/0/year/{year}",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=(
        "StudentID",
        "SchoolCode",
        "AcademicYear",
        "EnterDate",
        "Track",
        "AttendanceProgramCode",
    ),
    key_source=KeySource.INFERRED,
    area=ENROLLMENT_HISTORY,
    optional=True,
    feed=student_feed("enrollment", "enrollment/{key}/year/{year}", Covers.SCHOOL),
    source="https://support.aeries.com/support/solutions/articles/14000113684",
)
