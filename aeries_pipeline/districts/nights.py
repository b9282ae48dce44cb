"""Nights of a district, as charts count them.

A night goes from noon to noon of the district's own clock and carries the date
of its evening, so that a window across midnight is one night.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

NIGHTS = 14
"""So many nights are compared and shown."""

_HALF_A_DAY = timedelta(hours=12)


def night_of(zone: ZoneInfo, moment: datetime) -> date:
    """Return the night of a moment, which is UTC without a zone."""
    local = moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return (local - _HALF_A_DAY).date()


def last_nights(zone: ZoneInfo, moment: datetime) -> list[date]:
    """Return the last ``NIGHTS`` nights, the oldest first and that of the moment last."""
    last = night_of(zone, moment)
    return [last - timedelta(days=back) for back in reversed(range(NIGHTS))]
