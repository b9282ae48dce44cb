"""What is sent, whether it is late, and when to try again: functions of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 120.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What the ledger says of one delivery.

    Attributes:
        set_name: Name of the set of files.
        target: Where it went.
        arrived_at: When its last file was in its place, UTC without a zone; None for never.
        reason: Why it failed; None if it did not.
    """

    set_name: str
    target: str
    arrived_at: datetime | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a set is sent, and why.

    Attributes:
        sends: Whether.
        reason: In a few words, for people.
    """

    sends: bool
    reason: str


def arrivals(set_name: str, target: str, sent: Sequence[Sent]) -> list[datetime]:
    """Return when a set has arrived at a receiver; empty if it never has."""
    return [
        one.arrived_at
        for one in sent
        if (one.set_name, one.target) == (set_name, target) and one.arrived_at is not None
    ]


def decide(set_name: str, target: str, sent: Sequence[Sent], *, again: bool = False) -> Decision:
    """Say whether a set has to be sent.

    Args:
        set_name: The newest finished set.
        target: Where it shall go.
        sent: What the ledger has of this set.
        again: Whether a person wants what arrived to be sent once more.
    """
    arrived = arrivals(set_name, target, sent)
    if not arrived:
        return Decision(sends=True, reason="it has not arrived yet")
    if again:
        return Decision(sends=True, reason="somebody asked for it to be sent again")
    when = f"{max(arrived):%Y-%m-%d at %H:%M} UTC"
    return Decision(sends=False, reason=f"it arrived on {when} and is not sent twice")


def due_at(made_at: datetime, deadline: time, zone: ZoneInfo) -> datetime:
    """Return until when files have to be there: the first deadline after they were made.

    Args:
        made_at: UTC without a zone.
        deadline: Time of day at the district.
        zone: The district's time zone.

    Returns:
        UTC without a zone.
    """
    made = made_at.replace(tzinfo=UTC)
    day = made.astimezone(zone).date()
    while True:
        # Through UTC and back: a time that a clock change leaves out is the hour after it.
        due = datetime.combine(day, deadline, tzinfo=zone).astimezone(UTC)
        if due >= made:
            return due.replace(tzinfo=None)
        day += timedelta(days=1)


def is_late(due: datetime, arrived_at: datetime | None, moment: datetime) -> bool:
    """Tell whether files came after they were due, or have not come although they are due."""
    return (arrived_at or moment) > due


def next_pause(attempt: int, elapsed: float, span: float) -> float | None:
    """Return the seconds before the next attempt; None if there will be no other.

    Args:
        attempt: How many there have been.
        elapsed: Seconds since the first began.
        span: Seconds within which an attempt may begin.
    """
    pause = min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause if elapsed + pause <= span else None
