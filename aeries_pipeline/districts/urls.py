"""The API base of a district's site, from whatever page its staff copied."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import urlsplit, urlunsplit

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.mail_scanners import is_scanner

_ADDRESS = re.compile(r"https?://[^\s<>\"]*", re.IGNORECASE)
_API_TAIL = re.compile(r"/api(/v\d+(/.*)?)?/*$", re.IGNORECASE)
_PAGE_TAIL = re.compile(
    r"/[^/]*\.(aspx?|html?|xhtml|php\d?|ashx|asmx|axd|jsp|cfm)(/.*)?$", re.IGNORECASE
)
# Pages of Aeries whose address may stand without an ending.
_BARE_PAGE = re.compile(
    r"/(securityforapi|apisecurity|login(parent)?|logout|default|index)/*$", re.IGNORECASE
)
# ASP.NET keeps a session in the path where the browser takes no cookie.
_SESSION = re.compile(r"/(?:\(|%28)(?:[a-z](?:\(|%28)[^/()]*(?:\)|%29))+(?:\)|%29)", re.IGNORECASE)
# A session behind a semicolon, and blanks that were copied along and written as bytes.
_UNSEEN = re.compile(r";[^/]*|(?:%20|%09|%0A|%0D|%C2%A0|%E2%80%8B)+(?=/|$)", re.IGNORECASE)
_HOST = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*")
_ENDS = ".,;:!?'\"*`|"


def api_base(url: str) -> str:
    """Return the base of the version 5 API, without a slash at its end.

    A page name, a session in the path, query, fragment, credentials, an
    ``/api`` or ``/api/v5`` that is already there, slashes at the end and the
    words or marks of the sentence around it are cut off.

    >>> api_base("https://demo.aeries.net/aeries.net/SecurityForAPI.aspx?x=1")
    'https://demo.aeries.net/aeries.net/api/v5'

    Raises:
        ConfigurationError: If it is not one http or https address of a host, or
            that of a mail scanner.
    """
    text = _alone(url)
    try:
        parts = urlsplit(text)
        port, name = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError:
        raise _unusable() from None
    if parts.scheme.lower() not in {"http", "https"} or not _is_host(name):
        raise _unusable()
    if is_scanner(name):
        raise ConfigurationError(
            "wrapped_url",
            f"the url leads to a mail scanner or a search ({name}) and not to the district; open "
            "it in a browser and copy the address of the Aeries page that appears",
        )
    host = f"[{name}]" if ":" in name else name
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), netloc, f"{_folder(parts.path)}/api/v5", "", ""))


def _alone(url: str) -> str:
    """Return the one address in a text that a person has copied."""
    seen = (char for char in url.replace("\\", "/") if unicodedata.category(char) != "Cf")
    text = " ".join("".join(seen).split())
    found = _ADDRESS.findall(text)
    if not found:
        first, _, rest = text.strip("<>\"' \t").partition(" ")
        first = _trimmed(first)
        # Without a scheme only a name with a dot, or this machine, is taken for a host.
        name = re.split(r"[/:?#]", first, maxsplit=1)[0]
        known = "." in name or name.lower() == "localhost" or first.startswith("[")
        if "://" in first or "@" in first or "/" in rest or not known:
            raise _unusable()
        return f"https://{first}"
    kept = {_trimmed(one) for one in found}
    if len(kept) > 1 or "/" in text.partition(found[0])[2].partition(" ")[2]:
        raise _unusable()
    return kept.pop()


def _trimmed(address: str) -> str:
    """Cut the marks of the sentence around an address off its end."""
    while address:
        last = address[-1]
        closes = last in ")]}>" and address.count(last) > address.count("([{<"[")]}>".index(last)])
        if last not in _ENDS and not closes:
            break
        address = address[:-1]
    return address


def _folder(path: str) -> str:
    """Return the folder of the site, from the path of one of its pages."""
    path = re.sub(r"/{2,}", "/", _UNSEEN.sub("", _SESSION.sub("", path)))
    before = None
    while path != before:
        before = path
        for tail in (_PAGE_TAIL, _API_TAIL, _BARE_PAGE):
            path = tail.sub("", path).rstrip("/" + _ENDS)
    return path


def checked_url(value: str) -> str:
    """Check an address of the roster and return it unchanged.

    Raises:
        ValueError: If it is no address of a site; a blank one is none yet.
    """
    if value:
        try:
            api_base(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
    return value


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _HOST.fullmatch(name) is not None
    return True


def _unusable() -> ConfigurationError:
    return ConfigurationError(
        "bad_url",
        "the url is not an address such as https://district.example/aeries; "
        "copy the address of any page of the district's Aeries site",
    )


def host_of(url: str) -> str:
    """Return host and port for a message, never a path, a query or credentials."""
    return urlsplit(url).netloc.rpartition("@")[2] or "the server"


def is_loopback(url: str) -> bool:
    """Tell whether an address stays on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
