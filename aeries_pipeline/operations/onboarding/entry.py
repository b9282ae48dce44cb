"""A roster entry from an onboarding e-mail: certificate, address, best times.

Reading the e-mail is a pure function of its text. The certificate goes into a
file that only its owner can read, beside the roster, or nowhere; it never gets
into the roster, a message or an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.operations.onboarding.letters import (
    LEFT_OUT,
    addresses,
    cleaned,
    without_addresses,
)
from aeries_pipeline.operations.onboarding.times import times_of

_BARE_URL = re.compile(
    r"(?<![@\w/])(?:[\w-]+\.)+[a-z]{2,}/[^\s<>\"')\]]*aeries[^\s<>\"')\]]*", re.I
)
_TOKEN = re.compile(r"(?<![\w/.@+-])[A-Za-z0-9]{24,64}(?![\w/@+-])")
_GLUED = re.compile(r"(?i)\.(?:aspx|php)\w|(?=\w*\d)(?=\w*[a-z])[0-9a-z]{16}")
_FEWEST = 32  # a certificate of Aeries has 32 or 33 characters; less may be a piece of one


@dataclass(frozen=True, slots=True)
class Facts:
    """What an e-mail says.

    Attributes:
        url: The address of a page of the Aeries site; None where none was found.
        times: The district's own words for its window; None where none was found.
        certificate: The certificate; None where none was found.
    """

    url: str | None
    times: str | None
    certificate: Certificate | None


def read_email(text: str, zone: str, *, url: str | None = None, times: str | None = None) -> Facts:
    """Find the three facts in the text of an e-mail.

    Args:
        text: The text as copied.
        zone: The district's time zone, in which its words are read.
        url: The address, where a person has given it; none is looked for then.
        times: The times, where a person has given them.

    Raises:
        ConfigurationError: If two different certificates or addresses stand in
            it, or its times cannot be read, or in two ways. No secret is repeated.
    """
    text = cleaned(text)
    urls = addresses(text)
    aeries = [url for url in urls if "aeries" in url.lower()] or urls
    if not aeries:
        aeries = list(dict.fromkeys(found.rstrip(".,;:!?") for found in _BARE_URL.findall(text)))
    if url is None and len(aeries) > 1:
        raise ConfigurationError(
            "two_urls", f"the e-mail names {len(aeries)} addresses; give the right one as --url"
        )
    if url is None and any(_GLUED.search(found) for found in aeries):
        raise ConfigurationError(
            "unclear_url",
            "the address in the e-mail runs into other text; give the address as --url, and take "
            "it out of the file",
        )
    rest = _put_together(without_addresses(text))
    tokens = {
        token
        for token in _TOKEN.findall(rest)
        if re.search(r"\d", token) and re.search(r"[A-Za-z]", token)
    }
    if len(tokens) > 1:
        raise ConfigurationError(
            "two_certificates",
            f"the e-mail holds {len(tokens)} texts that may be a certificate; keep the right one "
            "in the file and take the others out",
        )
    certificate = Certificate(tokens.pop()) if tokens else None
    found = url or (aeries[0] if aeries else None)
    return Facts(found, times or times_of(_TOKEN.sub(LEFT_OUT, rest), zone), certificate)


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
    url: str,
    zone: str,
    *,
    times: str,
    certificate: Mapping[str, str],
) -> dict[str, Any]:
    """Return the roster entry of a new district.

    Args:
        district_id: Its id.
        name: Its name, for people.
        url: Any page of its Aeries site.
        zone: Its time zone.
        times: Its pull window in its own words.
        certificate: ``certificate_env`` or ``certificate_file`` with its value.
    """
    return {
        "id": district_id,
        "name": name,
        "url": url,
        **certificate,
        "timezone": zone,
        "pull_window": times,
        "schools": [],
    }
