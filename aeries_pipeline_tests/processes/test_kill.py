"""Processes that are killed, and processes that meet."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.breadth import many
from aeries_pipeline_tests.conftest import World, roster_entry, write_roster


def start(world: World, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        **world.variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "aeries_pipeline.cli", "sync", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_whole(warehouse: Warehouse) -> int:
    """Every partition has the rows that the newest complete pull says, and from good pulls alone.

    One whose newest pull read the whole list anew is the whole of that pull.
    """
    partitions = 0
    for name in RESOURCES:
        present = warehouse.rows(
            "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw' AND table_name = ?",
            [name],
        )
        if present == [(0,)]:
            continue
        stored = {
            (district, school): (rows, set(pulls))
            for district, school, rows, pulls in warehouse.rows(
                "SELECT district, school, count(*), list(DISTINCT _pull_id) "
                f'FROM raw."{name}" GROUP BY ALL'
            )
        }
        ledger = warehouse.rows(
            "SELECT district, school, arg_max(rows, finished_at), arg_max(pull_id, finished_at), "
            "arg_max(mode, finished_at), list(pull_id) "
            "FROM meta.pulls WHERE resource = ? AND status = 'complete' GROUP BY ALL",
            [name],
        )
        for district, school, rows, pull_id, mode, good in ledger:
            found = stored.pop((district, school), None)
            partitions += 1
            if rows:
                assert found is not None, (name, district, school)
                assert found[0] == rows, (name, district, school)
                assert found[1] == {pull_id} if mode == "full" else found[1] <= set(good)
            else:
                assert found is None, (name, district, school)
        assert not stored, f"rows of {name} that the ledger does not know"
    return partitions


@pytest.mark.long
def test_a_sync_killed_at_any_moment_leaves_whole_partitions(make_world) -> None:
    world = make_world(schools=5, students=900, roster={"resources": ["contacts"]})
    rng = random.Random(20261124)
    began = time.monotonic()
    assert start(world, "eagle-usd").wait(timeout=180) == 0
    usual = time.monotonic() - began
    whole = assert_whole(world.warehouse)
    assert whole == 2 + 5 * 9
    killed, kills = 0, many(4, wide=8)
    for _ in range(3 * kills):
        world.site.advance(1)
        began = time.monotonic()
        process = start(world, "eagle-usd")
        # Anywhere in what a sync takes here; the first tenth is Python's own.
        try:
            process.wait(timeout=usual * (0.1 + 0.85 * rng.random()))
            usual = time.monotonic() - began
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        killed += process.returncode == -signal.SIGKILL
        assert assert_whole(world.warehouse) == whole
        if killed == kills:
            break
    assert killed == kills
    earlier = set(world.warehouse.rows("SELECT DISTINCT pull_id FROM meta.pulls"))
    done = start(world, "eagle-usd")
    out, err = done.communicate(timeout=180)
    assert done.returncode == 0, out + err
    assert assert_whole(world.warehouse) == whole
    rows = sum(len(world.site.district.rows[school]) for school in world.schools)
    assert world.warehouse.rows("SELECT count(*) FROM raw.students") == [(rows,)]
    newest = world.warehouse.rows(
        "SELECT DISTINCT arg_max(pull_id, finished_at) FROM meta.pulls WHERE status = 'complete' "
        "GROUP BY resource, school"
    )
    assert not earlier & set(newest), "the last sync brought every partition anew"


@pytest.mark.long
def test_two_districts_at_the_same_time_both_succeed(make_world) -> None:
    world = make_world(schools=4, students=500)
    one = roster_entry(world.url, world.schools)
    write_roster(world.settings.roster, [one, {**one, "id": "falcon-usd", "name": "Falcon"}])
    both = [start(world, "eagle-usd"), start(world, "falcon-usd")]
    for process in both:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err
    rows = sum(len(world.site.district.rows[school]) for school in world.schools)
    query = "SELECT district, count(*) FROM raw.students GROUP BY ALL"
    for name, warehouse in world.store.warehouses():
        assert_whole(warehouse)
        assert warehouse.rows(query) == [(name, rows)]
    assert world.store.districts() == ["eagle-usd", "falcon-usd"]


@pytest.mark.long
def test_a_second_sync_of_the_same_district_is_told_to_wait(world: World) -> None:
    with world.session():
        process = start(world, "eagle-usd")
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "eagle-usd: another process is pulling this district just now" in out + err
    assert not world.emulator.log


@pytest.mark.long
def test_the_demo_ends_well(tmp_path: Path) -> None:
    made = os.environ.get("DEMO_DATA")
    place = Path(made) if made else tmp_path / "data"
    if made:
        # CI has just run it: its output lies beside its data.
        printed = place.with_suffix(".txt").read_text(encoding="utf-8")
    else:
        done = subprocess.run(
            [sys.executable, "-m", "aeries_pipeline.cli", "demo"],
            env={**os.environ, "AERIES_DATA_DIR": str(place), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed = done.stdout
    for words in (
        "osprey-uhsd",
        "What became of the accounts since",
        "files for Xello: written to",
        "files for Xello: delivered to sftp://xello@127.0.0.1:",
        "StudentCourses.txt: ",
        "make ui",
    ):
        assert words in printed
    store = Store(place)
    assert len(store.districts()) == 3
    assert sum(assert_whole(one) for _district, one in store.warehouses()) > 100
