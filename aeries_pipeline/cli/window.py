"""``aeries-pipeline window``: how a district's pull window is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import District


def moment_of(district: District, at: str | None) -> datetime:
    """Return the moment that a person names, now where none; without a zone it is local.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    if at is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise ConfigurationError("bad_time", f"--at {at}: write 2026-03-08T01:30") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=district.zone)


def show_window(district: District, moment: datetime, console: Console) -> None:
    """Print the reading, whether it is open, and the next five openings."""
    local = district.told
    windows = district.windows
    stated: Any = district.pull_window
    console.print(f"{district.id}: {stated!r}", soft_wrap=True, markup=False)
    console.print(f"read as  {windows} ({district.timezone})", soft_wrap=True)
    state = "open" if windows.contains(moment) else "closed"
    console.print(f"{local(moment)}: {state}", soft_wrap=True)
    if windows.is_always:
        return
    for opening, closing in windows.openings(moment, 5):
        console.print(f"  opens {local(opening)}, closes {local(closing)}", soft_wrap=True)
