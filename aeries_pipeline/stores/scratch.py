"""Folders for copies that are not finished: removed with the work, however it ends.

A process that is killed cannot tidy up, and what it leaves holds students' data.
So each folder is locked as long as its process lives, and whoever works in the
same place next removes those that nobody holds. A lock, not the number of a
process: containers that share a disk do not see each other's processes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MAKING = ".making-"


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """Yield a hidden folder, which is removed at the end unless it was renamed.

    Args:
        place: The folder in which it is made, on the same disk as what comes of it.
    """
    clear_scratch(place)
    made, handle = _make(place)
    try:
        yield made
    finally:
        # Removed before it is free: nobody else can take it for abandoned meanwhile.
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def clear_scratch(place: Path) -> None:
    """Remove the scratch folders of processes that have ended."""
    for left in place.glob(f"{_MAKING}*"):
        with suppress(OSError):
            # Where another process holds it, the lock is refused.
            handle = _lock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                shutil.rmtree(left)
            finally:
                os.close(handle)


def _make(place: Path) -> tuple[Path, int]:
    while True:
        made = Path(tempfile.mkdtemp(dir=place, prefix=_MAKING))
        with suppress(FileNotFoundError):
            # Somebody may take it for abandoned before it is locked; it is gone then.
            handle = _lock(made, fcntl.LOCK_EX)
            if made.exists():
                return made, handle
            os.close(handle)


def _lock(folder: Path, how: int) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, how)
    except OSError:
        os.close(handle)
        raise
    return handle
