"""A reading as a sentence, as a picture of the week and as a month: all say what counts."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.districts.window_pictures import (
    coming_month,
    exceptions,
    sentence,
    week_picture,
)
from aeries_pipeline.districts.windows import Window, Windows, parse_windows
from aeries_pipeline_tests.districts.test_calendar_rules import RULES, SPANS, stated_windows

ZONE = "America/Los_Angeles"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("any time", "The server may be read at any time."),
        (
            "Weekends only from 8:00 p.m. - 2:00 a.m.",
            "The server may be read Saturday and Sunday from 8 pm to 2 am the next day.",
        ),
        (
            "weekdays 12am-5:30am, weekends any time except holidays",
            "The server may be read Monday to Friday from midnight to 5:30 am; and Saturday and "
            "Sunday all day, but never on holidays (US-CA).",
        ),
        ("daily noon to midnight", "The server may be read every day from noon to midnight."),
    ],
)
def test_a_reading_is_a_sentence(words: str, said: str) -> None:
    assert sentence(parse_windows(words, ZONE)) == said


def test_a_week_is_a_picture_of_80_columns() -> None:
    shown = week_picture(parse_windows("Weekends only 8:00 p.m. - 2:10 a.m.", ZONE)).splitlines()
    assert max(map(len, shown)) <= 80
    assert shown[0].split() == [str(hour) for hour in range(24)]
    assert shown[1] == "Mon  ######+" + "." * 65
    assert shown[6] == "Sat  " + "." * 60 + "#" * 12
    assert shown[7] == "Sun  ######+" + "." * 53 + "#" * 12


@settings(max_examples=20)
@given(
    st.lists(
        st.builds(
            lambda days, opens, length: Window(frozenset(days), opens, opens + length),
            st.sets(st.integers(0, 6), min_size=1),
            st.integers(0, 1439),
            st.integers(1, 1440),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_cell_of_the_picture_lies(windows: list[Window]) -> None:
    stated = Windows(tuple(windows), ZONE)
    monday = datetime(2026, 9, 14, tzinfo=ZoneInfo(ZONE))
    rows = week_picture(stated).splitlines()[1:8]
    for day, row in enumerate(rows):
        for cell, sign in enumerate(row[5:]):
            minutes = [day * 1440 + cell * 20 + n for n in range(20)]
            is_open = [stated.contains(monday + timedelta(minutes=m)) for m in minutes]
            assert sign == ("#" if all(is_open) else "+" if any(is_open) else ".")


def test_the_coming_month_names_each_exception() -> None:
    stated = [
        {"opens": "20:00", "closes": "02:00"},
        {"never": [{"holidays": "US-CA"}, {"monthly": "last day"}]},
        {"also": "2026-12-05", "opens": "08:00", "closes": "12:00"},
    ]
    month = coming_month(parse_windows(stated, ZONE), date(2026, 12, 1))
    assert len(month) == 31
    assert str(month[1]) == "Wed 2026-12-02  00:00-02:00, 20:00-24:00"
    assert exceptions(month) == [
        "Tue 2026-12-01  20:00-24:00  "
        "(nothing opened the day before: never on the last day of each month)",
        "Sat 2026-12-05  00:00-02:00, 08:00-12:00, 20:00-24:00  (also on 2026-12-05)",
        "Fri 2026-12-25  closed  (never on Christmas Day)",
        "Sat 2026-12-26  20:00-24:00  (nothing opened the day before: never on Christmas Day)",
        "Thu 2026-12-31  closed  (never on the last day of each month)",
    ]


@settings(max_examples=60)
@given(
    spans=st.lists(SPANS, min_size=1, max_size=2),
    rules=st.lists(RULES, max_size=2),
    extra=st.none() | st.tuples(RULES, SPANS),
    # Across both changes of the clock, too.
    first=st.sampled_from([date(2026, 3, 1), date(2026, 10, 25), date(2026, 12, 15)]),
)
def test_the_month_says_what_counts(spans, rules, extra, first) -> None:
    windows = stated_windows(spans, rules, extra)
    for one in coming_month(windows, first, days=14):
        for minute in range(0, 1440, 15):
            moment = datetime.combine(one.day, datetime.min.time(), tzinfo=ZoneInfo(ZONE))
            moment = moment.replace(hour=minute // 60, minute=minute % 60)
            skipped = moment.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(ZONE)) != moment
            if not skipped:
                inside = any(start <= minute < end for start, end in one.spans)
                assert windows.contains(moment) == inside
        if one.reason.startswith("never on"):
            assert not one.spans
