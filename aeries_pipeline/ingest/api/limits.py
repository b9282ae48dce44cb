"""Politeness towards one server: how many requests at a time and per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Politeness:
    """Bounds the concurrency and the rate of requests, across threads.

    Args:
        concurrent: Requests under way at most.
        per_second: Requests started in a second at most; 0 for no bound.
        clock: Monotonic seconds.
        sleep: Waits a number of seconds.
    """

    def __init__(
        self,
        concurrent: int,
        per_second: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with every slot free."""
        self._slots = threading.BoundedSemaphore(concurrent)
        self._gap = 1.0 / per_second if per_second > 0 else 0.0
        self._lock = threading.Lock()
        self._next_start = 0.0
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a slot and for the next start time, then hold the slot."""
        with self._slots:
            if self._gap:
                with self._lock:
                    now = self._clock()
                    start = max(now, self._next_start)
                    self._next_start = start + self._gap
                if start > now:
                    self._sleep(start - now)
            yield
