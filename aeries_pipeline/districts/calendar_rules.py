"""Days of the calendar that a rule names: dates, ranges, holidays, recurrences.

Recurrences are those of RFC 5545, read by ``dateutil``. What such a day means
for a window is decided in ``windows``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from dateutil.rrule import rrulestr

from aeries_pipeline.districts.holiday_calendar import holidays_of

_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_DAYS = {"mon": "MO", "tue": "TU", "wed": "WE", "thu": "TH", "fri": "FR", "sat": "SA", "sun": "SU"}
_PARTS = {
    "FREQ", "INTERVAL", "UNTIL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO",
    "BYSETPOS", "WKST",
}  # fmt: skip
_NAMES_DAYS = {"BYDAY", "BYMONTHDAY", "BYYEARDAY"}
_LOOKED_FROM = date(2024, 1, 1)
_EXAMPLE = (
    "write a date such as 2026-12-24, {first: 2026-12-21, last: 2027-01-08}, {holidays: US-CA}, "
    '{monthly: last day}, {monthly: first fri} or {rrule: "FREQ=YEARLY;BYMONTH=6;BYDAY=-1FR"}'
)


@dataclass(frozen=True, slots=True)
class CalendarRule:
    """Days of the calendar, named in one of three ways.

    Attributes:
        first: First day of a range; a single date is its own last day.
        last: Last day of the range, included.
        holidays: Calendar of holidays, such as ``US-CA``.
        rrule: A recurrence in days, without COUNT.
        starting: Day from which a recurrence counts its intervals.
    """

    first: date | None = None
    last: date | None = None
    holidays: str = ""
    rrule: str = ""
    starting: date | None = None

    def includes(self, day: date) -> bool:
        """Tell whether the rule names a day."""
        if self.first is not None and self.last is not None:
            return self.first <= day <= self.last
        if self.holidays:
            return day in holidays_of(self.holidays, day.year)
        return day in _dates(self.rrule, self.starting, day.year)

    def named(self, day: date) -> str:
        """Say why a day is named: the holiday's name, or the rule itself."""
        return holidays_of(self.holidays, day.year)[day] if self.holidays else str(self)

    @property
    def structured(self) -> date | dict[str, Any]:
        """The rule as it stands in a roster."""
        if self.first is not None and self.last is not None:
            return self.first if self.first == self.last else _range(self.first, self.last)
        if self.holidays:
            return {"holidays": self.holidays}
        if monthly := _monthly(self.rrule):
            return {"monthly": monthly}
        return {"rrule": self.rrule} | ({"starting": self.starting} if self.starting else {})

    def __str__(self) -> str:
        if self.first is not None:
            return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        if self.holidays:
            return f"holidays ({self.holidays})"
        monthly = _monthly(self.rrule)
        if monthly:
            return f"the {'day ' if monthly.isdigit() else ''}{monthly} of each month"
        return self.rrule + (f" from {self.starting}" if self.starting else "")


def _range(first: date, last: date) -> dict[str, Any]:
    return {"first": first, "last": last}


def rules_from(stated: Any, key: str) -> tuple[CalendarRule, ...]:  # noqa: ANN401 - YAML
    """Read one rule, or a list of them, as it stands in a roster.

    Raises:
        ValueError: If it names no day, or not in one way.
    """
    entries = stated if isinstance(stated, list) else [stated]
    if not entries:
        raise ValueError(f"{key}: {_EXAMPLE}")
    return tuple(_rule(entry, key) for entry in entries)


def _rule(stated: Any, key: str) -> CalendarRule:  # noqa: ANN401 - YAML
    if not isinstance(stated, Mapping):
        day = _date(stated, key)
        return CalendarRule(day, day)
    match {str(name): value for name, value in stated.items()}:
        case {"first": first, "last": last, **rest} if not rest:
            rule = CalendarRule(_date(first, key), _date(last, key))
            if str(rule.first) > str(rule.last):
                raise ValueError(f"{key}: the last day lies before the first")
        case {"holidays": calendar, **rest} if not rest:
            holidays_of(str(calendar), _LOOKED_FROM.year)
            rule = CalendarRule(holidays=str(calendar))
        case {"monthly": day, **rest} if not rest:
            rule = CalendarRule(rrule=_from_monthly(str(day), key))
        case {"rrule": recurrence, **rest} if set(rest) <= {"starting"}:
            starting = _date(rest["starting"], key) if rest else None
            rule = CalendarRule(rrule=_checked(str(recurrence), starting, key), starting=starting)
        case _:
            raise ValueError(f"{key}: {_EXAMPLE}")
    return rule


