"""An e-mail as it was saved, as plain text, and what is not the district's answer in it.

Reading bytes, headers, HTML and wrapped addresses. Which certificate, address
and times the text holds is decided in ``entry``.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote, urlsplit

LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
"""Stands where an address or a certificate stood, so that its label does not take other lines."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_HEADER = re.compile(rb"(?:[A-Za-z][\w-]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n)+\r?\n")
_BLOCKS = {"p", "div", "br", "li", "tr", "table", "h1", "h2", "h3", "blockquote"}
_HEADER_LINE = re.compile(
    r"\s*>*\s*\*?(from|sent|to|cc|bcc|subject|date|reply-to)\*?:", re.IGNORECASE
)
_OLDER = re.compile(r"(?im)^\s*(?:-{2,}\s*(?:original|forwarded) message.*|on .{6,80} wrote:)\s*$")
_URL = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)


class _Text(HTMLParser):
    """Collects the text of a page, a line for each block, with its links' addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"style", "script", "head", "title"}:
            self.hidden += 1
        if tag in _BLOCKS:
            self.parts.append("\n")
        if tag == "td":
            self.parts.append(" ")
        address = dict(attrs).get("href") or ""
        if tag == "a" and address.lower().startswith("http"):
            self.parts.append(f" {address} ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "head", "title"}:
            self.hidden = max(self.hidden - 1, 0)
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


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
    reader = _Text()
    reader.feed(page)
    reader.close()
    return "".join(reader.parts)


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


def unwrapped(url: str) -> str:
    """Return the address that a mail scanner has wrapped, or the address itself."""
    parts = urlsplit(url)
    host, query = parts.netloc.lower(), parse_qs(parts.query)
    if host.endswith("safelinks.protection.outlook.com") and query.get("url"):
        return query["url"][0]
    if host.endswith("linkprotect.cudasvc.com") and query.get("a"):
        return query["a"][0]
    if host.endswith("urldefense.proofpoint.com") and query.get("u"):
        return unquote(query["u"][0].replace("-", "%").replace("_", "/"))
    if host.endswith("urldefense.com") and (inner := re.search(r"/v3/__(.+?)__", url)):
        return re.sub(r"^(https?:)/(?=[^/])", r"\1//", inner[1])
    return url
