"""School days and holidays."""

from __future__ import annotations

from aeries_pipeline.catalog.common import CALENDAR_AREA
from aeries_pipeline.catalog.fields import boolean, integer, nested, text, timestamp
from aeries_pipeline.catalog.resource import Grain, Resource

FIELDS = (
    integer("SchoolCode", "DAY.SC", "Aeries code of the school", required=True),
    integer("CalendarDayNumber", "DAY.DY", required=True),
    timestamp("CalendarDate", "DAY.DT", "The day", required=True),
    text("HolidayCode", "DAY.HO", "Blank on a normal school day"),
    integer("AttendanceMonth", "DAY.MO"),
    boolean("AttendanceMonthLocked", "DAY.ML"),
    integer("TotalApportionment", "DAY.AP"),
    integer("TotalEnrollment", "DAY.EN"),
    text("PeriodBlockPattern", "DAY.BL"),
    text("ABDay", "DAY.AB"),
    nested("TrackHolidays", "", "Exceptions of each attendance track"),
)


CALENDAR = Resource(
    name="calendar",
    title="School days and holidays",
    path="schools/{school}/calendar",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "CalendarDayNumber"),
    area=CALENDAR_AREA,
    optional=True,
    personal=False,
    source="https://support.aeries.com/support/solutions/articles/14000113682",
)
