"""Pull windows as a person checks them: a sentence, a picture of the week, a month of days.

Pure functions of values, in plain characters and at most 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from aeries_pipeline.districts.windows import Windows

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MIDNIGHT = 24 * 60
_CELL = 20  # minutes: three characters for each hour
_MONDAY = date(2026, 9, 14)
MONTH = 31


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day of a district's calendar.

    Attributes:
        day: The date.
        spans: Minutes at which it is open, from midnight, in order and apart.
        reason: Why nothing is open although the day of the week says so, or
            which rule opens it besides; empty on an ordinary day.
    """

    day: date
    spans: tuple[tuple[int, int], ...]
    reason: str = ""

    def __str__(self) -> str:
        times = ", ".join(f"{_hm(start)}-{_hm(end)}" for start, end in self.spans)
        return f"{self.day:%a %Y-%m-%d}  {times or 'closed'}" + (
            f"  ({self.reason})" if self.reason else ""
        )


def sentence(windows: Windows) -> str:
    """Return a reading as one sentence, with am and pm."""
    when = times_in_words(windows)
    return f"The server may {f'be read {when}' if when else 'not be read at any time'}."


def times_in_words(windows: Windows) -> str:
    """Return a reading as the end of a sentence, such as "at any time"; empty if never."""
    if windows.is_always:
        return "at any time"
    parts = [
        f"{_days(sorted(one.days))} {_times(one.opens, one.closes)}" for one in windows.windows
    ]
    parts += [f"also on {one.on} {_times(one.opens, one.closes)}" for one in windows.extra]
    if not parts:
        return ""
    never = f", but never on {_and([str(rule) for rule in windows.never])}" if windows.never else ""
    return f"{_and(parts)}{never}"


def week_picture(windows: Windows) -> str:
    """Return the open hours of an ordinary week, hours across and days down."""
    weekly = Windows(windows.windows, windows.zone)
    lines = ["     " + "".join(f"{hour:<3}" for hour in range(24)).rstrip()]
    for offset, name in enumerate(_NAMES):
        spans = weekly.spans_of(_MONDAY + timedelta(days=offset))
        cells = "".join(_cell(spans, start) for start in range(0, _MIDNIGHT, _CELL))
        lines.append(f"{name[:3]}  {cells}")
    return "\n".join([*lines, "     # open   + open for a part   . closed"])


def coming_month(windows: Windows, first: date, days: int = MONTH) -> list[CalendarDay]:
    """Return the days from ``first`` on, with what the calendar changes on each."""
    ordinary = Windows(windows.windows, windows.zone)
    found = []
    for offset in range(days):
        day = first + timedelta(days=offset)
        spans = _joined(windows.spans_of(day))
        reason = ""
        if spans != _joined(ordinary.spans_of(day)):
            reason = _reason(windows, day)
        found.append(CalendarDay(day, spans, reason))
    return found


def exceptions(calendar: Iterable[CalendarDay]) -> list[str]:
    """Return the days on which the calendar changes something, a line for each."""
    return [str(one) for one in calendar if one.reason]


def _reason(windows: Windows, day: date) -> str:
    named = [rule.named(day) for rule in windows.never if rule.includes(day)]
    if named:
        return f"never on {_and(named)}"
    before = day - timedelta(days=1)
    parts = [
        f"also on {extra.on}"
        for extra in windows.extra
        if extra.on.includes(day) or extra.on.includes(before)
    ]
    eve = [rule.named(before) for rule in windows.never if rule.includes(before)]
    if eve:
        parts.append(f"nothing opened the day before: never on {_and(eve)}")
    return "; ".join(parts)


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def _cell(spans: Sequence[tuple[int, int]], start: int) -> str:
    is_open = [any(a <= start + n < b for a, b in spans) for n in range(_CELL)]
    return "#" if all(is_open) else "+" if any(is_open) else "."


def _days(days: Sequence[int]) -> str:
    if len(days) == 7:
        return "every day"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{_NAMES[days[0]]} to {_NAMES[days[-1]]}"
    return _and([_NAMES[day] for day in days])


def _times(opens: int, closes: int) -> str:
    if (opens, closes) == (0, _MIDNIGHT):
        return "all day"
    later = " the next day" if closes > _MIDNIGHT else ""
    return f"from {_spoken(opens)} to {_spoken(closes)}{later}"


def _spoken(minute: int) -> str:
    hour, rest = divmod(minute % _MIDNIGHT, 60)
    if rest == 0 and hour % 12 == 0:
        return "noon" if hour else "midnight"
    return f"{hour % 12 or 12}{f':{rest:02}' if rest else ''} {'am' if hour < 12 else 'pm'}"


def _hm(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _and(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    # A part that lists days itself needs the longer pause.
    comma = "; " if any(" and " in part for part in parts) else ", "
    return f"{comma.join(parts[:-1])}{comma.rstrip() if comma == '; ' else ''} and {parts[-1]}"
