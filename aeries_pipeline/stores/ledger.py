"""Questions to the ledger ``meta.pulls``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.infer_schema import Drift


@dataclass(frozen=True, slots=True)
class LastGood:
    """What the ledger says of the newest complete pull of a partition.

    Attributes:
        finished_at: When it ended, UTC without a zone.
        rows: Rows of the main table.
        quarantined: Rows that were set aside.
        duplicates: Rows that another row repeated.
        conflicts: Different rows that share a natural key.
        drift: Differences from the catalogue.
        missed: Records that the feed had not named when a whole list was last
            compared; None where none ever was.
        removed: Those of them that were deleted.
        brought_by: The newest pull that brought anything; None where the ledger no
            longer has it.
    """

    finished_at: datetime
    rows: int
    quarantined: int
    duplicates: int
    conflicts: int
    drift: Drift
    missed: int | None = None
    removed: int = 0
    brought_by: str | None = None


def last_good(warehouse: Warehouse, district: str, resource: str) -> dict[int | None, LastGood]:
    """Return the newest complete pull of each partition that has one."""
    rows = warehouse.rows(
        "SELECT school, finished_at, rows, quarantined, duplicates, conflicts, drift, "
        "max_by(missed, finished_at) FILTER (missed IS NOT NULL) OVER (PARTITION BY school), "
        "max_by(removed, finished_at) FILTER (missed IS NOT NULL) OVER (PARTITION BY school), "
        "max_by(pull_id, finished_at) FILTER (mode IS DISTINCT FROM 'unchanged' "
        "AND (mode IS DISTINCT FROM 'changes' OR changed > 0)) OVER (PARTITION BY school) "
        "FROM meta.pulls WHERE district = ? AND resource = ? AND status = 'complete' "
        "QUALIFY row_number() OVER (PARTITION BY school ORDER BY finished_at DESC) = 1",
        [district, resource],
    )
    return {
        row[0]: LastGood(
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            Drift.from_json(row[6]),
            row[7],
            row[8] or 0,
            row[9],
        )
        for row in rows
    }


def last_complete(warehouse: Warehouse) -> dict[tuple[str, int | None, str], datetime | None]:
    """Return when each district, school and resource was last completely pulled.

    None for what was tried and never complete; what is not granted is left out.
    """
    rows = warehouse.rows(
        "SELECT district, school, resource, max(finished_at) FILTER (status = 'complete') "
        "FROM meta.pulls GROUP BY ALL "
        "HAVING count(*) FILTER (status = 'complete') > 0 "
        "OR arg_max(status, finished_at) <> 'not_granted'"
    )
    return {(district, school, resource): when for district, school, resource, when in rows}
