"""A warehouse that stays open for a run: quick for the run, and given back to whoever waits."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aeries_pipeline.stores.backup import take_backup
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.stay_open import IDLE_SECONDS, POLL_SECONDS, StayOpen

HOLDER = """
import sys, time
from pathlib import Path
from aeries_pipeline.stores.connection import Warehouse
warehouse = Warehouse(Path(sys.argv[1]))
with warehouse.staying_open():
    number = 0
    while True:
        with warehouse.open() as connection:
            number += 1
            query = "INSERT INTO meta.pulls (pull_id, rows) VALUES ('holder', ?)"
            connection.execute(query, [number])
        if number == 1:
            print("open", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, pause: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(pause)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "open"
    return process


class Fake:
    """A file that counts how often it is opened."""

    def __init__(self) -> None:
        self.opened = self.closed = self.saved = 0
        self.wanted = False
        self.now = 0.0

    def open_file(self) -> None:
        self.opened += 1

    def save_file(self) -> None:
        self.saved += 1

    def close_file(self) -> None:
        self.closed += 1

    def is_wanted(self) -> bool:
        return self.wanted


def until(found: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found():
            return True
        time.sleep(POLL_SECONDS)
    return False


def test_it_opens_once_and_closes_when_wanted_or_idle() -> None:
    file = Fake()
    stay = StayOpen(file, lambda: file.now)
    for _ in range(5):
        with stay.use():
            pass
    assert (file.opened, file.closed, file.saved) == (1, 0, 5)
    file.wanted = True
    assert until(lambda: file.closed == 1), "also between two uses"
    with stay.use():
        assert (file.opened, file.closed) == (2, 1)
    assert file.closed == 2, "and at the end of each, as long as somebody waits"
    file.wanted = False
    with stay.use():
        pass
    file.now += IDLE_SECONDS + 1
    assert until(lambda: file.closed == 3)
    stay.end()
    assert (file.opened, file.closed) == (3, 3)


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_another_process_gets_its_turn(tmp_path: Path, pause: float) -> None:
    path = tmp_path / "eagle-usd.duckdb"
    process = holder(path, pause)
    try:
        waits = []
        for _ in range(5):
            began = time.monotonic()
            rows = Warehouse(path, wait_seconds=30.0).rows("SELECT count(*) FROM meta.pulls")
            waits.append(time.monotonic() - began)
            assert rows[0][0] > 0
        assert process.poll() is None
        assert max(waits) < 20, waits
    finally:
        process.kill()
        process.wait()


def test_what_was_committed_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "eagle-usd.duckdb"
    process = holder(path, 0.01)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    rows = Warehouse(path).rows("SELECT count(*), max(rows) FROM meta.pulls")
    assert rows[0][0] == rows[0][1] > 0, "every row in the order of its commit, none missing"


def test_a_backup_of_the_same_process_has_what_was_committed(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "eagle-usd.duckdb")
    with warehouse.staying_open():
        for number in range(3):
            with warehouse.open() as connection:
                connection.execute("INSERT INTO meta.pulls (pull_id) VALUES (?)", [str(number)])
        made = take_backup(warehouse, tmp_path / "backups")
        assert made.tables["meta.pulls"] == 3
        assert warehouse.rows("SELECT count(*) FROM meta.pulls") == [(3,)]
    assert not warehouse.path.with_name(f"{warehouse.path.name}.wal").exists()


def test_what_was_not_committed_is_undone(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "eagle-usd.duckdb")
    with warehouse.staying_open():
        with warehouse.open() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO meta.pulls (pull_id) VALUES ('1')")
        assert warehouse.rows("SELECT count(*) FROM meta.pulls") == [(0,)]


def test_a_file_that_cannot_be_opened_is_said_at_each_use(tmp_path: Path) -> None:
    path = tmp_path / "eagle-usd.duckdb"
    path.write_bytes(b"no database" * 1000)
    warehouse = Warehouse(path)
    with warehouse.staying_open():
        for _ in range(2):
            with pytest.raises(WarehouseUnusableError, match="it is damaged"):
                warehouse.rows("SELECT 1")
    Warehouse(tmp_path / "falcon-usd.duckdb").rows("SELECT 1")
