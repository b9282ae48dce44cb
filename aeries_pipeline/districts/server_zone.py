"""The time zone that a server reports, compared with the one in the roster. Pure.

``LocalTimeZoneName`` of ``systeminfo`` is a display name of Windows, such as
``(UTC-08:00) Pacific Time (US & Canada)``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

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


_YEAR = 366


def names_a_zone(stated: str) -> bool:
    """Tell whether a display name says where the server is.

    UTC does not: it is the zone of a hosting company's machines.
    """
    text = stated.strip()
    prefix = _PREFIX.match(text)
    is_utc = text.upper() == "UTC" or (prefix is not None and prefix[1] is None)
    return bool(text) and not is_utc


def fits(stated: str, zone: ZoneInfo, moment: datetime) -> bool | None:
    """Tell whether a display name can be that of a zone; None if it does not say.

    A name that is known is compared on each day of the coming year. For any other name its offset
    is compared, which Windows gives for the winter.

    Args:
        stated: The display name, such as ``(UTC-06:00) Central Time (US & Canada)``.
        zone: The zone.
        moment: The present, aware.

    >>> fits("(UTC-07:00) Arizona", ZoneInfo("America/Denver"), datetime.now().astimezone())
    False
    """
    text = stated.strip()
    prefix = _PREFIX.match(text)
    name = text[prefix.end() if prefix else 0 :].lower()
    if name in _NAMED:
        named = ZoneInfo(_NAMED[name])
        days = (moment + timedelta(days=day) for day in range(_YEAR))
        return all(
            day.astimezone(named).utcoffset() == day.astimezone(zone).utcoffset() for day in days
        )
    if prefix is None or prefix[1] is None:
        return None
    offset = timedelta(hours=int(prefix[2]), minutes=int(prefix[3]))
    local = moment.astimezone(zone)
    return (local.utcoffset() or timedelta()) - (local.dst() or timedelta()) == (
        -offset if prefix[1] == "-" else offset
    )


def zone_trouble(
    stated: str, zone: ZoneInfo, moment: datetime, *, is_told: bool, is_bound: bool
) -> tuple[str, bool] | None:
    """Return what is wrong with a server's zone, and whether no request may be sent for it.

    The pull window is read in the roster's zone, so a wrong one would send requests at hours that
    the district forbids. If it forbids none, a sentence is enough, and only once.

    Args:
        stated: The display name.
        zone: The zone that the roster expects the server to be in.
        moment: The present, aware.
        is_told: Whether the last pull said the same of the server.
        is_bound: Whether the requests are bound to the hours of a window.
    """
    fit = fits(stated, zone, moment)
    if fit or not names_a_zone(stated):
        return None
    if fit is None:
        sentence = (
            f"the server names a time zone that is not known here, so it could not be compared "
            f"with {zone.key} in the roster; ask the district once which one it is in"
        )
        return None if is_told else (sentence, False)
    sentence = (
        f"the server is set to another time zone than {zone.key} in the roster, in which the pull "
        "window is read; ask the district, then correct timezone, or write server_timezone if "
        "its server stands elsewhere"
    )
    return (sentence, is_bound) if is_bound or not is_told else None
