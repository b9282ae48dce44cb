"""Questions to the ledger ``meta.pulls``."""

from __future__ import annotations

from datetime import datetime

from aeries_pipeline.warehouse.connection import Warehouse


def last_complete(warehouse: Warehouse, district: str, resource: str) -> dict[int | None, datetime]:
    """Return when each partition was last completely pulled, UTC without a zone."""
    return dict(
        warehouse.rows(
            "SELECT school, max(finished_at) FROM meta.pulls WHERE district = ? AND resource = ? "
            "AND status = 'complete' GROUP BY school",
            [district, resource],
        )
    )


def all_last_complete(warehouse: Warehouse) -> dict[tuple[str, int | None, str], datetime]:
    """Return the same for every district, school and resource that was ever tried."""
    rows = warehouse.rows(
        "SELECT district, school, resource, max(finished_at) FILTER (status = 'complete') "
        "FROM meta.pulls GROUP BY ALL"
    )
    return {(district, school, resource): when for district, school, resource, when in rows}
