"""What a statement about pull windows means: days, spans, and what it leaves out.

The order of the words has to fit in exactly one way. Doubt is refused, and
never read as open: whatever is accepted here sends requests to a district.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, pairwise

from aeries_pipeline.districts.window_words.tokens import (
    ALL,
    DAY,
    EXAMPLE,
    WEEK,
    WEEKDAYS,
    Span,
    Time,
    Token,
    tokens_of,
)

_MOST_JOINTS = 8


def read_words(words: str, zone: str) -> tuple[list[Span], bool]:
    """Read a district's words.

    Args:
        words: One statement, as a person wrote it.
        zone: Name of the district's time zone; words that name another refuse.

    Returns:
        The spans, and whether holidays are left out.

    Raises:
        ValueError: If a word has no place, or the statement has more than one
            reading. The message says what was not understood.
    """
    tokens = tokens_of(words)
    if any(token.kind == "zone" for token in tokens) and zone != "America/Los_Angeles":
        raise ValueError(f"'{words}' names Pacific time, and the district's zone is {zone}")
    tokens, holidays = _without_holidays(tokens, words)
    at = next((n for n, t in enumerate(tokens) if t.kind in {"not", "outside"}), None)
    if at is None:
        _refuse_kinds(tokens, {"excuse"}, words)
        return _positive(_atoms(tokens, words), words), holidays
    before, sign, behind = tokens[:at], tokens[at], tokens[at + 1 :]
    _refuse_kinds(before, {"excuse"}, words)
    _refuse_kinds(behind, {"not", "outside", "only"}, words)
    has_excuse = any(token.kind == "excuse" for token in behind)
    allowed = _atoms(before, words)
    forbidden = _atoms(behind, words, in_daytime=has_excuse)
    return _excluded(allowed, forbidden, sign, words), holidays


def _without_holidays(tokens: list[Token], words: str) -> tuple[list[Token], bool]:
    """Take out "except holidays"; holidays in any other place are refused."""
    at = next((n for n, t in enumerate(tokens) if t.kind == "holidays"), None)
    if at is None:
        return tokens, False
    start = at - 1
    if start < 0 or tokens[start].kind != "not":
        raise ValueError(f"'{words}' cannot be read: 'holidays' fits only behind 'except'")
    rest = tokens[:start] + tokens[at + 1 :]
    if any(t.kind == "holidays" for t in rest) or (
        at + 1 < len(tokens) and tokens[at + 1 :][0].kind not in {"close"}
    ):
        raise ValueError(f"'{words}' cannot be read: put 'except holidays' at its end")
    return rest, True


def _refuse_kinds(tokens: Sequence[Token], kinds: set[str], words: str) -> None:
    for token in tokens:
        if token.kind in kinds:
            raise ValueError(f"'{words}' cannot be read: '{token.text}' has no place; {EXAMPLE}")


def _atoms(tokens: Sequence[Token], words: str, *, in_daytime: bool = False) -> list[Token]:
    """Join words to days, spans of a day, spans across days, and separators."""
    ignored = {"zone", "only", "excuse"}
    left = [t for t in tokens if t.kind not in ignored]
    atoms: list[Token] = []
    while left:
        atom, used = _atom(left, words, in_daytime=in_daytime)
        if atom is not None:
            atoms.append(atom)
        left = left[used:]
    return _refused_pairs(_explained(atoms), words)


def _kinds(tokens: Sequence[Token], *kinds: str) -> bool:
    return len(tokens) >= len(kinds) and all(
        t.kind == k for t, k in zip(tokens, kinds, strict=False)
    )


def _atom(left: list[Token], words: str, *, in_daytime: bool) -> tuple[Token | None, int]:
    lead = 1 if left[0].kind in {"from", "between", "after"} else 0
    rest = left[lead:]
    if _kinds(rest, "days", "time", "to", "days", "time"):
        return _across(rest[0], rest[1], rest[3], rest[4], words), lead + 5
    if _kinds(rest, "time", "days", "to", "time", "days"):
        return _across(rest[1], rest[0], rest[4], rest[3], words), lead + 5
    joint = rest[1].kind if len(rest) > 2 else ""
    is_joint = joint == "to" or (left[0].kind == "between" and joint == "sep")
    if is_joint and rest[0].kind == rest[2].kind == "time":
        return _span(rest[0], rest[2], words, in_daytime=in_daytime), lead + 3
    if not lead and _kinds(left, "days", "to", "days"):
        first, last = left[0].days, left[2].days
        if len(first) != 1 or len(last) != 1:
            raise ValueError(f"'{words}' cannot be read: '{left[0].text} to {left[2].text}'")
        (a,), (b,) = first, last
        days = frozenset((a + step) % 7 for step in range((b - a) % 7 + 1))
        return Token("days", f"{left[0].text}-{left[2].text}", days), 3
    return _small_atom(left, words)


def _small_atom(left: list[Token], words: str) -> tuple[Token | None, int]:
    head = left[0]
    if head.kind in {"after", "from"} and _kinds(left[1:], "time"):
        used = 3 if _kinds(left[2:], "later") else 2
        return _half_open(left[1], words, opens=True), used
    if head.kind == "time" and _kinds(left[1:], "later"):
        return _half_open(head, words, opens=True), 2
    if head.kind in {"before", "to"} and _kinds(left[1:], "time"):
        return _half_open(left[1], words, opens=False), 2
    if head.kind == "always":
        return Token("always", head.text, opens=0, closes=DAY), 1
    if head.kind == "days":
        night = len(left) > 1 and left[1].kind == "night"
        if night and head.days == frozenset({5, 6}):
            raise ValueError(f"'{words}' cannot be read: say which days 'weekend nights' are")
        return Token("days", head.text, head.days, is_night=head.is_night or night), 1 + night
    if head.kind == "night":
        return (
            None if head.text == "overnight" else Token("days", head.text, ALL, is_night=True)
        ), 1
    if head.kind in {"sep", "open", "close"}:
        return Token(head.kind, head.text), 1
    raise ValueError(f"'{words}' cannot be read: '{head.text}' has no place; {EXAMPLE}")


def _across(day: Token, at: Token, to_day: Token, to: Token, words: str) -> Token:
    if len(day.days) != 1 or len(to_day.days) != 1 or at.time is None or to.time is None:
        raise ValueError(f"'{words}' cannot be read: a span across days begins and ends on one day")
    if "midnight" in {at.time.word, to.time.word}:
        raise ValueError(f"'{words}' cannot be read: say which day's midnight")
    opens, closes = at.time.minutes(closing=False), to.time.minutes(closing=True)
    if len(opens) > 1 or len(closes) > 1:
        raise ValueError(f"'{words}' can be read in more ways than one; write am or pm")
    (first,), (last,) = day.days, to_day.days
    start, end = first * DAY + opens[0], last * DAY + closes[0]
    end += WEEK if end <= start else 0
    return Token("across", day.text, spans=tuple(_by_day(start, end)))


def _by_day(start: int, end: int) -> list[Span]:
    """Cut a stretch of the week at its midnights, unless it is one night."""
    if end - start <= DAY:
        day = start // DAY
        return [(frozenset({day % 7}), start % DAY, start % DAY + end - start)]
    found: list[Span] = []
    while start < end:
        until = min(end, (start // DAY + 1) * DAY)
        found.append((frozenset({start // DAY % 7}), start % DAY, start % DAY + until - start))
        start = until
    return found


def _half_open(token: Token, words: str, *, opens: bool) -> Token:
    time = token.time
    if time is None:  # pragma: no cover - the caller has looked
        raise ValueError(words)
    found = time.minutes(closing=not opens)
    readings = [(m, DAY) if opens else (0, m) for m in found]
    return _one(readings, words, token.text)


def _span(first: Token, last: Token, words: str, *, in_daytime: bool) -> Token:
    a, b = first.time, last.time
    if a is None or b is None:  # pragma: no cover - the caller has looked
        raise ValueError(words)
    if (a.is_24 or b.is_24) and not (a.half or b.half):
        a = a if a.word else Time(a.text, a.hour, a.minute, is_24=True)
        b = b if b.word else Time(b.text, b.hour, b.minute, is_24=True)
    opens, closes = a.minutes(closing=False), b.minutes(closing=True)
    if len(opens) == 2 and len(closes) == 1 and b.half in {"am", "pm"}:
        same = [m for m in opens if m // 720 == closes[0] % DAY // 720 and m < closes[0]]
        opens = same or opens
    readings = [(o, c) for o in opens for c in closes]
    if in_daytime and len(readings) > 1:  # school hours lie in the day
        readings = [r for r in readings if r[0] < 720 <= r[1]] or readings
    return _one(readings, words, f"{a.text} to {b.text}")


def _one(readings: list[tuple[int, int]], words: str, text: str) -> Token:
    if len(readings) > 1:
        shown = " or ".join(f'{{opens: "{_hm(o)}", closes: "{_hm(c)}"}}' for o, c in readings)
        raise ValueError(
            f"'{words}' can be read in {len(readings)} ways: {shown}; write am or pm, or take one "
            "of the structured forms as pull_window"
        )
    opens, closes = readings[0]
    if opens >= DAY:
        raise ValueError(f"'{words}' cannot be read: a window opens before midnight")
    return Token("span", text, opens=opens, closes=closes if closes > opens else closes + DAY)


def _hm(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}" if minute != DAY else "24:00"


def _refused_pairs(atoms: list[Token], words: str) -> list[Token]:
    for first, second in pairwise(atoms):
        if first.kind == second.kind == "days":
            raise ValueError(f"'{words}' cannot be read: '{first.text} {second.text}'")
    return atoms


def _explained(atoms: list[Token]) -> list[Token]:
    """Let days in brackets explain the days before them, and drop other brackets."""
    found: list[Token] = []
    n = 0
    while n < len(atoms):
        explains = _kinds(atoms[n:], "open", "days", "close")
        if explains and found and found[-1].kind == "days":
            inner = atoms[n + 1]
            found[-1] = Token("days", inner.text, inner.days, is_night=found[-1].is_night)
            n += 3
            continue
        atom = atoms[n]
        repeated = atom.kind == "sep" and bool(found) and found[-1].kind == "sep"
        if atom.kind not in {"open", "close"} and not repeated:
            found.append(atom)
        n += 1
    return found


def _joints(atoms: list[Token]) -> list[int]:
    """Return where a separator may join days to a list, as in "Mon, Wed and Fri"."""
    return [
        n
        for n in range(1, len(atoms) - 1)
        if _kinds(atoms[n - 1 :], "days", "sep", "days") and atoms[n].text not in {";", "\n"}
    ]


def _joined(atoms: list[Token], joints: Sequence[int]) -> list[Token]:
    found: list[Token] = []
    n = 0
    while n < len(atoms):
        if n in joints:
            before, after = found.pop(), atoms[n + 1]
            night = before.is_night or after.is_night
            found.append(Token("days", before.text, before.days | after.days, is_night=night))
            n += 2
            continue
        found.append(atoms[n])
        n += 1
    return found


def _positive(atoms: list[Token], words: str) -> list[Span]:
    joints = _joints(atoms)
    joined = _qualified(_joined(atoms, joints), words)
    if not joined:
        raise ValueError("no window is given; write 'any time' where there is no limit")
    across = [span for atom in joined for span in atom.spans]
    rest = [atom for atom in joined if atom.kind not in {"across", "sep"}]
    days = [atom for atom in rest if atom.kind == "days"]
    if not days:
        return across + [(ALL, atom.opens, atom.closes) for atom in rest]
    if len(days) == len(rest) == 1:
        if days[0].is_night or days[0].days == ALL:
            raise ValueError(
                f"'{words}' cannot be read: it says no time; write 'any time' where there is no "
                "limit"
            )
        return [*across, (days[0].days, 0, DAY)]
    found = _readings(atoms, joints, words)
    if len(found) != 1:
        raise ValueError(
            f"'{words}' cannot be read: it is not plain which times belong to which days; {EXAMPLE}"
        )
    _refuse_early_nights(rest, words)
    return across + found[0]


def _readings(atoms: list[Token], joints: list[int], words: str) -> list[list[Span]]:
    """Return every different reading, with days joined to lists in every possible way."""
    if len(joints) > _MOST_JOINTS:
        return []
    readings: dict[frozenset[Span], list[Span]] = {}
    for count in range(len(joints) + 1):
        for chosen in combinations(joints, count):
            variant = _qualified(_joined(atoms, chosen), words)
            rest = [atom for atom in variant if atom.kind not in {"across", "sep"}]
            readings |= {frozenset(found): found for found in _groupings(rest)}
    return list(readings.values())


def _qualified(atoms: list[Token], words: str) -> list[Token]:
    """Read "any time after 6pm" as after 6pm; "any time" beside other times is refused."""
    kept = [
        atom
        for atom, following in zip(atoms, [*atoms[1:], None], strict=False)
        if not (atom.kind == "always" and following is not None and following.kind == "span")
    ]
    always = any(atom.kind == "always" for atom in kept)
    days = [atom for atom in kept if atom.kind == "days"]
    others = any(atom.kind in {"span", "across"} for atom in kept)
    if always and ((others and len(days) < 2) or any(atom.is_night for atom in days)):
        raise ValueError(
            f"'{words}' cannot be read: it allows any time, and names other times; {EXAMPLE}"
        )
    return kept


def _refuse_early_nights(atoms: list[Token], words: str) -> None:
    """Refuse "Friday nights 1am to 4am": the night to Friday, or that to Saturday."""
    for n, atom in enumerate(atoms):
        near = atoms[max(n - 1, 0) : n + 2]
        single = atom.kind == "days" and atom.is_night and atom.days not in {ALL, WEEKDAYS}
        if single and any(a.kind == "span" and a.opens < 720 for a in near):
            raise ValueError(f"'{words}' cannot be read: say which morning is meant")


def _groupings(atoms: list[Token]) -> list[list[Span]]:
    """Return every way to cut the atoms into groups of one days and its spans."""
    count = sum(atom.kind == "days" for atom in atoms)
    found = []
    for cuts in combinations(range(1, len(atoms)), count - 1):
        edges = (0, *cuts, len(atoms))
        groups = [atoms[a:b] for a, b in pairwise(edges)]
        spans: list[Span] = []
        fits = True
        for group in groups:
            kinds = [atom.kind == "days" for atom in group]
            if len(group) < 2 or sum(kinds) != 1 or not (kinds[0] or kinds[-1]):
                fits = False
                break
            days = group[kinds.index(True)].days
            spans += [(days, a.opens, a.closes) for a in group if a.kind != "days"]
        if fits:
            found.append(spans)
    return found


def _trimmed(atoms: list[Token]) -> list[Token]:
    """Take separators off the end."""
    while atoms and atoms[-1].kind == "sep":
        atoms = atoms[:-1]
    return atoms


def _excluded(allowed: list[Token], forbidden: list[Token], sign: Token, words: str) -> list[Span]:
    allowed, forbidden = _trimmed(allowed), _trimmed(forbidden)
    forbidden = _joined(forbidden, _joints(forbidden))
    listed = _joined(allowed, _joints(allowed))
    kinds = "".join({"days": "D", "sep": ",", "across": "X"}.get(a.kind, "S") for a in forbidden)
    spans = [a for a in forbidden if a.kind in {"span", "always"}]
    only_days = bool(listed) and all(a.kind == "days" for a in listed)
    if not re.fullmatch(r"D|X|S(,?S)*|DS(,?S)*|D,S|SD", kinds):
        raise ValueError(
            f"'{words}' cannot be read: it is not plain what '{sign.text}' leaves out; {EXAMPLE}"
        )
    named = frozenset(day for a in forbidden if a.kind == "days" for day in a.days)
    if only_days and len(listed) == 1 and kinds in {"DS", "D,S"} and sign.kind == "not":
        # "Every day except Sunday 8pm - 4am": the time is what is allowed.
        return _kept([(listed[0].days - named, s.opens, s.closes) for s in spans], words)
    if kinds == "D,S":
        raise ValueError(f"'{words}' cannot be read: it is not plain what is left out; {EXAMPLE}")
    if only_days and kinds == "D":
        raise ValueError(f"'{words}' cannot be read: it says no time; {EXAMPLE}")
    if not allowed and named and sign.kind == "not":
        _refuse_free_times(forbidden, sign, words)
    if not allowed:
        base: list[Span] = [(ALL, 0, DAY)]
    elif only_days and len(listed) == 1 and not listed[0].is_night:
        base = [(listed[0].days, 0, DAY)]
    else:
        base = _positive(allowed, words)
    if kinds == "D":
        return _kept([(days - named, opens, closes) for days, opens, closes in base], words)
    holes = [span for a in forbidden for span in a.spans]
    holes += [(named or ALL, s.opens, s.closes) for s in spans]
    return _kept(_subtract(base, holes), words)


_SCHOOL_DAY = (9 * 60, 14 * 60)
"""Whoever names hours around these beside "not" forbids them, and does not offer them."""


def _refuse_free_times(forbidden: list[Token], sign: Token, words: str) -> None:
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


def _kept(spans: list[Span], words: str) -> list[Span]:
    left = [span for span in spans if span[0]]
    if not left:
        raise ValueError(f"'{words}' cannot be read: it leaves no time at all")
    return left


def _subtract(base: list[Span], holes: list[Span]) -> list[Span]:
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
