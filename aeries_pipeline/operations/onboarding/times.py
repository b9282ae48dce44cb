"""Which words of an e-mail state the district's pull window, and which do not.

What the words mean is decided in ``window_words``. Sentences that forbid, and
hours of an office, are never taken for times at which the server may be read;
where two readings remain, none is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.windows import Windows, parse_windows
from aeries_pipeline.operations.onboarding.letters import LEFT_OUT, masked

_BULLET = re.compile(r"^\s*(?:(?:[-*\u2022\u00b7>]|\d{1,2}[.)])\s+)+")
_SENTENCE = re.compile(
    r"(?<![ap]\.m)(?<![ap]m)[.!?]\s+(?=[A-Z])"
    # The stop of "4 a.m." ends a sentence, too, unless times go on behind it.
    r"|(?<=[apAP][.mM][mM.])(?<=[mM.])\s+(?=[A-Z][a-z']+\b)(?!(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Week|Dai"
    r"|Night|Every|To|Until|Through|And|Or|On|Pacific)[a-z]*\b)",
)
_GOES_ON = re.compile(
    r"(?:and|or|to|until|till|thru|through|between|except|excluding|but|from|before|after|on|not"
    r"|outside|only|if|unless|during|when|while)\b"
)
_CUT_OFF = re.compile(
    r"(?:\b(?:and|or|to|until|through|between|except|but|from|before|after|on|not|never|pull|the|of"
    r"|at|outside|please)|[\dm]\s*[\u2013\u2014-])\s*$",
    re.IGNORECASE,
)
# Only a label of these words says that what follows is allowed: "blackout times" is none.
_LABEL_WORDS = (
    r"(?:the|our|your|best|preferred|ideal|good|pull|pulls|pulling|sync|data|times?|windows?|schedule"
    r"|to|for|of|xello|aeries|api|nightly)"
)
_LABEL = re.compile(
    rf"(?:^|(?<=[,;:] )|(?<=\band ))(?P<label>(?:{_LABEL_WORDS}\s+){{0,9}}{_LABEL_WORDS})"
    r"\s*(?::|\s[-\u2013\u2014]\s|(?P<verb>\b(?:is|are|would be)\b)|$)\s*(?P<rest>.*)$",
    re.IGNORECASE,
)
_SURE_LABEL = re.compile(r"\b(?:best|preferred|ideal|good|pull(?:s|ing)?|sync)\b", re.IGNORECASE)
_LABEL_KEY = re.compile(r"\b(?:times?|windows?|pull(?:s|ing)?|sync|schedule)\b", re.IGNORECASE)
_OTHER_LABEL = re.compile(r"^[^:]{1,80}?(?::|\s[-\u2013\u2014]\s|\b(?:is|are)\b)\s*(?P<rest>.+)$")
_INVITES = re.compile(r"\b(?P<rest>(?:you (?:can|may)|please) pull\b.*)$", re.IGNORECASE)
_FORBIDS = re.compile(r"^(?:please\s+)?(?:do not|don['\u2019]t|never|avoid)\b", re.IGNORECASE)
_DOUBT = re.compile(r"\b(?:not|never|no|avoid|except|but|unless)\b|n['\u2019]t\b", re.IGNORECASE)
_OFFICE = re.compile(
    r"\b(?:office|business|bell|phone|support|help ?desk|work(?:ing)?|school)\b[^.]{0,12}"
    r"\b(?:hours|schedule|times?)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\d\s*[ap]\.?m?\b|\d:\d\d|\bnoon\b|\bmidnight\b", re.IGNORECASE)
_DAY = re.compile(
    r"\b(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?s?\b|\bholidays?\b"
    r"|\bweek ?(?:end|day|night)s?\b|\bnight(?:s|ly)?\b|\b(?:january|february|march|april|june|july"
    r"|august|september|october|november|december)\b",
    re.IGNORECASE,
)
# Beside a day or an hour these may narrow what another sentence allows.
_NARROWS = re.compile(
    r"\b(?:not|never|no|avoid|except\w*|but|unless|skip|without|until|instead|only|exclud\w+"
    r"|other than|chang\w+|updat\w+|correct\w+|however|block\w*|clos(?:e|ed|es)|down|maintenance"
    r"|re(?:boot|start)\w*|patch\w*|back ?ups?|blackout|freeze|outages?|busy|starting|reserved"
    r"|off limits|sorry|oops|meant|actually|instead|rather|scratch|ignore|disregard|mistake|typo"
    r"|wrong|offline|unavailable|test(?:ing|s)?|finals)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_OTHER_MATTER = re.compile(
    r"\b(?:call|phone|reach|contact|hesitate|meet(?:ing)?|vacation|out of (?:the )?office|i am"
    r"|i['\u2019]m|i will|i['\u2019]ll|i work|certificate|expires?|office is)\b",
    re.IGNORECASE,
)
# Whoever speaks of these speaks of the pull, also in "I will patch the server on Sundays".
_SERVER = re.compile(
    r"\b(?:pull\w*|sync\w*|server|system|database|aeries|offline|maintenance|patch\w*|back ?ups?"
    r"|re(?:boot|start)\w*|never on|not on)\b",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"\b(?:correction|corrected|updated?|instead|sorry|oops|i meant|actually|scratch that|disregard"
    r"|mistake|typo)\b",
    re.IGNORECASE,
)
_SECRETS = re.compile(r"\b(?:certificate|cert|key|token|url|address|site|link)s?\s*:$", re.I)
_SURE_ANY = re.compile(r"\b(?:any ?time|24/7|always)\b", re.IGNORECASE)
_ABOUT = re.compile(r"\b(times?|window|pull|hours?|schedule|when)\b", re.IGNORECASE)
_MONDAY = datetime(2026, 9, 14, 7, tzinfo=UTC)  # midnight in California


@dataclass(slots=True)
class _Found:
    allowed: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many statements were sorted in."""
        return sum(map(len, (self.allowed, self.forbidden, self.unclear, self.doubtful)))


