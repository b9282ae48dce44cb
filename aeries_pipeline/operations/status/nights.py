"""What the last nights brought, one sign for each night."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import duckdb

from aeries_pipeline.districts.nights import NIGHTS, last_nights
from aeries_pipeline.districts.roster import District

WHOLE, PART, NOTHING, QUIET = "█", "▄", "x", "·"
LEGEND = (
    f"{WHOLE} everything came, {PART} a part came, {NOTHING} nothing came, {QUIET} nothing was "
    "asked for; the last sign is the newest night."
)
_PLAIN = str.maketrans({WHOLE: "#", PART: "+", QUIET: "."})

_KEPT = 3 * NIGHTS
"""Nights before the newest pull that are counted; more than are ever shown."""

_COUNTS = f"""
WITH newest AS (
    SELECT resource, school, arg_max(status, finished_at) AS status,
           CAST(timezone($zone, timezone('UTC', finished_at)) - INTERVAL 12 HOUR AS DATE) AS night
    FROM meta.pulls
    WHERE finished_at > (SELECT max(finished_at) FROM meta.pulls) - INTERVAL {_KEPT} DAY
    GROUP BY ALL)
SELECT night, count(*) FILTER (status = 'complete'),
       count(*) FILTER (status IN ('failed', 'refused', 'skipped'))
FROM newest GROUP BY ALL ORDER BY ALL
"""

Counts = Mapping[date, tuple[int, int]]
"""How many partitions came and did not come, by night."""


def count_nights(connection: duckdb.DuckDBPyConnection, zone: str) -> list[tuple[date, int, int]]:
    """Return how many partitions came and did not come in each of a district's nights."""
    return connection.execute(_COUNTS, {"zone": zone}).fetchall()


def picture(counts: Counts, district: District, moment: datetime) -> str:
    """Return one sign for each of the last nights, the oldest first."""
    nights = last_nights(district.zone, moment.astimezone(UTC).replace(tzinfo=None))
    return "".join(sign(*counts.get(night, (0, 0))) for night in nights)


def sign(came: int, missing: int) -> str:
    """Return the sign of one night."""
    if not came and not missing:
        return QUIET
    if not missing:
        return WHOLE
    return PART if came else NOTHING


def plain(text: str) -> str:
    """Return a picture for a terminal without block characters."""
    return text.translate(_PLAIN)
