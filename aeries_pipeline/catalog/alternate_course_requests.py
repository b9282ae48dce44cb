"""Second choices of the coming year."""

from __future__ import annotations

from aeries_pipeline.catalog.common import COURSE_REQUESTS_AREA, STUDENT
from aeries_pipeline.catalog.fields import decimal, integer, text
from aeries_pipeline.catalog.resource import Grain, Reference, Resource

FIELDS = (
    STUDENT,
    integer("SchoolCode", "ACR.SC", "Aeries code of the school", required=True),
    integer(
        "SequenceNumber", "ACR.SQ", "Part of the key, without a meaning of its own", required=True
    ),
    text(
        "CourseID",
        "ACR.CN",
        "Course of the district catalogue; text, leading zeros count",
        required=True,
    ),
    decimal("PrioritySortOrder", "ACR.SRT", "Only the order it gives has a meaning", scale=10),
)


ALTERNATE_COURSE_REQUESTS = Resource(
    name="alternate_course_requests",
    title="Alternate course requests for the coming year",
    path="schools/{school}/scheduling/alternatecourserequests",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "StudentID", "SequenceNumber"),
    area=COURSE_REQUESTS_AREA,
    references=(
        Reference("StudentID", "students", "StudentID", same_school=True),
        Reference("CourseID", "courses", "ID"),
    ),
    optional=True,
    source="https://support.aeries.com/support/solutions/articles/14000113686",
)
