"""What is reported once a morning, and when nothing was tried at all. Pure.

A command that cron or a timer starts makes both: a daemon that is down cannot say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aeries_pipeline.accounts.model import DONE
from aeries_pipeline.districts.roster import District
from aeries_pipeline.operations.notices.notice import Line
from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.read import DistrictStatus
from aeries_pipeline.words import counted, verb

GRACE = timedelta(minutes=30)
"""How long after an opening the first pull may be on its way without a sign in the ledger."""

_BACK = timedelta(days=15)


def last_opening(
    district: District, moment: datetime, grace: timedelta = GRACE
) -> tuple[datetime, datetime | None] | None:
    """Return the newest opening that is old enough to have been used, with its end.

    None if there was none in two weeks. A window without an end counts by days.
    """
    due = moment - grace
    windows = district.windows
    if windows.contains(due):
        return windows.opened_at(due), windows.closing(due)
    found = None
    at = due - _BACK
    while ahead := windows.openings(at, 1):
        opening, closing = ahead[0]
        if opening > due or closing is None:
            return found
        found, at = (opening, closing), closing
    return found


def untried(
    district: District, last_tried: datetime | None, moment: datetime
) -> tuple[str, Line] | None:
    """Return the opening in which nothing was tried, and the sentence that says so.

    Args:
        district: The roster's entry; a paused one is never asked.
        last_tried: When any of its pulls last ended, UTC without a zone.
        moment: The present, aware.

    Returns:
        The opening's instant, so that it is told once, and the line; None if
        all is well.
    """
    if district.paused or not district.schools:
        return None
    opening = last_opening(district, moment)
    if opening is None:
        return None
    opened, closed = opening
    if last_tried is not None and last_tried.replace(tzinfo=UTC) >= opened:
        return None
    ended = f" to {district.windows.told(closed)}" if closed is not None else " on"
    last = f"{last_tried:%Y-%m-%d %H:%M} UTC" if last_tried else "never"
    text = (
        f"{district.id}: no pull was tried in the opening from {district.windows.told(opened)}"
        f"{ended} (last tried: {last}); see whether the daemon runs and its sensor pull_windows "
        "is on"
    )
    return opened.isoformat(), Line("runs", text, district.id)


def digest(statuses: Sequence[DistrictStatus]) -> list[Line]:
    """Return one line for each district: how it is, what waits, what changed for Xello."""
    lines = []
    for one in sorted(statuses, key=lambda status: health_of(status).percent):
        health = health_of(one)
        parts = [f"{one.name} ({one.id}): {health.percent} %, {health.sentence}"]
        if one.closed_early:
            parts.append(f"the window closed before {counted(one.closed_early, 'partition')} came")
        if one.holds:
            parts.append(f"aeries-pipeline accounts review {one.id}")
        changes = [
            f"{one.changed[kind]} {word}" for kind, word in DONE.items() if one.changed.get(kind)
        ]
        parts.append(f"accounts: {', '.join(changes) or 'no change'}")
        lines.append(Line("digest", "; ".join(parts), one.id))
    return lines


def digest_title(statuses: Sequence[DistrictStatus]) -> str:
    """Return the subject of the digest."""
    whole = sum(not one.needs_a_person for one in statuses)
    return f"{whole} of {counted(len(statuses), 'district')} {verb(whole, 'needs', 'need')} nobody"
