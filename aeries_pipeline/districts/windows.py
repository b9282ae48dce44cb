"""Pull windows: the times at which a district allows its server to be read.

Pure arithmetic on aware datetimes. The words in which districts state their
windows are read in ``window_words``. Whether a pull is due is not decided here.

A window belongs to the day on which it opens and may cross midnight. It is
wall-clock time of the district: a minute is inside when the clock on the wall
says so, on the days of both clock changes too.

On a day that is left out no minute is open: what opened the evening before
ends at midnight, and what would have opened that day does not run on into the
next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from aeries_pipeline.districts.calendar_rules import CalendarRule, rules_from
from aeries_pipeline.districts.holiday_calendar import CALIFORNIA
from aeries_pipeline.districts.window_words.grammar import read_words

TOLD = "%a %Y-%m-%d %H:%M %Z"
"""How an instant stands in messages."""
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL = frozenset(range(7))
_MIDNIGHT = 24 * 60
_HORIZON_DAYS = 400


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time on certain days.

    Attributes:
        days: Days of the week on which it opens, Monday is 0.
        opens: Minute of the day at which it opens.
        closes: Minute at which it closes, counted from the midnight before it
            opened; more than 1440 where it crosses midnight.
    """

    days: frozenset[int]
    opens: int
    closes: int

    def __str__(self) -> str:
        days = (
            "every day" if self.days == _ALL else ", ".join(DAY_NAMES[d] for d in sorted(self.days))
        )
        if (self.opens, self.closes) == (0, _MIDNIGHT):
            return f"{days}, all day"
        return f"{days} {_clock(self.opens)} to {_clock(self.closes)}"

    @property
    def structured(self) -> dict[str, Any]:
        """The same window in the structured form of the roster."""
        return {
            "days": [DAY_NAMES[d] for d in sorted(self.days)],
            "opens": _clock(self.opens),
            "closes": _clock(self.closes),
        }


