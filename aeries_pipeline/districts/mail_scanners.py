"""Addresses that a mail scanner has wrapped: which hosts are scanners, and what is inside.

A wrapped address leads to the scanner's own host, which must never be sent a request
for a district's data.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_DEEPEST = 5


def _named(*names: str) -> Callable[[SplitResult], str]:
    """Return a reader of the first query parameter that is there."""

    def read(parts: SplitResult) -> str:
        query = parse_qs(parts.query)
        return next((query[name][0] for name in names if query.get(name)), "")

    return read


def _proofpoint(parts: SplitResult) -> str:
    """Read all three spellings of Proofpoint's URL Defense."""
    whole = parts.path + (f"?{parts.query}" if parts.query else "")
    third = re.search(r"/v3/__(.+?)__(?:;([\w-]*)!|$)", whole)
    if third is None:
        coded = _named("u")(parts)
        return unquote(coded.replace("-", "%").replace("_", "/")) if "/v2/" in whole else coded
    # A star stands for a character that follows, in Base64; runs of them are left alone.
    kept = third[2] or ""
    try:
        hidden = base64.urlsafe_b64decode(kept + "=" * (-len(kept) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    if "**" in third[1] or third[1].count("*") != len(hidden):
        return "" if "*" in third[1] else third[1]
    characters = iter(hidden)
    return re.sub(r"\*", lambda _: next(characters), third[1])


def _in_base64(parts: SplitResult) -> str:
    coded = _named("u")(parts)
    try:
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _in_path(parts: SplitResult) -> str:
    found = re.search(r"/(https?(?:%3a|:).+)$", parts.path, re.IGNORECASE)
    return unquote(found[1]) if found else ""


def _between_lines(parts: SplitResult) -> str:
    found = re.search(r"___(https?:.+?)___", parts.path, re.IGNORECASE)
    return found[1] if found else ""


def _nothing(_parts: SplitResult) -> str:
    """Read nothing: the address is kept on the scanner's side alone."""
    return ""


_SCANNERS: dict[str, Callable[[SplitResult], str]] = {
    "safelinks.protection.outlook.com": _named("url"),
    "safelinks.protection.office365.us": _named("url"),
    "statics.teams.cdn.office.net": _named("url"),
    "urldefense.proofpoint.com": _proofpoint,
    "urldefense.com": _proofpoint,
    "urldefense.us": _proofpoint,
    "linkprotect.cudasvc.com": _named("a"),
    "secure-web.cisco.com": _in_path,
    "protect.checkpoint.com": _between_lines,
    "avanan.click": _between_lines,
    "protection.sophos.com": _in_base64,
    "fireeye.com": _named("u"),
    "clicktime.symantec.com": _named("u"),
    "clicktime.cloud.postoffice.net": _named("u"),
    "trendmicro.com": _named("url"),
    "hornetsecurity.com": _named("url", "u"),
    "scanmail.trustwave.com": _named("u"),
    "linklock.titanhq.com": _named("url"),
    "edgepilot.com": _named("u"),
    "google.com": _named("q", "url"),
    "mimecast.com": _nothing,
    "mimecastprotect.com": _nothing,
    "emailprotection.link": _nothing,
    "inky.com": _nothing,
}
"""Reader of each scanner's addresses, by the end of its host name."""


def _reader(host: str) -> Callable[[SplitResult], str] | None:
    host = host.lower().rstrip(".")
    for ending, read in _SCANNERS.items():
        if host == ending or host.endswith(f".{ending}"):
            return read
    return None


def is_scanner(host: str) -> bool:
    """Tell whether a host belongs to a known mail scanner."""
    return _reader(host) is not None


def unwrapped(url: str) -> str:
    """Return the address that mail scanners have wrapped, or the address itself.

    Where a scanner's address does not hold the other in readable form, it is
    returned as it is; ``urls.api_base`` refuses it.
    """
    for _ in range(_DEEPEST):
        text = url.strip()
        try:
            parts = urlsplit(text if "://" in text else f"https://{text}")
            read = _reader(parts.hostname or "")
            inner = read(parts) if read else ""
        except ValueError:
            return url
        if not inner:
            return url
        # Mail programs take one of two slashes away.
        url = re.sub(r"^(https?:)/(?=[^/])", r"\1//", inner, flags=re.IGNORECASE)
    return url
