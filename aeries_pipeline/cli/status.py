"""``aeries-pipeline status``: the operator's page in the terminal."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from aeries_pipeline.districts.nights import NIGHTS
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.nights import plain
from aeries_pipeline.operations.status.page import never_pulled, ordered, summary
from aeries_pipeline.operations.status.read import DistrictStatus, read_status
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted, doing

_MARGIN = " " * 5


def show_status(settings: Settings, console: Console) -> None:
    """Print a few lines for each district, those that need a person first."""
    roster = load_roster(settings.roster)
    statuses = read_status(Store(settings.data), roster, datetime.now(UTC))
    console.print(summary(statuses))
    for one in ordered(statuses):
        mark = ("look", "red") if one.needs_a_person else ("ok  ", "green")
        console.print(Text.assemble(mark, " ", (one.id, "bold"), f"  {one.name}"))
        for line in _lines(one, ascii_only=console.options.ascii_only):
            shown = textwrap.fill(
                line,
                console.width,
                initial_indent=_MARGIN,
                subsequent_indent=_MARGIN,
                break_long_words=False,
                break_on_hyphens=False,
            )
            console.print(shown, soft_wrap=True)


def _lines(one: DistrictStatus, *, ascii_only: bool) -> list[str]:
    since = f"{one.complete_since:%Y-%m-%d %H:%M} UTC" if one.complete_since else "never"
    health = health_of(one)
    lines = [
        f"health {health.percent} %: {health.sentence}",
        f"all complete since {since}, {counted(one.active_accounts, 'account')}",
        f"next opening: {one.window}",
        f"last {NIGHTS} nights: {plain(one.nights) if ascii_only else one.nights}",
    ]
    if one.waits_for:
        lines.append(never_pulled(one))
    lines += [f"left out: {text}" for text in one.left_out]
    lines += one.reasons
    if one.not_granted:
        lines.append(f"not granted: {', '.join(one.not_granted)}")
    if one.holds:
        lines.append(
            f"{doing(one.holds, 'account change', 'waits', 'wait')}: aeries-pipeline accounts "
            f"review {one.id}"
        )
    lines += one.undecided
    if one.reading:
        lines.append(one.reading)
    return lines
