"""What a statement about pull windows means: days, spans, and what it excludes.

The words must fit together in exactly one way. Whatever is doubtful is refused, and
never read as open: what is accepted here sends requests to a district.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, pairwise

from aeries_pipeline.districts.window_words.exclusions import (
    holes_of,
    kept,
    named_days,
    refuse_free_times,
    refuse_other_hours,
    subtracted,
    without_days,
    without_holidays,
)
from aeries_pipeline.districts.window_words.hours import closed, half_open, span
from aeries_pipeline.districts.window_words.tokens import (
    ALL,
    DAY,
    EXAMPLE,
    WEEK,
    WEEKDAYS,
    Span,
    Token,
    tokens_of,
)

_MOST_JOINTS = 8
_SCHOOL_HOURS = [day * DAY + 12 * 60 for day in WEEKDAYS]


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
    tokens, holidays = without_holidays(tokens, words)
    at = next((n for n, t in enumerate(tokens) if t.kind in {"not", "outside"}), None)
    _refuse_school_days(tokens[:at], words)
    if at is None:
        _refuse_kinds(tokens, {"excuse"}, words)
        return _positive(_atoms(tokens, words), words), holidays
    before, sign, behind = tokens[:at], tokens[at], tokens[at + 1 :]
    _refuse_kinds(before, {"excuse"}, words)
    _refuse_kinds(behind, {"not", "outside", "only"}, words)
    has_excuse = any(token.kind == "excuse" for token in behind)
    allowed = _atoms(before, words)
    is_alone = not any(a.kind in {"span", "across", "always"} for a in allowed)
    forbidden = _atoms(behind, words, in_daytime=has_excuse, forbids=True, is_alone=is_alone)
    return _excluded(allowed, forbidden, sign, words, has_excuse=has_excuse), holidays


def _refuse_school_days(tokens: Sequence[Token], words: str) -> None:
    """Refuse "school days" among what is allowed: no calendar of the school is known."""
    for token in tokens:
        if token.kind == "days" and "school day" in token.text:
            raise ValueError(
                f"'{words}' cannot be read: say which days '{token.text}' are, and which days off; "
                f"{EXAMPLE}"
            )


def _refuse_kinds(tokens: Sequence[Token], kinds: set[str], words: str) -> None:
    for token in tokens:
        if token.kind in kinds:
            raise ValueError(f"'{words}' cannot be read: '{token.text}' has no place; {EXAMPLE}")


def _atoms(
    tokens: Sequence[Token],
    words: str,
    *,
    in_daytime: bool = False,
    forbids: bool = False,
    is_alone: bool = False,
) -> list[Token]:
    """Join words to days, spans of a day, spans across days, and separators."""
    ignored = {"zone", "only", "excuse"}
    left = _with_nights([t for t in tokens if t.kind not in ignored], words)
    atoms: list[Token] = []
    while left:
        atom, used = _atom(left, words, in_daytime=in_daytime, forbids=forbids)
        if atom is not None:
            atoms.append(atom)
        left = left[used:]
    found = closed(_listed(_explained(atoms)), words, forbids=forbids, is_alone=is_alone)
    return _refused_pairs(found, words)


def _with_nights(tokens: list[Token], words: str) -> list[Token]:
    """Join "Friday" and "night", which is never Friday's morning."""
    found: list[Token] = []
    for token in tokens:
        before = found[-1] if found else token
        if token.kind != "night" or before.kind != "days":
            found.append(token)
            continue
        if before.days == frozenset({5, 6}):
            raise ValueError(f"'{words}' cannot be read: say which days 'weekend nights' are")
        found[-1] = Token("days", before.text, before.days, is_night=True)
    return found


def _listed(atoms: list[Token]) -> list[Token]:
    """Put the missing comma into "Mon Wed Fri"."""
    found: list[Token] = []
    for atom in atoms:
        before = found[-1] if found else Token("", "")
        is_list = len(atom.days) == len(before.days) == 1 or "-" in atom.text + before.text
        if atom.kind == before.kind == "days" and is_list:
            found.append(Token("sep", ","))
        found.append(atom)
    return found


def _kinds(tokens: Sequence[Token], *kinds: str) -> bool:
    return len(tokens) >= len(kinds) and all(
        t.kind == k for t, k in zip(tokens, kinds, strict=False)
    )


