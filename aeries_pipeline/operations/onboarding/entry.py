"""A roster entry from an onboarding e-mail: certificate, address, best times.

Reading the e-mail is a pure function of its text. The certificate goes into a
file that only its owner can read, beside the roster, or nowhere; it never gets
into the roster, a message or an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any
from urllib.parse import urlsplit

from aeries_pipeline.districts.configuration import AcceptedReading
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.mail_scanners import unwrapped
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.operations.onboarding.letters import (
    LEFT_OUT,
    addresses,
    bare,
    cleaned,
    has_pieces,
    masked,
    without_addresses,
)
from aeries_pipeline.operations.onboarding.times import passed_over, times_of

_BARE_URL = re.compile(
    r"(?<![@\w/])(?:[\w-]+\.)+[a-z]{2,}/[^\s<>\"')\]]*aeries[^\s<>\"')\]]*", re.I
)
_TOKEN = re.compile(r"(?<![\w/.@+-])[A-Za-z0-9]{24,64}(?![\w/@+-])")
_GLUED = re.compile(
    r"(?i)\.(?:aspx|php)\w|(?=\w*\d)(?=\w*[a-z])[0-9a-z]{16}|(?=[a-f]*\d)[0-9a-f]{8}"
)
_GOES_ON = re.compile(r"[ \t]*\r?\n[ \t]*[0-9A-Za-z]{1,3}[ \t]*(?:\r?\n|$)")
_FEWEST = 32  # a certificate of Aeries has 32 or 33 characters; less may be a piece of one


@dataclass(frozen=True, slots=True)
class Facts:
    """What an e-mail says.

    Attributes:
        url: The address of a page of the Aeries site; None if none was found.
        times: The district's own words for its window; None if none was found.
        certificate: The certificate; None if none was found.
        unread: Why ``url``, ``times`` or ``certificate`` was found and not
            taken, a sentence for each, without any piece of a secret.
        passed_over: Sentences that name a day or an hour and were not taken for
            times, so that a person may see whether one of them limits these.
    """

    url: str | None
    times: str | None
    certificate: Certificate | None
    unread: Mapping[str, str] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def read_email(text: str, zone: str, *, url: str | None = None, times: str | None = None) -> Facts:
    """Find the three facts in the text of an e-mail.

    A fact of which the e-mail leaves doubt is not taken: ``unread`` says why.

    Args:
        text: The text as copied.
        zone: The district's time zone, in which its words are read.
        url: The address, where a person has given it; none is looked for then.
        times: The times, where a person has given them.
    """
    text = cleaned(text)
    rest = _put_together(without_addresses(text))
    unread: dict[str, str] = {}
    certificate: Certificate | None = None
    try:
        certificate = _certificate(rest)
    except ConfigurationError as error:
        unread["certificate"] = str(error)
    if url is None:
        try:
            url = _address(text)
        except ConfigurationError as error:
            unread["url"] = str(error)
    aside: list[str] = []
    if times is None:
        own = _TOKEN.sub(LEFT_OUT, rest)
        try:
            times = times_of(own, zone)
            aside = passed_over(own, zone) if times else []
        except ConfigurationError as error:
            unread["times"] = str(error)
    return Facts(url, times, certificate, unread, tuple(aside))


def _address(text: str) -> str | None:
    urls = list(dict.fromkeys(bare(one) for one in addresses(text)))
    aeries = [one for one in urls if "aeries" in one.lower()] or urls
    if not aeries:
        found = (one.rstrip(".,;:!?") for one in _BARE_URL.findall(text))
        aeries = list(dict.fromkeys(re.split("[?#]", one)[0] for one in found))
    if len(aeries) > 1:
        raise ConfigurationError(
            "two_urls", f"the e-mail names {len(aeries)} addresses; give the right one as --url"
        )
    if any(_GLUED.search(one) or has_pieces(urlsplit(one).path) for one in aeries):
        raise ConfigurationError(
            "unclear_url",
            "the address in the e-mail runs into other text; give the address as --url, and take "
            "it out of the file",
        )
    return aeries[0] if aeries else None


def _certificate(rest: str) -> Certificate | None:
    found = {
        match[0]: _GOES_ON.match(rest, match.end()) is not None
        for match in _TOKEN.finditer(rest)
        if re.search(r"\d", match[0]) and re.search(r"[A-Za-z]", match[0])
    }
    if len(found) > 1:
        raise ConfigurationError(
            "two_certificates",
            f"the e-mail holds {len(found)} texts that may be a certificate; keep the right one "
            "in the file and take the others out",
        )
    for token, goes_on in found.items():
        is_hex = re.fullmatch(r"[0-9A-Fa-f]+", token) is not None
        if goes_on or (is_hex and len(token) < _FEWEST):
            raise ConfigurationError(
                "cut_certificate",
                f"the e-mail holds a text of {len(token)} characters that may be a piece of a "
                "certificate; write the whole one on a line of its own",
            )
        return Certificate(token)
    return None


def _put_together(text: str) -> str:
    """Join a certificate that a line break or spaces have cut.

    A piece that is long enough already is left as it is, so that a number on
    the next line is never joined to it.
    """
    piece = re.compile(
        r"(?<![\w/.@+-])([0-9A-Za-z]{6,31})=?[ \t]*(?:\r?\n[ \t]*| )([0-9A-Za-z]{2,31})(?!\S)"
    )
    place = 0
    while match := piece.search(text, place):
        first, second = match[1], match[2]
        is_cut = all(re.search(r"\d", part) for part in (first, second)) and (
            re.search(r"[A-Za-z]", first) is not None
        )
        one_line = "\n" not in match[0]
        is_hex = re.fullmatch(r"[0-9A-Fa-f]+", first + second) is not None
        if not is_cut or len(first) >= _FEWEST or (one_line and not is_hex):
            place = match.start(2)
            continue
        text = text[: match.start()] + first + second + text[match.end() :]
        place = match.start()
    return text


def make_entry(
    district_id: str,
    name: str,
    zone: str,
    facts: Facts,
    *,
    certificate: Mapping[str, str],
    accepted: AcceptedReading | None,
    is_complete: bool,
) -> dict[str, Any]:
    """Return the roster entry of a new district.

    Args:
        district_id: Its id.
        name: Its name, for people.
        zone: Its time zone.
        facts: Its address and times, as far as they are known.
        certificate: ``certificate_env`` or ``certificate_file`` with its value.
        accepted: The reading of its words, where a person accepted it.
        is_complete: Whether address, times and certificate are all there. An
            entry that lacks one is paused. One whose reading nobody has accepted
            waits for that too, whoever completes the rest.
    """
    reading = accepted.model_dump(exclude_defaults=True) if accepted else None
    return {
        "id": district_id,
        "name": name,
        "url": unwrapped(facts.url or ""),
        **certificate,
        "timezone": zone,
        "pull_window": facts.times or "",
        **({"pull_window_accepted": reading} if reading else {}),
        **({} if is_complete else {"paused": True}),
        **({} if reading else {"until_accepted": True}),
        "schools": [],
    }


def remarks(facts: Facts, place: str) -> dict[str, list[str]]:
    """Return comments for what an entry lacks, by setting, a few lines each.

    Args:
        facts: What the e-mail said.
        place: The setting that names where the certificate is kept.
    """
    lacks = {
        "url": (facts.url, "the address of the Aeries site is missing", "url"),
        "times": (facts.times, "the best times are missing", "pull_window"),
        "certificate": (facts.certificate, "the certificate is missing from this place", place),
    }
    found: dict[str, list[str]] = {}
    for fact, (value, missing, setting) in lacks.items():
        if value is None:
            why = facts.unread.get(fact, "")
            text = " ".join(f"{missing}{': ' if why else ''}{masked(why)}".split())
            found[setting] = wrap("".join(c for c in text if c.isprintable()), 90)
    return found
