"""Credits that each class must reach, by subject area."""

from __future__ import annotations

from aeries_pipeline.catalog.common import GRADUATION_REQUIREMENTS_AREA
from aeries_pipeline.catalog.fields import decimal, integer, nested, text
from aeries_pipeline.catalog.resource import Grain, Resource

FIELDS = (
    integer("SchoolCode", "REQ.SC", "Aeries code of the school", required=True),
    text("GraduationRequirementTrack", "REQ.GRT", "Blank is the default track", required=True),
    nested("SubjectAreas"),
)

INNER = (
    text("SubjectAreaCode", "REQ.CD", "One character; courses point to it", required=True),
    text("SubjectAreaDescription", "REQ.SA"),
    decimal("RequiredCreditFor12thGraders", "REQ.C1", "Credits asked of the class now in grade 12"),
    decimal("RequiredCreditFor11thGraders", "REQ.C2", "Credits asked of the class now in grade 11"),
    decimal("RequiredCreditFor10thGraders", "REQ.C3", "Credits asked of the class now in grade 10"),
    decimal("RequiredCreditFor9thGraders", "REQ.C4", "Credits asked of the class now in grade 9"),
)


GRADUATION_REQUIREMENTS = Resource(
    name="graduation_requirements",
    title="Credits required by track and subject area",
    path="schools/{school}/GraduationRequirements",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "GraduationRequirementTrack", "SubjectAreaCode"),
    area=GRADUATION_REQUIREMENTS_AREA,
    nested="SubjectAreas",
    inner=INNER,
    personal=False,
    source="https://support.aeries.com/support/solutions/articles/14000113685",
)
