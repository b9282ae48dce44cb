"""Public holidays of a place, for windows that leave them out.

The dates come from the ``holidays`` library. A district's own days off, such
as a winter break, are not public holidays: they are ``blackout_dates``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import holidays

CALIFORNIA = "US-CA"
"""The calendar meant by a district that says "except holidays" and no more."""


@lru_cache(maxsize=1024)
def holidays_of(calendar: str, year: int) -> Mapping[date, str]:
    """Return the holidays of a year and their names.

    Args:
        calendar: ISO code of a country, or of a part of one, such as ``US-CA``.
        year: The calendar year. A holiday at a weekend counts on the day on
            which it is observed, too.

    Raises:
        ValueError: If there is no such calendar.
    """
    country, _, part = calendar.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=part or None, years=year)
    except NotImplementedError:
        raise ValueError(
            f"'{calendar}' is no calendar of holidays; write the code of a state, such as US-CA"
        ) from None
    return dict(found.items())
