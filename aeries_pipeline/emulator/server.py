"""The emulator behind HTTP: sites, faults, an access log and a control panel.

Each site has a folder of its own, as on an Aeries host:
``http://127.0.0.1:8431/eagle-usd/api/v5/...``. Below ``/_emulator``, tests and the demo
advance days, set faults and read the log.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aeries_pipeline.emulator.faults import Fault, FaultKind, FaultPlan, faults_of
from aeries_pipeline.emulator.site import Reply, Site
from aeries_pipeline.emulator.writing import write

_LOGIN = (
    "<!DOCTYPE html><html><head><title>Aeries Login</title></head><body><form>"
    '<input type="password" name="p"></form></body></html>'
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, as the access log keeps it: when it arrived; never a certificate."""

    at: float
    site: str
    path: str
    status: int
    running: int
    method: str = "GET"


@dataclass
class Emulator:
    """Sites by folder, with faults and a log.

    Attributes:
        sites: Sites by the folder they stand in; an empty name is the root.
        faults: What goes wrong.
        log: The last requests.
        keeps_answers: Whether an answer is kept until its district moves on, so
            that a benchmark measures its client and not the making of JSON.
    """

    sites: dict[str, Site]
    faults: FaultPlan = field(default_factory=FaultPlan)
    log: deque[Visit] = field(default_factory=lambda: deque(maxlen=200_000))
    running: int = 0
    most_running: int = 0
    keeps_answers: bool = False
    _kept: dict[tuple[str, ...], Response] = field(default_factory=dict)
    _kept_version: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def application(self) -> ASGIApp:
        """Return the ASGI application."""
        inner = self._routes()

        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            scope["emulator.cycle"] = getattr(send, "__self__", None)
            await inner(scope, receive, send)

        return outer

    def _routes(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/_emulator/advance", self._advance, methods=["POST"]),
                Route("/_emulator/touch", self._touch, methods=["POST"]),
                Route("/_emulator/faults", self._set_faults, methods=["PUT"]),
                Route("/_emulator/log", self._read_log),
                Route("/_emulator/truth/{site}", self._truth),
                Route("/{path:path}", self._serve, methods=["GET", "POST", "PUT"]),
            ]
        )

    # -- control panel ---------------------------------------------------

    async def _advance(self, request: Request) -> Response:
        body = json.loads(await request.body() or b"{}")
        wanted = [body["site"]] if "site" in body else list(self.sites)
        done = {
            name: await run_in_threadpool(self.sites[name].advance, int(body.get("days", 1)))
            for name in wanted
        }
        return JSONResponse(done)

    async def _touch(self, request: Request) -> Response:
        body = json.loads(await request.body())
        wanted = [body["site"]] if "site" in body else list(self.sites)
        share = float(body["share"])
        for name in wanted:
            self.sites[name].clock_offset += float(body.get("later", 0))
        done = {name: await run_in_threadpool(self.sites[name].touch, share) for name in wanted}
        return JSONResponse(done)

    async def _set_faults(self, request: Request) -> Response:
        try:
            faults = faults_of(json.loads(await request.body()))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return JSONResponse({"Message": "The request is not valid JSON."}, status_code=400)
        except ValueError as error:
            return JSONResponse({"Message": str(error)}, status_code=400)
        self.faults.replace(faults)
        return JSONResponse({"faults": len(faults)})

    async def _read_log(self, _request: Request) -> Response:
        return JSONResponse(
            {"most_running": self.most_running, "visits": [asdict(visit) for visit in self.log]}
        )

    async def _truth(self, request: Request) -> Response:
        truth = self.sites[request.path_params["site"]].district.truth()
        return JSONResponse({str(student): schools for student, schools in truth.items()})

    # -- the API ---------------------------------------------------------

    async def _serve(self, request: Request) -> Response:
        name, path = self._placed(request.path_params["path"])
        arrived = time.time()
        with self._lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        response: Response | None = None
        try:
            response = await self._respond(request, name, path)
            return response
        finally:
            status = response.status_code if response is not None else 0
            self.log.append(Visit(arrived, name, path, status, self.running, request.method))
            with self._lock:
                self.running -= 1

    def _placed(self, path: str) -> tuple[str, str]:
        folder, slash, rest = path.partition("/")
        if folder in self.sites and slash:
            return folder, rest
        return "", path

    async def _respond(self, request: Request, name: str, path: str) -> Response:
        site = self.sites.get(name)
        match = re.fullmatch(r"api/v5/(.*?)/*", path, re.IGNORECASE)
        if site is None or match is None:
            return Response(_LOGIN, media_type="text/html")
        inside = match[1]
        # Read before anything is waited for: what has arrived whole is carried out.
        body = await request.body()
        struck = self.faults.strike(f"{name}/{inside}", request.method)
        for fault in struck:
            if fault.kind is FaultKind.LATENCY:
                await asyncio.sleep(fault.seconds)
        certificate = request.headers.get("AERIES-CERT")
        if request.method != "GET":
            return await _write(site, (request.method, inside, body, certificate), struck)
        query = dict(request.query_params)
        if any(fault.kind is FaultKind.REPEAT for fault in struck):
            query = _first_page(query)
        damaged = any(fault.kind is not FaultKind.LATENCY for fault in struck)
        if self.keeps_answers and not damaged:
            return await self._kept_or_new(name, inside, query, certificate)
        reply = await run_in_threadpool(site.answer, inside, query, certificate)
        for fault in struck:
            if fault.kind is FaultKind.HALF and _first_page(query) != query:
                # The list ends in the middle: behind its first page there is nothing.
                return Response("[]", media_type="application/json")
            if fault.kind is not FaultKind.LATENCY:
                return _broken(fault, reply)
        return Response(reply.body, status_code=reply.status, media_type=reply.content_type)

    async def _kept_or_new(
        self, name: str, inside: str, query: Mapping[str, str], certificate: str | None
    ) -> Response:
        """Answer from what was answered before, while the district stays as it is."""
        site = self.sites[name]
        if site.district.version != self._kept_version.get(name):
            self._kept = {key: kept for key, kept in self._kept.items() if key[0] != name}
            self._kept_version[name] = site.district.version
        key = (name, inside, certificate or "", *sorted(f"{n}={v}" for n, v in query.items()))
        response = self._kept.get(key)
        if response is None:
            reply = await run_in_threadpool(site.answer, inside, query, certificate)
            response = Response(reply.body, status_code=reply.status, media_type=reply.content_type)
            # The clock and the feeds give a new answer each time.
            if inside.lower() != "systeminfo" and "datachanges" not in inside.lower():
                self._kept[key] = response
        return response


