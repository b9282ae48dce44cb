"""The class schedule of every student, dropped classes of the year included."""

from __future__ import annotations

from aeries_pipeline.catalog.common import CLASS_SCHEDULES, STUDENT, student_feed
from aeries_pipeline.catalog.fields import integer, text, timestamp
from aeries_pipeline.catalog.resource import Covers, Grain, KeySource, Reference, Resource

FIELDS = (
    STUDENT,
    integer("SchoolCode", "CAR.SC", "Aeries code of the school", required=True),
    integer(
        "SequenceNumber", "CAR.SQ", "Part of the key, without a meaning of its own", required=True
    ),
    integer(
        "SectionNumber", "CAR.SE", "Section of the master schedule; 0 means none", required=True
    ),
    text(
        "CourseID",
        "CAR.CN",
        "Course of the district catalogue; text, leading zeros count",
        required=True,
    ),
    timestamp("DateStarted", "CAR.DS"),
    timestamp("DateEnded", "CAR.DE", "For a running class the planned end"),
)


CLASSES = Resource(
    name="classes",
    title="Class schedule and history of each student",
    path="schools/{school}/classes",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "StudentID", "SequenceNumber"),
    key_source=KeySource.INFERRED,
    area=CLASS_SCHEDULES,
    references=(
        Reference("StudentID", "students", "StudentID", same_school=True),
        Reference("CourseID", "courses", "ID"),
    ),
    feed=student_feed("class", "classes/{key}", Covers.SCHOOL),
    source="https://support.aeries.com/support/solutions/articles/14000113686",
)
