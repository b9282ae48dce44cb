"""Shared fixtures: emulated sites over real HTTP, settings in a temporary folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from ruamel.yaml import YAML

from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.emulator.faults import Fault
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import Site
from aeries_pipeline.ingest.api.retry import RetryPolicy
from aeries_pipeline.ingest.api.transport import Timeouts
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.settings import DATA_VARIABLE, ROSTER_VARIABLE, Settings
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.store import Store

# A console keeps the width of the environment in which it is made, and the line
# editor of a worker of the test runner puts that of no terminal there.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)

SHARED = ("AERIES_DATABASE_URL", "AERIES_OBJECTS", "AERIES_OBJECTS_ENDPOINT", "AERIES_HOST")

STORE = os.environ.get("AERIES_TEST_STORE", "")
"""``shared``: the tests of one machine run on the store of many, see ``make test-cluster``."""

IS_SHARED = STORE == "shared"
KEEPS_LANDING = not IS_SHARED
"""On many machines the disk of a worker keeps no answer once it is loaded."""

if IS_SHARED:
    from aeries_pipeline_tests.cluster.conftest import cluster, servers  # noqa: F401 - fixtures

CERTIFICATE = "Marker0Certificate0Marker0000001"

# The machines that run this are shared and slow at times.
hypothesis_settings.register_profile("shared-machine", deadline=None)
hypothesis_settings.load_profile("shared-machine")

QUICK_ROUNDS = {"round_hours": 0.00001}
"""Nights of a test follow each other within a second."""

FAST = PullOptions(
    retry=RetryPolicy(attempts=3, base_seconds=0.01, cap_seconds=0.02, deadline_seconds=4.0),
    timeouts=Timeouts(connect=2.0, read=2.0, total=2.0),
)


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach another machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {
            "127.0.0.1",
            "::1",
        }:
            raise AssertionError(f"a test tried to reach {address[0]}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True)
def own_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment of the machine must not decide a test."""
    for name in ("AERIES_DISTRICTS", "AERIES_DATA_DIR", "DAGSTER_HOME", *SHARED):
        monkeypatch.delenv(name, raising=False)
    if IS_SHARED:
        found = request.getfixturevalue("cluster")
        for name, value in found.variables("here").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("TEST_AERIES_CERT", CERTIFICATE)
    monkeypatch.chdir(tmp_path)


@dataclass
class World:
    """An emulator with one district, and an installation that knows it."""

    emulator: Emulator
    site: Site
    url: str
    settings: Settings
    open_sessions: list[Session] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """What tells another process where this installation is."""
        return {
            ROSTER_VARIABLE: str(self.settings.roster),
            DATA_VARIABLE: str(self.settings.data),
        }

    @property
    def store(self) -> Store:
        return Store(self.settings.data)

    @property
    def warehouse(self) -> Warehouse:
        return self.store.warehouse("eagle-usd")

    @property
    def district(self) -> District:
        return load_roster(self.settings.roster).districts[0]

    @property
    def schools(self) -> list[int]:
        return [school.code for school in self.site.district.real_schools()]

    def session(self, options: PullOptions = FAST) -> Session:
        session = Session(self.district, self.settings, self.warehouse, options)
        self.open_sessions.append(session)
        return session

    def faults(self, *faults: dict[str, Any]) -> None:
        self.emulator.faults.replace([Fault(**fault) for fault in faults])

    def write_roster(self, **changes: Any) -> None:
        write_roster(self.settings.roster, [roster_entry(self.url, self.schools, **changes)])

    def close(self) -> None:
        for session in self.open_sessions:
            session.close()


def roster_entry(site: str, codes: list[int], **changes: Any) -> dict[str, Any]:
    entry = {
        "id": "eagle-usd",
        "name": "Eagle",
        "url": f"{site}/eagle-usd/SecurityForAPI.aspx",
        "certificate_env": "TEST_AERIES_CERT",
        "schools": codes,
        "accounts": QUICK_ROUNDS,
    }
    return {**entry, **changes}


def write_roster(path: Path, entries: list[dict[str, Any]], **top: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML().dump({"districts": entries, **top}, file)


MakeWorld = Callable[..., World]


def end(process: subprocess.Popen[Any], sign: signal.Signals = signal.SIGTERM) -> None:
    """End a process that leads a group, by force where it takes its time."""
    os.killpg(process.pid, sign)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Return a function that serves one emulated district and installs it."""
    with ExitStack() as stack:

        def make(
            *,
            schools: int = 3,
            students: int = 120,
            roster: dict[str, Any] | None = None,
            **shape: Any,
        ) -> World:
            site = make_site(
                Shape(seed=5, schools=schools, students=students, **shape), certificate=CERTIFICATE
            )
            emulator = Emulator({"eagle-usd": site})
            url = stack.enter_context(serving(emulator))
            settings = Settings(tmp_path / "districts.yaml", tmp_path / "data")
            world = World(emulator, site, url, settings)
            world.write_roster(**(roster or {}))
            stack.callback(world.close)
            return world

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A small district: one high, one middle and one elementary school."""
    return make_world()
