"""``aeries-pipeline oneroster``: a published district as a package for other tools."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from aeries_pipeline.analytics.oneroster.export import export
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store


def write_package(
    settings: Settings, district: str, folder: Path, console: Console, *, demographics: bool
) -> None:
    """Write a district's package and say what is in it.

    Raises:
        ConfigurationError: If it must not or cannot be written.
    """
    entry = load_roster(settings.roster).get(district)
    warehouse = Store(settings.data).warehouse(district)
    made = export(settings, warehouse, entry, folder, demographics=demographics)
    counts = ", ".join(f"{number:,} {name}" for name, number in made.rows.items())
    console.print(f"{district}: OneRoster 1.2, {counts}: {made.path}", soft_wrap=True)
    for name, why in made.absent.items():
        console.print(f"{district}: without {name}: {why}", soft_wrap=True)
