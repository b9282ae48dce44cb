"""The way to a server: name, port, TLS. Sends no request and no certificate."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from aeries_pipeline.districts.urls import is_loopback
from aeries_pipeline.ingest.api.transport import proxy_of
from aeries_pipeline.operations.onboarding.findings import Finding, failed, passed, warned

XELLO_ADDRESSES = "158.106.118.74, 38.122.71.192/29, 38.69.154.0/24"
_EXPIRES_SOON = 21


def look_without_asking(base: str, timeout: float = 10.0) -> Finding:
    """Return what is found without a word to the district: whether its host's name exists.

    Where everything goes through a proxy of this side, whether that answers.
    """
    proxy = proxy_of(base)
    if proxy is not None:
        return _proxy(proxy, timeout)
    return _name(*_place(base))


def _place(base: str) -> tuple[str, int]:
    parts = urlsplit(base)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def look(base: str, timeout: float = 10.0, ca_file: Path | None = None) -> list[Finding]:
    """Return what was found of name, port and TLS, up to the first that blocks.

    Args:
        base: The API base of the site.
        timeout: Seconds for the connection.
        ca_file: Certificate authorities of the district's own, in place of the usual ones.
    """
    found = [look_without_asking(base, timeout)]
    if found[-1].step == "proxy":
        return found
    host, port = _place(base)
    if not found[-1].blocks:
        found.append(_port(host, port, timeout))
    if not found[-1].blocks:
        found.append(
            _tls(host, port, timeout, ca_file) if base.startswith("https:") else _plain(host)
        )
    return found


def _proxy(proxy: str, timeout: float) -> Finding:
    """Look for the proxy through which everything goes; name and TLS of the site are its to see."""
    parts = urlsplit(f"//{proxy}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=timeout):
            return passed("proxy", f"requests go through {proxy}, which answers")
    except OSError:
        return failed(
            "proxy",
            f"the proxy {proxy} of this machine's environment does not answer; start it, correct "
            "HTTPS_PROXY, or name the site's host in NO_PROXY",
        )


def _name(host: str, port: int) -> Finding:
    try:
        addresses = sorted({one[4][0] for one in socket.getaddrinfo(host, port)}, key=str)
    except (OSError, UnicodeError):
        return failed(
            "host name",
            f"the host name {host} does not exist; correct the url in the roster",
            f"Please send the address of your Aeries site again; {host} cannot be found.",
        )
    return passed("host name", f"{host} is {', '.join(map(str, addresses))}")


def _port(host: str, port: int, timeout: float) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return passed("port", f"port {port} of {host} answers")
    except TimeoutError:
        return failed(
            "port",
            f"no connection to port {port} of {host} within {timeout:g} s: a firewall drops this "
            "machine's address",
            f"Please let our servers through your firewall to port {port} of {host}. (Xello's own "
            f"published addresses are {XELLO_ADDRESSES}; we will send you ours.)",
        )
    except ConnectionRefusedError:
        return failed(
            "port",
            f"port {port} of {host} refuses the connection: nothing listens there; the port or "
            "the host is wrong, or the site is down",
            f"Is your Aeries site running at {host}, port {port}?",
        )
    except OSError as error:
        return failed(
            "port",
            f"{host} cannot be reached ({error.strerror or type(error).__name__})",
            f"Can your Aeries site be reached from outside your network at {host}?",
        )


def _plain(host: str) -> Finding:
    if is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}"):
        return passed("TLS", "none, on this machine")
    return failed(
        "TLS",
        "the url is plain http, over which the certificate is never sent; use https",
        f"Please give us the https address of your Aeries site; {host} was given with http.",
    )


def _tls(host: str, port: int, timeout: float, ca_file: Path | None) -> Finding:
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with (
            socket.create_connection((host, port), timeout=timeout) as raw,
            context.wrap_socket(raw, server_hostname=host) as secure,
        ):
            return _expiry(host, secure)
    except ssl.SSLCertVerificationError as error:
        return failed(
            "TLS",
            f"the TLS certificate of {host} is not valid: {error.verify_message}",
            f"The TLS certificate of {host} is not accepted ({error.verify_message}). Please have "
            "it renewed, with its intermediate certificates.",
        )
    except ssl.SSLError as error:
        return failed(
            "TLS",
            f"{host} does not speak TLS 1.2 or newer on port {port} ({error.reason or 'no TLS'})",
            f"Please check that {host} offers https with TLS 1.2 or newer on port {port}.",
        )
    except OSError as error:
        return failed(
            "TLS",
            f"{host} breaks the connection off during the TLS handshake "
            f"({error.strerror or type(error).__name__}): often a firewall that inspects traffic",
            f"Does a firewall or proxy inspect connections to {host}, port {port}?",
        )


def _expiry(host: str, secure: ssl.SSLSocket) -> Finding:
    stated = (secure.getpeercert() or {}).get("notAfter")
    version = secure.version()
    if not isinstance(stated, str):
        return passed("TLS", f"{version}")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(stated), UTC)
    days = (ends - datetime.now(UTC)).days
    text = f"{version}, valid until {ends:%Y-%m-%d}"
    if days < _EXPIRES_SOON:
        return warned(
            "TLS",
            f"{text}: it runs out in {days} days",
            f"The TLS certificate of {host} runs out on {ends:%Y-%m-%d}; please renew it.",
        )
    return passed("TLS", text)