@dataclass(frozen=True, slots=True)
class Extra:
    """A window on certain days of the calendar, in addition to those of the week.

    Attributes:
        on: The days on which it opens.
        opens: Minute of the day at which it opens.
        closes: Minute at which it closes, as in ``Window``.
    """

    on: CalendarRule
    opens: int
    closes: int

    def __str__(self) -> str:
        return f"also {self.on} {_clock(self.opens)} to {_clock(self.closes)}"

    @property
    def structured(self) -> dict[str, Any]:
        """The same in the structured form of the roster."""
        return {
            "also": self.on.structured,
            "opens": _clock(self.opens),
            "closes": _clock(self.closes),
        }


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of a district, in its time zone.

    Attributes:
        windows: The windows of every week; they may overlap.
        zone: Name of the IANA time zone.
        never: Days on which nothing is open, whatever else says so.
        extra: Windows on certain days of the calendar.
    """

    windows: tuple[Window, ...]
    zone: str
    never: tuple[CalendarRule, ...] = ()
    extra: tuple[Extra, ...] = ()

    def __str__(self) -> str:
        if self.is_always:
            return "any time"
        parts = [str(window) for window in (*self.windows, *self.extra)]
        if self.never:
            parts.append(f"not on {', '.join(str(rule) for rule in self.never)}")
        return "; ".join(parts) or "at no time"

    @property
    def structured(self) -> list[dict[str, Any]]:
        """All of it in the structured form of the roster."""
        weekly = [one.structured for one in self.windows]
        extra = [one.structured for one in self.extra]
        return [*weekly, *extra, *({"never": rule.structured} for rule in self.never)]

    @property
    def is_always(self) -> bool:
        """Whether there is no time at which the district may not be read."""
        return not self.never and any(
            w.days == _ALL and w.opens == 0 and w.closes >= _MIDNIGHT for w in self.windows
        )

    def day_of(self, moment: datetime) -> date:
        """Return the district's date at an aware moment."""
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def told(self, moment: datetime | None) -> str:
        """Return an instant in the district's own time, as it stands in messages."""
        return f"{moment.astimezone(ZoneInfo(self.zone)):{TOLD}}" if moment else "never"

    def contains(self, moment: datetime) -> bool:
        """Tell whether an instant lies inside a window."""
        local = moment.astimezone(ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        today = local.date()
        return any(start <= minute < end for start, end in self.spans_of(today))

    def spans_of(self, day: date) -> list[tuple[int, int]]:
        """Return the minutes of a day at which it is open, as starts and ends in wall-clock time.

        They may overlap. On a day that is left out no minute is open, and a window that opens on it
        opens none on the next day either.
        """
        if self.is_left_out(day):
            return []
        found = [(opens, min(closes, _MIDNIGHT)) for opens, closes in self._opening_on(day)]
        before = day - timedelta(days=1)
        if not self.is_left_out(before):
            found += [
                (max(opens - _MIDNIGHT, 0), closes - _MIDNIGHT)
                for opens, closes in self._opening_on(before)
                if closes > _MIDNIGHT
            ]
        return found

    def _opening_on(self, day: date) -> list[tuple[int, int]]:
        weekly = [(w.opens, w.closes) for w in self.windows if day.weekday() in w.days]
        return weekly + [(e.opens, e.closes) for e in self.extra if e.on.includes(day)]

    def is_left_out(self, day: date) -> bool:
        """Tell whether nothing is open on a day, whatever its day of the week."""
        return any(rule.includes(day) for rule in self.never)

    def opened_at(self, moment: datetime) -> datetime:
        """Return when the stretch around ``moment`` opened, in UTC.

        A stretch of more than a day counts as opening again after each day, so a window without an
        end gives one opening a day. ``moment`` must be inside.
        """
        zone = ZoneInfo(self.zone)
        day_before = moment - timedelta(days=1)
        opened = None if self.contains(day_before) else day_before
        inside = opened is None
        for edge in self._edges(day_before):
            if edge > moment:
                break
            if self.contains(edge) and not inside:
                opened = edge
            inside = self.contains(edge)
        if opened is not None and self.contains(opened):
            return opened
        midnight = datetime.combine(moment.astimezone(zone).date(), time(), tzinfo=zone)
        return midnight.astimezone(UTC)

    def next_opening(self, after: datetime) -> datetime | None:
        """Return the first instant at or after ``after`` inside a window, in UTC.

        None if none opens within a year, as with blackouts on every day.
        """
        if self.contains(after):
            return after.astimezone(UTC)
        return next((edge for edge in self._edges(after) if self.contains(edge)), None)

    def closing(self, moment: datetime) -> datetime | None:
        """Return the instant at which the stretch around ``moment`` ends, in UTC.

        None if it does not end within a year. ``moment`` must be inside.
        """
        return next((edge for edge in self._edges(moment) if not self.contains(edge)), None)

    def openings(self, after: datetime, count: int) -> list[tuple[datetime, datetime | None]]:
        """Return the next stretches as pairs of opening and closing, in UTC."""
        found: list[tuple[datetime, datetime | None]] = []
        moment: datetime | None = after
        while moment is not None and len(found) < count:
            opening = self.next_opening(moment)
            if opening is None:
                break
            moment = self.closing(opening)
            found.append((opening, moment))
        return found

    def _edges(self, after: datetime) -> Iterable[datetime]:
        """Yield, in order, every instant after ``after`` at which the answer may change."""
        zone = ZoneInfo(self.zone)
        first = after.astimezone(zone).date() - timedelta(days=1)
        edges = [(w.opens, w.closes) for w in self.windows]
        edges += [(e.opens, e.closes) for e in self.extra]
        minutes = {minute % _MIDNIGHT for edge in edges for minute in edge} | {0}
        for offset in range(_HORIZON_DAYS):
            day = first + timedelta(days=offset)
            instants = {_utc(day, minute, zone, fold) for minute in minutes for fold in (0, 1)}
            change = _clock_change(day, self.zone)
            if change is not None:
                instants.add(change)
            yield from (instant for instant in sorted(instants) if instant > after)


def _utc(day: date, minute: int, zone: ZoneInfo, fold: int) -> datetime:
    local = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    return local.replace(fold=fold).astimezone(UTC)


@lru_cache(maxsize=4096)
def _clock_change(day: date, zone_name: str) -> datetime | None:
    """Return the instant of the day at which the zone's offset changes."""
    zone = ZoneInfo(zone_name)
    low = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    high = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    if before == high.astimezone(zone).utcoffset():
        return None
    while high - low > timedelta(minutes=1):
        middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


_read_once = lru_cache(maxsize=4096)(read_words)
"""The same words are asked for at each turn, by each of hundreds of districts."""


def parse_windows(
    stated: str | Sequence[Mapping[str, Any]],
    zone: str,
    blackout_dates: Iterable[str] = (),
    holidays: str = "",
) -> Windows:
    """Read the windows of a district.

    Args:
        stated: The district's own words, or the structured form: a list of
            mappings with ``days``, ``opens`` and ``closes``; with ``also``,
            ``opens`` and ``closes`` for certain days of the calendar; or with
            ``never`` for days on which nothing is open.
        zone: Name of its IANA time zone.
        blackout_dates: ISO dates on which nothing is open.
        holidays: Calendar on whose holidays nothing is open, such as ``US-CA``.
            Words that leave out holidays mean those of California without it.

    Raises:
        ValueError: If they cannot be read, or can be read in two ways. The
            message shows both readings in the structured form.
    """
    never: list[CalendarRule] = []
    extra: list[Extra] = []
    if isinstance(stated, str):
        spans, without_holidays = _read_once(stated, zone)
        windows = [Window(days, opens, closes) for days, opens, closes in spans]
        if without_holidays:
            holidays = holidays or CALIFORNIA
    else:
        windows = []
        for entry in stated:
            if "never" in entry:
                never += _never(entry)
            elif "also" in entry:
                extra += _also(entry)
            else:
                windows.append(_from_mapping(entry))
    if not (windows or extra):
        raise ValueError("no window is given; write 'any time' where there is no limit")
    if holidays:
        never += rules_from({"holidays": holidays}, "holidays")
    never += _ranges(blackout_dates)
    return Windows(tuple(windows), zone, tuple(dict.fromkeys(never)), tuple(extra))


def _clock(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}" if minute != _MIDNIGHT else "24:00"


def _ranges(dates: Iterable[str]) -> list[CalendarRule]:
    """Return rules for single dates, those that follow each other as one range."""
    try:
        days = sorted({date.fromisoformat(str(day)) for day in dates})
    except ValueError:
        raise ValueError("blackout_dates: use dates such as 2026-12-24") from None
    found: list[CalendarRule] = []
    for day in days:
        if found and found[-1].last == day - timedelta(days=1):
            found[-1] = CalendarRule(found[-1].first, day)
        else:
            found.append(CalendarRule(day, day))
    return found


def _never(entry: Mapping[str, Any]) -> tuple[CalendarRule, ...]:
    if set(entry) != {"never"}:
        raise ValueError("never: nothing else stands beside it; write what is open as its own line")
    return rules_from(entry["never"], "never")


def _also(entry: Mapping[str, Any]) -> list[Extra]:
    if set(entry) != {"also", "opens", "closes"}:
        raise ValueError("also: opens and closes stand beside it, and nothing else")
    opens, closes = (_iso_minute(entry[key], key) for key in ("opens", "closes"))
    span = _window(_ALL, opens, closes)
    return [Extra(rule, span.opens, span.closes) for rule in rules_from(entry["also"], "also")]


def _from_mapping(entry: Mapping[str, Any]) -> Window:
    unknown = set(entry) - {"days", "opens", "closes"}
    if unknown:
        raise ValueError(
            f"a window has days, opens and closes, or never, or also, not "
            f"{', '.join(sorted(map(str, unknown)))}"
        )
    days = entry.get("days", list(DAY_NAMES))
    if not isinstance(days, list) or not days:
        raise ValueError("days: give a list such as [mon, tue]")
    numbers = {_day(str(day)) for day in days}
    if None in numbers:
        raise ValueError(f"days: use {', '.join(DAY_NAMES)}")
    opens, closes = (_iso_minute(entry.get(key), key) for key in ("opens", "closes"))
    return _window(frozenset(n for n in numbers if n is not None), opens, closes)


def _iso_minute(value: Any, key: str) -> int:  # noqa: ANN401 - whatever YAML held
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", str(value))
    if not match or int(match[2]) > 59 or int(match[1]) * 60 + int(match[2]) > _MIDNIGHT:
        raise ValueError(f'{key}: use a time such as "20:00", in quotes')
    return int(match[1]) * 60 + int(match[2])


def _window(days: frozenset[int], opens: int, closes: int) -> Window:
    if opens >= _MIDNIGHT:
        raise ValueError("a window opens before midnight; use 00:00 of the next day")
    return Window(days, opens, closes if closes > opens else closes + _MIDNIGHT)


def _day(word: str) -> int | None:
    word = word.lower().rstrip("s.") if len(word) > 3 else word.lower()
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    if word in {"m", "w", "f"}:
        return {"m": 0, "w": 2, "f": 4}[word]
    found = [n for n, name in enumerate(names) if len(word) >= 2 and name.startswith(word)]
    return found[0] if len(found) == 1 else None
