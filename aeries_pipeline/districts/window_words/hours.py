"""What the times of a statement mean together: spans of a day, and which are doubtful.

A time that opens ("after 8pm") and one that closes ("before 5am") are one span if they
stand together. Which days a span belongs to is decided in ``grammar``.
"""

from __future__ import annotations

from itertools import pairwise

from aeries_pipeline.districts.window_words.tokens import DAY, EXAMPLE, Time, Token

NOON = DAY // 2
_MORNING = 6 * 60
_EVENING = 18 * 60
_SCHOOL = (9 * 60, 14 * 60)


def half_open(head: Token, token: Token, words: str, *, opens: bool) -> Token:
    """Return "after 6pm" or "before 5am", whose other end is not known yet."""
    if token.time is None:  # pragma: no cover - the caller has looked
        raise ValueError(words)
    found = token.time.minutes(closing=not opens)
    found = found if opens else [minute or DAY for minute in found]
    text = f"{head.text} {token.text}" if head is not token else token.text
    _refuse_two([(m, DAY) if opens else (0, m) for m in found], words)
    (minute,) = found
    kind = "opening" if opens else "ending"
    return Token(kind, text, opens=minute if opens else 0, closes=DAY if opens else minute)


def closed(atoms: list[Token], words: str, *, forbids: bool, is_alone: bool = False) -> list[Token]:
    """Give every time that only opens or only closes its other end.

    Args:
        atoms: Joined words; half-open times among them.
        words: The whole statement, for a message.
        forbids: Whether the atoms stand behind "except" or "not".
        is_alone: Whether they do, and no hours that are allowed stand before it.
    """
    found: list[Token] = []
    n = 0
    while n < len(atoms):
        atom = atoms[n]
        if atom.kind not in {"opening", "ending"}:
            found.append(atom)
            n += 1
            continue
        step = 2 if n + 2 < len(atoms) and atoms[n + 1].kind == "sep" else 1
        other = atoms[n + step] if n + step < len(atoms) else atom
        if {atom.kind, other.kind} == {"opening", "ending"}:
            sign = atoms[n + 1].text if step == 2 else ""
            found += _both_ends(atom, other, sign, words, forbids=forbids)
            n += step + 1
            continue
        found.append(_one_end(atom, words, forbids=forbids, is_alone=is_alone))
        n += 1
    _refuse_two_in_a_row(found, words)
    return found


def _both_ends(a: Token, b: Token, sign: str, words: str, *, forbids: bool) -> list[Token]:
    after, before = (a, b) if a.kind == "opening" else (b, a)
    text = f"{a.text} {b.text}"
    opens, closes = after.opens, before.closes
    if forbids:  # "not before 10pm or after 4am" leaves 10pm to 4am
        return [_made(text, opens, closes)]
    is_one = sign != "or" and a is after
    if opens < closes < opens + DAY and sign != "or":
        return [_made(text, opens, closes)]
    if opens <= closes:
        raise ValueError(f"'{words}' cannot be read: '{text}' leaves nothing out; {EXAMPLE}")
    if is_one:
        return [_made(text, opens, closes)]
    return [_made(before.text, 0, closes), Token("sep", ","), _made(after.text, opens, DAY)]


def _one_end(atom: Token, words: str, *, forbids: bool, is_alone: bool) -> Token:
    """Take midnight for the end that is not said, unless a person would ask for it."""
    text = atom.text.replace("'", "")
    is_opening = (atom.kind == "opening") != is_alone
    minute = atom.opens if atom.kind == "opening" else atom.closes
    is_checked = is_alone or not forbids
    if is_checked and is_opening and minute < _MORNING:
        raise ValueError(f"'{words}' cannot be read: '{text}' does not say until when; {EXAMPLE}")
    if is_checked and not is_opening and minute > _EVENING:
        raise ValueError(f"'{words}' cannot be read: '{text}' does not say from when; {EXAMPLE}")
    return Token("span", atom.text, opens=atom.opens, closes=atom.closes)


