from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from holidays import country_holidays
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.districts.calendar_rules import CalendarRule
from aeries_pipeline.districts.windows import Window, Windows, parse_windows

ZONE = "America/Los_Angeles"


@pytest.mark.parametrize(
    ("words", "reading"),
    [
        ("Weekends only from 8:00 p.m. - 2:00 a.m.", "sat, sun 20:00 to 02:00"),
        ("weeknights after 6pm", "mon, tue, wed, thu, fri 18:00 to 24:00"),
        ("any time", "any time"),
        ("Anytime.", "any time"),
        ("daily 1am to 4am", "every day 01:00 to 04:00"),
        ("M-F 22:00-05:00", "mon, tue, wed, thu, fri 22:00 to 05:00"),
        ("Monday through Friday 10pm to midnight", "mon, tue, wed, thu, fri 22:00 to 24:00"),
        ("sat and sun 8pm-2am", "sat, sun 20:00 to 02:00"),
        ("Mon, Wed and Fri 7 p.m. to 11 p.m.", "mon, wed, fri 19:00 to 23:00"),
        ("between 8pm and 2am", "every day 20:00 to 02:00"),
        (
            "weekdays 8pm-2am and weekends any time",
            "mon, tue, wed, thu, fri 20:00 to 02:00; sat, sun, all day",
        ),
        ("Fri-Mon 9pm-11pm", "mon, fri, sat, sun 21:00 to 23:00"),
        ("weekdays before 6am", "mon, tue, wed, thu, fri 00:00 to 06:00"),
        ("every night 11:30 PM - 4:30 AM", "every day 23:30 to 04:30"),
    ],
)
def test_the_words_of_districts_are_read(words: str, reading: str) -> None:
    assert str(parse_windows(words, ZONE)) == reading


@pytest.mark.parametrize("words", ["after 6", "1-4", "weekdays from 8 to 10"])
def test_words_with_two_readings_are_refused_with_both(words: str) -> None:
    with pytest.raises(ValueError, match="can be read in") as caught:
        parse_windows(words, ZONE)
    assert str(caught.value).count("opens:") >= 2


@pytest.mark.parametrize(
    "words", ["", "whenever the moon is full", "8pm-26pm", "weekdays at teatime"]
)
def test_what_cannot_be_read_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|is not a time of day|no window is given"):
        parse_windows(words, ZONE)


def test_except_holidays_means_those_of_california() -> None:
    windows = parse_windows("M-F 22:00-05:00 except holidays", ZONE)
    assert str(windows).endswith("not on holidays (US-CA)")
    local = ZoneInfo(ZONE)
    for year, month, day in [(2026, 12, 25), (2026, 11, 26), (2027, 1, 18), (2027, 3, 31)]:
        assert not windows.contains(datetime(year, month, day, 23, 0, tzinfo=local))
    # The window that opened the evening before ends with its day.
    assert windows.contains(datetime(2026, 12, 24, 23, 59, tzinfo=local))
    assert not windows.contains(datetime(2026, 12, 25, 0, 0, tzinfo=local))
    # What would have opened on the holiday does not run on into the next day.
    assert not windows.contains(datetime(2026, 12, 26, 4, 0, tzinfo=local))
    opening = windows.next_opening(datetime(2026, 12, 31, 12, 0, tzinfo=local))
    assert opening == datetime(2026, 12, 31, 22, 0, tzinfo=local)
    # New Year's Day is a Friday.
    opening = windows.next_opening(datetime(2027, 1, 1, 12, 0, tzinfo=local))
    assert opening == datetime(2027, 1, 4, 22, 0, tzinfo=local)


def test_the_structured_form_and_any_time_can_leave_out_holidays() -> None:
    stated = [{"opens": "20:00", "closes": "02:00"}]
    evening = datetime(2026, 11, 3, 21, 0, tzinfo=ZoneInfo(ZONE))  # Election Day, Indiana's
    assert parse_windows(stated, ZONE, holidays="US-CA").contains(evening)
    assert not parse_windows(stated, ZONE, holidays="US-IN").contains(evening)
    assert not parse_windows("any time", ZONE, holidays="US-CA").is_always


@pytest.mark.parametrize("calendar", ["US-XX", "ZZ", "winter"])
def test_a_calendar_that_does_not_exist_is_refused(calendar: str) -> None:
    with pytest.raises(ValueError, match="no calendar of holidays; write the code of a state"):
        parse_windows("any time", ZONE, holidays=calendar)


