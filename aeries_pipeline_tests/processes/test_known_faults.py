"""Every command against faults that the project can know: a sentence, and never a stack trace."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner

from aeries_pipeline.cli.main import main
from aeries_pipeline.cli.troubles import sentence_of
from aeries_pipeline.orchestration.automation import storage
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call
from aeries_pipeline_tests.processes.test_recovery import command

ROSTER = "ROSTER"
"""Stands for the roster, as a file that is no list of requests."""

COMMANDS = (
    ["status"], ["sync", "eagle-usd"], ["sync", "eagle-usd", "--school", "994"], ["publish"],
    ["publish", "--again"], ["prune"], ["backup"], ["backup", "--list"], ["restore", "--newest"],
    ["restore", "--newest", "--rehearse"], ["sql", "SELECT count(*) FROM raw.students"],
    ["sql", "--published", "SELECT 1"], ["accounts", "review", "eagle-usd"],
    ["accounts", "preview", "eagle-usd"], ["accounts", "share", "eagle-usd"],
    ["accounts", "files", "eagle-usd"], ["oneroster", "eagle-usd", "--to", "packages"],
    ["accounts", "approve", "eagle-usd", "x", "--reason", "y"],
    ["accounts", "reject", "eagle-usd", "x", "--reason", "y"],
    ["accounts", "same", "eagle-usd", "7", "8", "--reason", "y"],
    ["accounts", "different", "eagle-usd", "7", "8", "--reason", "y"],
    ["requests", "show", "eagle-usd"], ["requests", "export", "eagle-usd"],
    ["requests", "take", "eagle-usd", ROSTER], ["requests", "reconcile", "eagle-usd"],
    ["requests", "answer", "eagle-usd", "x", "accept"],
    ["requests", "send", "eagle-usd", "--dry-run"], ["requests", "send", "eagle-usd"],
    ["roster", "show"], ["roster", "sync", "eagle-usd"], ["check", "eagle-usd"],
    ["add", "eagle-usd", "--name", "Eagle", "--yes"], ["window", "eagle-usd"], ["clock"],
    ["clock", "--mend"], ["fields", "eagle-usd"], ["deliver", "eagle-usd"],
    ["deliver", "eagle-usd", "--dry-run"], ["notify"], ["digest", "--print"], ["watch"],
    ["metrics"], ["forget", "eagle-usd", "--student", "7", "--reason", "x", "--yes"],
)  # fmt: skip

SERVERS = {"demo", "emulator", "ui", "web"}
"""These serve until somebody stops them; tests of their own start them."""


def every_command(world: World) -> dict[str, tuple[int, str]]:
    """Return what each command ends with and says; nothing may be raised."""
    found = {}
    for words in COMMANDS:
        arguments = [str(world.settings.roster) if one == ROSTER else one for one in words]
        result = CliRunner().invoke(main, arguments, env=world.variables | {"COLUMNS": "300"})
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            arguments,
            result.exception,
        )
        assert "Traceback" not in result.output, arguments
        found[" ".join(words)] = (result.exit_code, result.output)
    return found


def names_of(command: click.Command, *path: str) -> Iterator[str]:
    """Yield each command as it is given, those of groups with the group's name."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        assert one is not None
        yield from names_of(one, *path, name)


def test_every_command_is_tried() -> None:
    given = {" ".join(words) for words in COMMANDS}
    missing = {
        name
        for name in names_of(main)
        if not any(f"{one} ".startswith(f"{name} ") for one in given)
    }
    assert missing == SERVERS


@pytest.mark.long
def test_a_warehouse_and_a_ledger_that_are_damaged_or_held_end_no_command(world: World) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    assert call(world, "publish").exit_code == 0
    with held(world.warehouse.path, "writing"):
        said = every_command(world)
    assert "another program" in said["sync eagle-usd"][1]
    assert "another program" in said["backup"][1]
    for path in (world.warehouse.path, world.store.ledger.path):
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
        assert "damaged" in every_command(world)["backup"][1]
        path.write_bytes(whole)
    assert call(world, "sync", "eagle-usd").exit_code == 0, "all is well once they are whole"


@pytest.mark.long
def test_a_dead_proxy_and_a_held_ledger_end_no_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    with held(world.store.ledger.path, "writing"):
        every_command(world)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    world.write_roster(url="https://aeries.eagle-usd.example/")
    said = every_command(world)
    for words in ("sync eagle-usd", "check eagle-usd"):
        code, text = said[words]
        assert code == 1, (words, text)
        assert "proxy" in text, (words, text)