def _refuse_two_in_a_row(atoms: list[Token], words: str) -> None:
    """Refuse "10pm - 4am - 6am", and "11pm-2am, weekends until 6am"."""
    for first, second in pairwise(atoms):
        if first.kind == second.kind == "span":
            raise ValueError(
                f"'{words}' cannot be read: '{first.text}' and '{second.text}' stand side by side"
            )
    spans = [atom for atom in atoms if atom.kind in {"span", "across"}]
    begins = ("until", "till", "thru", "through", "up to")
    for atom in spans:
        if len(spans) > 1 and atom.text.startswith(begins):
            raise ValueError(
                f"'{words}' cannot be read: '{atom.text}' does not say from when; {EXAMPLE}"
            )


def span(first: Token, last: Token, words: str, *, in_daytime: bool) -> Token:
    """Return "10pm to 4am" as minutes of the day on which it opens."""
    a, b = first.time, last.time
    if a is None or b is None:  # pragma: no cover - the caller has looked
        raise ValueError(words)
    text = f"{a.text} to {b.text}"
    is_24 = (a.is_24 or b.is_24) and not (a.half or b.half)
    if is_24:
        a = a if a.word else Time(a.text, a.hour, a.minute, is_24=True)
        b = b if b.word else Time(b.text, b.hour, b.minute, is_24=True)
    opens, closes = a.minutes(closing=False), b.minutes(closing=True)
    if len(opens) == 2 and len(closes) == 1 and b.half in {"am", "pm"}:
        same = [m for m in opens if m // 720 == closes[0] % DAY // 720 and m < closes[0]]
        opens = same or opens
    readings = [(o, c) for o in opens for c in closes]
    if in_daytime and len(readings) > 1:  # school hours lie in the day
        readings = [r for r in readings if r[0] < NOON <= r[1]] or readings
    made = _one(readings, words, text)
    _refuse_doubtful_twelve(a, b, made, words)
    if is_24 and not in_daytime:
        _refuse_twelve_hours_written_as_24(a, b, made, words)
    return made


def _refuse_doubtful_twelve(a: Time, b: Time, made: Token, words: str) -> None:
    """Refuse "10pm-12pm" and "12pm-5am", where midnight is meant as likely as noon."""
    is_noon = any(one.half == "pm" and one.hour == 12 for one in (a, b))
    is_twelve = is_noon or (b.half == "am" and b.hour == 12 and made.opens)
    if is_twelve and NOON < made.closes - made.opens < DAY:
        raise ValueError(
            f"'{words}' can be read in 2 ways: 12 am is midnight and 12 pm is noon, which makes "
            f"'{made.text}' {(made.closes - made.opens) // 60} hours long; write noon or midnight"
        )
    if made.closes - made.opens == DAY and made.opens:
        raise ValueError(
            f"'{words}' cannot be read: '{made.text}' begins and ends at the same time; write 'all "
            "day' where there is no limit"
        )


def _refuse_twelve_hours_written_as_24(a: Time, b: Time, made: Token, words: str) -> None:
    """Refuse "08:00 - 02:00" without am and pm, where it would be open in a school's day."""
    hours = [one.hour for one in (a, b) if not one.word]
    begins, ends = _SCHOOL
    in_school = (made.opens < ends and made.closes > begins) or made.closes > begins + DAY
    if in_school and all(1 <= hour <= 12 for hour in hours):
        raise ValueError(
            f"'{words}' can be read in 2 ways: '{made.text}' on a clock of 24 hours, or of 12; "
            "write am or pm"
        )


def _one(readings: list[tuple[int, int]], words: str, text: str) -> Token:
    _refuse_two(readings, words)
    opens, closes = readings[0]
    if opens >= DAY:
        raise ValueError(f"'{words}' cannot be read: a window opens before midnight")
    return _made(text, opens, closes)


def _refuse_two(readings: list[tuple[int, int]], words: str) -> None:
    if len(readings) > 1:
        shown = " or ".join(f'{{opens: "{clock(o)}", closes: "{clock(c)}"}}' for o, c in readings)
        raise ValueError(
            f"'{words}' can be read in {len(readings)} ways: {shown}; write am or pm, or take one "
            "of the structured forms as pull_window"
        )


def _made(text: str, opens: int, closes: int) -> Token:
    return Token("span", text, opens=opens, closes=closes if closes > opens else closes + DAY)


def clock(minute: int) -> str:
    """Return a minute of the day as in the structured form."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}" if minute != DAY else "24:00"
