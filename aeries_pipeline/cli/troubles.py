"""What the system's own errors mean for whoever typed a command.

Pure functions of an error, for files of Dagster and of the data directory;
``stores.diagnose`` does the same for what DuckDB says about the warehouse.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

_NO_WRITING = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.EISDIR}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sentence_of(error: BaseException, data: Path, home: Path) -> str | None:
    """Return one sentence for an error of the system or of SQLite; None for any other.

    Args:
        error: What was raised; what led to it counts as well.
        data: The data directory.
        home: Where Dagster keeps its files.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if isinstance(one, sqlite3.Error):
            return _of_sqlite(str(one), home)
        if isinstance(one, OSError) and one.errno in _NO_WRITING | _FULL:
            return _of_system(one, data)
        one = one.__cause__ or one.__context__
    return None


def _of_system(error: OSError, data: Path) -> str:
    where = error.filename if isinstance(error.filename, str) else str(data)
    if error.errno in _FULL:
        return f"the disk is full ({where}); free some disk space and try again"
    return (
        f"{where} cannot be written or read ({error.strerror}); the data directory is {data}: run "
        "this as the account that owns it, or name another with AERIES_DATA_DIR"
    )


def _of_sqlite(text: str, home: Path) -> str:
    """Say what SQLite reports of Dagster's files; its own text may quote a statement."""
    if "locked" in text or "busy" in text:
        return (
            f"Dagster's files in {home} are locked by another program for more than a minute; "
            "close what has them open (a backup, a database tool) and try again"
        )
    if "malformed" in text or "not a database" in text:
        return (
            f"one of Dagster's files in {home} is damaged; stop UI and daemon, move that folder "
            "away and start again: the history of runs is lost, the warehouse and its ledger are "
            "not; see docs/operating.md"
        )
    if "full" in text or "disk I/O error" in text:
        return f"the disk with Dagster's files is full ({home}); free some disk space and try again"
    if "readonly" in text or "unable to open" in text:
        return (
            f"Dagster's files in {home} cannot be opened for writing; run this as the account that "
            "owns the data directory, or name another with AERIES_DATA_DIR"
        )
    return (
        f"SQLite cannot use Dagster's files in {home}; see docs/operating.md for how to start "
        "with new ones, which loses only the history of runs"
    )
