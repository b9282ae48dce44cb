"""``aeries-pipeline backup`` and ``restore``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aeries_pipeline.cli.common import warn
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.backup import backups, check_backup, restore, take_backup
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.deliveries import deliveries


def backup_now(settings: Settings, to: Path | None, console: Console) -> None:
    """Take a backup and say where it lies."""
    made = take_backup(Warehouse(settings.warehouse), to or settings.backups)
    rows = sum(made.tables.values())
    console.print(
        f"{made.path}: {made.bytes / 1e6:.1f} MB, {len(made.tables)} tables, {rows:,} rows, read "
        "from end to end",
        soft_wrap=True,
    )


def list_backups(settings: Settings, folder: Path | None, console: Console) -> None:
    """Show the backups, each held against its manifest."""
    table = Table("backup", "taken, UTC", "MB", "schema", "rows")
    for path in backups(folder or settings.backups):
        one = check_backup(path)
        table.add_row(
            path.name,
            f"{one.taken_at:%Y-%m-%d %H:%M}",
            f"{one.bytes / 1e6:.1f}",
            str(one.schema_version),
            f"{sum(one.tables.values()):,}",
        )
    console.print(table)


def restore_backup(settings: Settings, path: Path, console: Console) -> None:
    """Put a backup back and say what to see to."""
    taken = check_backup(path).taken_at
    before = restore(Warehouse(settings.warehouse), path)
    console.print(f"the warehouse is as it was at {taken:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
    if before is not None:
        console.print(f"the file that was there until now: {before}", soft_wrap=True)
    for place, newer in _newer_exports(settings, f"{taken:%Y%m%dT%H%M%SZ}"):
        warn(
            console,
            f"{place.parent.parent.name}, school {place.name}: {newer} exports "
            "of course requests are newer than this backup, and the numbers that they gave are "
            "not in it; import them into Aeries and pull course requests before the next export",
        )
    console.print("Next: aeries-pipeline sync DISTRICT, then aeries-pipeline publish")


def _newer_exports(settings: Settings, name: str) -> Iterator[tuple[Path, int]]:
    for place in sorted(settings.out.glob("*/sss/*")):
        if place.is_dir():
            newer = sum(one.name > name for one in deliveries(place))
            if newer:
                yield place, newer