def _atom(
    left: list[Token], words: str, *, in_daytime: bool, forbids: bool
) -> tuple[Token | None, int]:
    lead = 1 if left[0].kind in {"from", "between", "after"} else 0
    rest = left[lead:]
    if _kinds(rest, "days", "time", "to", "days", "time"):
        return _across(rest[0], rest[1], rest[3], rest[4], words, forbids=forbids), lead + 5
    if _kinds(rest, "time", "days", "to", "time", "days"):
        return _across(rest[1], rest[0], rest[4], rest[3], words, forbids=forbids), lead + 5
    joint = rest[1].kind if len(rest) > 2 else ""
    is_joint = joint == "to" or (left[0].kind == "between" and joint == "sep")
    if is_joint and rest[0].kind == rest[2].kind == "time":
        return span(rest[0], rest[2], words, in_daytime=in_daytime), lead + 3
    if not lead and _kinds(left, "days", "to", "days"):
        first, last = left[0].days, left[2].days
        if len(first) != 1 or len(last) != 1:
            raise ValueError(
                f"'{words}' cannot be read: '{left[0].text} to {left[2].text}'; {EXAMPLE}"
            )
        (a,), (b,) = first, last
        days = frozenset((a + step) % 7 for step in range((b - a) % 7 + 1))
        return Token("days", f"{left[0].text}-{left[2].text}", days), 3
    return _small_atom(left, words)


def _small_atom(left: list[Token], words: str) -> tuple[Token | None, int]:
    head = left[0]
    if head.kind in {"after", "from"} and _kinds(left[1:], "time"):
        used = 3 if _kinds(left[2:], "later") else 2
        return half_open(head, left[1], words, opens=True), used
    if head.kind == "time" and _kinds(left[1:], "later"):
        return half_open(head, head, words, opens=True), 2
    is_until = head.kind == "to" and head.text not in {"-", "to"}
    if (head.kind == "before" or is_until) and _kinds(left[1:], "time"):
        return half_open(head, left[1], words, opens=False), 2
    if head.kind == "always":
        return Token("always", head.text, opens=0, closes=DAY), 1
    if head.kind == "days":
        return head, 1
    if head.kind == "night":
        return (
            None if head.text == "overnight" else Token("days", head.text, ALL, is_night=True)
        ), 1
    if head.kind in {"sep", "open", "close"}:
        return Token(head.kind, head.text), 1
    raise ValueError(f"'{words}' cannot be read: '{head.text}' has no place; {EXAMPLE}")


def _across(day: Token, at: Token, to_day: Token, to: Token, words: str, *, forbids: bool) -> Token:
    if len(day.days) != 1 or len(to_day.days) != 1 or at.time is None or to.time is None:
        raise ValueError(f"'{words}' cannot be read: a span across days begins and ends on one day")
    if any(one.hour == 12 and one.half == "pm" for one in (at.time, to.time)):
        raise ValueError(f"'{words}' can be read in 2 ways: '12pm' is noon; write noon or midnight")
    if "midnight" in {at.time.word, to.time.word}:
        raise ValueError(f"'{words}' cannot be read: say which day's midnight")
    opens, closes = at.time.minutes(closing=False), to.time.minutes(closing=True)
    if len(opens) > 1 or len(closes) > 1:
        raise ValueError(f"'{words}' can be read in more ways than one; write am or pm")
    (first,), (last,) = day.days, to_day.days
    start, end = first * DAY + opens[0], last * DAY + closes[0]
    end += WEEK if end <= start else 0
    if (day.is_night and opens[0] < DAY // 2) or (to_day.is_night and closes[0] < DAY // 2):
        raise ValueError(f"'{words}' cannot be read: say which morning is meant")
    if not forbids and any(start < noon + lap < end for noon in _SCHOOL_HOURS for lap in (0, WEEK)):
        raise ValueError(
            f"'{words}' can be read in 2 ways: through the days of school without a break, or each "
            f"night; {EXAMPLE}"
        )
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


def _refused_pairs(atoms: list[Token], words: str) -> list[Token]:
    for first, second in pairwise(atoms):
        if first.kind == second.kind == "days":
            raise ValueError(
                f"'{words}' cannot be read: '{first.text} {second.text}' needs a comma or hours "
                f"between; {EXAMPLE}"
            )
    return atoms


def _explained(atoms: list[Token]) -> list[Token]:
    """Let days in brackets explain the days before them, and drop other brackets."""
    found: list[Token] = []
    n = 0
    while n < len(atoms):
        atom = atoms[n]
        closes = next((m for m in range(n, len(atoms)) if atoms[m].kind == "close"), n)
        inner = atoms[n + 1 : closes] if atom.kind == "open" else []
        explains = inner and all(one.kind in {"days", "sep"} for one in inner)
        if explains and found and found[-1].kind == "days":
            text = ", ".join(one.text for one in inner if one.kind == "days")
            found[-1] = Token("days", text, named_days(inner), is_night=found[-1].is_night)
            n = closes + 1
            continue
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
        if _kinds(atoms[n - 1 :], "days", "sep", "days")
        and atoms[n].text not in {";", "\n"}
        and not _has_hours_apart(atoms, n)
    ]


