"""Deleting what is old: landing, quarantine, deliveries, inboxes, backups.

The newest of each kind stays, however old: a district that was not pulled for a year
still has its last delivery. ``orchestration.automation.retention`` does the same for
Dagster's runs and events.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.course_requests.inbox import FAILED, PROCESSED
from aeries_pipeline.districts.configuration import RetentionSettings
from aeries_pipeline.operations.rehearsal import remove_left
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.backup import thin_out
from aeries_pipeline.stores.connection import (
    CATALOG,
    Warehouse,
    WarehouseBusyError,
    WarehouseUnusableError,
)
from aeries_pipeline.stores.deliveries import deliveries
from aeries_pipeline.stores.history import forget_old_years
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.transaction import writing

_MOMENT = re.compile(r"(\d{8}T\d{6})Z")


def prune(
    settings: Settings, retention: RetentionSettings, *, moment: datetime | None = None
) -> Mapping[str, int]:
    """Remove what is older than the roster allows.

    Args:
        settings: Where things are.
        retention: How long they stay.
        moment: The present, UTC without a zone; tests give another.

    Returns:
        How much was removed of each kind; rows of quarantine, else files or folders.

    Raises:
        WarehouseBusyError: If the warehouse does not come free.
        WarehouseUnusableError: If it cannot be written.
    """
    moment = moment or now()

    def before(days: float) -> datetime:
        return moment - timedelta(days=days)

    removed: Counter[str] = Counter()
    removed["landing"] = _landing(settings.landing, before(retention.landing_days))
    removed["deliveries"] = _deliveries(settings.out, before(retention.deliveries_days))
    removed["inbox"] = _inbox(settings.inbox, before(retention.inbox_days))
    removed["rehearsals"] = remove_left(settings, old=True)
    removed["backups"] = thin_out(settings.backups, retention.backups_keep)
    # Last, since a warehouse that cannot be written keeps nothing else from going.
    removed["quarantine"], removed["history"] = _rows(
        settings, before(retention.quarantine_days), retention.history_years
    )
    return dict(removed)


def old_ones(names: Iterable[str], before: datetime) -> list[str]:
    """Return which of a group of dated names go: all old ones except the newest.

    A name without a moment in it is never removed. A moment in the future, from a clock that was
    wrong, is not old.
    """
    dated = sorted((found[1], name) for name in names if (found := _MOMENT.search(name)))
    limit = f"{before:%Y%m%dT%H%M%S}"
    return [name for stamp, name in dated[:-1] if stamp < limit]


def _landing(root: Path, before: datetime) -> int:
    """Remove old pulls of each partition; the newest one stays for looking at."""
    removed = 0
    for partition in root.glob("*/*/*"):
        removed += _drop(partition, [one.name for one in partition.iterdir()], before)
    return removed


def _deliveries(root: Path, before: datetime) -> int:
    removed = 0
    for place in (*root.glob("*/xello"), *(one for one in root.glob("*/sss/*") if one.is_dir())):
        removed += _drop(place, [one.name for one in deliveries(place)], before)
    return removed


def _drop(place: Path, names: Sequence[str], before: datetime) -> int:
    gone = old_ones(names, before)
    for name in gone:
        # A pull that runs meanwhile keeps its own order there.
        with suppress(FileNotFoundError):
            shutil.rmtree(place / name)
    return len(gone)


def _inbox(root: Path, before: datetime) -> int:
    """Remove files that were taken or refused long ago, with their reports.

    What they asked for stays in the warehouse; nothing depends on the file.
    """
    removed = 0
    for folder in (PROCESSED, FAILED):
        for path in root.glob(f"*/*/{folder}/*"):
            found = _MOMENT.match(path.name)
            stamp = found[1] if found else None
            moment = (
                datetime.strptime(stamp, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - UTC without a zone
                if stamp
                else datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
            )
            if moment < before:
                path.unlink()
                removed += 1
    return removed


def _rows(settings: Settings, before: datetime, years: int) -> tuple[int, int]:
    """Remove old rows of quarantine, whose counts stay, and closed years that are long ago."""
    quarantined, closed = 0, 0
    troubles = []
    for district, warehouse in Store(settings.data).warehouses():
        try:
            quarantined += _quarantine_of(warehouse, district, before)
            with writing(warehouse, f"{district}, closed years", "prune again") as connection:
                closed += forget_old_years(connection, CATALOG, years)
        except (WarehouseBusyError, WarehouseUnusableError) as error:
            troubles.append(f"{district}: {error}")
    if troubles:
        raise WarehouseUnusableError("; ".join(troubles))
    return quarantined, closed


def _quarantine_of(warehouse: Warehouse, district: str, before: datetime) -> int:
    removed = 0
    with writing(warehouse, f"{district}, quarantine", "prune again") as connection:
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = ? "
            "AND schema_name = 'quarantine'",
            [CATALOG],
        ).fetchall()
        for (name,) in names:
            gone = connection.execute(
                f"DELETE FROM quarantine.{quoted(name)} WHERE _pulled_at < ?", [before]
            ).fetchone()
            removed += int(gone[0]) if gone else 0
    return removed
