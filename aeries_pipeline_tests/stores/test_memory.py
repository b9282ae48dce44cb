"""How much memory DuckDB may take, and where it writes what does not fit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.stores import memory
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Safeguards, Status
from aeries_pipeline.stores.load import load
from aeries_pipeline.stores.memory import (
    BATCH_BYTES,
    MEMORY_VARIABLE,
    SMALLEST,
    THREADS_VARIABLE,
    MemorySettingError,
    allowed_memory,
    batch_bytes,
    clean_spill,
    container_limit,
    open_duckdb,
    read_size,
    share_of,
)
from aeries_pipeline.stores.outcomes import Fetched, PullRow, now
from aeries_pipeline_tests.stores.test_staging import landed, numbered

MIB = 1024**2


def group(root: Path, place: str, name: str, content: str) -> None:
    folder = root / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def test_the_smallest_limit_around_a_process_counts(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    root = tmp_path / "fs"
    membership.write_text("0::/box/job\n")
    group(root, "box/job", "memory.max", "max\n")
    group(root, "box", "memory.max", f"{512 * MIB}\n")
    assert container_limit(membership, root) == 512 * MIB
    group(root, "box/job", "memory.max", f"{256 * MIB}\n")
    assert container_limit(membership, root) == 256 * MIB


def test_inside_a_container_the_group_is_the_root(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/seen/from/outside\n")
    group(tmp_path / "fs", ".", "memory.max", f"{300 * MIB}\n")
    assert container_limit(membership, tmp_path / "fs") == 300 * MIB


def test_the_first_version_of_control_groups(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("5:cpu,memory:/job\n3:pids:/\n")
    root = tmp_path / "fs"
    group(root, "memory", "memory.limit_in_bytes", "9223372036854771712\n")
    assert container_limit(membership, root) is None, "a number beyond any machine is no limit"
    group(root, "memory/job", "memory.limit_in_bytes", f"{700 * MIB}\n")
    assert container_limit(membership, root) == 700 * MIB


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert container_limit(tmp_path / "missing", tmp_path) is None


@given(st.integers(1, 1 << 45))
def test_duckdb_and_python_fit_into_a_container_together(limit: int) -> None:
    share = share_of(limit)
    assert share >= SMALLEST
    if limit >= memory.PYTHON_BYTES + 2 * SMALLEST:
        assert share + memory.PYTHON_BYTES <= limit


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512 * 10**6), ("2 GiB", 2 << 30), ("1.5gb", 1_500_000_000)]
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "80%", "5"])
def test_what_is_no_size_is_a_sentence(text: str) -> None:
    with pytest.raises(MemorySettingError, match=MEMORY_VARIABLE):
        read_size(text)


def test_threads_are_those_that_the_environment_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "SELECT current_setting('threads')"
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    with open_duckdb(tmp_path) as connection:
        assert connection.sql(asked).fetchall() == [(3,)]
    with open_duckdb(tmp_path, threads=2) as connection:
        assert connection.sql(asked).fetchall() == [(2,)], "who asks for a number gets it"
    for wrong in ("0", "two", "-1", "1.5", "\u0661"):
        monkeypatch.setenv(THREADS_VARIABLE, wrong)
        with pytest.raises(MemorySettingError, match=f"{THREADS_VARIABLE} names no number"):
            open_duckdb(tmp_path)


def test_batches_are_smaller_where_there_is_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "100MiB")
    assert allowed_memory() == 100 * MIB
    assert batch_bytes() == 25 * MIB
    monkeypatch.setenv(MEMORY_VARIABLE, "64GiB")
    assert batch_bytes() == BATCH_BYTES


def test_what_does_not_fit_goes_below_the_data_directory_and_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "96MiB")
    spill = tmp_path / "data"
    spill.mkdir()
    with open_duckdb(spill, threads=1) as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT hash(range) h FROM range(30000000)")
        assert list(spill.rglob("*")), "it spilled"
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (30_000_000,)
    assert [one for one in spill.rglob("*") if one.is_file()] == []
    assert not (Path.cwd() / ".tmp").exists()


def test_what_a_killed_process_has_spilled_is_deleted_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = tmp_path
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from aeries_pipeline.stores.memory import open_duckdb\n"
        f"c = open_duckdb(Path({str(spill)!r}), threads=1)\n"
        "c.execute('CREATE TEMP TABLE t AS SELECT hash(range) h FROM range(30000000)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, MEMORY_VARIABLE: "96MiB"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=120)
    assert list(spill.glob("spill-*/*")), "the killed one left something"
    mine = spill / f"spill-{os.getpid()}-1"
    mine.mkdir(parents=True)
    alive = spill / f"spill-{os.getppid()}-1"
    alive.mkdir()
    monkeypatch.setattr(memory, "_cleaned", set())
    clean_spill(spill)
    assert list(spill.glob("spill-*")) == [alive], "of a process that lives nothing is deleted"


@pytest.mark.long
def test_transcripts_of_a_large_school_fit_into_the_least_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages of one query at once need 200 MB of it, one at a time a tenth."""
    monkeypatch.setenv(MEMORY_VARIABLE, "96MiB")
    transcripts = RESOURCES["transcripts"]
    lines = numbered(transcripts, 1)["CourseGrades"][0]
    pages = [
        [
            numbered(transcripts, 1 + page * 150 + student)
            | {"CourseGrades": [lines | {"SequenceNumber": line} for line in range(50)]}
            for student in range(150)
        ]
        for page in range(12)
    ]
    (files,) = landed(tmp_path, transcripts, [pages])
    pull = PullRow("p", "d", 990, "transcripts", Status.FAILED, now(), now())
    warehouse = Warehouse(tmp_path / "data" / "d.duckdb")
    (loaded,) = load(warehouse, transcripts, [Fetched(files, pull)], Safeguards())
    assert loaded.pull.status is Status.COMPLETE, loaded.pull.reason
    assert warehouse.rows('SELECT count(*), count(DISTINCT "StudentID") FROM raw.transcripts') == [
        (12 * 150 * 50, 12 * 150)
    ]
