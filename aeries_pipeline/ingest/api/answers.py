"""Distinguishing an Aeries response from everything else that a web server may send.

Takes status, content type and bytes; returns rows or raises a typed error.
No server text gets into a message: an error text, a content type or the address
of a redirect may name a student.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from aeries_pipeline.districts.errors import (
    NOT_FOUND,
    AeriesError,
    ConfigurationError,
    PermanentError,
    PermissionMissingError,
    TransientError,
)
from aeries_pipeline.ingest.api.retry import TRANSIENT_STATUSES

Row = dict[str, Any]
BOM = b"\xef\xbb\xbf"
BAD_JSON = "bad_json"
_LOGIN = re.compile(rb"log ?in|sign ?in", re.IGNORECASE)
_LOGIN_PAGE = re.compile(
    rb"<input[^>]+type\s*=\s*[\"']?password|name\s*=\s*[\"']?SAMLRequest", re.IGNORECASE
)
# A whole text, a quotation mark that opens one without an end, or a bracket.
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|"|[\[\]{}]', re.DOTALL)
CLOSED_BY = {b"[": b"]", b"{": b"}"}


def rows_of(body: bytes, content_type: str, what: str) -> list[Row]:
    """Return the elements of an answer with status 200.

    A single object counts as a list of one: Aeries versions differ in that.

    Args:
        body: The bytes as received.
        content_type: The Content-Type header.
        what: What was asked for, in words for a message.

    Raises:
        ConfigurationError: If a page for people came instead of data.
        TransientError: If the body broke off.
        PermanentError: If it is whole, but not valid JSON, or something else altogether.
    """
    text = body.removeprefix(BOM).strip()
    if not text:
        raise TransientError("empty_body", f"{what}: the server sent an empty body; pull again")
    if text[:1] == b"<":
        raise _page(text, content_type, what)
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _unreadable(text, what) from None
    if isinstance(data, dict):
        if _is_message(data):
            raise PermanentError(
                "message_body",
                f"{what}: Aeries answered with an error message instead of data; ask the "
                "district's Aeries administrator",
            )
        return [data]
    if isinstance(data, list) and all(isinstance(row, dict) for row in data):
        return data
    raise PermanentError(
        "not_rows", f"{what}: the answer is JSON, but not a list of objects; check the url"
    )


def error_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    what: str,
    *,
    retry_after: float | None = None,
) -> AeriesError:
    """Return the error for an answer whose status is not 200."""
    if 300 <= status < 400:
        return _redirect(headers.get("Location", ""), what)
    if status == 401:
        if "www-authenticate" in {name.lower() for name in headers}:
            return ConfigurationError(
                "windows_authentication",
                f"{what}: the site asks for a Windows login before Aeries is reached; ask the "
                "district for an address of Aeries that is open to certificates",
            )
        return PermissionMissingError("unauthorized", f"{what}: Aeries answered 401")
    if status == 403:
        if body.lstrip()[:1] == b"<":
            return ConfigurationError(
                "blocked",
                f"{what}: a firewall or proxy answered 403 in Aeries' place; ask the district "
                "to let this machine's address through",
            )
        return PermissionMissingError("forbidden", f"{what}: Aeries answered 403")
    if status == 404:
        return PermanentError(
            NOT_FOUND,
            f"{what}: not found (404); if every resource says so, the url in the roster is not "
            "the district's Aeries site, else this Aeries version lacks the end point",
        )
    if status in TRANSIENT_STATUSES:
        return TransientError(
            f"http_{status}",
            f"{what}: the server answered {status} each time it was asked; the last good data "
            "stays, pull again later",
            retry_after=retry_after,
        )
    return PermanentError(
        f"http_{status}",
        f"{what}: the server answered {status}; ask the district's Aeries administrator",
    )


def _is_message(data: Row) -> bool:
    return "Message" in data and set(data) <= {
        "Message",
        "MessageDetail",
        "ExceptionMessage",
        "ExceptionType",
        "StackTrace",
        "InnerException",
        "ModelState",
    }


def _page(text: bytes, content_type: str, what: str) -> AeriesError:
    if "xml" in content_type and b"<html" not in text[:2000].lower():
        return PermanentError(
            "xml_body", f"{what}: XML came instead of JSON; a proxy drops the Accept header"
        )
    if not _LOGIN_PAGE.search(text[:200_000]):
        # Without a field for a password it is the page that stands in Aeries' place for a while.
        return TransientError(
            "web_page",
            f"{what}: a web page without a login came instead of data each time, as while Aeries "
            "is maintained; pull again later, and check the url in the roster if it stays so",
        )
    return ConfigurationError(
        "html_page",
        f"{what}: a login page came instead of data; check the url of the district in the roster "
        "and ask whether a proxy or single sign-on stands before Aeries",
    )


def _unreadable(text: bytes, what: str) -> AeriesError:
    if text[:1] in b"[{":
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < len(text) - 3:
                return PermanentError(
                    "not_utf8", f"{what}: the answer is not UTF-8; tell the district's Aeries host"
                )
        if _is_whole(text):
            return PermanentError(
                BAD_JSON,
                f"{what}: the answer is whole, but not valid JSON, as with NaN for a number, half "
                "a character, a control character in a text or more than 1,000 levels; the last "
                "good data stays; tell the district's Aeries host",
            )
        return TransientError(
            "truncated_body",
            f"{what}: the answer broke off after {len(text)} bytes; the last good data stays, "
            "pull again later",
        )
    return PermanentError(
        "not_json", f"{what}: the answer is not JSON; check the url in the roster"
    )


def _is_whole(text: bytes) -> bool:
    """Tell whether each text and bracket that an answer opens is closed in it.

    Such an answer did not break off, so it would be the same if it were asked for again.
    """
    opened: list[bytes] = []
    for token in TOKEN.finditer(text):
        sign = token[0]
        if sign == b'"':
            return False
        if sign in CLOSED_BY:
            opened.append(CLOSED_BY[sign])
        elif sign in {b"]", b"}"} and (not opened or opened.pop() != sign):
            # Brackets that do not match are no sign of an early end.
            return True
    return not opened


def _redirect(location: str, what: str) -> AeriesError:
    target = urlsplit(location)
    if target.scheme == "https" and not _LOGIN.search(target.path.encode()):
        return ConfigurationError(
            "moved",
            f"{what}: the site has moved to another address; open the roster's url in a browser "
            "and put the address that it ends at in the roster (the certificate is not sent along "
            "a redirect)",
        )
    return ConfigurationError(
        "redirected",
        f"{what}: the site redirects to {'a login page' if location else 'somewhere else'}; "
        "check the url of the district in the roster",
    )
