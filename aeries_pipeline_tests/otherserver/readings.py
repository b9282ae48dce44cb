"""What the reference leaves open, and a few servers that between them read it in every way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any


@dataclass(frozen=True)
class Readings:
    """How one server reads the reference.

    Attributes:
        behind: What comes for numbers behind the end of a paged list.
        cap: Numbers that one page covers at most.
        gap: After so many records a number is left out within its page; 0 for never.
        transcript_pages: The numbers that the transcripts' end point knows. One that does
            not know those that it is sent gives the whole school.
        one: How a list of one is written.
        none: How a list without a record is written.
        history: How a student without a transcript is written, if at all.
        blank: How a blank text is written.
        no_date: How an empty date is written.
        numbers: How decimal numbers are written.
        names: Whose names fields have, where payloads and tables differ.
        older: Whether fields are missing that older versions lack.
        newer: Whether there are fields that nobody has heard of.
        hidden: How a field is written that the certificate may not see.
        dress: How the JSON is laid out and labelled.
        student: What an answer about one student holds beside the school that was asked.
        refused: Status of what the certificate may not read.
        clock: How the server tells its time.
        zone: What it calls its time zone.
        gone: What comes for a single record that is no longer there.
    """

    behind: str = "[]"
    cap: int = 500
    gap: int = 0
    transcript_pages: str = "Student"
    one: str = "list"
    none: str = "[]"
    history: str = "[]"
    blank: str = ""
    no_date: str | None = None
    numbers: str = "number"
    names: str = "payload"
    older: bool = False
    newer: bool = False
    hidden: str | None = ""
    dress: str = "plain"
    student: str = "row of the school"
    refused: int = 401
    clock: str = "offset"
    zone: str = "(UTC-08:00) Pacific Time (US & Canada)"
    gone: str = "[]"


OPTIONS: dict[str, tuple[Any, ...]] = {
    "behind": ("[]", "null", "204", "404", "last"),
    "cap": (500, 5),
    "gap": (0, 4),
    "transcript_pages": ("Student", "Record"),
    "one": ("list", "object"),
    "none": ("[]", "null", "204"),
    "history": ("[]", "null", "no property", "no element", "a number alone"),
    "blank": ("", " "),
    "no_date": (None, "0001-01-01T00:00:00"),
    "numbers": ("number", "text", "four digits"),
    "names": ("payload", "table", "capture of 2020"),
    "older": (False, True),
    "newer": (False, True),
    "hidden": ("", None),
    "dress": ("plain", "laid out, with a byte-order mark"),
    "student": ("row of the school", "every row"),
    "refused": (401, 403),
    "clock": ("offset", "Z", "no offset"),
    "zone": ("(UTC-08:00) Pacific Time (US & Canada)", "Pacific Standard Time", "UTC", ""),
    "gone": ("[]", "404", "204"),
}

Pair = tuple[tuple[str, Any], tuple[str, Any]]


EACH = max(map(len, OPTIONS.values()))
"""As many servers as have each reading once."""


def servers() -> list[Readings]:
    """Return servers that between them have each two readings together; the first, each one."""
    rand = random.Random(24)
    found = [
        Readings(**{
            name: values[(turn + place) % len(values)]
            for place, (name, values) in enumerate(OPTIONS.items())
        })
        for turn in range(EACH)
    ]  # fmt: skip
    missing = {
        ((one, a), (other, b))
        for one, other in combinations(OPTIONS, 2)
        for a in OPTIONS[one]
        for b in OPTIONS[other]
    }.difference(*map(pairs, found))
    while missing:
        best = max((_near(missing, rand) for _ in range(40)), key=lambda one: len(missing & one[1]))
        found.append(best[0])
        missing -= best[1]
    return found


def _near(missing: set[Pair], rand: random.Random) -> tuple[Readings, set[Pair]]:
    chosen = {name: rand.choice(values) for name, values in OPTIONS.items()}
    if missing:
        chosen |= dict(rand.choice(sorted(missing, key=repr)))
    reading = Readings(**chosen)
    return reading, set(pairs(reading))


def pairs(reading: Readings) -> Iterator[Pair]:
    """Yield each two readings of a server, in the order of its attributes."""
    values = [(one.name, getattr(reading, one.name)) for one in fields(reading)]
    yield from combinations(values, 2)


if set(OPTIONS) != {one.name for one in fields(Readings)}:
    raise RuntimeError("each reading needs its options")
