"""Words and signs of a statement about pull windows, each with one meaning.

A word without a meaning here makes the whole statement refused. Which order of words
makes sense is decided in ``grammar``.
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
    "school days": WEEKDAYS,
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
_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
_KINDS = (
    (
        "always",
        r"any ?time|always|all day(?: long)?|24/7|24x7|24 hours(?: a day)?|around the clock"
        r"|no (?:restrictions?|preferences?|limits?)|all the time"
        r"|whenever(?: you (?:want|like|need))?|it does(?: not|n't) matter"
        r"|(?:do not|don't) have (?:a preference|any (?:preferences?|restrictions?|limits?))",
    ),
    ("holidays", r"holidays?"),
    ("next", r"(?:(?:on )?the )?(?:next|following) (?:day|morning)"),
    (
        "after",
        r"after|start(?:s|ing)?(?: at| from| after)?|beginning(?: at)?"
        r"|(?:no|not) (?:earlier|sooner) than",
    ),
    (
        "before",
        r"before|(?:no|not) later than|(?:ends?|ending|finish(?:ed)?|done)(?: at| by| before)?",
    ),
    (
        "not",
        r"(?:but )?(?:please )?(?:do not|don't|never|avoid)"
        r"(?: (?:pull|pulling|run|sync))?(?: data)?(?: on)?"
        r"|(?:(?:would )?(?:prefer|ask|request) that )?you (?:do not|don't|not|cannot|can't|may not"
        r"|must not|should not|shouldn't)(?: (?:pull|run|sync))?(?: data)?(?: on)?"
        r"|refrain from(?: (?:pulling|running|syncing))?(?: data)?(?: on)?"
        r"|no (?:pulls?|pulling|access|syncs?|syncing)(?: on)?"
        r"|no(?= (?:holidays?|week ?ends?|week ?days?|(?:mon|tue|wed|thu|fri|sat|sun)\w*))"
        r"|except(?: for| on)?|excluding|excepting|other than|but not(?: on)?|not(?: on)?"
        r"|but(?: on)?",
    ),
    ("outside", r"outside(?: of)?"),
    ("later", r"(?:and|or) later|onwards?"),
    ("to", r"-|to|until|till?|thru|through|up to"),
    ("sep", r"[,;/&+|\n]|and|or|plus"),
    ("between", r"between"),
    ("from", r"from"),
    ("open", r"\("),
    ("close", r"\)"),
    ("night", r"(?:late )?(?:nights?|evenings?)|overnight"),
    ("morning", r"(?:early )?mornings?"),
    (
        "excuse",
        r"school(?: day)?|office|business|class|work(?:ing)?|backups?|maintenance|time for|during"
        r"|our hours",
    ),
    ("zone", r"pacific(?: standard| daylight)?(?: time)?|p[sd]?t"),
    ("only", r"only"),
    (
        "filler",
        r"please|best|at|on|the|hours|of|is|are|we|have|fine|ok|okay|good|works?|prefer|pull|run"
        r"|data|times?|for us|our|you can|you may|can|may|local(?: time)?|:",
    ),
)


def _lexer() -> re.Pattern[str]:
    kinds = list(_KINDS)
    days = [(f"d{n}", word) for n, word in enumerate(_DAYS)]
    sets = [(f"s{n}", word) for n, word in enumerate(_SETS)]
    nights = [(f"n{n}", word) for n, word in enumerate(_NIGHTS)]
    named = [
        kinds.pop(0),
        *(
            (name, rf"(?:(?:every|each|any|all) )?(?:{word})(?:s|'s)?\.?")
            for name, word in sets + nights + days
        ),
        ("letters", r"(?:th|tu|su|sa|[mtwrf]){2,7}|[mtwf]"),
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
_LETTERS = {"m": 0, "t": 1, "tu": 1, "w": 2, "th": 3, "r": 3, "f": 4, "sa": 5, "su": 6}


def _letters(text: str) -> list[str]:
    return re.findall("th|tu|su|sa|[mtwrf]", text)


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
    text = re.sub(r"[\u2010-\u2015\u2212\u2192~]|->", "-", text).replace("\u2019", "'")
    text = _clocks(text)
    # A full stop between sentences; those of "Mon." and "a.m." go with their words.
    text = re.sub(r"(?<=[a-z\d])\.\s+(?=\w)", _stop, text).replace("b/w", "between")
    text = re.sub(r"^[\s*\u2022-]+", "", text).strip(" .!\t\r\n")
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
    _refuse_doubtful_letters(kept, words)
    kept = _without_mornings(kept, words)
    kept = [t for n, t in enumerate(kept) if not _is_label_dash(kept, n)]
    return [t for t in kept if t.kind != "from" or kept[-1] is not t]


def _is_label_dash(tokens: list[Token], n: int) -> bool:
    """Tell the dash of "weekends - any time" and "Mon - 10pm-4am" from one that means "to"."""
    if tokens[n].text != "-" or n == 0 or tokens[n - 1].kind not in {"days", "night"}:
        return False
    behind = [t.kind for t in tokens[n + 1 : n + 4]]
    return behind[:1] == ["always"] or behind == ["time", "to", "time"]


def _refuse_doubtful_letters(tokens: list[Token], words: str) -> None:
    """Refuse "MT", which may be a time zone, letters out of order, and T that may be Thursday."""
    texts = [t.text for t in tokens if t.kind == "days"]
    has_thursday = any(re.fullmatch(r"\w*(?:th|r)|thu\w*\.?", text) for text in texts)
    for n, token in enumerate(tokens):
        is_letters = re.fullmatch(r"(?!sat$)(?:th|tu|su|sa|[mtwrf])+", token.text)
        if token.kind != "days" or not is_letters:
            continue
        order = [_LETTERS[one] for one in _letters(token.text)]
        near = [t for t in tokens[max(n - 2, 0) : n + 3] if t.kind == "days"]
        in_row = {"m", "w"} <= {t.text for t in near}
        is_doubtful = token.text == "t" and not has_thursday and not in_row
        if token.text == "mt" or is_doubtful or order != sorted(set(order)):
            raise ValueError(
                f"'{words}' cannot be read: '{token.text}' may mean several things; write days as "
                "Mon, Tue, Wed, Thu, Fri, Sat, Sun"
            )


def _without_mornings(tokens: list[Token], words: str) -> list[Token]:
    """Take out "mornings" where times before noon follow; in any other place it is refused."""
    for n, token in enumerate(tokens):
        if token.kind != "morning":
            continue
        behind = [t for t in tokens[n + 1 :] if t.kind not in {"from", "between", "before"}]
        behind = behind[1:] if _is_comma(behind) else behind
        times = [t.time for t in behind[:3] if t.time is not None]
        halves = {one.half for one in times} - {""}
        is_24 = any(one.is_24 and one.hour < 12 for one in times[:1])
        if not behind or behind[0].kind != "time" or not (halves == {"am"} or is_24):
            raise ValueError(
                f"'{words}' cannot be read: '{token.text}' does not say which hours; {EXAMPLE}"
            )
    return [t for t in tokens if t.kind != "morning"]


def _is_comma(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[0].text == ","


def _clocks(text: str) -> str:
    """Write clocks in one way: "a.m.", "930pm", "23h00", "ten pm"."""
    text = re.sub(r"\b([ap])\.\s?m\b(\.(?=\s+[a-z]{4,}:)|\.?)", r"\1m", text)
    text = re.sub(r"(?<=\d)\s*([ap])\s(?=m\b)", r"\1", text)
    text = re.sub(r"\b(\d{1,2})([0-5]\d)(?=\s?[ap]m?\b)", r"\1:\2", text)
    text = re.sub(r"\b(\d{1,2})h([0-5]\d)\b", lambda m: f"{int(m[1]):02}:{m[2]}", text)
    spelt = rf"\b({'|'.join(_NUMBERS)})(?=\s(?:[ap]m|o'?clock|in the|at night)\b)"
    return re.sub(spelt, lambda m: str(_NUMBERS.index(m[1]) + 1), text)


def _stop(match: re.Match[str]) -> str:
    """Return a separator for a full stop that ends a sentence, and the stop of "Mon." itself."""
    before = match.string[: match.start()]
    is_short_day = re.search(r"\b(?:mon|tues?|wed|thu|thurs?|fri|sat|sun)s?$", before)
    return match[0] if is_short_day else "; "


def _token(match: re.Match[str]) -> Token:
    kind, text = str(match.lastgroup), match[0]
    kind = next(k for k, v in match.groupdict().items() if v is not None)
    if kind[0] in "dsn" and kind[1:].isdigit():
        days = _MEANINGS[kind[0]][int(kind[1:])]
        return Token("days", text, days, is_night=kind[0] == "n")
    if kind == "letters":
        return Token("days", text, frozenset(_LETTERS[n] for n in _letters(text)))
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
