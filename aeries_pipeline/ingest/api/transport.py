"""One thread's connection to one server: a request out, status and bytes back.

Turns network and TLS failures into typed errors. What a response means is
decided in ``answers``; retrying is the client's job.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import requote_uri, select_proxy

from aeries_pipeline.districts.errors import AeriesError, ConfigurationError, TransientError
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.districts.urls import host_of, is_loopback

ACCEPT = "application/json, text/html, application/xhtml+xml, */*"
_PIECE = 256 * 1024
_LARGEST_PIECE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one attempt may take.

    Attributes:
        connect: Seconds until the connection stands.
        read: Seconds between two pieces of the answer.
        total: Seconds for one whole attempt; catches a body that drips.
        max_bytes: Size at which an answer is given up.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 240.0
    max_bytes: int = 1 << 30


def _of_environment(session: requests.Session, base: str) -> tuple[dict[str, str], Any]:
    """Return the proxies that the environment names for a site, and how it has TLS verified."""
    found = session.merge_environment_settings(base, {}, None, None, None)
    # What is not encrypted stays on this machine, whatever proxy the environment names.
    stays = base.startswith("http:") and is_loopback(base)
    return {} if stays else dict(found["proxies"]), found["verify"]


def proxy_of(base: str) -> str | None:
    """Return host and port of the proxy before a site, without its password; None without one."""
    with requests.Session() as session:
        proxies, _verify = _of_environment(session, base)
    proxy = select_proxy(base, proxies)
    return host_of(proxy) if proxy else None


class Transport:
    """A connection that is kept open between requests. Not for several threads.

    Everything that is the same for each request is prepared once: headers,
    proxies and certificate authorities of the environment. Redirects are not
    followed, so that the certificate never travels along one.

    Args:
        base: The API's base address, see ``urls.api_base``.
        certificate: Sent in the ``AERIES-CERT`` header, where a request asks for it,
            and nowhere else.
        timeouts: How long one attempt may take.
        ca_file: Certificate authorities of the district's own, in place of the usual ones.
    """

    def __init__(
        self,
        base: str,
        certificate: Certificate,
        timeouts: Timeouts,
        ca_file: Path | None = None,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._host = host_of(base)
        self._timeouts = timeouts
        self._adapter = HTTPAdapter()
        self._piece = _PIECE
        self._cookies = requests.cookies.RequestsCookieJar()
        with requests.Session() as session:
            self._proxies, verify = _of_environment(session, base)
            # Credentials of a .netrc must not travel to a district's server.
            session.trust_env = False
            session.headers.update({"Accept": ACCEPT, "User-Agent": "aeries-pipeline"})
            self._prepared = session.prepare_request(requests.Request("GET", base))
        self._certificate = certificate
        self._base = self._prepared.url or base
        # A path or True: nothing of the environment can turn the verification off.
        self._verify: str | bool = str(ca_file) if ca_file else (verify or True)

    def close(self) -> None:
        """Close the connection."""
        self._adapter.close()

    def send(
        self,
        path: str,
        params: Mapping[str, str | int],
        what: str,
        *,
        with_certificate: bool,
        method: str = "GET",
        data: bytes | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request and return status, headers and body, whatever they are.

        Args:
            path: Path below the base.
            params: Query parameters.
            what: What is asked for, in words for messages.
            with_certificate: Whether the certificate goes along.
            method: GET, or one that changes something.
            data: JSON to send along.

        Raises:
            ConfigurationError: If no try will ever get through.
            TransientError: If a later one may.
        """
        deadline = time.monotonic() + self._timeouts.total
        request = self._request(path, params, with_certificate=with_certificate)
        _put_in(request, method, data)
        try:
            response = self._adapter.send(
                request,
                stream=True,
                timeout=(self._timeouts.connect, self._timeouts.read),
                verify=self._verify,
                proxies=self._proxies,
            )
            with response:
                self._cookies.update(response.cookies)
                pieces = list(self._pieces(response, deadline, what))
        except (OSError, urllib3.exceptions.ProtocolError) as error:
            # Among the errors of the system are all that requests raises.
            raise self._failure(error, what) from None
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return response.status_code, response.headers, body

    def _failure(self, error: Exception, what: str) -> AeriesError:
        """Say what has gone wrong on the way, without the words of any library."""
        host, asked = self._host, requests.exceptions
        match error:
            case asked.SSLError():
                return ConfigurationError(
                    "tls",
                    f"{what}: the TLS certificate of {host} is not valid for it; ask the "
                    "district's Aeries host to renew it, correct the host name in the roster, or "
                    "name the file of the district's own certificate authority there as ca_file",
                )
            case asked.ProxyError():
                return TransientError(
                    "proxy",
                    f"{what}: the proxy {self._proxy()} of this machine's environment gives no way "
                    f"to {host}; start it, correct HTTPS_PROXY, or name the host in NO_PROXY",
                )
            case asked.ConnectTimeout():
                return TransientError(
                    "connect_timeout",
                    f"{what}: no connection to {host} within {self._timeouts.connect:.0f} s; a "
                    "firewall may drop this machine's address",
                )
            case asked.Timeout():
                return TransientError(
                    "read_timeout",
                    f"{what}: {host} sent nothing for {self._timeouts.read:.0f} s; pull again "
                    "later",
                )
            case asked.ConnectionError():
                return _connection_error(error, host, what)
        return _broken_answer(error, host, what)

    def _proxy(self) -> str:
        """Return host and port of the proxy, without its password."""
        return host_of(select_proxy(self._base, self._proxies) or "")

    def _request(
        self, path: str, params: Mapping[str, str | int], *, with_certificate: bool
    ) -> requests.PreparedRequest:
        request = self._prepared.copy()
        if with_certificate:
            request.headers["AERIES-CERT"] = self._certificate.reveal()
        query = f"?{urlencode(params)}" if params else ""
        request.url = requote_uri(f"{self._base}/{path}{query}")
        if self._cookies:
            request.prepare_cookies(self._cookies)
        return request

    def _pieces(self, response: requests.Response, deadline: float, what: str) -> Iterator[bytes]:
        size = 0
        began = time.monotonic()
        for piece in response.iter_content(self._piece if response.status_code == 200 else 4096):
            size += len(piece)
            if size > self._timeouts.max_bytes:
                raise TransientError("too_large", f"{what}: the answer does not end; given up")
            if time.monotonic() > deadline:
                raise TransientError(
                    "slow_body",
                    f"{what}: the answer took longer than {self._timeouts.total:.0f} s; "
                    "pull again at a quieter hour",
                )
            yield piece
        # Large pieces cost least; they are small enough to take about a second, so that
        # a body which drips is noticed in time.
        rate = size / max(time.monotonic() - began, 0.001)
        self._piece = int(min(max(rate, _PIECE), _LARGEST_PIECE))


