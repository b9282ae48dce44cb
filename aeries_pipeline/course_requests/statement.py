"""What a file says about itself: for whom it speaks, and when it was exported. Pure.

Newer statements replace older ones, so the order of files decides which courses a
student is scheduled into. The export time that a file states comes first; if it states
none, or an impossible one, its arrival counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_AHEAD = timedelta(hours=2)
"""By so much may the clock of whoever exported be fast."""
_SAYS_WHEN = re.compile(
    r"\b(export|generat|print|creat|produc|run|report date|as of|date)\w*\b", re.IGNORECASE
)
_CLOCK = r"(?:[T,_ ]\s*(?:at )?(\d{1,2})[:.-]?(\d\d)(?:[:.-]?(\d\d))?(?:\.\d+)?\s*([AaPp][Mm])?)?"
_ISO = re.compile(r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)" + _CLOCK)
_COMPACT = re.compile(r"(?<!\d)(20\d\d)(\d\d)(\d\d)[-_T]?(\d\d)(\d\d)(\d\d)?(?!\d)()")
_AMERICAN = re.compile(r"(?<!\d)(\d{1,2})/(\d{1,2})/(20\d\d)(?!\d)" + _CLOCK)


class Covers(StrEnum):
    """For whom a file speaks."""

    STUDENTS = "students"
    SCHOOL = "school"
    DISTRICT = "district"
    ADDITIONS = "additions"


def stated_moment(
    name: str, remarks: Iterable[str], zone: ZoneInfo, arrival: datetime
) -> datetime | None:
    """Return when a file says that it was exported, UTC without a zone.

    Args:
        name: Name of the file, which often holds a date.
        remarks: What stands above its header and below its list.
        zone: Of the district, in which files state times.
        arrival: When the file was taken, UTC without a zone.

    Returns:
        None if it states no time, or one that is still to come. A date alone
        is the whole day: on that day the arrival tells more.
    """
    for text in (*(one for one in remarks if _SAYS_WHEN.search(one)), name):
        found = _read(text)
        if found is None:
            continue
        moment, has_clock = found
        local = arrival.replace(tzinfo=UTC).astimezone(zone)
        if not has_clock:
            if moment.date() >= local.date():
                return None
            moment = moment.replace(hour=23, minute=59, second=59)
        utc = moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
        return None if utc > arrival + _AHEAD else min(utc, arrival)
    return None


def _read(text: str) -> tuple[datetime, bool] | None:
    """Read the first date of a text; tell whether a time of day stands beside it."""
    for pattern in (_COMPACT, _ISO, _AMERICAN):
        match = pattern.search(text)
        if not match:
            continue
        first, second, third, hour, minute, seconds, half = match.groups()
        year, month, day = (
            (third, first, second) if pattern is _AMERICAN else (first, second, third)
        )
        try:
            date = datetime(int(year), int(month), int(day))  # noqa: DTZ001 - files state no zone
            if hour is None:
                return date, False
            hours = int(hour) % 12 + 12 * (half.lower() == "pm") if half else int(hour)
            return date.replace(hour=hours, minute=int(minute), second=int(seconds or 0)), True
        except ValueError:
            continue
    return None
