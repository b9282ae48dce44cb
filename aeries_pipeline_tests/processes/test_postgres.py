"""Dagster's runs and events in a real Postgres, with the configuration that the docs give."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket

import dagster as dg
import pytest

from aeries_pipeline_tests.conftest import CERTIFICATE, World, end
from aeries_pipeline_tests.orchestration.test_raw_assets import OPENING, observed, run, verdicts

REPOSITORY = Path(__file__).parents[2]
BINARIES = Path("/usr/lib/postgresql/15/bin")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (BINARIES / "initdb").exists(),
        reason="needs Debian's package postgresql-15",
    ),
]


def _free_port() -> int:
    with closing(socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def postgres() -> Iterator[str]:
    """Start a Postgres of its own and return the address of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = None
    if os.geteuid() == 0:
        # Postgres refuses to run as root; Debian's package brings a user for it.
        user = "postgres"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    port = _free_port()

    def call(*arguments: str) -> None:
        done = subprocess.run(
            [str(BINARIES / arguments[0]), *arguments[1:]],
            user=user, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(folder / "data")
    call("initdb", "-D", data, "-U", "dagster", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        call("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster")
        yield f"postgresql+psycopg2://dagster@127.0.0.1:{port}/dagster"
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(REPOSITORY / "docs" / "dagster-postgres.yaml", folder / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres)
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


def sync(world: World, home: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        **world.variables,
        "DAGSTER_HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, "-m", "aeries_pipeline.cli", "sync", "eagle-usd"],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_sync_keeps_its_runs_and_verdicts_in_postgres(world: World, home: Path) -> None:
    done = sync(world, home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert CERTIFICATE not in done.stdout + done.stderr
    assert not list(home.rglob("*.db")), "nothing goes to SQLite"
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        jobs = {one.job_name for one in instance.get_runs()}
        assert {"pull_district", "pull_schools", "accounts_and_files"} <= jobs
        parts = {f"eagle-usd/{school}" for school in world.schools}
        assert instance.get_materialized_partitions(dg.AssetKey(["raw", "students"])) == parts
        again = run(world, instance, "gpas", tags=OPENING)
        assert set(observed(again)) == {("gpas", part) for part in parts}
        assert verdicts(again) == {}, "what was said before is found in Postgres, too"


def test_the_pull_sensor_and_the_daemon_work_on_postgres(make_world, home: Path) -> None:
    world = make_world(roster={"pull_window": "any time"})
    environment = {
        **os.environ,
        **world.variables,
    }
    command = [sys.executable, "-m", "dagster", "dev", "-m", "aeries_pipeline.definitions"]
    command += ["-h", "127.0.0.1", "-p", str(_free_port())]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        with dg.DagsterInstance.get() as instance:
            deadline = time.monotonic() + 240
            finished: set[str] = set()
            while not {"pull_district", "pull_schools"} <= finished:
                assert time.monotonic() < deadline, (home / "log").read_text()[-3000:]
                assert process.poll() is None, (home / "log").read_text()[-3000:]
                time.sleep(3)
                finished = {one.job_name for one in instance.get_runs() if one.is_success}
        assert world.warehouse.rows("SELECT count(*) FROM raw.students") != [(0,)]
    finally:
        end(process)
