"""Districts' own words: what they mean, what is refused, and never wider than meant."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aeries_pipeline.districts.windows import parse_windows

ZONE = "America/Los_Angeles"
MONDAY = datetime(2026, 9, 14, tzinfo=ZoneInfo(ZONE))  # a week without a holiday
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def minutes(words: str) -> set[int]:
    windows = parse_windows(words, ZONE)
    return {m for m in range(0, 10080, 30) if windows.contains(MONDAY + timedelta(minutes=m))}


def meant(*spans: tuple[str, float, float]) -> set[int]:
    """Days, hour of opening, length in hours."""
    found: set[int] = set()
    for days, opens, length in spans:
        for day in days.split():
            start = NAMES.index(day) * 1440 + int(opens * 60)
            found |= {(start + m) % 10080 for m in range(0, int(length * 60), 30)}
    return found


WEEK = "mon tue wed thu fri"
EVERY = f"{WEEK} sat sun"


@pytest.mark.parametrize(
    ("words", "spans"),
    [
        ("12 am to 5 am, Monday - Friday", [(WEEK, 0, 5)]),
        ("10 PM - 4 AM M, W, F", [("mon wed fri", 22, 6)]),
        ("Sunday 10 pm through Monday 4 am", [("sun", 22, 6)]),
        ("8pm Friday - 8pm Sunday", [("fri", 20, 48)]),
        ("Tuesday nights 11 PM-3 AM", [("tue", 23, 4)]),
        ("Mon-Thu 9pm-2am, Fri 8pm - Sun 11pm", [("mon tue wed thu", 21, 5), ("fri", 20, 51)]),
        ("any time except 2-4am backup", [(EVERY, 4, 22)]),
        ("Any time outside school hours (8-3:30)", [(EVERY, 15.5, 16.5)]),
        ("weeknights (Sun-Thu) 10pm-4am", [("sun mon tue wed thu", 22, 6)]),
        ("MTWThF 9pm \N{EM DASH} 4am", [(WEEK, 21, 7)]),
        ("8p\N{NON-BREAKING HYPHEN}2a weekends", [("sat sun", 20, 6)]),
        ("20.00 - 04.00", [(EVERY, 20, 8)]),
        ("2200-0400", [(EVERY, 22, 6)]),
        ("10 at night to 5 in the morning", [(EVERY, 22, 7)]),
        ("8:00\N{NARROW NO-BREAK SPACE}p.m. - 2:00 a.m. (weekends only)", [("sat sun", 20, 6)]),
        ("Do not pull between 7am and 4pm", [(EVERY, 16, 15)]),
        ("don't pull Mon-Fri 7am-5pm", [(WEEK, 17, 7), (WEEK, 0, 7), ("sat sun", 0, 24)]),
        ("every day except Sunday 8pm - 4am", [("mon tue wed thu fri sat", 20, 8)]),
        ("24/7 except Sundays", [("mon tue wed thu fri sat", 0, 24)]),
        ("Mon-Fri 6pm to 6am and all day on weekends", [(WEEK, 18, 12), ("sat sun", 0, 24)]),
        ("10pm-4am, Mon - Thu; Saturday all day", [("mon tue wed thu", 22, 6), ("sat", 0, 24)]),
        ("any time after 6pm", [(EVERY, 18, 6)]),
        ("not before 10pm", [(EVERY, 22, 2)]),
        ("before 6 a.m. or after 8 p.m.", [(EVERY, 0, 6), (EVERY, 20, 4)]),
    ],
)
def test_what_a_person_reads_is_read(words: str, spans: list[tuple[str, float, float]]) -> None:
    assert minutes(words) == meant(*spans)


@pytest.mark.parametrize(
    "words",
    [
        "office hours: Mon-Fri 8am-4pm",
        "between midnight and 4",
        "after hours",
        "2am",
        "weeknights",
        "weeknights any time",
        "anytime, 10pm-4am",
        "not only weekends 8pm-2am",
        "weekend nights 10pm-4am",
        "Friday night 1am-4am",
        "do not pull between 8am and 4pm or on Sundays",
        "8am - 4pm: do not pull",
        "8am-4pm is not ok",
        "never",
        "weekdays 8pm-2am, weekends",
        "weekdays 8pm-2am and holidays",
        "10-4am",
        "weeknights 20:00-06:00 except first Friday of the month",
        "10pm to 4am eastern",
    ],
)
def test_what_a_person_would_ask_about_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="read"):
        parse_windows(words, ZONE)


def test_the_message_names_what_was_not_understood() -> None:
    with pytest.raises(ValueError, match=r"'teatime' was not understood \(understood: 'weekdays'"):
        parse_windows("weekdays at teatime", ZONE)


def test_pacific_time_is_refused_where_the_district_has_another_zone() -> None:
    assert minutes("10pm-4am PST") == meant((EVERY, 22, 6))
    with pytest.raises(ValueError, match="Pacific"):
        parse_windows("10pm-4am PST", "America/Denver")


def clock(minute: int, style: int) -> str:
    hour, rest = divmod(minute, 60)
    if style == 0:
        return f"{hour:02}:{rest:02}"
    half = (
        ("am", "a.m.", " AM", "a")[style - 1]
        if hour < 12
        else ("pm", "p.m.", " PM", "p")[style - 1]
    )
    return f"{hour % 12 or 12}{f':{rest:02}' if rest else ''}{half}"


DAYS = st.sampled_from(
    [
        ("Mon-Fri", WEEK),
        ("weekends", "sat sun"),
        ("M, W, F", "mon wed fri"),
        ("Tuesdays and Thursdays", "tue thu"),
        ("Fri-Sun", "fri sat sun"),
        ("Saturday", "sat"),
        ("weeknights", WEEK),
        ("every day", EVERY),
    ]
)
HALF_HOURS = st.integers(0, 47).map(lambda n: n * 30)
CLAUSE = st.tuples(DAYS, HALF_HOURS, HALF_HOURS, st.integers(0, 4), st.integers(1, 4))
JOINTS = st.sampled_from([", ", " and ", "; ", " plus ", " & ", " or "])
TRAPS = st.sampled_from(
    ["", "", " only", " please", " except Sundays", " except 2am-4am", " not Fridays", " best",
     " if quiet", " but not 7am-4pm", ", never on Wednesdays", " except weekends", " MT",
     " except Fridays 11pm-1am", " - 6am", " until 6am", " before 6am", " after 10pm"]
)  # fmt: skip
REFUSED_TRAPS = {" if quiet", " MT", " except Fridays 11pm-1am", " - 6am"}
LEFT_OUT = {
    " except Sundays": "sun",
    " not Fridays": "fri",
    ", never on Wednesdays": "wed",
    " except weekends": "sat sun",
}
ADDED = {" before 6am": (0, 6), " after 10pm": (22, 2)}


@settings(max_examples=1000)
@given(
    clauses=st.lists(CLAUSE, min_size=1, max_size=3),
    days_first=st.lists(st.booleans(), min_size=3, max_size=3),
    joints=st.lists(JOINTS, min_size=2, max_size=2),
    link=st.sampled_from(["-", " to ", " until ", "\N{EN DASH}"]),
    trap=TRAPS,
)
@example(  # "... Saturday, M, W, F 8pm-2am": which days go with which hours?
    clauses=[(("Saturday", "sat"), 1320, 240, 1, 1), (("M, W, F", "mon wed fri"), 1200, 120, 1, 1)],
    days_first=[False, True, True],
    joints=[", ", ", "],
    link="-",
    trap="",
)
def test_a_reading_opens_at_no_minute_that_was_not_meant(
    clauses: list[tuple[tuple[str, str], int, int, int, int]],
    days_first: list[bool],
    joints: list[str],
    link: str,
    trap: str,
) -> None:
    words, may = "", set()
    for n, ((days, names), opens, closes, style, other) in enumerate(clauses):
        time = f"{clock(opens, style)}{link}{clock(closes, other if style else 0)}"
        words += (
            f"{joints[n - 1] if n else ''}{f'{days} {time}' if days_first[n] else f'{time} {days}'}"
        )
        length = (closes - opens) % 1440 or 1440
        left = [name for name in names.split() if name not in LEFT_OUT.get(trap, "")]
        may |= meant((" ".join(left), opens / 60, length / 60))
    words += trap
    try:
        opens_at = minutes(words)
    except ValueError:
        return
    if trap == " except 2am-4am":
        may -= meant((EVERY, 2, 2))
    elif trap == " but not 7am-4pm":
        may -= meant((EVERY, 7, 9))
    elif trap == ", never on Wednesdays":
        may -= meant(("wed", 0, 24))
    elif trap in ADDED:
        may |= meant((EVERY, *ADDED[trap]))
    assert trap not in REFUSED_TRAPS
    assert opens_at <= may, words


@settings(max_examples=500)
@given(
    days=st.sampled_from([("", EVERY), ("weekdays ", WEEK), ("Saturdays ", "sat")]),
    after=HALF_HOURS,
    before=HALF_HOURS,
    style=st.integers(1, 4),
    form=st.sampled_from(
        ["after {a} and before {b}", "after {a} or before {b}", "before {b} or after {a}",
         "before {b} and after {a}", "after {a}", "before {b}", "until {b}", "from {a} on",
         "not before {a} or after {b}", "not after {b}", "start {a}, end {b}", "any time after {a}"]
    ),
)  # fmt: skip
def test_times_with_one_end_open_at_no_minute_that_was_not_meant(
    days: tuple[str, str], after: int, before: int, style: int, form: str
) -> None:
    prefix, names = days
    words = prefix + form.format(a=clock(after, style), b=clock(before, style))
    try:
        opens_at = minutes(words)
    except ValueError:
        return
    early = meant((names, 0, before / 60))
    late = meant((names, after / 60, 24 - after / 60))
    night = meant((names, after / 60, (before - after) % 1440 / 60))
    if "{a}" not in form:
        # A person who says "until 10pm" has a beginning in mind.
        assert opens_at <= early
        assert before <= 18 * 60
    elif "{b}" not in form:
        assert opens_at <= late
        assert after >= 6 * 60
    elif after > before:
        assert opens_at <= early | late | night
    else:
        assert opens_at <= early & late


@settings(max_examples=300)
@given(
    days=DAYS, opens=st.integers(1, 12), closes=st.integers(1, 12), form=st.integers(0, 2)
)  # fmt: skip
def test_hours_up_to_twelve_without_am_or_pm_never_open_in_a_day_of_school(
    days: tuple[str, str], opens: int, closes: int, form: int
) -> None:
    hours = (f"{opens}-{closes}", f"{opens:02}:00-{closes:02}:00", f"{opens:02}00-{closes:02}00")
    shown = hours[form]
    try:
        opens_at = minutes(f"{days[0]} {shown}")
    except ValueError:
        return
    assert not opens_at & meant((EVERY, 9, 5)), shown


NIGHTLY = (
    "10pm-4am", "1am to 5am", "8 at night - 2am", "10pm", "from 9pm", "until 5am", "after 8pm",
    "before 6am", "after midnight", "after 1am", "Mon-Fri", "weekends", "Sunday", "Tue", "Friday",
    "weekdays", "weeknights", "nightly", "mornings", "MT", ",", ".", "and", "or", ";", "(", ")",
    "only", "nights", "start", "please", "12pm-5am", "08:00-02:00", "Mon 10pm - Fri 4am",
)  # fmt: skip
"""Words of hours at night. "After 1am, end 10pm" would say hours of the day as well."""


@settings(max_examples=600)
@given(words=st.lists(st.sampled_from(NIGHTLY), min_size=2, max_size=7).map(" ".join))
def test_words_of_the_night_alone_never_open_in_a_day_of_school(words: str) -> None:
    try:
        opens_at = minutes(words)
    except ValueError:
        return
    assert not opens_at & meant((WEEK, 9, 5)), words
