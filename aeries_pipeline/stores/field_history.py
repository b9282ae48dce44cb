"""Fields that a district sends and the catalogue does not know, or the other way: since when.

Read from the ledger, which keeps for each pull what differed. Names of fields
only; values are never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aeries_pipeline.stores.connection import Warehouse

_SEEN = """
SELECT resource, school, finished_at, pull_id, mode,
       unnest(from_json(drift->'{what}', '["VARCHAR"]')) AS field
FROM meta.pulls WHERE district = $district AND status = 'complete' AND drift IS NOT NULL
"""
_NEWEST = """
SELECT resource, school, max_by(pull_id, finished_at) AS pull_id
FROM meta.pulls WHERE district = $district AND status = 'complete' AND mode = 'full'
GROUP BY ALL
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
    query = f"""
        WITH newest AS ({_NEWEST}), unknown AS ({_SEEN.format(what="unknown")}),
        missing AS ({_SEEN.format(what="missing")}), now_unknown AS (
            SELECT resource, field, count(*) AS schools FROM unknown
            SEMI JOIN newest USING (pull_id, resource) GROUP BY ALL
        )
        SELECT u.resource, u.field, n.schools IS NOT NULL,
               CASE WHEN n.schools IS NULL THEN max(u.finished_at) ELSE min(u.finished_at) END,
               coalesce(any_value(n.schools), count(DISTINCT coalesce(u.school, 0))), 'unknown'
        FROM unknown u LEFT JOIN now_unknown n USING (resource, field)
        GROUP BY u.resource, u.field, n.schools
        UNION ALL
        SELECT m.resource, m.field, true, min(m.finished_at),
               count(DISTINCT m.pull_id) FILTER (n.pull_id IS NOT NULL), 'missing'
        FROM missing m LEFT JOIN newest n USING (pull_id, resource)
        GROUP BY m.resource, m.field HAVING count(n.pull_id) > 0
        ORDER BY ALL
    """
    return [
        FieldState(resource, name, _state(kind, is_now=is_now), since, schools)
        for resource, name, is_now, since, schools, kind in warehouse.rows(
            query, {"district": district}
        )
    ]


def _state(kind: str, *, is_now: bool) -> State:
    if kind == "missing":
        return State.NOT_SENT
    return State.NEW if is_now else State.GONE