def _put_in(request: requests.PreparedRequest, method: str, data: bytes | None) -> None:
    request.method = method
    if data is not None:
        request.headers["Content-Type"] = "application/json"
        request.prepare_body(data, None)


def _broken_answer(error: Exception, host: str, what: str) -> AeriesError:
    match error:
        case requests.exceptions.ChunkedEncodingError() | urllib3.exceptions.ProtocolError():
            return TransientError(
                "truncated_body",
                f"{what}: {host} broke off in the middle of the answer; the last good data stays, "
                "pull again later",
            )
        case requests.exceptions.ContentDecodingError():
            return TransientError(
                "bad_encoding", f"{what}: the compressed answer of {host} is damaged"
            )
        case requests.exceptions.RequestException():
            return ConfigurationError(
                "bad_request", f"{what}: no request can be made to {host}; check the url"
            )
    return ConfigurationError(
        "ca_file",
        f"{what}: the file of certificate authorities cannot be used; correct ca_file in the "
        "roster, or REQUESTS_CA_BUNDLE in the environment",
    )


def _connection_error(
    error: requests.exceptions.ConnectionError, host: str, what: str
) -> AeriesError:
    chain = repr(error)
    if "NameResolution" in chain or "getaddrinfo" in chain:
        return ConfigurationError(
            "dns", f"{what}: the host name {host} does not exist; correct the url in the roster"
        )
    if "refused" in chain:
        return TransientError(
            "refused", f"{what}: {host} refuses the connection; the Aeries site may be down"
        )
    if "IncompleteRead" in chain or "Read timed out" in chain:
        return TransientError(
            "truncated_body",
            f"{what}: {host} broke off in the middle of the answer; the last good data stays, "
            "pull again later",
        )
    return TransientError(
        "connection_lost", f"{what}: the connection to {host} was lost; pull again later"
    )
