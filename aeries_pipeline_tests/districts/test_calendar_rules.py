"""Exceptions by the calendar: what a rule names, and that nothing is ever open on such a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from aeries_pipeline.districts.calendar_rules import rules_from
from aeries_pipeline.districts.windows import Windows, parse_windows

ZONE = "America/Los_Angeles"
NIGHTS = {"opens": "20:00", "closes": "06:00"}


def days_of(stated: Any, year: int = 2026) -> list[str]:
    rules = rules_from(stated, "never")
    every = (date(year, 1, 1) + timedelta(days=n) for n in range(365))
    return [f"{day:%m-%d}" for day in every if any(rule.includes(day) for rule in rules)]


@pytest.mark.parametrize(
    ("stated", "days"),
    [
        ("2026-12-24", ["12-24"]),
        (date(2026, 12, 24), ["12-24"]),
        (["2026-12-24", "2026-03-01"], ["03-01", "12-24"]),
        ({"first": "2026-12-30", "last": "2027-01-08"}, ["12-30", "12-31"]),
        (
            {"monthly": "last day"},
            "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31".split(),
        ),
        (
            {"monthly": "first Friday"},
            "01-02 02-06 03-06 04-03 05-01 06-05 07-03 08-07 09-04 10-02 11-06 12-04".split(),
        ),
        ({"monthly": 31}, "01-31 03-31 05-31 07-31 08-31 10-31 12-31".split()),
        ({"rrule": "FREQ=YEARLY;BYMONTH=6;BYDAY=-1FR"}, ["06-26"]),
        ({"rrule": "rrule:freq=monthly;byday=MO,TU,WE,TH,FR;bysetpos=-1;until=20260301"},
         ["01-30", "02-27"]),
        (
            {"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE;UNTIL=20260120", "starting": "2025-12-24"},
            ["01-07"],
        ),
    ],
)  # fmt: skip
def test_a_rule_names_its_days(stated: Any, days: list[str]) -> None:
    assert days_of(stated) == days


def test_holidays_are_those_of_the_place() -> None:
    found = days_of({"holidays": "US-CA"})
    assert {"01-01", "03-31", "11-26", "12-25"} <= set(found)
    assert "11-03" in set(days_of({"holidays": "US-IN"})) - set(found)
    (rule,) = rules_from({"holidays": "US-CA"}, "never")
    assert rule.named(date(2026, 12, 25)) == "Christmas Day"


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("Christmas", "write a date such as"),
        ([], "write a date such as"),
        ({"first": "2026-12-30"}, "write a date such as"),
        ({"first": "2026-12-30", "last": "2026-12-01"}, "lies before the first"),
        ({"monthly": "fifth fri"}, "monthly: write first"),
        ({"monthly": "0"}, "monthly: write first"),
        ({"holidays": "US-XX"}, "no calendar of holidays"),
        ({"rrule": "FREQ=HOURLY"}, "a recurrence in days"),
        ({"rrule": "FREQ=MONTHLY;BYHOUR=3;BYDAY=MO"}, "a recurrence in days"),
        ({"rrule": "FREQ=DAILY;COUNT=3"}, "a recurrence in days"),
        ({"rrule": "FREQ=MONTHLY"}, "a first day to count from"),
        ({"rrule": "FREQ=DAILY;INTERVAL=2"}, "a first day to count from"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=1XX"}, "not a recurrence"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "names no day"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260101T000000Z"}, "UNTIL as a date"),
    ],
)
def test_a_rule_that_is_not_certain_is_refused(stated: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        rules_from(stated, "never")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"never": "2026-12-24", "opens": "20:00"}, "nothing else stands beside it"),
        ({"also": "2026-12-24"}, "opens and closes stand beside it"),
        ({"except": "2026-12-24", **NIGHTS}, "or never, or also, not except"),
    ],
)
def test_a_line_that_mixes_meanings_is_refused(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_windows([NIGHTS, entry], ZONE)
    with pytest.raises(ValueError, match="no window is given"):
        parse_windows([{"never": "2026-12-24"}], ZONE)


def local(day: str, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time()).replace(
        hour=hour, minute=minute, tzinfo=ZoneInfo(ZONE)
    )


def test_an_excepted_date_is_closed_from_midnight_to_midnight_and_opens_no_night() -> None:
    windows = parse_windows([NIGHTS, {"never": {"monthly": "first fri"}}], ZONE)
    assert windows.contains(local("2026-12-03", 23, 59))
    assert not windows.contains(local("2026-12-04", 0))
    assert not windows.contains(local("2026-12-04", 21))
    assert not windows.contains(local("2026-12-05", 5))
    assert windows.contains(local("2026-12-05", 20))
    closing = windows.closing(local("2026-12-03", 22).astimezone(UTC))
    assert closing == local("2026-12-04", 0)
    assert windows.next_opening(local("2026-12-04", 0)) == local("2026-12-05", 20)


def test_an_extra_opening_crosses_midnight_and_yields_to_never() -> None:
    weekly = {"days": ["mon"], "opens": "20:00", "closes": "21:00"}
    stated = [weekly, {"also": ["2026-12-05", "2026-12-09"], "opens": "22:00", "closes": "03:00"}]
    windows = parse_windows(stated, ZONE)
    assert windows.contains(local("2026-12-06", 2, 59))
    assert not windows.contains(local("2026-12-06", 3))
    assert windows.next_opening(local("2026-12-05", 12)) == local("2026-12-05", 22)
    without = parse_windows([*stated, {"never": ["2026-12-06", "2026-12-09"]}], ZONE)
    assert without.contains(local("2026-12-05", 23))
    assert not without.contains(local("2026-12-06", 2))
    assert not without.contains(local("2026-12-09", 23))
    assert not without.contains(local("2026-12-10", 1))


DATES = st.dates(date(2026, 1, 1), date(2027, 12, 31))
RULES = st.one_of(
    DATES,
    st.tuples(DATES, st.integers(0, 20)).map(
        lambda pair: {"first": pair[0], "last": pair[0] + timedelta(days=pair[1])}
    ),
    st.just({"holidays": "US-CA"}),
    st.tuples(
        st.sampled_from("first second third fourth last".split()),
        st.sampled_from("mon tue wed thu fri sat sun".split()),
    ).map(lambda pair: {"monthly": " ".join(pair)}),
    st.sampled_from([{"monthly": "last day"}, {"monthly": "15"}]),
    st.just({"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "starting": date(2026, 1, 4)}),
)
CLOCK = st.integers(0, 95).map(lambda n: f"{n // 4:02}:{n % 4 * 15:02}")
SPANS = st.builds(lambda opens, closes: {"opens": opens, "closes": closes}, CLOCK, CLOCK)
# The nights of both clock changes, and any other.
MOMENTS = st.sampled_from(
    [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]
) | DATES.map(lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC))


def stated_windows(
    spans: list[dict[str, Any]], rules: list[Any], extra: tuple[Any, dict[str, Any]] | None
) -> Windows:
    stated = [*spans, *({"never": rule} for rule in rules)]
    if extra:
        stated.append({"also": extra[0], **extra[1]})
    return parse_windows(stated, ZONE)


@settings(max_examples=150)
@given(
    spans=st.lists(SPANS, min_size=1, max_size=2),
    rules=st.lists(RULES, min_size=1, max_size=3),
    extra=st.none() | st.tuples(RULES, SPANS),
    start=MOMENTS,
)
def test_nothing_is_open_on_an_excepted_date_whatever_opens_there(
    spans: list[dict[str, Any]],
    rules: list[Any],
    extra: tuple[Any, dict[str, Any]] | None,
    start: datetime,
) -> None:
    windows = stated_windows(spans, rules, extra)
    every = rules_from(rules, "never")
    zone = ZoneInfo(ZONE)
    for opening, closing in windows.openings(start, 4):
        assert closing is None or closing > opening
        last = min(closing or opening + timedelta(days=3), opening + timedelta(days=3))
        minute = opening
        while minute < last:
            day = minute.astimezone(zone).date()
            assert not any(rule.includes(day) for rule in every)
            assert windows.contains(minute)
            minute += timedelta(minutes=29)
        if closing is not None:
            assert not windows.contains(closing)
            assert windows.contains(closing - timedelta(minutes=1))


@settings(max_examples=100)
@given(
    spans=st.lists(SPANS, min_size=1, max_size=2),
    rules=st.lists(RULES, max_size=3),
    extra=st.none() | st.tuples(RULES, SPANS),
)
def test_the_structured_form_says_what_was_read(
    spans: list[dict[str, Any]], rules: list[Any], extra: tuple[Any, dict[str, Any]] | None
) -> None:
    from io import StringIO

    windows = stated_windows(spans, rules, extra)
    text = StringIO()
    YAML().dump(windows.structured, text)
    back = YAML(typ="safe", pure=True).load(text.getvalue())
    assert parse_windows(back, ZONE) == windows
