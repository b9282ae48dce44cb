from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.ingest.api.retry import RetryPolicy, retry_after_seconds, wait_seconds

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_both_forms_of_retry_after_are_read(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, ?\d{1,9} [A-Z][a-z]{2} \d{1,9} [\d:]{0,20} [+-]\d{1,9}")
)
def test_retry_after_of_any_text_never_raises(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0.0 <= seconds <= 366 * 86_400


@pytest.mark.parametrize(
    "header", ["\u00b2", "9" * 5000, "Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 1 Jan 99999 0:0:0"]
)
def test_a_retry_after_that_broke_the_reading_once(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or seconds >= 0.0


def test_a_server_that_names_a_time_is_not_asked_earlier() -> None:
    wait = wait_seconds(RetryPolicy(), attempt=1, asked=30.0, elapsed=0.0, jitter=0.0)
    assert wait == 30.0


def test_a_wait_past_the_deadline_is_given_up() -> None:
    policy = RetryPolicy(deadline_seconds=20)
    assert wait_seconds(policy, attempt=1, asked=30.0, elapsed=0.0, jitter=0.0) is None


def test_the_last_attempt_is_the_last() -> None:
    policy = RetryPolicy(attempts=3)
    assert wait_seconds(policy, attempt=3, asked=None, elapsed=0.0, jitter=0.5) is None


@given(
    attempt=st.integers(1, 20),
    asked=st.none() | st.floats(0, 1000),
    elapsed=st.floats(0, 1000),
    jitter=st.floats(0, 1),
)
def test_no_wait_breaks_the_bounds(
    attempt: int, asked: float | None, elapsed: float, jitter: float
) -> None:
    policy = RetryPolicy()
    wait = wait_seconds(policy, attempt=attempt, asked=asked, elapsed=elapsed, jitter=jitter)
    if wait is None:
        return
    assert wait >= (asked or 0.0)
    assert elapsed + wait < policy.deadline_seconds
    if asked is None:
        assert wait <= policy.cap_seconds