def times_of(text: str, zone: str) -> str | None:
    """Return the words of an e-mail that state when its server may be read.

    Args:
        text: The e-mail's own text, without addresses and certificate.
        zone: The district's time zone.

    Returns:
        The words, or None if it says nothing about times.

    Raises:
        ConfigurationError: If they cannot be read, or in two ways, or if what
            it forbids overlaps what it allows.
    """
    return _decided(_sorted(text, zone), zone)


def passed_over(text: str, zone: str) -> list[str]:
    """Return the sentences that name a day or an hour and were not taken for times.

    A person sees them next to the reading: one of them may limit it in words that are not
    understood.

    Args:
        text: As for ``times_of``.
        zone: The district's time zone.
    """
    return [masked(one) for one in _sorted(text, zone).passed_over]


def _sorted(text: str, zone: str) -> _Found:
    """Sort the sentences of an e-mail by what they say of times."""
    found = _Found()
    lines = [part for line in _unwrapped(text.splitlines()) for part in _SENTENCE.split(line)]
    used = 0
    for n, line in enumerate(lines):
        if n < used:
            continue
        before = found.size
        used = n + _read_line(line, lines[n + 1 :], zone, found)
        if found.size == before and _may_narrow(line):
            found.remarks.append(line.strip())
        elif found.size == before and (_DAY.search(line) or _CLOCK.search(line)):
            found.passed_over.append(" ".join(line.split()))
    return found


def _unwrapped(lines: list[str]) -> list[str]:
    """Join lines that an e-mail program has wrapped inside of a sentence."""
    found: list[str] = []
    for line in lines:
        before = found[-1] if found else ""
        stated = line.strip()
        ends = before.rstrip()[-1:] in {
            "",
            ".",
            "!",
            "?",
            ":",
            ";",
            "|",
            LEFT_OUT,
        } or _BULLET.match(line)
        is_cut = _CUT_OFF.search(before) or _GOES_ON.match(stated)
        if stated and is_cut and not ends:
            found[-1] = f"{before.rstrip()} {stated}"
        else:
            found.append(line)
    return found