def _date(value: Any, key: str) -> date:  # noqa: ANN401 - YAML
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{key}: {_EXAMPLE}") from None


def _from_monthly(words: str, key: str) -> str:
    if re.fullmatch(r"[1-9]|[12]\d|3[01]", words):
        return f"FREQ=MONTHLY;BYMONTHDAY={words}"
    nth, _, name = words.lower().partition(" ")
    if nth in _NTH and name == "day":
        return f"FREQ=MONTHLY;BYMONTHDAY={_NTH[nth]}"
    if nth in _NTH and name[:3] in _DAYS and len(name) > 2:
        return f"FREQ=MONTHLY;BYDAY={_NTH[nth]}{_DAYS[name[:3]]}"
    raise ValueError(
        f"{key}: monthly: write {', '.join(_NTH)} with day or {', '.join(_DAYS)}, or the number of "
        "a day, such as 'last day', 'first fri' or 15"
    )


def _monthly(rrule: str) -> str:
    """Return the words for a simple recurrence in months; empty for any other."""
    if match := re.fullmatch(r"FREQ=MONTHLY;BYMONTHDAY=(-1|\d+)", rrule):
        return "last day" if match[1] == "-1" else match[1]
    match = re.fullmatch(r"FREQ=MONTHLY;BYDAY=(-1|[1-4])([A-Z]{2})", rrule)
    if not match:
        return ""
    nth = next(word for word, number in _NTH.items() if number == int(match[1]))
    return f"{nth} {next(name for name, code in _DAYS.items() if code == match[2])}"


def _checked(rrule: str, starting: date | None, key: str) -> str:
    """Return a recurrence whose days are certain.

    Raises:
        ValueError: If ``dateutil`` does not know it, it counts hours, names no
            day without a start, or never comes.
    """
    text = rrule.upper().removeprefix("RRULE:").strip()
    parts = dict(part.partition("=")[::2] for part in text.split(";"))
    if set(parts) - _PARTS or parts.get("FREQ") not in {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}:
        raise ValueError(
            f"{key}: rrule: a recurrence in days has FREQ=DAILY, WEEKLY, MONTHLY or YEARLY and of "
            f"the other parts {', '.join(sorted(_PARTS - {'FREQ'}))} alone"
        )
    if not re.fullmatch(r"\d{8}", parts.get("UNTIL", "20261231")):
        raise ValueError(f"{key}: rrule: write UNTIL as a date such as 20271231")
    is_certain = parts["FREQ"] == "DAILY" or set(parts) & _NAMES_DAYS
    if starting is None and ("INTERVAL" in parts or not is_certain):
        raise ValueError(
            f"{key}: rrule: it needs a first day to count from; add starting: 2026-09-04"
        )
    start = datetime.combine(starting or _LOOKED_FROM, time())
    try:
        comes = next(iter(rrulestr(text, dtstart=start)), None) is not None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"{key}: rrule: not a recurrence such as FREQ=MONTHLY;BYDAY=1FR") from None
    if not comes:
        raise ValueError(f"{key}: rrule: it names no day")
    return text


@lru_cache(maxsize=4096)
def _dates(rrule: str, starting: date | None, year: int) -> frozenset[date]:
    """Return the days of one year on which a recurrence falls."""
    parts = dict(part.partition("=")[::2] for part in rrule.split(";"))
    end = f"{year}1231"
    parts["UNTIL"] = min(parts.get("UNTIL", end), end)
    first = date(year, 1, 1)
    bounded = ";".join(f"{name}={value}" for name, value in parts.items())
    start = datetime.combine(starting or first, time())
    found = rrulestr(bounded, dtstart=start)
    return frozenset(moment.date() for moment in found if moment.date() >= first)
