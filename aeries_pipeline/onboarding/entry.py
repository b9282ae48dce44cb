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

from aeries_pipeline.api.errors import ConfigurationError
from aeries_pipeline.api.secret import Certificate
from aeries_pipeline.windows import parse_windows

_URL = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)
_BARE_URL = re.compile(
    r"(?<![@\w/])(?:[\w-]+\.)+[a-z]{2,}/[^\s<>\"')\]]*aeries[^\s<>\"')\]]*", re.I
)
_TOKEN = re.compile(r"(?<![\w/.@+-])[A-Za-z0-9]{24,64}(?![\w/@+-])")
_TIMES = re.compile(r"\b(time|times|window|pull|hours?|schedule|when)\b", re.IGNORECASE)


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
    urls = list(dict.fromkeys(_trimmed(found) for found in _URL.findall(text)))
    aeries = [url for url in urls if "aeries" in url.lower()] or urls
    if not aeries:
        aeries = list(dict.fromkeys(_trimmed(found) for found in _BARE_URL.findall(text)))
    if url is None and len(aeries) > 1:
        raise ConfigurationError(
            "two_urls", f"the e-mail names {len(aeries)} addresses; give the right one as --url"
        )
    rest = _URL.sub(" ", text)
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
    return Facts(found, times or _times(rest, zone), certificate)


def _trimmed(url: str) -> str:
    return url.rstrip(".,;:!?")


def _times(text: str, zone: str) -> str | None:
    """Return the first line that is a window, with or without words before a colon."""
    refusal: ValueError | None = None
    for line in text.splitlines():
        stated = line.strip(" \t>*-•.")
        _, colon, after = stated.partition(":")
        candidates = [stated]
        if colon and not re.search(r"\d$", stated.partition(":")[0]):
            candidates.insert(0, after.strip())
        for candidate in filter(None, candidates):
            try:
                parse_windows(candidate, zone)
            except ValueError as error:
                # A line about times that reads two ways must not be passed over.
                if _TIMES.search(line) and "read" in str(error):
                    refusal = refusal or error
            else:
                return candidate
    if refusal is not None:
        raise ConfigurationError(
            "unclear_times", f"the times of the e-mail: {refusal}; or give them as --window"
        )
    return None


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
