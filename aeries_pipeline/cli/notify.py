"""``aeries-pipeline notify``: a test message to each channel of the roster."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.notices.deliver import deliver
from aeries_pipeline.operations.notices.notice import Notice
from aeries_pipeline.settings import Settings

TEST = Notice(
    "A test message",
    ("Failed runs and failed checks of the districts will be told here.",),
)


def send_test(settings: Settings, console: Console) -> bool:
    """Send the test message and print what became of it.

    Returns:
        Whether there is a channel, and each took it.
    """
    channels = load_roster(settings.roster).notifications
    if not channels:
        console.print(
            f"the roster {settings.roster} has no notifications; docs/operating.md shows how to "
            "write them",
            soft_wrap=True,
            markup=False,
        )
    good = bool(channels)
    for channel in channels:
        trouble = deliver(channel, TEST)
        console.print(f"{channel}: {trouble or 'delivered'}", soft_wrap=True, markup=False)
        good &= trouble is None
    return good
