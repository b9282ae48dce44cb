"""The reading of a district's words that a person accepted, and what has changed since.

The accepted reading counts, even if a later release reads the same words otherwise. If
the two differ, or the words have changed, a person is told; nothing changes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from aeries_pipeline.districts.configuration import AcceptedReading
from aeries_pipeline.districts.windows import Windows, parse_windows

_MONDAY = date(2026, 9, 14)
_MIDNIGHT = 24 * 60


class State(StrEnum):
    """How words relate to the reading that counts."""

    STRUCTURED = "structured"
    ACCEPTED = "accepted"
    NEVER_ACCEPTED = "never accepted"
    CHANGED = "changed"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person should know about the reading of a district's words.

    Attributes:
        state: How the words stand to the reading that counts.
        text: A sentence on what to do; empty if there is nothing.
        now: What this release reads in the words; None if they cannot be read.
    """

    state: State
    text: str = ""
    now: Windows | None = None

    @property
    def needs_a_person(self) -> bool:
        """Whether the words say something else than the reading that counts."""
        return self.state in {State.CHANGED, State.DIFFERS}


def reading_of(
    district_id: str,
    words: str | list[dict[str, Any]],
    accepted: AcceptedReading | None,
    zone: str,
    holidays: str = "",
) -> Reading:
    """Hold a district's words against the reading that counts.

    Args:
        district_id: Its id, for the sentence.
        words: Its ``pull_window``.
        accepted: Its ``pull_window_accepted``.
        zone: Its time zone.
        holidays: Its calendar of holidays, which words may speak of.
    """
    if not isinstance(words, str):
        return Reading(State.STRUCTURED)
    try:
        now = parse_windows(words, zone, holidays=holidays) if words else None
    except ValueError:
        now = None
    look = f"look at it: aeries-pipeline window {district_id}"
    if accepted is None:
        # "Any time" leaves nothing that could be misread.
        if now is not None and now.is_always:
            return Reading(State.ACCEPTED, "", now)
        text = (
            f"{district_id}: nobody has accepted the reading of its pull window yet; {look}"
            if words
            else f"{district_id}: no best times are known; ask the district, then state them: "
            f'aeries-pipeline window {district_id} --accept --as "WORDS"'
        )
        return Reading(State.NEVER_ACCEPTED, text, now)
    if accepted.words.strip() != words.strip():
        return Reading(
            State.CHANGED,
            f"{district_id}: the words of its pull window were changed after their reading was "
            f"accepted; the accepted times still count; {look}",
            now,
        )
    if accepted.corrected:
        return Reading(State.ACCEPTED, "", now)
    counts = parse_windows(accepted.windows, zone, holidays=holidays)
    if now is None or not same_times(now, counts):
        does = "cannot read its pull window" if now is None else "reads its pull window differently"
        return Reading(
            State.DIFFERS,
            f"{district_id}: this release {does}, and the reading that was accepted before still "
            f"counts; {look}",
            now,
        )
    return Reading(State.ACCEPTED, "", now)


def same_times(one: Windows, other: Windows) -> bool:
    """Tell whether two readings open at the same minutes, whatever their spans."""
    return (
        _open_minutes(one) == _open_minutes(other)
        and set(one.never) == set(other.never)
        and set(one.extra) == set(other.extra)
    )


def _open_minutes(windows: Windows) -> set[int]:
    """Return the minutes of a week, without what the calendar changes."""
    weekly = Windows(windows.windows, windows.zone)
    return {
        day * _MIDNIGHT + minute
        for day in range(7)
        for start, end in weekly.spans_of(_MONDAY + timedelta(days=day))
        for minute in range(start, end)
    }
