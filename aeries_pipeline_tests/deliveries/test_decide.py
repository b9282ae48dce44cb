"""What is sent, when it is late and when it is tried again, as values alone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.deliveries.decide import Sent, decide, due_at, is_late, next_pause

PACIFIC = ZoneInfo("America/Los_Angeles")
NOON = datetime(2026, 11, 27, 12)


@pytest.mark.parametrize(
    ("sent", "again", "sends"),
    [
        ([], False, True),
        ([Sent("a", "there", None)], False, True),
        ([Sent("a", "there", NOON)], False, False),
        ([Sent("a", "there", NOON), Sent("a", "there", None)], False, False),
        ([Sent("a", "there", NOON)], True, True),
        ([Sent("b", "there", NOON)], False, True),
        ([Sent("a", "elsewhere", NOON)], False, True),
    ],
)
def test_a_set_is_sent_until_it_has_arrived_there(sent, again, sends) -> None:
    found = decide("a", "there", sent, again=again)
    assert found.sends is sends
    assert found.reason


@pytest.mark.parametrize(
    ("made", "due"),
    [
        # 10 in the morning at the district, where 8 in the evening is 4 in the morning, UTC.
        (datetime(2026, 11, 27, 18), datetime(2026, 11, 28, 4)),
        # 9 in the evening: too late for today, so tomorrow.
        (datetime(2026, 11, 28, 5), datetime(2026, 11, 29, 4)),
        # exactly at the deadline
        (datetime(2026, 11, 28, 4), datetime(2026, 11, 28, 4)),
        # in summer
        (datetime(2026, 7, 1, 18), datetime(2026, 7, 2, 3)),
    ],
)
def test_files_are_due_at_the_first_evening_after_they_were_made(made, due) -> None:
    assert due_at(made, time(20), PACIFIC) == due


@given(
    made=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    deadline=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["America/Los_Angeles", "Pacific/Auckland", "UTC", "America/Phoenix"]),
)
def test_the_deadline_is_never_past_and_at_most_a_day_ahead(made, deadline, zone) -> None:
    due = due_at(made, deadline, ZoneInfo(zone))
    assert timedelta() <= due - made <= timedelta(hours=25)
    local = due.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    # But for the hour that a clock change leaves out.
    assert (local.hour, local.minute) == (deadline.hour, deadline.minute) or deadline.hour in {1, 2}


def test_what_has_not_come_is_late_once_it_is_due() -> None:
    minute = timedelta(minutes=1)
    assert not is_late(NOON, NOON, NOON + minute)
    assert is_late(NOON, NOON + minute, NOON + minute)
    assert not is_late(NOON, None, NOON - minute)
    assert is_late(NOON, None, NOON + minute)


@given(span=st.floats(0, 43200))
def test_attempts_stay_within_the_span_and_come_to_an_end(span) -> None:
    elapsed, attempt = 0.0, 1
    while (pause := next_pause(attempt, elapsed, span)) is not None:
        assert 5 <= pause <= 120
        elapsed += pause
        attempt += 1
        assert elapsed <= span
    assert attempt <= 3 + span / 5
