"""The UI ends with everything that it started, and a second one is refused."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from aeries_pipeline.cli.processes import alone
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.served import COMMAND, any_port, served

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")


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


@pytest.mark.long
@pytest.mark.parametrize("said", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_ui_ends_with_everything_that_it_started(world: World, said: signal.Signals) -> None:
    with served(world) as (_address, server):
        assert len(working_on(world.settings.data)) >= 4, "webserver, daemon, code server"
        server.send_signal(said)
        assert server.wait(timeout=60) == 0
        assert working_on(world.settings.data) == set()


@pytest.mark.long
def test_a_second_ui_is_refused_also_where_the_first_command_was_killed(world: World) -> None:
    with served(world) as (_address, server):
        for _ in range(2):
            second = subprocess.run(
                [*COMMAND, str(any_port())], env={**os.environ, **world.variables},
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
