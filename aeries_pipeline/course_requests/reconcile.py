"""What was given to each school, compared with what a pull finds in Aeries. Queries only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import duckdb

from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.stores.connection import Warehouse, table_exists


class Arrival(StrEnum):
    """What became of a request in Aeries."""

    ARRIVED = "arrived"
    CHANGED = "changed_in_aeries"
    MISSING = "not_arrived"
    NOT_DUE = "no_longer_due"
    TAKEN_OUT = "taken_out"
    STILL_THERE = "withdrawn_still_there"
    EXTRA = "extra"
    NOT_KNOWN = "not_known_yet"
    NOT_GRANTED = "not_granted"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One school, after an import.

    Attributes:
        school: School code.
        year: First calendar year of the school year that it is for.
        counts: Requests by what became of them.
        awaited: How many of those that have not arrived were exported only lately.
    """

    school: int
    year: int
    counts: Mapping[Arrival, int]
    awaited: int = 0

    @property
    def share(self) -> float | None:
        """The share that arrived of what was given and is known; None if nothing is known."""
        good = self.counts.get(Arrival.ARRIVED, 0)
        known = sum(
            self.counts.get(one, 0) for one in (Arrival.ARRIVED, Arrival.CHANGED, Arrival.MISSING)
        )
        return good / known if known else None

    @property
    def given(self) -> dict[str, int]:
        """What was given and is meant to be there, by what became of it, ``awaited`` included."""
        beside = {Arrival.TAKEN_OUT, Arrival.STILL_THERE, Arrival.EXTRA}
        found = {str(kind): number for kind, number in self.counts.items() if kind not in beside}
        found["awaited"] = self.awaited
        found[str(Arrival.MISSING)] = found.get(str(Arrival.MISSING), 0) - self.awaited
        return {kind: number for kind, number in found.items() if number}


_GIVEN = """
WITH given AS (
    -- Of a student who has left since nobody waits for a request to arrive.
    SELECT a.school, a.school_year, a.exported_at,
           CASE WHEN a.arrival = 'not_arrived' AND r.reason IS NOT NULL THEN 'no_longer_due'
                ELSE a.arrival END AS became
    FROM core.course_request_arrivals a JOIN core.course_requests r USING (district, file_id, line)
    WHERE a.district = $district
)
SELECT school, school_year, became, count(*),
       count(*) FILTER (became = 'not_arrived' AND exported_at > $lately::TIMESTAMP)
FROM given GROUP BY ALL
"""
_WITHDRAWN = """
WITH given AS (
    SELECT * FROM core.course_request_exports WHERE district = $district AND kind = 'request'
    QUALIFY row_number() OVER (PARTITION BY file_id, line, school, student_number
                               ORDER BY exported_at DESC, export_id DESC, action DESC) = 1
)
SELECT g.school, g.school_year,
       CASE WHEN bool_or(x."StudentID" IS NOT NULL) THEN 'withdrawn_still_there'
            ELSE 'taken_out' END, 1, 0
FROM given g
LEFT JOIN raw.course_requests x ON x.district = g.district AND x."SchoolCode" = g.school
 AND x."StudentID" = g.student_id AND trim(x."CourseID") = g.course_id
WHERE g.action = 'withdraw'
AND g.exported_at < (SELECT max(started_at) FROM meta.pulls p WHERE p.district = g.district
                     AND p.school = g.school AND p.resource = 'course_requests'
                     AND p.status = 'complete')
GROUP BY g.school, g.school_year, g.file_id, g.line, g.student_number
"""
_EXTRA = """
SELECT x."SchoolCode", $year, 'extra', count(*), 0 FROM raw.course_requests x
WHERE x.district = $district AND NOT EXISTS (
    SELECT 1 FROM core.course_request_exports e WHERE e.district = x.district
    AND e.school = x."SchoolCode" AND e.student_id = x."StudentID" AND e.kind = 'request'
    AND (e.course_id = trim(x."CourseID") OR e.sequence_number = x."SequenceNumber"))
AND x."SchoolCode" IN (SELECT school FROM core.course_request_exports
                       WHERE district = $district AND school_year = $year)
GROUP BY ALL
"""


def reconcile(warehouse: Warehouse, district: str) -> list[Reconciled]:
    """Compare what was given with what is in Aeries, school by school.

    Args:
        warehouse: Where exports and pulls are.
        district: District id.
    """
    with warehouse.open() as connection:
        prepare(connection)
        return reconciled(connection, district)


def reconciled(
    connection: duckdb.DuckDBPyConnection, district: str, lately: datetime | None = None
) -> list[Reconciled]:
    """Do the same on a connection with tables and views already prepared.

    Args:
        connection: On the warehouse.
        district: District id.
        lately: Since when what was exported is still awaited, UTC without a zone; None if
            everything that has not arrived is missing.
    """
    rows = connection.execute(_GIVEN, {"district": district, "lately": lately}).fetchall()
    if table_exists(connection, "raw", "course_requests"):
        rows += connection.execute(_WITHDRAWN, {"district": district}).fetchall()
        year = max((row[1] for row in rows), default=None)
        if year is not None:
            bound = {"district": district, "year": year}
            rows += connection.execute(_EXTRA, bound).fetchall()
    found: dict[tuple[int, int], dict[Arrival, int]] = {}
    awaited: Counter[tuple[int, int]] = Counter()
    for school, year, arrival, number, late in rows:
        counts = found.setdefault((school, year), {})
        counts[Arrival(arrival)] = counts.get(Arrival(arrival), 0) + number
        awaited[school, year] += late
    return [
        Reconciled(school, year, counts, awaited[school, year])
        for (school, year), counts in sorted(found.items())
    ]
