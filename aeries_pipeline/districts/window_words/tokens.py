"""Words and signs of a statement about pull windows, each with one meaning.

A word that has no meaning here refuses the whole statement. Which order of
words makes sense is decided in ``grammar``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

DAY = 24 * 60
WEEK = 7 * DAY
ALL = frozenset(range(7))
WEEKDAYS = frozenset(range(5))
EXAMPLE = (
    "write for example 'weekdays 8pm - 2am', or the structured form "
    '{days: [mon, tue, wed, thu, fri], opens: "20:00", closes: "02:00"}'
)

Span = tuple[frozenset[int], int, int]
"""Days of opening, minute of opening, minute of closing from the same midnight."""

_DAYS = {
    "mon(?:day)?": {0},
    "tue(?:s|sday)?|tu": {1},
    "wed(?:s|nesday)?": {2},
    "thu(?:r|rs|rsday)?|th": {3},
    "fri(?:day)?": {4},
    "sat(?:urday)?|sa": {5},
    "sun(?:day)?|su": {6},
}
_SETS: dict[str, frozenset[int]] = {
    "weekend": frozenset({5, 6}),
    "week ?day": WEEKDAYS,
    "business day": WEEKDAYS,
    "every day|everyday|daily|each day|any day|all week(?: long)?|(?:7|seven) days a week": ALL,
}
_NIGHTS: dict[str, frozenset[int]] = {
    "school night": frozenset({6, 0, 1, 2, 3}),
    "week ?night": WEEKDAYS,
    "every night|nightly|each night|any night|all nights": ALL,
}
_MEANINGS: dict[str, list[frozenset[int]]] = {
    "d": [frozenset(days) for days in _DAYS.values()],
    "s": [frozenset(days) for days in _SETS.values()],
    "n": [frozenset(days) for days in _NIGHTS.values()],
}
_HALVES = {
    "in the morning": "am",
    "in the afternoon": "pm",
    "in the evening": "pm",
    "at night": "night",
}
_KINDS = (
    (
        "always",
        r"any ?time|always|all day(?: long)?|24/7|24x7|24 hours(?: a day)?|around the clock"
        r"|no (?:restrictions?|preferences?|limits?)|all the time",
    ),
    ("holidays", r"holidays?"),
    ("next", r"(?:(?:on )?the )?(?:next|following) (?:day|morning)"),
    (
        "not",
        r"(?:please )?(?:do not|don't|never|avoid)(?: (?:pull|pulling|run|sync))?(?: data)?(?: on)?"
        r"|except(?: for| on)?|excluding|excepting|other than|but not(?: on)?|not(?: on)?",
    ),
    ("outside", r"outside(?: of)?"),
    ("later", r"(?:and|or) later|onwards?"),
    ("to", r"-|to|until|till?|thru|through|up to"),
    ("sep", r"[,;/&+\n]|and|or|plus"),
    ("after", r"after|starting(?: at| from)?|beginning(?: at)?"),
    ("before", r"before"),
    ("between", r"between"),
    ("from", r"from"),
    ("open", r"\("),
    ("close", r"\)"),
    ("night", r"nights?|evenings?|overnight"),
    ("excuse", r"school|office|business|class|work(?:ing)?|backups?|maintenance|time for"),
    ("zone", r"pacific(?: standard| daylight)?(?: time)?|p[sd]?t"),
    ("only", r"only"),
    (
        "filler",
        r"please|best|at|on|the|hours|of|is|are|we|have|fine|ok|okay|good|works?|prefer|pull|run"
        r"|data|times?|for us|our|you can|you may|can|may|:",
    ),
)


def _lexer() -> re.Pattern[str]:
    kinds = list(_KINDS)
    days = [(f"d{n}", word) for n, word in enumerate(_DAYS)]
    sets = [(f"s{n}", word) for n, word in enumerate(_SETS)]
    nights = [(f"n{n}", word) for n, word in enumerate(_NIGHTS)]
    named = [
        kinds.pop(0),
        *((name, rf"(?:{word})(?:s|'s)?\.?") for name, word in sets + nights + days),
        ("letters", r"(?:th|tu|su|sa|[mtwrf]){2,7}|[mwf]"),
        ("clock", r"(?:(?:12 )?(?:midnight|noon))"),
        (
            "time",
            r"(?P<h4>\d{2})(?P<m4>\d{2})(?: ?h(?:ou)?rs?\b)?"
            r"|(?P<h>\d{1,2})(?:[:.](?P<m>\d{2}))?(?: ?o'?clock)?"
            r"(?: ?(?P<half>[ap]m?\b|in the (?:morning|afternoon|evening)|at night))?",
        ),
        *kinds,
    ]
    parts = []
    for name, word in named:
        edges = (r"(?<![a-z0-9])", r"(?![a-z0-9])") if name not in {"sep", "to", "filler"} else None
        body = f"(?:{word})"
        if edges is None:  # signs need no edges, words do
            body = rf"(?:(?<![a-z0-9])|(?![a-z]))(?:{word})(?:(?<=[a-z])(?![a-z0-9])|(?<![a-z]))"
        elif name not in {"open", "close"}:
            body = edges[0] + body + edges[1]
        parts.append(f"(?P<{name}>{body})")
    return re.compile("|".join(parts))


_LEXER = _lexer()


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day as written, perhaps without its half of the day."""

    text: str
    hour: int
    minute: int
    half: str = ""
    is_24: bool = False
    word: str = ""

    def minutes(self, *, closing: bool) -> list[int]:
        """Return the minutes of the day that it may mean: one, or two."""
        if self.word:
            return [720] if self.word == "noon" else [DAY if closing else 0]
        if self.hour > 24 or self.minute > 59 or (self.half and not 1 <= self.hour <= 12):
            raise ValueError(f"'{self.text}' is not a time of day")
        if self.half == "night":
            if self.hour == 5:
                return [300, 1020]
            return [(self.hour % 12 + (12 if 6 <= self.hour < 12 else 0)) * 60 + self.minute]
        if self.half:
            return [(self.hour % 12 + (12 if self.half == "pm" else 0)) * 60 + self.minute]
        if self.is_24:
            return [self.hour * 60 + self.minute]
        return [self.hour % 12 * 60 + self.minute, (self.hour % 12 + 12) * 60 + self.minute]


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or several that have been joined to one meaning."""

    kind: str
    text: str
    days: frozenset[int] = frozenset()
    time: Time | None = None
    opens: int = 0
    closes: int = 0
    spans: tuple[Span, ...] = ()
    is_night: bool = False


def tokens_of(words: str) -> list[Token]:
    """Cut a statement into words with a meaning.

    Raises:
        ValueError: If a word has none; the message names it.
    """
    text = unicodedata.normalize("NFKC", words).lower()
    text = re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", text)
    text = re.sub(r"[\u2010-\u2015\u2212~]", "-", text).replace("\u2019", "'")
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    text = re.sub(r"(?<=\d)\s*([ap])\s(?=m\b)", r"\1", text)
    text = text.strip(" .!\t\r\n")
    found, unread, place = [], [], 0
    for match in _LEXER.finditer(text):
        unread += text[place : match.start()].split()
        found.append(_token(match))
        place = match.end()
    unread += text[place:].split()
    if unread:
        understood = ", ".join(f"'{t.text}'" for t in found) or "nothing"
        raise ValueError(
            f"'{words}' cannot be read: {', '.join(repr(word) for word in unread)} was not "
            f"understood (understood: {understood}); {EXAMPLE}"
        )
    kept = [t for t in found if t.kind not in {"filler", "next"}]
    return [t for t in kept if t.kind != "from" or kept[-1] is not t]


def _token(match: re.Match[str]) -> Token:
    kind, text = str(match.lastgroup), match[0]
    kind = next(k for k, v in match.groupdict().items() if v is not None)
    if kind[0] in "dsn" and kind[1:].isdigit():
        days = _MEANINGS[kind[0]][int(kind[1:])]
        return Token("days", text, days, is_night=kind[0] == "n")
    if kind == "letters":
        names = {"m": 0, "t": 1, "tu": 1, "w": 2, "th": 3, "r": 3, "f": 4, "sa": 5, "su": 6}
        return Token(
            "days", text, frozenset(names[n] for n in re.findall("th|tu|su|sa|[mtwrf]", text))
        )
    if kind == "clock":
        return Token("time", text, time=Time(text, 0, 0, word=text.split()[-1]))
    if kind == "time":
        digits = match["h4"] or match["h"]
        minute = match["m4"] or match["m"] or "0"
        half = match["half"] or ""
        half = _HALVES.get(half, half[:1] + "m" if half else "")
        is_24 = bool(match["h4"]) or int(digits) > 12 or digits in {"00", "0"}
        is_24 = is_24 or (len(digits) == 2 and digits[0] == "0" and match["m"] is not None)
        time = Time(text.strip(), int(digits), int(minute), half, is_24 and not half)
        return Token("time", text, time=time)
    return Token(kind, text)
