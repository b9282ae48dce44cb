"""How far each student has come towards graduation, by subject area."""

from __future__ import annotations

from aeries_pipeline.catalog.common import GRADUATION_STATUS_AREA, RECORDS, STUDENT_AT_SCHOOL
from aeries_pipeline.catalog.fields import decimal, nested, text
from aeries_pipeline.catalog.resource import Grain, Reference, Resource

FIELDS = (
    *STUDENT_AT_SCHOOL,
    text("GraduationRequirementTrack", "STU.GRT", "Blank is the default track"),
    nested("SubjectAreas"),
)

INNER = (
    text("SubjectAreaCode", "REQ.CD", "One character; courses point to it", required=True),
    text("SubjectAreaDescription", "REQ.SA"),
    decimal("CreditsRequired"),
    decimal("CreditsCompleted"),
    decimal("CreditsCurrentlyEnrolled"),
    decimal("CreditsNeeded", "", "As Aeries reckons it; may be stale"),
)


GRADUATION_STATUS = Resource(
    name="graduation_status",
    title="Credits completed and needed by student and subject area",
    path="schools/{school}/GraduationStatusSummary",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "StudentID", "SubjectAreaCode"),
    area=GRADUATION_STATUS_AREA,
    paging=RECORDS,
    nested="SubjectAreas",
    inner=INNER,
    references=(Reference("StudentID", "students", "StudentID", same_school=True),),
    source="https://support.aeries.com/support/solutions/articles/14000113685",
)
