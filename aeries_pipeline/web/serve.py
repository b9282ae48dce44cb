"""The application that serves the pages, and a thread to serve it from."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from aeries_pipeline.settings import Settings
from aeries_pipeline.web import documentation

OPERATOR_PAGE = "operator.html"
DOCS = "docs/"


def pages_beside_the_ui(settings: Settings) -> Starlette:
    """Return the application to which Dagster's UI links: documentation and operator's page."""

    def docs(request: Request) -> Response:
        name = request.path_params["name"]
        found = documentation.page(name) if name else documentation.contents()
        return HTMLResponse(found) if found else _nothing()

    def picture(request: Request) -> Response:
        found = documentation.picture(request.path_params["name"])
        return FileResponse(found) if found else _nothing()

    def operator(_request: Request) -> Response:
        return _file(settings.data / OPERATOR_PAGE)

    return Starlette(
        routes=[
            Route(f"/{DOCS}images/{{name}}", picture),
            Route(f"/{DOCS}{{name:path}}", docs),
            Route(f"/{OPERATOR_PAGE}", operator),
        ]
    )


def _file(path: Path) -> Response:
    try:
        return HTMLResponse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return PlainTextResponse("The page is made when the first run has ended.", 404)


def _nothing() -> Response:
    return PlainTextResponse("There is no such page.", 404)


@contextmanager
def serving(application: Starlette, port: int = 0) -> Iterator[str]:
    """Serve on the loopback address, from a thread, and yield the address; any port where 0."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            application, log_level="critical", access_log=False, lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=5)
