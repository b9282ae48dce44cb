"""Programs that students take part in, such as special education."""

from __future__ import annotations

from aeries_pipeline.catalog.common import STUDENT, STUDENT_PROGRAMS, student_feed
from aeries_pipeline.catalog.fields import nested, text, timestamp
from aeries_pipeline.catalog.resource import Covers, Grain, KeySource, Reference, Resource

FIELDS = (
    STUDENT,
    text("ProgramCode", required=True),
    text("ProgramDescription"),
    timestamp("EligibilityStartDate", "GTE.ESD / FOF.SD / CSE.ED / FRE.ESD / PGM.ESD"),
    timestamp("EligibilityEndDate", "GTE.EED / FOF.ED / CSE.XD / FRE.EED / PGM.EED"),
    timestamp("ParticipationStartDate", "GTE.PSD / FOF.SD / - / FRE.PSD / PGM.PSD"),
    timestamp("ParticipationEndDate", "GTE.PED / FOF.ED / - / FRE.PED / PGM.PED"),
    nested("ExtendedProperties", "", "Pairs of name and value"),
)


PROGRAMS = Resource(
    name="programs",
    title="Program memberships of each student",
    path="schools/{school}/students/0/programs",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=(),
    key_source=KeySource.NONE,
    area=STUDENT_PROGRAMS,
    references=(Reference("StudentID", "students", "StudentID", same_school=True),),
    optional=True,
    feed=student_feed("program", "students/{key}/programs", Covers.RECORD),
    source="https://support.aeries.com/support/solutions/articles/14000113683",
)
