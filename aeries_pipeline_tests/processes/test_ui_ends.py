"""The UI ends with everything that it started, and a second one is refused."""

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
from pathlib import Path

import pytest

from aeries_pipeline.cli.processes import alone
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline_tests.conftest import World, end

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")
PATIENCE = 120
COMMAND = [sys.executable, "-m", "aeries_pipeline.cli", "ui", "--port"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def working_on(data: Path) -> set[int]:
    """Return the processes whose environment names a data directory, but for this one."""
    found = set()
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal() or int(place.name) == os.getpid():
            continue
        try:
            if str(data).encode() in (place / "environ").read_bytes():
                found.add(int(place.name))
        except OSError:
            continue
    return found


@contextmanager
def served(world: World) -> Iterator[subprocess.Popen[bytes]]:
    port = free_port()
    server = subprocess.Popen(
        [*COMMAND, str(port)], env={**os.environ, **world.variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2)
                break
            except OSError:
                assert time.monotonic() < until, "the UI did not start"
                time.sleep(0.3)
        yield server
    finally:
        if server.poll() is None:
            end(server, signal.SIGTERM)


@pytest.mark.long
@pytest.mark.parametrize("said", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_ui_ends_with_everything_that_it_started(world: World, said: signal.Signals) -> None:
    with served(world) as server:
        assert len(working_on(world.settings.data)) >= 4, "webserver, daemon, code server"
        server.send_signal(said)
        assert server.wait(timeout=60) == 0
        assert working_on(world.settings.data) == set()


@pytest.mark.long
def test_a_second_ui_is_refused_also_where_the_first_command_was_killed(world: World) -> None:
    with served(world) as server:
        for _ in range(2):
            second = subprocess.run(
                [*COMMAND, str(free_port())], env={**os.environ, **world.variables},
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert second.returncode == 2
            told = " ".join((second.stdout + second.stderr).split())
            assert "already at work on" in told
            assert "Traceback" not in told
            # What it started goes on for now, and is still the only one.
            server.kill()
            server.wait()
        for one in working_on(world.settings.data):
            os.kill(one, signal.SIGKILL)


def test_a_data_directory_is_taken_once_and_given_back(world: World) -> None:
    taken = pytest.raises(ConfigurationError, match="use that one, or stop it")
    with alone(world.settings), taken, alone(world.settings):
        pass
    with alone(world.settings):
        pass
