"""The time zone that a server names for itself, beside the one in the roster.

``LocalTimeZoneName`` of ``systeminfo`` is a display name of Windows, such as
``(UTC-08:00) Pacific Time (US & Canada)``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from aeries_pipeline.operations.onboarding.findings import Finding, passed, warned

_NAMED = {
    "pacific time (us & canada)": "America/Los_Angeles",
    "pacific standard time": "America/Los_Angeles",
    "arizona": "America/Phoenix",
    "us mountain standard time": "America/Phoenix",
    "mountain time (us & canada)": "America/Denver",
    "mountain standard time": "America/Denver",
    "central time (us & canada)": "America/Chicago",
    "central standard time": "America/Chicago",
    "eastern time (us & canada)": "America/New_York",
    "eastern standard time": "America/New_York",
    "alaska": "America/Anchorage",
    "alaskan standard time": "America/Anchorage",
    "hawaii": "Pacific/Honolulu",
    "hawaiian standard time": "Pacific/Honolulu",
}
"""Zones of the United States by the names that Windows shows and keeps."""

_PREFIX = re.compile(r"\((?:UTC|GMT)(?:([+-])(\d\d):(\d\d))?\)\s*")


def fits(stated: str, zone: ZoneInfo, moment: datetime) -> bool | None:
    """Tell whether a display name can be that of a zone; None where it tells nothing.

    UTC tells nothing: it is the zone of a hosting company's machines.

    >>> fits("(UTC-06:00) Central Time (US & Canada)", ZoneInfo("America/Chicago"), datetime.now())
    True
    """
    text = stated.strip()
    prefix = _PREFIX.match(text)
    name = text[prefix.end() if prefix else 0 :].lower()
    if name in _NAMED:
        named = ZoneInfo(_NAMED[name])
        return all(
            named.utcoffset(day) == zone.utcoffset(day)
            for day in (datetime(moment.year, 1, 15), datetime(moment.year, 7, 15))  # noqa: DTZ001
        )
    if prefix is None or prefix[1] is None:
        return None
    offset = timedelta(hours=int(prefix[2]), minutes=int(prefix[3]))
    local = moment.astimezone(zone)
    return (local.utcoffset() or timedelta()) - (local.dst() or timedelta()) == (
        -offset if prefix[1] == "-" else offset
    )


def judge(stated: object, zone: ZoneInfo, moment: datetime) -> Finding:
    """Compare the server's time zone with the roster's, in which the pull window is read."""
    text = stated if isinstance(stated, str) else ""
    fit = fits(text, zone, moment.astimezone(UTC))
    if fit is None:
        return passed("time zone", f"the server does not tell; {zone.key} stands in the roster")
    if fit:
        return passed("time zone", f"{zone.key}, as the server's")
    return warned(
        "time zone",
        f"the server is set to another time zone than {zone.key} in the roster, in which the pull "
        "window is read; ask the district, and correct timezone if the roster is wrong",
        f"We read your times for pulls as {zone.key} time, but your Aeries server is set to "
        "another time zone. Which one do you mean?",
    )