def test_a_window_belongs_to_the_day_on_which_it_opens() -> None:
    windows = parse_windows("Weekends only from 8:00 p.m. - 2:00 a.m.", ZONE)
    local = ZoneInfo(ZONE)
    assert windows.contains(datetime(2026, 11, 23, 1, 59, tzinfo=local))  # Sunday's, on Monday
    assert not windows.contains(datetime(2026, 11, 21, 1, 59, tzinfo=local))  # not Friday's


def test_the_structured_form_says_the_same() -> None:
    stated = [{"days": ["sat", "sun"], "opens": "20:00", "closes": "02:00"}]
    words = "Weekends only from 8:00 p.m. - 2:00 a.m."
    assert parse_windows(stated, ZONE) == parse_windows(words, ZONE)


WINDOW = st.builds(
    lambda days, opens, length: Window(frozenset(days), opens, opens + length),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
)


@settings(max_examples=60)
@given(
    windows=st.lists(WINDOW, min_size=1, max_size=3),
    zone=st.sampled_from([ZONE, "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]),
    # Days around both clock changes and the turn of the year, and any other.
    day=st.sampled_from(
        [date(2026, 3, 7), date(2026, 10, 31), date(2026, 4, 4), date(2026, 12, 31)]
    )
    | st.dates(date(2025, 1, 1), date(2028, 12, 31)),
    blackout=st.booleans(),
    calendar=st.sampled_from(["", "US-CA"]),
)
def test_openings_agree_with_the_clock_on_the_wall(
    windows: list[Window], zone: str, day: date, blackout: bool, calendar: str
) -> None:
    off = day + timedelta(days=1)
    never = [CalendarRule(off, off)] if blackout else []
    never += [CalendarRule(holidays=calendar)] if calendar else []
    stated = Windows(tuple(windows), zone, tuple(never))
    start = datetime(day.year, day.month, day.day, 12, 0, tzinfo=UTC)
    minutes = [start + timedelta(minutes=n) for n in range(2 * 1440)]
    inside = [on_the_wall(stated, minute) for minute in minutes]
    assert [stated.contains(minute) for minute in minutes] == inside
    first = next((minute for minute, yes in zip(minutes, inside, strict=True) if yes), None)
    opening = stated.next_opening(start)
    if first is not None:
        assert opening == first
        closing = stated.closing(first)
        ends = (m for m, yes in zip(minutes, inside, strict=True) if m > first and not yes)
        expected = next(ends, None)
        if expected is not None:
            assert closing == expected
    else:
        assert opening is None or opening > minutes[-1]


@pytest.mark.long
@pytest.mark.parametrize("zone", [ZONE, "America/New_York", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize(
    "words",
    [
        "Weekends only from 8:00 p.m. - 2:00 a.m.",
        "weeknights 1:30am-2:30am and Sat, Sun 2am-3am",
        "M-F 22:00-05:00 except holidays",
    ],
)
def test_every_minute_of_two_years(words: str, zone: str) -> None:
    stated = parse_windows(words, zone, ["2027-01-02"])
    start, end = datetime(2026, 6, 1, tzinfo=UTC), datetime(2028, 6, 1, tzinfo=UTC)
    expected, inside = [], False
    for number in range(int((end - start).total_seconds()) // 60):
        minute = start + timedelta(minutes=number)
        if on_the_wall(stated, minute) != inside:
            inside = not inside
            expected.append(minute)
    edges = [edge for pair in stated.openings(start, 1500) for edge in pair if edge is not None]
    assert edges[: len(expected)] == expected
    assert len(expected) > 400


@cache
def california(year: int) -> frozenset[date]:
    return frozenset(country_holidays("US", subdiv="CA", years=year))


def on_the_wall(stated: Windows, minute: datetime) -> bool:
    """Read a clock: is this wall time inside a window of today or of yesterday, both not off?"""
    local = minute.astimezone(ZoneInfo(stated.zone))
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        at = local.hour * 60 + local.minute + back * 1440
        left_out = any(
            day in california(day.year) if rule.holidays else day == rule.first
            for rule in stated.never
        )
        if left_out and not back:
            return False
        if not left_out and any(
            day.weekday() in window.days and window.opens <= at < window.closes
            for window in stated.windows
        ):
            return True
    return False
