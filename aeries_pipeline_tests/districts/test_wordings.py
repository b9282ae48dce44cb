"""A table of wordings as districts write them, held against what a person reads in them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from aeries_pipeline.districts.windows import parse_windows

ZONE = "America/Los_Angeles"
MONDAY = datetime(2026, 9, 14, tzinfo=ZoneInfo(ZONE))
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = 7 * 1440
STEP = 15


def days_of(text: str) -> set[int]:
    found: set[int] = set()
    for part in ("mon-sun" if text == "all" else text).split(","):
        first, _, last = part.partition("-")
        a, b = NAMES.index(first), NAMES.index(last or first)
        found |= {(a + n) % 7 for n in range((b - a) % 7 + 1)}
    return found


def minutes_of(stated: str) -> set[int]:
    """Return the quarters of an hour of a week that a stated reading opens."""
    if stated == "any":
        return set(range(0, WEEK, STEP))
    found: set[int] = set()
    for span in stated.split(";"):
        days, opens, hours = span.split()
        hour, minute = map(int, opens.split(":"))
        for day in days_of(days):
            start = day * 1440 + hour * 60 + minute
            found |= {(start + m) % WEEK for m in range(0, int(float(hours) * 60), STEP)}
    return found


def verdict(words: str, stated: str) -> str:
    try:
        windows = parse_windows(words, ZONE)
    except ValueError:
        return "right" if stated == "ask" else "refused"
    if stated == "ask":
        return "wrong"
    inside = {m for m in range(0, WEEK, STEP) if windows.contains(MONDAY + timedelta(minutes=m))}
    may = minutes_of(stated)
    return "right" if inside == may else "narrow" if inside < may else "wrong"


def test_no_wording_is_read_wider_than_meant_and_nearly_all_are_read() -> None:
    table = YAML(typ="safe").load(Path(__file__).with_name("wordings.yaml"))["wordings"]
    tally = Counter(verdict(words, stated) for words, stated in table.items())
    assert len(table) >= 440
    assert tally["wrong"] == 0
    assert tally["right"] >= 0.95 * len(table)
