"""``aeries-pipeline status``: the operator's page in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.status.page import ordered, summary
from aeries_pipeline.operations.status.read import DistrictStatus, read_status
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse


def show_status(settings: Settings, console: Console) -> None:
    """Print a few lines for each district, those that need a person first."""
    roster = load_roster(settings.roster)
    statuses = read_status(Warehouse(settings.warehouse), roster, datetime.now(UTC))
    console.print(summary(statuses))
    for one in ordered(statuses):
        mark = "[red]look[/red]" if one.needs_a_person else "[green]ok  [/green]"
        console.print(f"{mark} [bold]{one.id}[/bold]", end="  ")
        for line in _lines(one):
            console.print(line, markup=False, soft_wrap=True)


def _lines(one: DistrictStatus) -> list[str]:
    since = f"{one.complete_since:%Y-%m-%d %H:%M} UTC" if one.complete_since else "never"
    lines = [
        f"all complete since {since}, {one.active_accounts:,} accounts, next opening: {one.window}"
    ]
    if one.waits_for:
        lines.append(f"       {one.waits_for} partitions were never completely pulled")
    lines += [f"       {trouble.reason}" for trouble in one.troubles]
    if one.not_granted:
        lines.append(f"       not granted: {', '.join(one.not_granted)}")
    if one.holds:
        lines.append(
            f"       {one.holds} account changes wait: aeries-pipeline accounts review {one.id}"
        )
    if one.reading:
        lines.append(f"       {one.reading}")
    return lines
