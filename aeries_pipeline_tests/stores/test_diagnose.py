"""Real errors of DuckDB, told apart."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.stores.diagnose import Trouble, diagnose


def make(path: Path) -> bytes:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range i, hash(range) h FROM range(200000)")
    return path.read_bytes()


def read(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS w")
        connection.execute("SELECT sum(hash(t)::HUGEINT) FROM w.t t").fetchall()


def trouble_of(path: Path) -> Trouble:
    with pytest.raises(duckdb.Error) as caught:
        read(path)
    return diagnose(caught.value).trouble


# A name with the words of an error must not decide what the error is.
NAMES = ["w.duckdb", "lock of block.duckdb", "Corrupt database file.duckdb"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["header", "block", "end", "all", "empty"])
def test_damage_is_damage_wherever_it_is(tmp_path: Path, where: str, name: str) -> None:
    path = tmp_path / name
    content = bytearray(make(path))
    if where == "header":
        content[:12288] = bytes(12288)
    elif where == "block":
        middle = len(content) // 2
        content[middle : middle + 4096] = bytes(4096)
    elif where == "end":
        del content[len(content) // 2 :]
    elif where == "all":
        content[:] = b"no database " * 1000
    else:
        content.clear()
    path.write_bytes(content)
    assert trouble_of(path) is Trouble.DAMAGED


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reading", [True, False])
def test_a_file_that_another_program_holds_names_it(
    tmp_path: Path, name: str, reading: bool
) -> None:
    path = tmp_path / name
    make(path)
    code = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}, read_only={reading}); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline().strip() == b"open"
        with pytest.raises(duckdb.Error) as caught:
            read(path)
        other.stdin.close()
    found = diagnose(caught.value)
    assert found.trouble is Trouble.HELD
    assert f"(process {other.pid})" in found.cause
    assert ("for reading" if reading else "for writing") in found.cause


def test_too_little_memory_is_called_that(tmp_path: Path) -> None:
    config = {"memory_limit": "2MB", "temp_directory": "", "threads": 1}
    with duckdb.connect(config=config) as connection, pytest.raises(duckdb.Error) as caught:
        connection.execute("CREATE TABLE t AS SELECT random() r FROM range(3000000)")
    assert diagnose(caught.value).trouble is Trouble.MEMORY
    assert "random" not in diagnose(caught.value).cause


def test_no_diagnosis_repeats_the_error() -> None:
    error = duckdb.ConversionException("Conversion Error: Could not convert 'Doe, Jane' to INT32")
    found = diagnose(error)
    assert found.trouble is Trouble.OTHER
    assert "Doe" not in found.cause


@pytest.mark.parametrize(
    ("error", "trouble", "remedy"),
    [
        (duckdb.OutOfMemoryException("Out of Memory Error: failed"), Trouble.MEMORY, "more memory"),
        (OSError(28, "No space left on device"), Trouble.FULL, "free some disk space"),
        (OSError(13, "Permission denied"), Trouble.REFUSED, "owns the data directory"),
        (OSError(30, "Read-only file system"), Trouble.REFUSED, "owns the data directory"),
        (OSError(5, "Input/output error", "/x"), Trouble.OTHER, "docs/operating.md"),
        (duckdb.ConversionException("'Marker'"), Trouble.OTHER, "docs/operating.md"),
    ],
)
def test_each_trouble_has_its_own_remedy(error: Exception, trouble: Trouble, remedy: str) -> None:
    found = diagnose(error)
    assert found.trouble is trouble
    assert remedy in found.remedy
    # Want of memory is no full disk, nor the other way round.
    assert ("disk" in found.remedy) == (trouble is Trouble.FULL)
    assert "Marker" not in found.cause
    assert "/x" not in found.cause
