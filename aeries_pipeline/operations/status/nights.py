"""What the last nights brought, one sign for each night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

_COUNTS = f"""
WITH zones AS (SELECT unnest(?) AS district, unnest(?) AS zone),
newest AS (
    SELECT district, resource, school, arg_max(status, finished_at) AS status,
           CAST(timezone(zone, timezone('UTC', finished_at)) - INTERVAL 12 HOUR AS DATE) AS night
    FROM meta.pulls JOIN zones USING (district)
    WHERE finished_at > CAST(? AS TIMESTAMP) - INTERVAL {NIGHTS + 2} DAY
    GROUP BY ALL)
SELECT district, night, count(*) FILTER (status = 'complete'),
       count(*) FILTER (status IN ('failed', 'refused', 'skipped'))
FROM newest GROUP BY ALL
"""

Counts = Mapping[date, tuple[int, int]]
"""How many partitions came and did not come, by night."""


def count_nights(
    connection: duckdb.DuckDBPyConnection, districts: Sequence[District], moment: datetime
) -> dict[str, Counts]:
    """Return what the ledger says of every district's nights, in one query."""
    ids = [one.id for one in districts]
    zones = [one.timezone for one in districts]
    bound = moment.astimezone(UTC).replace(tzinfo=None)
    found: dict[str, dict[date, tuple[int, int]]] = {}
    for district, night, came, missing in connection.execute(
        _COUNTS, [ids, zones, bound]
    ).fetchall():
        found.setdefault(district, {})[night] = (came, missing)
    return dict(found)


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
