"""When the analysts' copy is made: the decision alone."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.analytics.publishing.due import GRACE, State, decide, old_since

NOON = datetime(2026, 11, 25, 12)
MINUTE = timedelta(minutes=1)


def test_nothing_is_made_of_nothing() -> None:
    assert not decide(State(None), "s", 30, NOON).is_due


def test_the_first_copy_is_made_at_once() -> None:
    assert decide(State(NOON), "s", 30, NOON).is_due


def test_a_copy_waits_for_the_minutes_and_for_a_change() -> None:
    state = State(NOON - 2 * MINUTE, NOON - 10 * MINUTE, NOON - 20 * MINUTE, "s")
    waits = decide(state, "s", 30, NOON)
    assert not waits.is_due
    assert waits.reason == "the next copy is made from 12:20 UTC on"
    assert decide(state, "s", 30, NOON + 20 * MINUTE).is_due
    same = State(NOON - 20 * MINUTE, NOON - 10 * MINUTE, NOON - 20 * MINUTE, "s")
    assert not decide(same, "s", 30, NOON + timedelta(days=3)).is_due


def test_what_somebody_may_no_longer_see_does_not_wait() -> None:
    state = State(NOON - 20 * MINUTE, NOON - MINUTE, NOON - 20 * MINUTE, "before")
    assert decide(state, "now", 30, NOON).is_due


def test_a_copy_of_a_clock_that_was_wrong_holds_nothing_back() -> None:
    future = NOON + timedelta(days=400)
    assert decide(State(NOON, future, NOON - MINUTE, "s"), "s", 30, NOON).is_due


moments = st.integers(-2000, 2000).map(lambda minutes: NOON + minutes * MINUTE)


@given(st.none() | moments, st.none() | moments, st.integers(0, 600), moments)
def test_two_copies_are_never_closer_than_settled(
    changed: datetime | None, published: datetime | None, minutes: int, now: datetime
) -> None:
    state = State(changed, published, published and published - MINUTE, "s")
    found = decide(state, "s", minutes, now)
    if found.is_due and published is not None and published <= now:
        assert now - published >= minutes * MINUTE
    since = old_since(state, "s", minutes, now)
    if since is not None:
        assert found.is_due
        assert now - since > GRACE
