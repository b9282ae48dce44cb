"""A folder without a roster, the demo beside other programs, and nothing to publish."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from aeries_pipeline.cli.demo_site import day_of, following, install, note_day
from aeries_pipeline.cli.main import main
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.serve import demo_emulator, free_port, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.settings import DEMO_PORT, Settings, load_settings
from aeries_pipeline_tests.conftest import World, end
from aeries_pipeline_tests.processes.served import wait_for
from aeries_pipeline_tests.processes.test_command_line import call

NEEDS_A_ROSTER = (
    ["status"], ["sync", "eagle-usd"], ["roster", "show"], ["roster", "sync", "eagle-usd"],
    ["check", "eagle-usd"], ["window", "eagle-usd"], ["publish"], ["prune"], ["notify"],
    ["accounts", "review", "eagle-usd"], ["requests", "show", "eagle-usd"], ["sql", "SELECT 1"],
    ["fields", "eagle-usd"], ["deliver", "eagle-usd"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", NEEDS_A_ROSTER)
def test_a_folder_without_a_roster_is_not_the_demo(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    said = f"there is no roster here (data/districts.yaml does not exist in {tmp_path})"
    assert said in result.stderr
    assert "aeries-pipeline add" in result.stderr
    assert "aeries-pipeline demo" in result.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_after_a_demo_its_folder_is_known(tmp_path: Path) -> None:
    settings = install(load_settings(or_demo=True), 8499)
    assert load_settings() == settings
    assert settings.is_demo
    for one in load_roster(settings.roster).districts:
        assert one.url.startswith("http://127.0.0.1:8499/")
    assert CliRunner().invoke(main, ["roster", "show"]).exit_code == 0


@contextmanager
def taken(port: int) -> Iterator[int]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            pass  # somebody else has it, which serves as well
        yield port


def test_a_port_that_is_in_use_is_passed_by() -> None:
    with taken(DEMO_PORT):
        assert free_port(DEMO_PORT) > DEMO_PORT


def test_the_emulator_of_the_ui_follows_the_demo(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "none.yaml", tmp_path)
    note_day(settings, 2)
    emulator, twin = demo_emulator(), demo_emulator()
    for site in twin.sites.values():
        site.advance(2)
    with following(emulator, settings), serving(emulator):
        assert _students(emulator) == _students(twin)
        note_day(settings, 3)
        for site in twin.sites.values():
            site.advance(1)
        until = time.monotonic() + 30
        while _students(emulator) != _students(twin):
            assert time.monotonic() < until
            time.sleep(0.1)
    assert day_of(settings) == 3


def _students(emulator: Emulator) -> str:
    rows = {name: site.district.rows for name, site in emulator.sites.items()}
    return json.dumps(rows, default=str)


def test_nothing_is_published_when_nothing_was_loaded(world: World) -> None:
    world.faults({"kind": "html", "path": "students$"})
    world.faults({"kind": "html", "path": "."})
    result = call(world, "sync", "eagle-usd")
    assert result.exit_code == 1
    assert "analysts' copy: nothing was pulled yet" in result.output
    assert not world.settings.published.exists()
    asked = call(world, "publish")
    assert asked.exit_code == 1
    assert "nothing was loaded yet" in asked.output
    assert "Traceback" not in asked.output


def test_the_ui_takes_another_port_and_says_which(tmp_path: Path) -> None:
    with taken(free_port(3900)) as port:
        process = subprocess.Popen(
            [sys.executable, "-m", "aeries_pipeline.cli", "ui", "--port", str(port)],
            env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(f"Port {port} is in use; the UI takes ")
            address = process.stdout.readline().split(": ", 1)[1].strip()
            assert not address.endswith(f":{port}")
            wait_for(f"{address}/server_info")
        finally:
            end(process)