def _may_narrow(line: str) -> bool:
    """Tell whether a sentence that states no times may limit those of another."""
    if not (_DAY.search(line) or _CLOCK.search(line)):
        return False
    if _OTHER_MATTER.search(line) and not _SERVER.search(line) and not _CORRECTS.search(line):
        return False
    if _OFFICE.search(line):
        return re.search(r"\b(?:not|never|avoid|during|except|outside)\b", line, re.I) is not None
    return _NARROWS.search(line) is not None


def _read_line(line: str, following: list[str], zone: str, found: _Found) -> int:
    """Sort one sentence in; returns how many lines were used."""
    # A cell of a table is a label.
    line = re.sub(r"\s*[|\t]\s*", ": ", line.strip(" \t|"), count=1)
    stated = _BULLET.sub("", line).strip(" \t.!?|")
    stated = re.sub(r"^(?:no|yes|sure|ok(?:ay)?)[,;]\s+", "", stated, flags=re.IGNORECASE)
    if not stated:
        return 1
    if _CORRECTS.search(stated) and (_CLOCK.search(stated) or _DAY.search(stated)):
        place = found.remarks if _OTHER_MATTER.search(stated) else found.unclear
        place.append(stated)
        return 1
    if _FORBIDS.match(stated):
        return _read_forbidden(stated, following, zone, found)
    if _OFFICE.search(stated) and "outside" not in stated.lower():
        return 1
    match = _LABEL.search(stated)
    if (
        match
        and _LABEL_KEY.search(match["label"])
        and (match["rest"] or stated.endswith(":") or (match.start() == 0 and following))
    ):
        is_sure = _SURE_LABEL.search(match["label"]) is not None
        if is_sure or not match["verb"]:
            return _read_labelled(stated, match, following, zone, found)
    _read_plain(stated, zone, found)
    if stated.endswith(":") and not _SECRETS.search(stated):
        # Words that are not understood introduce the lines below.
        block = _block(following)
        found.doubtful += [one for one in block if _reads(one, zone) is not None]
        return 1 + len(block)
    return 1


def _read_labelled(
    stated: str, match: re.Match[str], following: list[str], zone: str, found: _Found
) -> int:
    rest, used = match["rest"].strip(), 1
    if not rest:
        block = _block(following)
        used += len(block)
        rest = "; ".join(block)
    if not rest:
        return used
    windows = _reads(rest, zone)
    if _DOUBT.search(stated[: match.start()]):
        found.unclear.append(stated)
    elif windows is not None:
        is_sure = _SURE_LABEL.search(match["label"]) is not None
        # A "nightly schedule" may be that of backups.
        is_doubtful = _in_school_hours(windows) or "schedule" in match["label"].lower()
        place = found.allowed if is_sure or not is_doubtful else found.doubtful
        place.append(rest)
    elif _CLOCK.search(rest) or _SURE_LABEL.search(match["label"]) or _ways(rest, zone):
        found.unclear.append(rest)
    return used


def _in_school_hours(windows: Windows) -> bool:
    """Tell whether a window in hours is open in a school's day: it may be somebody's hours."""
    moments = (_MONDAY + timedelta(days=d, hours=h) for d in range(5) for h in range(9, 15))
    return not windows.is_always and any(windows.contains(one) for one in moments)


def _block(following: list[str]) -> list[str]:
    """Return the lines below a label, up to an empty line or the next label."""
    block: list[str] = []
    for line in following:
        stated = _BULLET.sub("", line).strip(" \t.")
        if not stated or re.match(r"^[A-Za-z ]+:", stated) or _FORBIDS.match(stated):
            if block or stated:
                break
            continue
        block.append(stated)
    return block


def _read_forbidden(stated: str, following: list[str], zone: str, found: _Found) -> int:
    if _reads(stated, zone) is not None:
        found.forbidden.append(stated)
        return 1
    if stated.endswith(":") or not _CLOCK.search(stated):
        block = _block(following)
        joined = f"{stated} {' and '.join(block)}"
        if block and _reads(joined, zone) is not None:
            found.forbidden.append(joined)
            return 1 + len(block)
        if stated.endswith(":") and block and _CLOCK.search(joined):
            found.unclear.append(joined)
            return 1 + len(block)
    if _CLOCK.search(stated):
        found.unclear.append(stated)
    return 1


