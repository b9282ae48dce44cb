"""Days on which a student was marked, for the whole day or in a class.

A school that reports only absences has no entry for a day on which all is well.
"""

from __future__ import annotations

from aeries_pipeline.catalog.common import STUDENT
from aeries_pipeline.catalog.fields import nested, text, timestamp
from aeries_pipeline.catalog.resource import Area, Grain, KeySource, Reference, Resource

FIELDS = (
    STUDENT,
    nested("AttendanceDays"),
)

INNER = (
    timestamp("CalendarDate", "ATT.DT", "The day", required=True),
    text(
        "AllDayAttendanceCode",
        "ATT.AL",
        "Code of the whole day; where classes are marked, only if all have the same",
    ),
    nested("Classes", "ATT.A0-A9 / CAT.AC", "Section, period and code of each class of the day"),
)


ATTENDANCE = Resource(
    name="attendance",
    title="Days on which a student was marked absent, late or otherwise",
    path="schools/{school}/attendance",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    nested="AttendanceDays",
    inner=INNER,
    key=("StudentID", "CalendarDate"),
    key_source=KeySource.INFERRED,
    area=Area("Attendance", "Attendance"),
    references=(Reference("StudentID", "students", "StudentID", same_school=True),),
    optional=True,
    source="https://support.aeries.com/support/solutions/articles/14000113684",
)
