"""Writing a file whole or not at all, having it reach the disk, and telling whether it changed."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def sync(path: Path) -> None:
    """Have a file or folder reach the disk before anything that follows."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, text: str, *, newline: str | None = None) -> None:
    """Replace a file's content; a reader sees the old or the new, never a part.

    Args:
        path: The file; its mode stays.
        text: The new content.
        newline: As of ``open``; an empty text keeps line ends as they are.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def mark_of(path: Path) -> str:
    """Return what tells a file from every other state of it, its log included."""
    marks = []
    for one in (path, path.with_name(path.name + ".wal")):
        with suppress(FileNotFoundError):
            state = one.stat()
            marks.append(f"{state.st_ino}/{state.st_mtime_ns}/{state.st_size}")
    return " ".join(marks)