def test_a_data_directory_that_cannot_be_made(world: World, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    for place in (file / "data", Path("/proc/aeries")):
        world.settings = type(world.settings)(world.settings.roster, place)
        said = every_command(world)
        code, text = said["sync eagle-usd"]
        assert code == 1
        assert "cannot be written" in text
        assert "AERIES_DATA_DIR" in text


@pytest.mark.parametrize("name", ["da#ta", "Dáta's [x]"])
def test_an_odd_name_of_the_data_directory_holds_everything(
    world: World, tmp_path: Path, name: str
) -> None:
    world.settings = type(world.settings)(world.settings.roster, tmp_path / name / "data")
    before = {one.name for one in tmp_path.iterdir()}
    result = call(world, "sync", "eagle-usd", "--school", "994")
    assert result.exit_code == 0, result.output
    assert {one.name for one in tmp_path.iterdir()} - before == {name}
    assert (tmp_path / name / "data" / "dagster" / "history" / "runs").is_dir()


@pytest.mark.parametrize("name", ["da?ta", "da%20ta"])
def test_what_sqlite_would_read_otherwise_is_refused_before_anything_is_written(
    world: World, tmp_path: Path, name: str
) -> None:
    world.settings = type(world.settings)(world.settings.roster, tmp_path / name)
    before = sorted(tmp_path.iterdir())
    for code, text in every_command(world).values():
        assert code == 2
        assert "in its name, which Dagster's files cannot have" in text
    assert sorted(tmp_path.iterdir()) == before


@contextmanager
def held(path: Path, kind: str) -> Iterator[None]:
    """Keep a DuckDB file open in another process."""
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'reading');"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path), kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.kill()


def test_files_that_are_held_damaged_or_locked_are_named(world: World) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    assert call(world, "publish").exit_code == 0
    copy = world.settings.published / "aeries.duckdb"

    with held(copy, "writing"):
        asked = call(world, "sql", "--published", "SELECT 1")
        assert asked.exit_code == 1
        assert "cannot be read: another program" in asked.stderr
        every_command(world)
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM meta.pulls").fetchone() != (0,)

    runs = next(world.settings.dagster_home.rglob("runs.db"))
    whole = runs.read_bytes()
    runs.write_bytes(b"\0" * 4096 + whole[4096:])
    for journal in runs.parent.glob("runs.db-*"):
        journal.unlink()
    code, text = every_command(world)["sync eagle-usd"]
    assert code == 1
    assert "one of Dagster's files in" in text
    assert "the warehouse and its ledger are not" in text


def test_runs_that_are_locked_for_a_while_are_waited_for(world: World) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    runs = next(world.settings.dagster_home.rglob("runs.db"))
    connection = sqlite3.connect(runs, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")

    def let_go() -> None:
        time.sleep(12)
        connection.rollback()
        connection.close()

    thread = threading.Thread(target=let_go)
    thread.start()
    done = command(world, "sync", "eagle-usd", "--school", "994")
    thread.join()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_runs_that_stay_locked_end_no_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    assert call(world, "publish").exit_code == 0
    # A minute for each of so many commands would teach nothing more.
    monkeypatch.setattr(storage, "_BUSY_SECONDS", 0.5)
    with closing(sqlite3.connect(next(world.settings.dagster_home.rglob("runs.db")))) as runs:
        runs.execute("BEGIN EXCLUSIVE")
        said = every_command(world)
    for words in ("sync eagle-usd", "publish --again"):
        code, text = said[words]
        assert code == 1, (words, text)
        assert "locked by another program" in text, (words, text)
    assert said["sql SELECT count(*) FROM raw.students"][0] == 0
    assert call(world, "sync", "eagle-usd").exit_code == 0, "all is well once they are free"


def test_of_two_syncs_at_once_one_is_refused_whole(world: World) -> None:
    world.faults({"kind": "latency", "seconds": 1.0, "path": "."})
    environment = {**os.environ, **world.variables, "COLUMNS": "300"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "aeries_pipeline.cli", "sync", "eagle-usd"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1], outputs
    refused = outputs[codes.index(1)]
    assert "another command is syncing this district" in refused
    assert "Traceback" not in refused
    assert world.warehouse.rows("SELECT DISTINCT status FROM meta.pulls") == [("complete",)]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device", "/d/x"), "the disk is full (/d/x)"),
        (OSError(30, "Read-only file system", "/d/x"), "/d/x cannot be written or read"),
        (sqlite3.OperationalError("database is locked"), "locked by another program"),
        (sqlite3.OperationalError("database or disk is full"), "free some disk space"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "for writing"),
        (sqlite3.DatabaseError("database disk image is malformed"), "is damaged"),
        (sqlite3.OperationalError("near 'Zzyzxmarker': syntax error"), "see docs/operating.md"),
    ],
)
def test_what_the_system_says_becomes_a_sentence(error: Exception, says: str) -> None:
    wrapped = RuntimeError("INSERT INTO runs VALUES ('Zzyzxmarker')")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        sentence = sentence_of(one, Path("/d"), Path("/d/dagster"))
        assert sentence is not None
        assert says in sentence
        assert "Zzyzxmarker" not in sentence
    assert sentence_of(ValueError("a bug"), Path("/d"), Path("/d/dagster")) is None
