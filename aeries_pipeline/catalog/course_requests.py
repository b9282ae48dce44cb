"""Course requests of the coming year (table SSS) and the alternates linked to them."""

from __future__ import annotations

from aeries_pipeline.catalog.common import COURSE_REQUESTS_AREA, STUDENT
from aeries_pipeline.catalog.fields import decimal, integer, nested, text
from aeries_pipeline.catalog.resource import Grain, KeySource, Reference, Resource, Table

FIELDS = (
    STUDENT,
    integer("SchoolCode", "SSS.SC", "Aeries code of the school", required=True),
    integer(
        "SequenceNumber", "SSS.SQ", "Part of the key, without a meaning of its own", required=True
    ),
    text(
        "CourseID",
        "SSS.CN",
        "Course of the district catalogue; text, leading zeros count",
        required=True,
    ),
    integer("SectionNumber", "SSS.SE", "Section of the master schedule; 0 means none"),
    text("ActualPrimaryCourseID", "SSS.AC", "The course first asked for, where AlternateTag is X"),
    text("AlternateTag", "SSS.AT", "X where the scheduler put in an alternate"),
    integer("PreferredTeacherNumber", "SSS.TN"),
    integer("PreferredStaffID", "SSS.PS", aliases=("PreferredSTaffID",)),
    text("RejectCode", "SSS.RT", "Why it could not be scheduled; * where the section is locked"),
    text("PermanentLockCode", "SSS.PL", "Not blank: the scheduler must not move it"),
    nested("AlternateCourseRequests"),
)

ALTERNATE_FIELDS = (
    integer("SequenceNumber", "ACR.SQ", "The alternate request that is linked", required=True),
    text("CourseID", "ACR.CN", "The course asked for instead"),
    decimal("PrioritySortOrder", "ACR.SRT", "Only the order it gives has a meaning", scale=10),
)


LINKED_ALTERNATES = Table(
    name="course_request_alternates",
    outer=(
        integer("StudentID", "STU.ID", required=True, minimum=1),
        integer("SchoolCode", "SSS.SC", required=True),
        integer("RequestSequenceNumber", "SSS.SQ", "The request", aliases=("SequenceNumber",)),
    ),
    key=("StudentID", "SchoolCode", "RequestSequenceNumber", "SequenceNumber"),
    key_source=KeySource.INFERRED,
    nested="AlternateCourseRequests",
    inner=ALTERNATE_FIELDS,
)

COURSE_REQUESTS = Resource(
    name="course_requests",
    title="Course requests for the coming year",
    path="schools/{school}/scheduling/courserequests",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "StudentID", "SequenceNumber"),
    area=COURSE_REQUESTS_AREA,
    children=(LINKED_ALTERNATES,),
    references=(
        Reference("StudentID", "students", "StudentID", same_school=True),
        Reference("CourseID", "courses", "ID"),
    ),
    optional=True,
    source="https://support.aeries.com/support/solutions/articles/14000113686",
)
