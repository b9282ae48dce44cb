"""What a school calls its codes of absence, and what each counts for."""

from __future__ import annotations

from aeries_pipeline.catalog.common import ABSENCE_CODES_AREA
from aeries_pipeline.catalog.fields import boolean, integer, text
from aeries_pipeline.catalog.resource import Grain, Resource

FIELDS = (
    integer("SchoolCode", "ABS.SC", "Aeries code of the school", required=True),
    text("AbsenceCode", "ABS.CD", required=True),
    text("Title", "ABS.TI"),
    text("Abbreviation", "ABS.AB"),
    integer("TypeCode", "ABS.TY"),
    text("TypeDescription", "", "Such as Unverified Absence or Excused Absence"),
    boolean("CountsForADA", "", "Whether it counts for average daily attendance"),
    boolean("IncludeOnLetters"),
    boolean("IncludeInParentNotifications"),
    boolean("IncludeOnReports"),
    boolean("CountOnReportCard"),
    boolean("IsSuspension"),
    boolean("IsPartialDayTruant"),
    boolean("IsTemporarilyNotEnrolled"),
    text("IndependentStudyCode"),
    text("ColorCode"),
)


ABSENCE_CODES = Resource(
    name="absence_codes",
    title="Codes of absence of a school, with their names",
    path="schools/{school}/AbsenceCodes",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "AbsenceCode"),
    area=ABSENCE_CODES_AREA,
    optional=True,
    personal=False,
    source="https://support.aeries.com/support/solutions/articles/14000113682",
)
