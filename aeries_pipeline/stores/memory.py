"""Opening a DuckDB in memory: where it spills, and how much memory it may take.

Every connection of the pipeline is made here. What a query cannot hold in
memory is about students, so it is written below the data directory, in a
folder that the next process deletes and that ``forget`` searches. A
container's limit is divided between Python and DuckDB; without a limit DuckDB
takes its own share of the machine.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

import duckdb

from aeries_pipeline.stores.scratch import clear_scratch


class MemorySettingError(ValueError):
    """The environment names no size of memory, or no number of threads."""


SPILL = "spill-"
"""How folders for what does not fit into memory begin, with the process's number behind it."""

MEMORY_VARIABLE = "AERIES_DUCKDB_MEMORY"
"""Names the memory that DuckDB may take in each process, such as ``2GB``."""

THREADS_VARIABLE = "AERIES_DUCKDB_THREADS"
"""Names how many threads DuckDB may use in each process."""

PYTHON_BYTES = 320 * 1024**2
"""What Python, pandas and Dagster take of a container before DuckDB starts."""

SMALLEST = 96 * 1024**2
"""With less than this DuckDB cannot load an answer; a smaller setting means this."""

BATCH_BYTES = 96 * 1024**2
"""A batch of answers is loaded when it has reached this size, where memory allows."""

_UNITS = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_UNITS |= {"kib": 1024, "mib": 1024**2, "gib": 1024**3}
_numbers = itertools.count(1)
_cleaned: set[Path] = set()
_cleaning = threading.Lock()


def open_duckdb(folder: Path, *, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory.

    Args:
        folder: Below the data directory; what does not fit into memory is written
            there. What a process that was killed has left there is deleted.
        threads: How many threads; as the environment says otherwise, or as many as
            there are cores.

    Raises:
        MemorySettingError: If the environment names no size, or no number of threads.
    """
    clean_spill(folder)
    clear_scratch(folder)
    # DuckDB makes the folder when it needs it, and removes it.
    own = folder / f"{SPILL}{os.getpid()}-{next(_numbers)}"
    config: dict[str, str | bool | int | float | list[str]] = {"temp_directory": str(own)}
    allowed = allowed_memory()
    if allowed is not None:
        config["memory_limit"] = f"{allowed // 1024} KiB"
    threads = threads or allowed_threads()
    if threads is not None:
        config["threads"] = threads
    return duckdb.connect(config=config)


def open_beside(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory that spills into the folder of a database file."""
    return open_duckdb(path.parent)


def clean_spill(folder: Path) -> None:
    """Delete what processes that have ended could not hold; once in each process."""
    with _cleaning:
        if folder in _cleaned:
            return
        _cleaned.add(folder)
        for left in folder.glob(f"{SPILL}*"):
            pid = left.name.removeprefix(SPILL).split("-")[0]
            # This process has opened nothing yet: what bears its number is of an earlier one.
            if pid == str(os.getpid()) or not (pid.isdecimal() and is_running(int(pid))):
                shutil.rmtree(left, ignore_errors=True)


def allowed_memory() -> int | None:
    """Return the bytes that DuckDB may take; None if it may decide for itself.

    Raises:
        MemorySettingError: If the environment names no size.
    """
    stated = os.environ.get(MEMORY_VARIABLE)
    if stated:
        return max(read_size(stated), SMALLEST)
    limit = _own_limit()
    return None if limit is None else share_of(limit)


def allowed_threads() -> int | None:
    """Return how many threads DuckDB may use; None if it may decide for itself.

    Raises:
        MemorySettingError: If the environment names no number of threads.
    """
    stated = os.environ.get(THREADS_VARIABLE)
    if not stated:
        return None
    if not (stated.isascii() and stated.isdecimal() and int(stated)):
        raise MemorySettingError(
            f"the environment variable {THREADS_VARIABLE} names no number of threads; write it as 2"
        )
    return int(stated)


@cache
def _own_limit() -> int | None:
    """Return the limit of this process, looked up once and not at each opening."""
    return container_limit(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))


def batch_bytes() -> int:
    """Return how many bytes of answers are loaded at once."""
    allowed = allowed_memory()
    return BATCH_BYTES if allowed is None else max(1, min(BATCH_BYTES, allowed // 4))


def share_of(limit: int) -> int:
    """Return DuckDB's share of a container's memory: half of what Python leaves.

    The other half is for the frames that pandera looks at and for answers that
    are under way.
    """
    return max(SMALLEST, (limit - PYTHON_BYTES) // 2)


def container_limit(membership: Path, root: Path) -> int | None:
    """Return the memory limit of this process's control group, None without one.

    Args:
        membership: ``/proc/self/cgroup``.
        root: Where the control groups are mounted.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found: list[int] = []
    for line in lines:
        _number, controllers, place = line.split(":", 2)
        if controllers == "":
            found += _limits(root, place, "memory.max")
        elif "memory" in controllers.split(","):
            found += _limits(root / "memory", place, "memory.limit_in_bytes")
    # A group without a limit states a number beyond any machine.
    real = [one for one in found if one < 1 << 50]
    return min(real, default=None)


def _limits(root: Path, place: str, name: str) -> list[int]:
    """Return the limits of a group and of every group around it."""
    found = []
    # Inside a container the group is mounted as the root, whatever its name outside.
    folder = root / place.lstrip("/")
    for one in {folder, *folder.parents}:
        if one == root or root in one.parents:
            with suppress(OSError, ValueError):
                found.append(int((one / name).read_text(encoding="utf-8")))
    return found


def read_size(text: str) -> int:
    """Return the bytes of a size such as ``512MB`` or ``2 GiB``.

    Raises:
        MemorySettingError: If it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?b|b)\s*", text, re.IGNORECASE)
    if match is None:
        raise MemorySettingError(
            f"the environment variable {MEMORY_VARIABLE} names no size; write it as 512MB or 2GiB"
        )
    return int(float(match[1]) * _UNITS[match[2].lower()])


def is_running(pid: int) -> bool:
    """Tell whether this machine has a process of that number, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
