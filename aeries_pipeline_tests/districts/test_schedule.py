from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.schedule import (
    ATTEMPTS,
    Attempt,
    CutOff,
    Outcome,
    Stage,
    Start,
    decide,
)
from aeries_pipeline.districts.windows import parse_windows

NIGHT = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)  # Tuesday 21:00 in California
NOON = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
DISTRICT = District(
    id="eagle-usd",
    name="Eagle",
    url="https://host.org/aeries",
    certificate_env="X",
    pull_window="weekdays 8pm-2am",
    schools=[990, 991, 994, 995],
)
FIRST = (Start(Stage.DISTRICT, 1), Start(Stage.SCHOOLS, 1, (990, 995)))


def attempt(stage: Stage, outcome: Outcome, number: int = 1, **more) -> Attempt:
    return Attempt(stage, number, outcome, more.pop("ended_at", NIGHT), **more)


def test_both_stages_start_when_the_window_is_open() -> None:
    assert decide(DISTRICT, NIGHT, busy=False, attempts=[]).starts == FIRST


@pytest.mark.parametrize(
    ("changes", "moment", "busy", "reason"),
    [
        ({}, NOON, False, "the window opens Tue 2026-11-24 20:00 PST"),
        ({"paused": True}, NIGHT, False, "paused in the roster"),
        ({"schools": []}, NIGHT, False, "no schools; run: aeries-pipeline roster sync eagle-usd"),
        ({}, NIGHT, True, "a run is under way"),
    ],
)
def test_nothing_starts_and_the_reason_is_said(changes, moment, busy, reason) -> None:
    district = DISTRICT.model_copy(update=changes)
    decision = decide(district, moment, busy=busy, attempts=[])
    assert decision.starts == ()
    assert decision.reason == reason


def test_what_a_closing_window_cut_off_comes_first_and_alone() -> None:
    cut = CutOff((991, 994), ("gpas", "transcripts"))
    first = decide(DISTRICT, NIGHT, busy=False, attempts=[], cut_off=cut)
    assert first.starts == (Start(Stage.RESUME, 1, (991, 994), ("gpas", "transcripts")),)
    for outcome in (Outcome.DONE, Outcome.MAY_PASS, Outcome.LASTS):
        resumed = attempt(Stage.RESUME, outcome)
        then = decide(DISTRICT, NIGHT, busy=False, attempts=[resumed], cut_off=cut)
        assert then.starts == FIRST
    nothing = decide(DISTRICT, NIGHT, busy=False, attempts=[], cut_off=CutOff())
    assert nothing.starts == FIRST


def test_what_was_pulled_in_this_opening_is_not_pulled_again() -> None:
    done = [attempt(stage, Outcome.DONE) for stage in Stage]
    decision = decide(DISTRICT, NIGHT + timedelta(hours=2), busy=False, attempts=done)
    assert decision.starts == ()
    assert decision.reason == "pulled in this opening"


def test_what_may_pass_is_tried_again_after_a_pause_for_the_schools_that_failed() -> None:
    done = attempt(Stage.DISTRICT, Outcome.DONE)
    failed = attempt(Stage.SCHOOLS, Outcome.MAY_PASS, failed_schools=(991, 994))
    early = decide(DISTRICT, NIGHT + timedelta(minutes=9), busy=False, attempts=[done, failed])
    assert early.starts == ()
    assert early.reason == "the schools pull is tried again at 05:10 UTC"
    late = decide(DISTRICT, NIGHT + timedelta(minutes=10), busy=False, attempts=[done, failed])
    assert late.starts == (Start(Stage.SCHOOLS, 2, (991, 994)),)


def test_the_pause_grows_and_the_tries_end() -> None:
    second = attempt(Stage.SCHOOLS, Outcome.MAY_PASS, 2)
    done = attempt(Stage.DISTRICT, Outcome.DONE)
    later = NIGHT + timedelta(minutes=19)
    assert not decide(DISTRICT, later, busy=False, attempts=[done, second]).starts
    later = NIGHT + timedelta(minutes=20)
    assert decide(DISTRICT, later, busy=False, attempts=[done, second]).starts
    third = attempt(Stage.SCHOOLS, Outcome.MAY_PASS, ATTEMPTS)
    decision = decide(DISTRICT, NIGHT + timedelta(hours=4), busy=False, attempts=[done, third])
    assert decision.reason == "the schools pull failed 3 times in this opening"


def test_what_lasts_is_not_tried_again() -> None:
    lasting = [attempt(stage, Outcome.LASTS) for stage in Stage]
    decision = decide(DISTRICT, NIGHT + timedelta(hours=2), busy=False, attempts=lasting)
    assert decision.starts == ()
    assert "for a reason that lasts" in decision.reason


@given(
    minutes=st.integers(0, 60 * 24 * 14),
    busy=st.booleans(),
    attempts=st.lists(
        st.builds(
            Attempt,
            st.sampled_from(Stage),
            st.integers(1, 5),
            st.sampled_from(Outcome),
            st.just(NIGHT),
            st.lists(st.sampled_from([990, 991, 994, 995]), max_size=3).map(tuple),
        ),
        max_size=6,
    ),
)
def test_no_start_outside_the_window_while_busy_or_past_the_limit(minutes, busy, attempts) -> None:
    moment = NIGHT + timedelta(minutes=minutes)
    decision = decide(DISTRICT, moment, busy=busy, attempts=attempts)
    assert bool(decision.starts) or decision.reason
    for start in decision.starts:
        assert DISTRICT.windows.contains(moment)
        assert not busy
        assert start.attempt <= ATTEMPTS
        used = [one.number for one in attempts if one.stage is start.stage]
        assert start.attempt not in used, "a run key is used once, for ever"
        if start.schools:
            first, last = (DISTRICT.schools.index(school) for school in start.schools)
            assert first <= last


@given(
    minutes=st.integers(0, 60 * 24 * 400),
    words=st.sampled_from(
        ["any time", "weekdays 8pm-2am", "weekends", "daily 1am to 4am", "daily 12am-11pm"]
    ),
)
def test_an_opening_has_one_name_from_its_first_minute_to_its_last(minutes, words) -> None:
    windows = parse_windows(words, "America/Los_Angeles")
    moment = windows.next_opening(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))
    opened = windows.opened_at(moment)
    assert windows.contains(opened)
    assert moment - timedelta(hours=25) <= opened <= moment
    assert windows.opened_at(opened) == opened
    later = moment + timedelta(minutes=30)
    if all(windows.contains(moment + timedelta(minutes=n)) for n in range(31)):
        assert windows.opened_at(later) in {opened, windows.opened_at(later)}
        assert windows.opened_at(later) >= opened
