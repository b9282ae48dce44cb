"""An e-mail as it was saved, as plain text, and which parts are not the district's answer.

Reading bytes, headers, HTML and wrapped addresses. Which certificate, address and times
the text holds is decided in ``entry``.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import urlsplit, urlunsplit

from inscriptis import Inscriptis
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import ParserError
from lxml.html import HTMLParser, fromstring

from aeries_pipeline.districts.mail_scanners import unwrapped

LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
"""Stands where an address or a certificate stood, so that its label does not take other lines."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_HEADER = re.compile(rb"(?:[A-Za-z][\w-]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n)+\r?\n")
_HEADER_LINE = re.compile(
    r"\s*>*\s*\*?(from|sent|to|cc|bcc|subject|date|reply-to)\*?:", re.IGNORECASE
)
_OLDER = re.compile(r"(?im)^\s*(?:-{2,}\s*(?:original|forwarded) message.*|on .{6,80} wrote:)\s*$")
_URL = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)


def text_of(saved: bytes) -> str:
    """Return the text of an e-mail that was saved as text or as ``.eml``.

    Args:
        saved: The file: UTF-8, UTF-16 or Windows-1252, or a whole message with
            its headers, whose text part is taken, or its HTML where it has none.
    """
    head = _HEADER.match(saved)
    if head and re.search(rb"(?im)^(mime-version|content-type|message-id):", head[0]):
        message = message_from_bytes(saved, policy=policy.default)
        body = message.get_body(("plain", "html")) if isinstance(message, EmailMessage) else None
        if body is not None:
            content = str(body.get_content())
            return _html_text(content) if body.get_content_subtype() == "html" else content
    text = _decoded(saved)
    return _html_text(text) if re.match(r"\s*<(!doctype|html|body|div|p)\b", text, re.I) else text


def _decoded(saved: bytes) -> str:
    if saved.startswith((b"\xff\xfe", b"\xfe\xff")):
        return saved.decode("utf-16", errors="replace")
    try:
        return saved.decode("utf-8-sig")
    except UnicodeDecodeError:
        return saved.decode("cp1252", errors="replace")


def _html_text(page: str) -> str:
    """Return the text of a page: links with their addresses, cells apart, quotes marked as such.

    What is struck out is left out.
    """
    try:
        # As bytes: lxml refuses text that declares an encoding.
        tree = fromstring(page.encode(), parser=HTMLParser(encoding="utf-8"))
    except ParserError:
        return ""
    config = ParserConfig(
        css=CSS_PROFILES["strict"], display_links=True, table_cell_separator=" | "
    )
    for struck in list(tree.iter("s", "strike", "del")):
        if struck.getparent() is not None:
            tail = struck.tail
            struck.clear()
            struck.tail = tail
    for quote in list(tree.iter("blockquote")):
        if quote.getparent() is None:
            continue
        shown = Inscriptis(quote, config).get_text().splitlines()
        tail = quote.tail
        quote.clear()
        quote.tag, quote.tail = "pre", tail
        quote.text = "\n".join(f"> {line.strip()}" for line in shown if line.strip())
    return str(Inscriptis(tree, config).get_text())


def cleaned(text: str) -> str:
    """Take out what cannot be seen, header lines and older mails below the answer."""
    text = _INVISIBLE.sub("", text).replace("\u00a0", " ").replace("\u202f", " ")
    above = _OLDER.split(text, maxsplit=1)[0]
    text = above if re.search(r"[0-9A-Za-z]{24}", above) else text
    lines = [line for line in text.splitlines() if not _HEADER_LINE.match(line)]
    own = [line for line in lines if not line.lstrip().startswith(">")]
    if re.search(r"[0-9A-Za-z]{24}", "\n".join(own)):
        lines = own
    return "\n".join(line.lstrip("> \t") if ">" in line[:3] else line for line in lines)


def addresses(text: str) -> list[str]:
    """Return the addresses in a text, each once, freed from what mail scanners add."""
    found = (unwrapped(match.rstrip(".,;:!?")) for match in _URL.findall(text))
    return list(dict.fromkeys(found))


def without_addresses(text: str) -> str:
    """Return the text without addresses, with the full stop that may end a sentence kept."""
    return _URL.sub(
        lambda match: f" {LEFT_OUT} . " if match[0].endswith(".") else f" {LEFT_OUT} ", text
    )


def bare(url: str) -> str:
    """Return an address without credentials, query and fragment, which may hold anything."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


_NUMBERS = r"(?=\w*\d)\w+|[0-9a-fA-F]+"
_CLOCK = re.compile(r"\d{1,2}(?:[ap]m?)?|(?:[01]\d|2[0-4])[0-5]\d", re.IGNORECASE)
_RUN = re.compile(rf"\b(?:{_NUMBERS})(?:[^\w]+(?:{_NUMBERS})\b){{4,}}")


def masked(text: str) -> str:
    """Return text as it may be shown: without anything that may be a piece of a certificate.

    Words with digits stay only if they are times of day, and only a few of those in a row. The text
    may be an e-mail whose certificate was not recognised.
    """
    text = _INVISIBLE.sub("", text)
    text = _RUN.sub("...", text)
    return re.sub(r"\w+", lambda word: "..." if _may_be_a_piece(word[0]) else word[0], text)


def has_pieces(path: str) -> bool:
    """Tell whether the path of an address holds a row of what may be pieces of a certificate."""
    return _RUN.search(path.replace("_", "-")) is not None


def _may_be_a_piece(word: str) -> bool:
    if _CLOCK.fullmatch(word):
        return False
    has_digit = re.search(r"\d", word) is not None
    return has_digit or (len(word) >= 6 and re.fullmatch(r"[0-9a-fA-F]+", word) is not None)