def _read_plain(stated: str, zone: str, found: _Found) -> None:
    if re.fullmatch(r"[\d\s./\u2013-]+", stated):
        return
    windows = _reads(stated, zone)
    invited = _INVITES.search(stated)
    if windows is not None:
        is_doubtful = _in_school_hours(windows) and not _SURE_ANY.match(stated)
        (found.doubtful if is_doubtful else found.allowed).append(stated)
    elif invited and _reads(invited["rest"], zone) is not None:
        is_plain = not _DOUBT.search(stated)
        (found.allowed if is_plain else found.unclear).append(invited["rest"])
    elif (other := _OTHER_LABEL.match(stated)) and _reads(other["rest"], zone) is not None:
        found.doubtful.append(other["rest"])
    elif _ABOUT.search(stated) and (_CLOCK.search(stated) or _ways(stated, zone)):
        found.doubtful.append(stated)


def _reads(words: str, zone: str) -> Windows | None:
    try:
        return parse_windows(words, zone)
    except ValueError:
        return None


def _ways(words: str, zone: str) -> bool:
    """Tell whether words are refused only because they can be read in several ways."""
    try:
        parse_windows(words, zone)
    except ValueError as error:
        return "can be read in" in str(error)
    return False


def _decided(found: _Found, zone: str) -> str | None:
    if found.unclear:
        raise _refusal(_reason(found.unclear[0], zone))
    readings = {str(parse_windows(words, zone)): words for words in found.allowed}
    if len(readings) > 1 and (together := _of_other_days(list(readings.values()), zone)):
        readings = {"": together}
    if len(readings) > 1:
        raise _refusal("it states two different times: " + " or ".join(readings))
    if readings:
        (words,) = readings.values()
        if any(_overlap(words, other, zone) for other in found.forbidden):
            raise _refusal("it forbids times that it also allows")
        if any(_both_open(words, other, zone) for other in found.doubtful):
            raise _refusal("it names other times as well, and does not say whether to allow them")
        if found.remarks:
            raise _refusal(f"it also says '{found.remarks[0]}', which may limit them")
        return words
    if found.doubtful:
        raise _refusal(_reason(found.doubtful[0], zone))
    if len(found.forbidden) > 1:
        raise _refusal("it forbids several times and allows none")
    return found.forbidden[0] if found.forbidden else None


def _of_other_days(statements: list[str], zone: str) -> str | None:
    """Return statements as one where each speaks of days of its own: "Weekends: any time"."""
    taken: set[int] = set()
    for words in statements:
        days = {day for window in parse_windows(words, zone).windows for day in window.days}
        if days & taken or not _DAY.search(words):
            return None
        taken |= days
    together = "; ".join(one.strip(" ;.") for one in statements)
    return together if _reads(together, zone) is not None else None


def _overlap(allowed: str, forbidding: str, zone: str) -> bool:
    may, left = parse_windows(allowed, zone), parse_windows(forbidding, zone)
    moments = (_MONDAY + timedelta(minutes=5 * n) for n in range(7 * 288))
    return any(may.contains(one) and not left.contains(one) for one in moments)


def _both_open(allowed: str, doubtful: str, zone: str) -> bool:
    may, other = parse_windows(allowed, zone), _reads(doubtful, zone)
    if other is None or other.is_always or may.is_always:
        return False
    moments = (_MONDAY + timedelta(minutes=5 * n) for n in range(7 * 288))
    return any(may.contains(one) and other.contains(one) for one in moments)


def _reason(words: str, zone: str) -> str:
    try:
        parse_windows(words, zone)
    except ValueError as error:
        return str(error)
    return f"'{words}' cannot be read as times: it may allow or forbid"


def _refusal(reason: str) -> ConfigurationError:
    # Pieces of a certificate may stand beside the times.
    return ConfigurationError(
        "unclear_times", f"the times of the e-mail: {masked(reason)}; or give them as --window"
    )
