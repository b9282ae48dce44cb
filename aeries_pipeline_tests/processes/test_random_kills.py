"""Whatever is killed at whatever moment, the next night is whole and nothing half-made is left.

``RANDOM_KILLS`` says how often, ``RANDOM_SEED`` at which moments; many are run by hand, with
``--log-cli-level INFO`` to look on. What came of it stands in docs/operating.md.
"""

import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.stores.backup import backups, check_backup
from aeries_pipeline_tests.conftest import IS_SHARED, World
from aeries_pipeline_tests.processes.served import served
from aeries_pipeline_tests.processes.test_command_line import call
from aeries_pipeline_tests.processes.test_kill import assert_whole

KILLS = int(os.environ.get("RANDOM_KILLS", "2"))
SEED = int(os.environ.get("RANDOM_SEED", "20261128"))
COMMANDS = {
    "publish": ["publish", "--again"],
    "forget": ["forget", "eagle-usd", "--reason", "y", "--yes", "--although-listed", "--student"],
    "pull": ["sync", "eagle-usd", "--full"],
    "backup": ["backup"],
}
SERVERS = {"daemon": "dagster._daemon", "web server": "dagster_webserver", "worker": "spawn_main"}
"""A word on the command line of each, below ``ui``."""

KINDS = tuple(os.environ.get("RANDOM_KINDS", ",".join((*COMMANDS, *SERVERS))).split(","))
HALF_MADE = ("*.partial", "*.making*", "spill-*", "source.duckdb")


def start(world: World, arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "aeries_pipeline.cli", *arguments],
        env={**os.environ, **world.variables}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def kill_command(world: World, kind: str, usual: dict[str, float], rng: random.Random) -> bool:
    """Kill a command anywhere in what it takes here; say whether it had not ended yet."""
    arguments = list(COMMANDS[kind])
    if kind == "forget":
        arguments.append(str(rng.choice(world.site.district.rows[994]).person.id))
    began = time.monotonic()
    process = start(world, arguments)
    if kind in usual:
        # The first part is Python's own.
        time.sleep(usual[kind] * rng.uniform(0.25, 0.95))
    else:
        # The first of its kind tells how long it takes, and is not killed.
        assert process.wait(timeout=300) == 0, kind
        usual[kind] = time.monotonic() - began
        return kill_command(world, kind, usual, rng)
    is_running = process.poll() is None
    if is_running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    return is_running


def below(pid: int) -> dict[int, str]:
    """Return the processes below one with their command lines."""
    found = {}
    # The children of each thread: a code server starts runs in one of its own.
    lists = [one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/children")]
    for one in " ".join(lists).split():
        try:
            words = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found |= {int(one): words} | below(int(one))
        except OSError:
            continue  # It has ended meanwhile.
    return found


def kill_server(world: World, kind: str, rng: random.Random) -> bool:
    """Kill one of the processes of ``ui`` while it works at a pull, then the others."""
    with served(world) as (_address, process):
        # With a daemon at work the command's run takes its turn there.
        asking = start(world, COMMANDS["pull"])
        until = time.monotonic() + 240
        while not any(SERVERS["worker"] in words for words in below(process.pid).values()):
            assert time.monotonic() < until, "the daemon starts the run"
            if asking.poll() is not None:
                # The daemon was not there yet, and the command ran by itself.
                asking = start(world, COMMANDS["pull"])
            time.sleep(0.2)
        time.sleep(rng.uniform(0.5, 8.0))
        family = below(process.pid)
        victims = [one for one, words in family.items() if SERVERS[kind] in words]
        for one in victims:
            os.kill(one, signal.SIGKILL)
        time.sleep(rng.uniform(0.0, 2.0))
        for one in {process.pid, *family, *below(process.pid)}:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait(timeout=60)
        os.killpg(asking.pid, signal.SIGKILL)
        asking.wait(timeout=60)
    return bool(victims)


def next_night(world: World) -> None:
    """Pull, publish, back up and prune; all of it must be whole, and nothing else be left."""
    world.site.advance(1)
    if IS_SHARED:
        # A machine that died has the district until its lease of 30 s has ended.
        time.sleep(31)
    done = call(world, "sync", "eagle-usd")
    assert done.exit_code == 0, done.output
    assert_whole(world.warehouse)
    rows = sum(len(world.site.district.rows[school]) for school in world.schools)
    assert world.warehouse.rows("SELECT count(*) FROM raw.students") == [(rows,)]
    for what in (["publish", "--again"], ["backup"], ["prune"]):
        done = call(world, *what)
        assert done.exit_code == 0, done.output
    with duckdb.connect(str(world.settings.published / "aeries.duckdb"), read_only=True) as copy:
        assert copy.execute("SELECT count(*) FROM raw.students").fetchone() == (rows,)
    for one in backups(world.settings.backups):
        check_backup(one)
    left = [one for name in HALF_MADE for one in world.settings.data.rglob(name)]
    assert left == []


@pytest.mark.long
def test_after_each_of_many_random_kills_the_next_night_is_whole(make_world) -> None:
    world = make_world(schools=2, students=150)
    rng = random.Random(SEED)
    next_night(world)
    usual: dict[str, float] = {}
    killed: dict[str, int] = {}
    for number in range(KILLS):
        kind = KINDS[number % len(KINDS)]
        if kind in COMMANDS:
            is_killed = kill_command(world, kind, usual, rng)
        else:
            is_killed = kill_server(world, kind, rng)
        killed[kind] = killed.get(kind, 0) + is_killed
        next_night(world)
        logging.getLogger(__name__).info("%s: %s, killed: %s", number + 1, kind, is_killed)
    assert sum(killed.values()) >= KILLS // 2, killed
