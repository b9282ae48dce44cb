"""The UI of a world as ``aeries-pipeline ui`` serves it, for tests that look at it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from aeries_pipeline_tests.conftest import World, end

COMMAND = [sys.executable, "-m", "aeries_pipeline.cli", "ui", "--port"]
_PATIENCE = 180


def any_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(address: str) -> None:
    """Wait until an address answers."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            urllib.request.urlopen(address, timeout=2)
        except OSError:
            assert time.monotonic() < until, f"{address} did not answer"
            time.sleep(0.3)
        else:
            return


@contextmanager
def served(world: World) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the UI; yield its address and its process, which is ended afterwards."""
    port = any_port()
    process = subprocess.Popen(
        [*COMMAND, str(port)], env={**os.environ, **world.variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/server_info")
        yield address, process
    finally:
        if process.poll() is None:
            end(process, signal.SIGINT)
