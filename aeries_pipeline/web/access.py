"""Who may read the pages: whoever has the token, or whom a proxy of this machine vouches for."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

COOKIE = "aeries_pages"
ENTER = "/enter"
STYLE = "/style.css"

_HEADERS = {
    # Pages hold counts of children: no copy stays in a browser, and nothing comes from elsewhere.
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LONGEST_FORM = 2_000


_OF_EVERYBODY = re.compile(
    r"accept|accept-.*|access-control-.*|age|authorization|cache-control|connection|content-.*"
    r"|cookie|date|dnt|expect|forwarded|from|host|if-.*|keep-alive|origin|pragma|priority|proxy-.*"
    r"|range|referer|sec-.*|te|trailer|transfer-encoding|upgrade|upgrade-.*|user-agent|via|warning"
    r"|x-forwarded-(for|host|port|proto|protocol|scheme|server|ssl|prefix)|x-real-ip|x-request-id"
    r"|x-requested-with"
)
"""Headers that browsers send, or that a proxy adds for whoever comes."""


class ExposedError(ValueError):
    """The pages would stand open to people whom nobody has let in."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a reader proves that they may read; one of the two is given.

    Attributes:
        token: What the reader has to know; empty where a proxy vouches.
        user_header: Header in which a reverse proxy names the user; empty where a token is asked
            for.
    """

    token: str = ""
    user_header: str = ""

    def __post_init__(self) -> None:
        """Refuse pages that anybody could read."""
        if bool(self.token) == bool(self.user_header):
            raise ExposedError("give either a token or the header in which a proxy names the user")
        if self.user_header:
            _check_header(self.user_header)
        if self.token and len(self.token) < 16:
            raise ExposedError("the token is shorter than 16 characters; it could be guessed")

    def check_host(self, host: str) -> None:
        """Refuse a combination that would trust a header of anybody's.

        Raises:
            ExposedError: If the header is trusted on an address that others can reach.
        """
        if self.user_header and not is_loopback(host):
            raise ExposedError(
                f"anybody who reaches {host} could write {self.user_header} themselves: let the "
                "proxy stand on this machine and leave --host out"
            )

    def lets_in(self, request: Request) -> bool:
        """Tell whether a request comes from somebody who may read."""
        if self.user_header:
            return bool(request.headers.get(self.user_header, "").strip())
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        said = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        return self.is_token(said)

    def is_token(self, said: str) -> bool:
        """Compare without telling by the time taken how much was right."""
        return secrets.compare_digest(said.strip().encode(), self.token.encode())


def _check_header(name: str) -> None:
    """Refuse a header that comes with requests of people whom nobody has named.

    Raises:
        ExposedError: If it is one, or is no name of a header.
    """
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ExposedError("the name of the header is none; give one such as X-Remote-User")
    if _OF_EVERYBODY.fullmatch(name.lower()):
        raise ExposedError(
            f"{name} comes with requests of people whom no proxy has named, so anybody could read "
            "the pages; give the header in which the proxy names the user, such as X-Remote-User"
        )


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Doorkeeper(BaseHTTPMiddleware):
    """Sends whoever may not read to the page that asks for the token, and nobody else."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Remember whom to let in."""
        super().__init__(app)
        self._access = access

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer, or send away; every answer has the same careful headers."""
        answer = await self._answer(request, call_next)
        answer.headers.update(_HEADERS)
        return answer

    async def _answer(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        path = request.url.path
        if request.method not in {"GET", "HEAD"} and path != ENTER:
            return Response("These pages are for reading.", 405)
        if self._access.user_header:
            if self._access.lets_in(request):
                return await call_next(request)
            return Response("The proxy has named no user.", 403)
        if path == ENTER and request.method == "POST":
            return await self._enter(request)
        if path in {ENTER, STYLE} or self._access.lets_in(request):
            return await call_next(request)
        return RedirectResponse(ENTER, 303)

    async def _enter(self, request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST_FORM:
                return Response("That is no token.", 413)
        said = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if not self._access.is_token(said):
            return RedirectResponse(f"{ENTER}?again=1", 303)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, said.strip(), httponly=True, samesite="strict")
        return answer