def _has_hours_apart(atoms: list[Token], n: int) -> bool:
    """Tell "any time weekends, weekdays 10pm-4am" from a list: each has hours of its own."""
    first, second = atoms[n - 1].days, atoms[n + 1].days
    around = [*atoms[max(n - 2, 0) : n - 1], *atoms[n + 2 : n + 3]]
    has_hours = len(around) == 2 and all(a.kind in {"span", "always"} for a in around)
    return has_hours and not first & second and first | second == ALL


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
        if days[0].is_night or days[0].days == ALL or days[0].days & WEEKDAYS or across:
            raise ValueError(
                f"'{words}' cannot be read: it says no time for '{days[0].text}'; write 'all day' "
                "where there is no limit"
            )
        return [(days[0].days, 0, DAY)]
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
            readings |= {frozenset(found): found for found in _groupings(variant)}
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
    """Return every way to cut the atoms into groups of one days and its spans.

    Where a group holds together across a separator, none is cut without one.
    """
    rest = [atom for atom in atoms if atom.kind not in {"across", "sep"}]
    apart = [
        n > 0 and atoms[n - 1].kind in {"across", "sep"}
        for n, atom in enumerate(atoms)
        if atom.kind not in {"across", "sep"}
    ]
    count = sum(atom.kind == "days" for atom in rest)
    found = []
    for cuts in combinations(range(1, len(rest)), count - 1):
        edges = (0, *cuts, len(rest))
        groups = [rest[a:b] for a, b in pairwise(edges)]
        joins = any(apart[n] for n in range(1, len(rest)) if n not in cuts)
        if all(map(_is_group, groups)) and not (joins and any(not apart[n] for n in cuts)):
            found.append(
                [
                    (next(a.days for a in group if a.kind == "days"), one.opens, one.closes)
                    for group in groups
                    for one in group
                    if one.kind != "days"
                ]
            )
    return found


def _is_group(atoms: list[Token]) -> bool:
    kinds = [atom.kind == "days" for atom in atoms]
    return len(atoms) > 1 and sum(kinds) == 1 and (kinds[0] or kinds[-1])


def _trimmed(atoms: list[Token]) -> list[Token]:
    """Take separators off the end."""
    while atoms and atoms[-1].kind == "sep":
        atoms = atoms[:-1]
    return atoms


def _excluded(
    allowed: list[Token], forbidden: list[Token], sign: Token, words: str, *, has_excuse: bool
) -> list[Span]:
    allowed, forbidden = _trimmed(allowed), _trimmed(forbidden)
    forbidden = _joined(forbidden, _joints(forbidden))
    listed = _joined(allowed, _joints(allowed))
    kinds = "".join({"days": "D", "sep": ",", "across": "X"}.get(a.kind, "S") for a in forbidden)
    spans = [a for a in forbidden if a.kind in {"span", "always"}]
    only_days = bool(listed) and all(a.kind == "days" for a in listed)
    if not re.fullmatch(r"D|X|S(,?S)*|DS(,?S)*|D,S|SD", kinds) or (
        sign.text == "but" and (kinds[0] != "D" or not allowed)
    ):
        raise ValueError(
            f"'{words}' cannot be read: it is not plain what '{sign.text}' leaves out; {EXAMPLE}"
        )
    named = named_days(forbidden)
    if only_days and len(listed) == 1 and kinds in {"DS", "D,S"} and sign.kind == "not":
        # "Every day except Sunday 8pm - 4am": the time is what is allowed.
        return kept([(listed[0].days - named, s.opens, s.closes) for s in spans], words)
    if kinds == "D,S":
        raise ValueError(f"'{words}' cannot be read: it is not plain what is left out; {EXAMPLE}")
    if only_days and kinds == "D":
        raise ValueError(f"'{words}' cannot be read: it says no time; {EXAMPLE}")
    if not allowed and named and sign.kind == "not":
        refuse_free_times(forbidden, sign, words)
    has_hours = any(a.kind in {"span", "across"} for a in allowed)
    if has_hours and named and spans and sign.kind == "not":
        refuse_other_hours(sign, words, has_excuse=has_excuse)
    if not allowed:
        base: list[Span] = [(ALL, 0, DAY)]
    elif only_days and len(listed) == 1 and not listed[0].is_night:
        base = [(listed[0].days, 0, DAY)]
    else:
        base = _positive(allowed, words)
    if kinds == "D":
        return kept(without_days(base, named, sign), words)
    return kept(subtracted(base, holes_of(forbidden)), words)
