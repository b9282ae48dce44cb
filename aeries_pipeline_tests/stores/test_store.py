"""A file for each district: the one of earlier releases is split, and none waits for another."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.connection import (
    Warehouse,
    WarehouseBusyError,
    WarehouseUnusableError,
    tables_of,
)
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.stores.several import copy_district, join_files

RELEASE = Path(__file__).with_name("release-0.1.0.duckdb.gz")
Sums = dict[tuple[str, str, str], tuple[int, int]]


def sums(path: Path) -> Sums:
    """Return count and hash of each district's rows in each table of a file."""
    found: Sums = {}
    with open_beside(path) as connection:
        connection.execute(f"ATTACH '{path}' AS it (READ_ONLY)")
        for (schema, table), columns in tables_of(connection, "it").items():
            if "district" in columns:
                for district, rows, digest in connection.execute(
                    f"SELECT district, count(*), sum(hash(t)::HUGEINT) "
                    f"FROM it.{schema}.{quoted(table)} AS t GROUP BY district"
                ).fetchall():
                    found[district, schema, table] = (rows, digest)
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of an earlier release, with three districts in its one file."""
    data = tmp_path / "data"
    scratch = Store(tmp_path / "scratch")
    scratch.folder.mkdir(parents=True)
    scratch.path("eagle-usd").write_bytes(gzip.decompress(RELEASE.read_bytes()))
    copy_district(scratch, "eagle-usd", "falcon-usd")
    copy_district(scratch, "eagle-usd", "heron-jusd")
    with scratch.warehouse("heron-jusd").open() as connection:
        connection.execute("DELETE FROM raw.students WHERE school = 994")
    join_files(scratch, "eagle-usd")
    with scratch.warehouse("eagle-usd").open() as connection:
        connection.execute("CREATE TABLE meta.forgotten (district VARCHAR, what VARCHAR)")
        connection.execute("INSERT INTO meta.forgotten VALUES ('gull-usd', 'district')")
    data.mkdir()
    shutil.move(scratch.path("eagle-usd"), data / "warehouse.duckdb")
    return data


def test_the_one_file_becomes_a_file_for_each_district_and_no_row_is_lost(data: Path) -> None:
    before = sums(data / "warehouse.duckdb")
    store = Store(data)
    assert store.districts() == ["eagle-usd", "falcon-usd", "heron-jusd"]
    after: Sums = {}
    for district in store.districts():
        own = sums(store.path(district))
        assert {one for one, _schema, _table in own} == {district}
        after |= own
        assert store.path(district).stat().st_mode & 0o777 == 0o600
    forgotten = {one for one in before if one[1:] == ("meta", "forgotten")}
    assert after == {one: rows for one, rows in before.items() if one not in forgotten}
    assert len(after) > 40
    assert store.ledger.rows("FROM meta.forgotten") == [("gull-usd", "district")]
    assert not (data / "warehouse.duckdb").exists()
    (kept,) = (data / "backups").glob("warehouse-before-split-*.duckdb")
    assert sums(kept) == before
    marks = [store.path(one).stat().st_mtime_ns for one in store.districts()]
    Store(data)
    assert [store.path(one).stat().st_mtime_ns for one in store.districts()] == marks


def test_a_split_that_is_killed_again_and_again_ends_as_if_it_never_was(data: Path) -> None:
    before = sums(data / "warehouse.duckdb")
    rng = random.Random(7)
    code = "import sys; from pathlib import Path; from aeries_pipeline.stores.store import Store; "
    code += "print('go', flush=True); Store(Path(sys.argv[1]))"
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(data)], stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.6))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if not (data / "warehouse.duckdb").exists():
            break
    assert kills > 0
    store = Store(data)
    after: Sums = {}
    for district in store.districts():
        after |= sums(store.path(district))
    assert after == {one: rows for one, rows in before.items() if one[2] != "forgotten"}
    assert [one.name for one in store.folder.iterdir() if "partial" in one.name] == []


def test_two_files_that_differ_are_not_made_one(data: Path) -> None:
    kept = (data / "warehouse.duckdb").read_bytes()
    Store(data)
    with Store(data).warehouse("falcon-usd").open() as connection:
        connection.execute("DELETE FROM raw.students WHERE school = 994")
    own = sums(Store(data).path("falcon-usd"))
    # A program of the earlier release, still running, has made its file anew.
    (data / "warehouse.duckdb").write_bytes(kept)
    with pytest.raises(WarehouseUnusableError, match=r"falcon-usd: .* both hold rows"):
        Store(data)
    assert (data / "warehouse.duckdb").exists()
    (data / "warehouse.duckdb").unlink()
    assert sums(Store(data).path("falcon-usd")) == own


def test_rows_of_no_district_are_not_dropped(data: Path) -> None:
    with Warehouse(data / "warehouse.duckdb").open() as connection:
        connection.execute(
            "UPDATE core.accounts SET district = '../x' WHERE district = 'eagle-usd'"
        )
    with pytest.raises(WarehouseUnusableError, match="has rows of no district"):
        Store(data)
    assert (data / "warehouse.duckdb").exists()
    assert list((data / "warehouses").iterdir()) == []


def test_a_full_disk_leaves_the_one_file_as_it_is(data: Path) -> None:
    before = (data / "warehouse.duckdb").read_bytes()
    code = (
        "import resource, sys; from pathlib import Path; "
        "from aeries_pipeline.stores.store import Store; "
        "from aeries_pipeline.stores.connection import WarehouseUnusableError; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try:\n    Store(Path(sys.argv[1]))\n"
        "except WarehouseUnusableError as error:\n    print(error); sys.exit(7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "cannot be split into one file for each district" in done.stdout
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM raw.students").fetchall()[0][0] > 0
    assert len(before) > 400_000
    assert len(Store(data).districts()) == 3, "and all is well once there is room"


def test_no_district_waits_for_another(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.warehouse("eagle-usd").open(), store.warehouse("falcon-usd").open() as connection:
        assert connection.execute("SELECT count(*) FROM meta.pulls").fetchall() == [(0,)]
        impatient = Warehouse(store.path("eagle-usd"), wait_seconds=0.1)
        with pytest.raises(WarehouseBusyError, match="eagle-usd"):
            impatient.rows("SELECT 1")


def test_a_removed_district_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.warehouse("eagle-usd").rows("SELECT 1")
    store.warehouse("falcon-usd").rows("SELECT 1")
    store.remove("eagle-usd")
    assert store.districts() == ["falcon-usd"]
    assert not list(store.folder.glob("eagle-usd.duckdb")) + list(store.folder.glob("*.wal"))