async def _write(
    site: Site, asked: tuple[str, str, bytes, str | None], struck: list[Fault]
) -> Response:
    """Carry out a request that changes something, and answer it.

    A fault of a status strikes before anything is changed, any other the answer alone.
    """
    faults = [fault for fault in struck if fault.kind is not FaultKind.LATENCY]
    if faults and faults[0].kind is FaultKind.STATUS:
        return _broken(faults[0], Reply(200, ""))
    reply = await run_in_threadpool(write, site, *asked)
    if faults:
        return _broken(faults[0], reply)
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)


def _first_page(query: Mapping[str, str]) -> dict[str, str]:
    """Return the query for the first page of the same size."""
    found = dict(query)
    for unit in ("Record", "Student"):
        first, last = query.get(f"Starting{unit}"), query.get(f"Ending{unit}")
        if first and last:
            found[f"Starting{unit}"] = "1"
            found[f"Ending{unit}"] = str(int(last) - int(first) + 1)
    return found


def _broken(fault: Fault, reply: Reply) -> Response:
    """Return what a fault makes of a good reply."""
    match fault.kind:
        case FaultKind.STATUS:
            return JSONResponse(
                {"Message": "An error has occurred."},
                status_code=fault.status,
                headers=_retry_after(fault),
            )
        case FaultKind.HTML:
            return Response(_LOGIN, media_type="text/html")
        case FaultKind.REDIRECT:
            return Response(status_code=302, headers={"Location": "/login.aspx"})
        case FaultKind.WINDOWS_LOGIN:
            return Response(status_code=401, headers={"WWW-Authenticate": "Negotiate"})
        case FaultKind.RESET | FaultKind.CUT:
            return _Broken(reply.body.encode(), at_once=fault.kind is FaultKind.RESET)
        case FaultKind.DRIP:
            return StreamingResponse(
                _drip(reply.body.encode(), fault.seconds), media_type=reply.content_type
            )
        case _:
            return Response(_damaged(fault, reply.body), media_type=reply.content_type)


def _damaged(fault: Fault, body: str) -> str:
    whole = _WHOLE.get(fault.kind)
    if whole is not None:
        return whole(body)
    data: list[dict[str, Any]] | dict[str, Any] = json.loads(body)
    rows = _ROWS[fault.kind](data if isinstance(data, list) else [data], fault)
    found = json.dumps(rows if isinstance(data, list) else rows[0])
    return found if fault.text is None else found.replace(json.dumps(_NO_VALUE), fault.text)


_WHOLE: Mapping[FaultKind, Callable[[str], str]] = {
    FaultKind.TRUNCATED: lambda body: body[: len(body) * 2 // 3],
    FaultKind.MESSAGE: lambda _body: '{"Message":"An error has occurred."}',
    FaultKind.EMPTY_BODY: lambda _body: "",
    FaultKind.NOT_JSON: lambda _body: "The service is unavailable.",
    FaultKind.EMPTY: lambda _body: "[]",
    FaultKind.WRONG_YEAR: lambda body: re.sub(
        r'"DatabaseYear":"\d{4}-\d{4}"', '"DatabaseYear":"2019-2020"', body
    ),
}

Rows = list[dict[str, Any]]
_NO_VALUE = "not a value"


def _bad_values(rows: Rows, fault: Fault) -> Rows:
    for row in rows[: max(1, round(len(rows) * fault.share))]:
        row[fault.field] = _NO_VALUE
    return rows


_ROWS: Mapping[FaultKind, Callable[[Rows, Fault], Rows]] = {
    FaultKind.HALF: lambda rows, _fault: rows[: len(rows) // 2],
    FaultKind.REPEAT: lambda rows, _fault: rows,
    FaultKind.DROP_FIELD: lambda rows, fault: [
        {name: value for name, value in row.items() if name != fault.field} for row in rows
    ],
    FaultKind.ADD_FIELD: lambda rows, fault: [{**row, fault.field: "new"} for row in rows],
    FaultKind.BAD_VALUE: _bad_values,
}


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    if fault.retry_after.startswith("date+"):
        moment = datetime.now(UTC) + timedelta(seconds=float(fault.retry_after[5:]))
        return {"Retry-After": format_datetime(moment, usegmt=True)}
    return {"Retry-After": fault.retry_after}


async def _drip(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 64):
        yield body[start : start + 64]
        await asyncio.sleep(seconds)


class _Broken(Response):
    """Breaks the connection: at once, or in the middle of the body."""

    def __init__(self, body: bytes, *, at_once: bool) -> None:
        super().__init__(body, media_type="application/json")
        self._at_once = at_once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        if not self._at_once:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            half = bytes(self.body)[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await asyncio.sleep(0.05)
        # Uvicorn has no public way to drop a connection; its cycle holds the transport.
        transport = getattr(scope.get("emulator.cycle"), "transport", None)
        if transport is not None:
            transport.abort()
