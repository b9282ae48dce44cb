"""How a partition is read tonight: pure decisions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.configuration import IncrementalSettings
from aeries_pipeline.ingest.extraction_mode import (
    LastRead,
    changed_since,
    is_believed,
    is_worth_it,
    mode_of,
)
from aeries_pipeline.ingest.session import server_clock
from aeries_pipeline.stores.outcomes import Mode

NOW = datetime(2026, 11, 25, 9)
ZONE = ZoneInfo("America/Los_Angeles")
GOOD = LastRead(
    rows=100, mode=Mode.FULL, database_year="2026-2027", server_time=datetime.now(UTC),
    whole_at=NOW - timedelta(days=1), requests=3, bytes=200_000,
)  # fmt: skip
FEEDS = IncrementalSettings(whole=[])


def mode(last: LastRead | None = GOOD, name: str = "students", **settings: object) -> Mode:
    chosen = FEEDS.model_copy(update=settings)
    return mode_of(RESOURCES[name], last, chosen, NOW, "2026-2027")


def test_what_has_a_feed_is_read_by_it_between_whole_lists() -> None:
    assert mode() is Mode.CHANGES
    assert mode(replace(GOOD, mode=Mode.CHANGES)) is Mode.CHANGES
    assert mode(name="transcripts") is Mode.FULL


@pytest.mark.parametrize(
    "last",
    [
        None,
        replace(GOOD, server_time=None),
        replace(GOOD, whole_at=None),
        replace(GOOD, quarantined=1),
        replace(GOOD, conflicts=1),
        replace(GOOD, was_refused=True),
        replace(GOOD, database_year="2025-2026"),
        replace(GOOD, whole_at=NOW - timedelta(days=7)),
    ],
)
def test_whatever_is_not_sure_is_read_whole(last: LastRead | None) -> None:
    assert mode(last) is Mode.FULL


def test_the_roster_can_ask_for_whole_lists() -> None:
    assert mode(whole=["students"]) is Mode.FULL
    assert mode(full_every_days=0.0) is Mode.FULL
    assert mode(full_every_days=0.5) is Mode.FULL
    assert mode_of(RESOURCES["students"], GOOD, IncrementalSettings(), NOW, "2026-2027") is (
        Mode.FULL
    ), "students are whole by default"


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.integers(0, 7 * 24 * 60),
    st.integers(0, 7 * 24 * 60),
    st.integers(1, 120),
)
def test_no_change_after_the_last_pull_is_left_out(
    last: datetime, later: int, more: int, overlap: int
) -> None:
    # The server notes a change by its wall clock, which jumps twice a year.
    read = last.replace(tzinfo=UTC)
    changed = read + timedelta(minutes=later)
    present = changed + timedelta(minutes=more)
    local = [one.astimezone(ZONE) for one in (read, changed, present)]
    clocks = [one.replace(tzinfo=ZoneInfo("UTC")) - one.utcoffset() for one in local]
    assert clocks[0] == read
    aware = [datetime.fromisoformat(one.isoformat()) for one in local]
    since = changed_since(aware[0], aware[2], overlap)
    assert since <= local[1].replace(tzinfo=None)
    assert since.second == since.microsecond == 0
    assert aware[0].replace(tzinfo=None) - since < timedelta(minutes=overlap + 61)


def test_the_cheaper_way_is_taken() -> None:
    assert is_worth_it(0, replace(GOOD, requests=0, bytes=0), FEEDS)
    assert is_worth_it(7, GOOD, FEEDS), "3 requests and 200 kB, as much as 4 more"
    assert not is_worth_it(8, GOOD, FEEDS)
    late = FEEDS.model_copy(update={"kilobytes_per_request": 1000.0})
    assert not is_worth_it(4, GOOD, late)


def test_few_may_vanish_and_no_student_at_all() -> None:
    assert is_believed(RESOURCES["classes"], 4, 4)
    assert is_believed(RESOURCES["classes"], 100, 50)
    assert not is_believed(RESOURCES["classes"], 100, 51)
    assert not is_believed(RESOURCES["students"], 4, 1)
    assert is_believed(RESOURCES["students"], 4, 0)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("2026-11-25T09:00:00.1234567-08:00", "2026-11-25T09:00:00.123456-08:00"),
        ("2026-11-25T09:00:00-08:00", "2026-11-25T09:00:00-08:00"),
        ("2026-11-25T17:00:00Z", "2026-11-25T17:00:00+00:00"),
        ("2026-11-25T09:00:00", None),
        ("2026-13-25T09:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_the_servers_clock_is_read_with_its_offset_or_not_at_all(text, stated) -> None:
    found = server_clock(text)
    assert (found.isoformat() if found else None) == stated
