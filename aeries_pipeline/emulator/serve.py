"""Starting the emulator: in this process until stopped, or in a thread.

The demo's three districts, each of a different shape, are defined here as well.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from aeries_pipeline.emulator.district import make_district
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import DEMO_CERTIFICATE, EVERYTHING, XELLO_GRANT, Site
from aeries_pipeline.emulator.switches import Switches

DEMO_YEAR = 2026
DEFAULT_SWITCHES = Switches()


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and manners of one emulated district."""

    seed: int
    schools: int
    students: int
    areas: frozenset[str] = EVERYTHING
    switches: Switches = DEFAULT_SWITCHES


DEMO_SHAPES = {
    "eagle-usd": Shape(seed=7, schools=5, students=2400),
    "osprey-uhsd": Shape(
        seed=11,
        schools=2,
        students=1100,
        areas=XELLO_GRANT - {"Graduation Status"},
        switches=Switches(missing_permission=403, blank_is_space=True),
    ),
    "heron-jusd": Shape(
        seed=23, schools=4, students=900, areas=XELLO_GRANT | {"Contacts", "Calendar"}
    ),
}
"""A unified district that grants everything, one that grants less than Xello
asks for, and a small one with a few extras."""


def make_site(shape: Shape, *, year: int = DEMO_YEAR, certificate: str = DEMO_CERTIFICATE) -> Site:
    """Return the site of a district of this shape."""
    district = make_district(
        seed=shape.seed, schools=shape.schools, students=shape.students, year=year
    )
    return Site(district, {certificate: shape.areas}, shape.switches)


def demo_emulator() -> Emulator:
    """Return an emulator with the demo's districts."""
    return Emulator({name: make_site(shape) for name, shape in DEMO_SHAPES.items()})


class PortInUseError(RuntimeError):
    """Something else listens on the port."""


def free_port(wished: int) -> int:
    """Return a free port of this machine: the requested one, or one of the next."""
    for port in range(wished, min(wished + 100, 65536)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise PortInUseError(f"no port from {wished} on is free")


def _server(emulator: Emulator, port: int) -> tuple[uvicorn.Server, socket.socket]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise PortInUseError(
            f"port {port} is in use; stop what listens there or choose another with --port"
        ) from None
    config = uvicorn.Config(
        emulator.application(), log_level="critical", access_log=False, lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    return uvicorn.Server(config), listener


def serve(emulator: Emulator, port: int) -> None:
    """Serve on the loopback address until the process is stopped.

    Raises:
        PortInUseError: If the port is taken.
    """
    server, listener = _server(emulator, port)
    with listener:
        server.run(sockets=[listener])


@contextmanager
def serving(emulator: Emulator, port: int = 0) -> Iterator[str]:
    """Serve from a thread and yield the address, such as ``http://127.0.0.1:8431``.

    Raises:
        PortInUseError: If the port is taken.
    """
    server, listener = _server(emulator, port)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
