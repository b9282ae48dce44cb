"""A warehouse that stays open between a run's uses, until somebody else wants it.

Opening and closing a file costs a hundred times as much as most queries, and a
pull makes some for each resource. Meanwhile the run keeps the file attached and
its lock; it gives both back after the use in which another process begins to
wait, and when it has not needed them for a moment. A commit is in the file or
its log at once, open or not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

POLL_SECONDS = 0.05
IDLE_SECONDS = 1.0


class Opener(Protocol):
    """What opens and closes a file, and tells whether somebody waits for it."""

    def open_file(self) -> None:
        """Take the lock and attach the file."""

    def save_file(self) -> None:
        """Make what was committed count; where that fails the file is closed."""

    def close_file(self) -> None:
        """Detach the file and give the lock back."""

    def is_wanted(self) -> bool:
        """Tell whether another process waits for the lock."""


class StayOpen:
    """Keeps a file open between uses.

    Args:
        opener: Of the file.
        clock: Seconds that only grow; tests give another.
        poll_seconds: So often it looks whether somebody waits.
        idle_seconds: So long it stays open without need.
    """

    def __init__(
        self,
        opener: Opener,
        clock: Callable[[], float] = time.monotonic,
        *,
        poll_seconds: float = POLL_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Open nothing yet; a thread looks after the file once it is open."""
        self._opener, self._clock = opener, clock
        self._using = threading.RLock()
        self._poll, self._idle = poll_seconds, idle_seconds
        self._is_open = False
        self._depth = 0
        self._used_at = 0.0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="stay-open", daemon=True)
        self._watcher.start()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Have the file open for the time of the body."""
        with self._using:
            if not self._is_open:
                self._opener.open_file()
                self._is_open = True
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                self._used_at = self._clock()
                if not self._depth:
                    self._end_use()

    def _end_use(self) -> None:
        if not self._is_open:
            return
        try:
            self._opener.save_file()
        except BaseException:
            self._is_open = False
            raise
        if self._opener.is_wanted():
            self.give_back()

    def give_back(self) -> None:
        """Close the file now; the next use opens it again."""
        with self._using:
            if self._is_open:
                self._is_open = False
                self._opener.close_file()

    def end(self) -> None:
        """Close the file, and look after it no more."""
        self._ended.set()
        self.give_back()
        if threading.current_thread() is not self._watcher:
            self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._poll):
            # A use that is under way looks for itself at its end.
            if not self._using.acquire(blocking=False):
                continue
            try:
                idle = self._clock() - self._used_at
                if self._is_open and (idle > self._idle or self._opener.is_wanted()):
                    # What was committed is in the log; the next use says what is wrong.
                    with suppress(Exception):
                        self.give_back()
            finally:
                self._using.release()
