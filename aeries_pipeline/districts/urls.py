"""The API base of a district's site, from whatever page its staff copied."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from aeries_pipeline.districts.errors import ConfigurationError

_API_TAIL = re.compile(r"/api(/v\d+)?(/.*)?$", re.IGNORECASE)
_PAGE_TAIL = re.compile(r"/[^/]*\.(aspx?|html?|ashx)(/.*)?$", re.IGNORECASE)


def api_base(url: str) -> str:
    """Return the base of the version 5 API, without a slash at its end.

    A page name, query, fragment, credentials, an ``/api`` or ``/api/v5`` that
    is already there and slashes at the end are cut off.

    >>> api_base("https://demo.aeries.net/aeries.net/SecurityForAPI.aspx?x=1")
    'https://demo.aeries.net/aeries.net/api/v5'

    Raises:
        ConfigurationError: If it is not an http or https address of a host.
    """
    text = url.strip().strip("<>\"'")
    if "://" not in text:
        text = f"https://{text}"
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or port == -1:
        raise ConfigurationError(
            "bad_url",
            "the url is not an address such as https://district.example/aeries; "
            "copy the address of any page of the district's Aeries site",
        )
    path = _PAGE_TAIL.sub("", parts.path)
    path = _API_TAIL.sub("", path).rstrip("/")
    host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), netloc, f"{path}/api/v5", "", ""))


def host_of(url: str) -> str:
    """Return host and port for a message, never a path or a query."""
    return urlsplit(url).netloc or "the server"
