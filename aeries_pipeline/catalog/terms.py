"""The terms of a school year."""

from __future__ import annotations

from aeries_pipeline.catalog.fields import nested, text, timestamp
from aeries_pipeline.catalog.resource import Grain, Resource

FIELDS = (
    text("TermCode", "TRM.TM", "Such as F, S, Y or 1 to 4", required=True),
    text("TermDescription"),
    timestamp("StartDate", "TRM.D1"),
    timestamp("EndDate", "TRM.D2"),
    timestamp("FirstHalfEndDate", "TRM.H1"),
    timestamp("SecondHalfStartDate", "TRM.H2"),
    nested("TrackTerms", "", "Dates of each attendance track"),
)


TERMS = Resource(
    name="terms",
    title="Terms of a school: quarters, semesters, year",
    path="schools/{school}/terms",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("TermCode",),
    personal=False,
    source="https://support.aeries.com/support/solutions/articles/14000113682",
)
