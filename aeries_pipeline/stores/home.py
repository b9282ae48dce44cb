"""Where a warehouse's file lives, and who may use it: the seam between one machine and many.

A warehouse gets exclusive access to its file from its home, and gives it back.
On one machine the file is used where it lies, and the access is a lock file.
If machines share no disk, the home is ``shared.home``: the access is a lease,
and the file is downloaded and uploaded. What a warehouse does with the file in
between is in ``connection`` and the same for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from filelock import FileLock, Timeout

_LOCK, _DOOR = ".lock", ".wanted.lock"  # the second is held by whoever waits for the first


class NotFreeError(RuntimeError):
    """Somebody else kept the right for as long as was waited."""


class Held(Protocol):
    """The sole right to a file, which lies at its path in its present state."""

    def is_behind(self) -> bool:
        """Tell whether the file has changed since it was last made to count."""

    def commit(self) -> None:
        """Make the file's present state the one that counts; it is closed meanwhile.

        Raises:
            WarehouseUnusableError: If it cannot be; the last state stays the one that counts.
        """

    def remove(self) -> None:
        """Delete the file for good."""

    def release(self) -> None:
        """Give the right back; what was not made to count is lost where the file is shared."""


class Home(Protocol):
    """Where one file is at home."""

    poll_seconds: float
    """So often whoever keeps the file open looks whether somebody waits."""

    idle_seconds: float
    """So long whoever keeps the file open keeps it without need."""

    def take(self, wait_seconds: float) -> Held:
        """Wait for the sole right to the file.

        Raises:
            NotFreeError: If it does not come free in time.
            WarehouseUnusableError: If the file cannot be had.
        """

    def is_wanted(self) -> bool:
        """Tell whether somebody waits for the file that this process has."""

    def exists(self) -> bool:
        """Tell whether there is a file."""

    def snapshot(self, target: Path) -> str | None:
        """Copy the file without the right to it and return its mark; None if that cannot be."""


class Right(Protocol):
    """The sole right to do something, such as to ask a district's server."""

    def refusal(self) -> str | None:
        """Return why the right may not be used at this moment; None if it may."""

    def present(self) -> datetime:
        """Return the present by the clock that all who may have the right share, aware."""

    def release(self) -> None:
        """Give it back."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exc: object) -> None: ...


class _LocalHeld:
    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path, self._lock = path, lock

    def is_behind(self) -> bool:
        """Say no: what a transaction has committed is in the file or its log."""
        return False

    def commit(self) -> None:
        """Do nothing: the transaction's own commit was all."""

    def remove(self) -> None:
        """Delete the file and its log."""
        for one in (self._path, self._path.with_name(self._path.name + ".wal")):
            one.unlink(missing_ok=True)

    def release(self) -> None:
        """Let go of the lock file."""
        self._lock.release()


class LocalHome:
    """The home of a file that lies where it is used.

    Args:
        path: The file.
    """

    poll_seconds = 0.05
    idle_seconds = 1.0

    def __init__(self, path: Path) -> None:
        """Remember the file; nothing is locked yet."""
        self._path = path

    def take(self, wait_seconds: float) -> Held:
        """Wait at the door, where whoever has the file sees it, then take the lock."""
        until = time.monotonic() + wait_seconds
        door, lock = (FileLock(self._beside(name), thread_local=False) for name in (_DOOR, _LOCK))
        try:
            with door.acquire(timeout=wait_seconds):
                lock.acquire(timeout=max(until - time.monotonic(), 0.0))
        except Timeout:
            raise NotFreeError from None
        return _LocalHeld(self._path, lock)

    def is_wanted(self) -> bool:
        """Tell whether another process waits at the door."""
        door = FileLock(self._beside(_DOOR))
        try:
            door.acquire(timeout=0)
        except Timeout:
            return True
        door.release()
        return False

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return self._path.exists()

    def snapshot(self, target: Path) -> str | None:  # noqa: ARG002 - the other home's
        """Return None: the file is written in place, so a copy needs the right to it."""
        return None

    def _beside(self, name: str) -> Path:
        return self._path.with_name(self._path.name + name)


class LocalRight:
    """A right among the processes of one machine, kept by a lock file.

    Args:
        path: The lock file.
        clock: The present, aware; tests give another.
    """

    def __init__(
        self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Take the right at once.

        Raises:
            NotFreeError: If another process has it.
        """
        self._clock = clock
        self._lock = FileLock(path, thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise NotFreeError from None

    def refusal(self) -> str | None:
        """Return None: as long as the process lives nobody else gets the lock."""
        return None

    def present(self) -> datetime:
        """Return this machine's time."""
        return self._clock()

    def release(self) -> None:
        """Let go of the lock file."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()
