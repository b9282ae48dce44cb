"""What "except", "not" and "outside" take away from the times of a statement.

If the words leave open whether the hours next to them are taken away or offered, they
are refused.
"""

from __future__ import annotations

import re

from aeries_pipeline.districts.window_words.tokens import (
    ALL,
    DAY,
    EXAMPLE,
    WEEK,
    Span,
    Token,
)

_SCHOOL_DAY = (9 * 60, 14 * 60)
"""Whoever names hours around these beside "not" forbids them, and does not offer them."""

_FORBIDS = re.compile(r"(?:but )?(?:please )?(?:do not|don't|never|avoid|not|no)\b")
_FORBIDS_DAYS = re.compile(r"(?:but )?(?:please )?(?:do not|don't|never|avoid)\b")


def without_holidays(tokens: list[Token], words: str) -> tuple[list[Token], bool]:
    """Take out "except holidays", alone or in a list of days; in any other place it is refused."""
    at = next((n for n, t in enumerate(tokens) if t.kind == "holidays"), None)
    if at is None:
        return tokens, False
    sign = max((n for n in range(at) if tokens[n].kind == "not"), default=None)
    if sign is None:
        raise ValueError(f"'{words}' cannot be read: 'holidays' fits only behind 'except'")
    listed = [t for t in tokens[sign + 1 :] if t.kind not in {"close", "holidays"}]
    others = [t for t in tokens if t.kind == "holidays"]
    if len(others) > 1 or any(t.kind not in {"days", "sep", "to"} for t in listed):
        raise ValueError(f"'{words}' cannot be read: put 'except holidays' at its end")
    # "Except weekends and holidays": the word that joins them goes with the holidays.
    first, last = at - (tokens[at - 1].kind == "sep"), at + 1
    last += first == at and last < len(tokens) and tokens[last].kind == "sep"
    rest = tokens[:first] + tokens[last:]
    return rest if listed else rest[:sign] + rest[sign + 1 :], True


def refuse_free_times(forbidden: list[Token], sign: Token, words: str) -> None:
    """Refuse "not weekends 8pm - 4am": these hours are left out, or are those of the other days."""
    spans = [a for a in forbidden if a.kind == "span"]
    begins, ends = _SCHOOL_DAY
    plain = all(a.opens <= begins and ends <= a.closes <= 18 * 60 for a in spans)
    # "Not on weekends. 8am - 4pm." is two sentences, "Mon. 8am - 4pm" is one.
    apart = any(a.kind == "days" and re.search(r"[a-z]{6}\.$", a.text) for a in forbidden)
    if spans and (apart or not plain):
        raise ValueError(
            f"'{words}' can be read in 2 ways: '{sign.text}' leaves those hours out, or they are "
            "the hours of the other days; write 'any time except ...', or days and hours that may "
            "be used"
        )


def refuse_other_hours(sign: Token, words: str, *, has_excuse: bool) -> None:
    """Refuse "10pm-4am except Fridays 11pm-4am": left out, or Friday's own hours."""
    if has_excuse or _FORBIDS.match(sign.text):
        return
    raise ValueError(
        f"'{words}' can be read in 2 ways: '{sign.text}' leaves those hours out, or names other "
        "hours for those days; write each group of days with its own hours"
    )


def without_days(base: list[Span], named: frozenset[int], sign: Token) -> list[Span]:
    """Leave out days: no window opens on them, and after "never" nothing is open on them at all.

    A window belongs to the day on which it opens, so that "except Sunday" keeps
    Saturday's night. "Never on Wednesdays" may mean more.
    """
    left = [(days - named, opens, closes) for days, opens, closes in base]
    if _FORBIDS_DAYS.match(sign.text):
        return subtracted([one for one in left if one[0]], [(named, 0, DAY)])
    return left


def kept(spans: list[Span], words: str) -> list[Span]:
    """Return the spans that have a day left; without one, refuse."""
    left = [one for one in spans if one[0]]
    if not left:
        raise ValueError(f"'{words}' cannot be read: it leaves no time at all; {EXAMPLE}")
    return left


def named_days(atoms: list[Token]) -> frozenset[int]:
    """Return all days that are named."""
    return frozenset(day for atom in atoms if atom.kind == "days" for day in atom.days)


def holes_of(atoms: list[Token]) -> list[Span]:
    """Return the spans that atoms behind a sign leave out."""
    found = [one for atom in atoms for one in atom.spans]
    days = named_days(atoms) or ALL
    spans = [atom for atom in atoms if atom.kind in {"span", "always"}]
    return found + [(days, atom.opens, atom.closes) for atom in spans]


def subtracted(base: list[Span], holes: list[Span]) -> list[Span]:
    """Take spans out of spans, on the ring of the week."""
    cut = [
        (day * DAY + opens + shift, day * DAY + closes + shift)
        for days, opens, closes in holes
        for day in days
        for shift in (-WEEK, 0, WEEK)
    ]
    pieces = [
        (day * DAY + opens, day * DAY + closes) for days, opens, closes in base for day in days
    ]
    for start, end in cut:
        pieces = [
            piece
            for a, b in pieces
            for piece in ((a, min(b, start)), (max(a, end), b))
            if piece[0] < piece[1]
        ]
    grouped: dict[tuple[int, int], set[int]] = {}
    for a, b in sorted(set(pieces)):
        grouped.setdefault((a % DAY, a % DAY + b - a), set()).add(a // DAY % 7)
    return [(frozenset(days), opens, closes) for (opens, closes), days in grouped.items()]
