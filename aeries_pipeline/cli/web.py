"""``aeries-pipeline web``: pages for people without Dagster."""

from __future__ import annotations

import os
import secrets
import socket

import uvicorn
from rich.console import Console

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.web.access import Access, ExposedError, is_loopback
from aeries_pipeline.web.app import application

TOKEN_VARIABLE = "AERIES_WEB_TOKEN"  # noqa: S105 - the name of a variable
_LETTERS = 24


def serve_web(
    settings: Settings, console: Console, *, host: str, port: int, user_header: str | None
) -> None:
    """Serve the pages until the process is stopped.

    Args:
        settings: Where roster and data are.
        console: Told the address, and a token that was made for this time.
        host: Address to listen on.
        port: Port to listen on.
        user_header: Header in which a reverse proxy of this machine names the user.

    Raises:
        ConfigurationError: If the pages would stand open, or there is no roster.
    """
    load_roster(settings.roster)
    if not host.strip():
        raise ConfigurationError(
            "web_host",
            "no address to listen on is given, which would be every address of this machine; name "
            "one with --host, or leave it out for 127.0.0.1",
        )
    given = os.environ.get(TOKEN_VARIABLE, "")
    try:
        if user_header is not None:
            access = Access(user_header=user_header)
        else:
            access = Access(token=given or secrets.token_urlsafe(_LETTERS))
        access.check_host(host)
    except ExposedError as error:
        raise ConfigurationError("web_access", str(error)) from None
    listener = _listener(host, port)
    console.print(f"Pages: http://{host}:{port}/", soft_wrap=True)
    if access.token and not given:
        console.print(
            f"Token for this time: {access.token}  ({TOKEN_VARIABLE} gives one that stays)",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
    if not is_loopback(host):
        console.print(
            "What is sent is not encrypted: let a proxy with TLS stand in front of it.",
            soft_wrap=True,
        )
    config = uvicorn.Config(
        application(settings, access), log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, lifespan="off",
    )  # fmt: skip
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        ConfigurationError: If the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            "web_port",
            f"nothing can be served on {host}, port {port} ({error.strerror}): stop what listens "
            "there, or name another with --port",
        ) from None
    return listener
