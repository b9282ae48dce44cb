"""Fields that a district sends and the catalog does not know, or the reverse: since when.

Read from the ledger, which keeps the differences of each pull. Names of fields
only; values are never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aeries_pipeline.stores.connection import Warehouse

_SEEN = """
SELECT resource, school, finished_at, mode,
       unnest(from_json(drift->'{what}', '["VARCHAR"]')) AS field
FROM meta.pulls WHERE district = $district AND status = 'complete' AND drift IS NOT NULL
"""


class State(StrEnum):
    """How a field of a district stands beside the catalogue."""

    NEW = "new"
    GONE = "gone again"
    NOT_SENT = "not sent"


@dataclass(frozen=True, slots=True)
class FieldState:
    """One field that differs from the catalogue.

    Attributes:
        resource: Resource name.
        field: Name of the field, as the server spells it.
        state: New: sent and unknown here. Gone again: was new, and is no longer sent.
            Not sent: known here, and in no record of the newest whole answer.
        since: When that was first seen, or for a field that is gone when it was
            seen last; UTC without a zone.
        schools: At how many schools; 1 for what a district has once.
    """

    resource: str
    field: str
    state: State
    since: datetime
    schools: int


def unknown_since(
    warehouse: Warehouse, district: str, resource: str
) -> dict[int | None, dict[str, datetime]]:
    """Return when each unknown field was first seen, by school and field."""
    rows = warehouse.rows(
        f"SELECT school, field, min(finished_at) FROM ({_SEEN.format(what='unknown')}) "
        "WHERE resource = $resource GROUP BY ALL",
        {"district": district, "resource": resource},
    )
    found: dict[int | None, dict[str, datetime]] = {}
    for school, name, first in rows:
        found.setdefault(school, {})[name] = first
    return found


def field_states(warehouse: Warehouse, district: str) -> list[FieldState]:
    """Return every field of a district that differs from the catalogue, by resource."""
    # What one answer by changes lacks may stand in the records that it does not name.
    query = f"""
        WITH newest AS (
            SELECT resource, school, max(finished_at) AS read_at FROM meta.pulls
            WHERE district = $district AND status = 'complete' AND mode = 'full' GROUP BY ALL
        ), seen AS (
            SELECT *, 'unknown' AS kind FROM ({_SEEN.format(what="unknown")})
            UNION ALL
            SELECT *, 'missing' FROM ({_SEEN.format(what="missing")}) WHERE mode = 'full'
        ), dated AS (
            SELECT s.*, s.finished_at >= n.read_at AS is_now FROM seen s LEFT JOIN newest n
            ON n.resource = s.resource AND n.school IS NOT DISTINCT FROM s.school
        )
        SELECT resource, field, kind, any_value(stands),
               CASE WHEN any_value(stands) THEN min(finished_at) ELSE max(finished_at) END,
               count(DISTINCT coalesce(school, 0)) FILTER (is_now OR NOT stands)
        FROM (SELECT *, bool_or(is_now) OVER (PARTITION BY resource, field, kind) AS stands
              FROM dated)
        GROUP BY resource, field, kind HAVING kind = 'unknown' OR any_value(stands)
        ORDER BY ALL
    """
    return [
        FieldState(resource, name, _state(kind, is_now=is_now), since, schools)
        for resource, name, kind, is_now, since, schools in warehouse.rows(
            query, {"district": district}
        )
    ]


def _state(kind: str, *, is_now: bool) -> State:
    if kind == "missing":
        return State.NOT_SENT
    return State.NEW if is_now else State.GONE
