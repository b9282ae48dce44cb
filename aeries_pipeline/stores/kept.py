"""The one DuckDB that a warehouse keeps for its short reads and writes.

It holds nothing but the file while that is attached; to start one for each
opening costs as much as most of them do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb


class KeptDuckDB:
    """A DuckDB in memory that is started when it is first needed.

    Args:
        start: Starts one.
    """

    def __init__(self, start: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        """Start nothing yet."""
        self._start = start
        self._memory: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._own: set[int] = set()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to it."""
        with self._lock:
            if self._memory is None:
                self._memory = self._start()
            return self._memory.cursor()

    @contextmanager
    def own_cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection that :meth:`is_own` knows again."""
        with self.cursor() as connection:
            self._own.add(id(connection))
            try:
                yield connection
            finally:
                self._own.discard(id(connection))

    def is_own(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Tell whether a connection is one that was yielded."""
        return id(connection) in self._own

    def close(self) -> None:
        """Close it, with whatever is still attached; the next use starts another."""
        with self._lock:
            if self._memory is not None:
                self._memory.close()
                self._memory = None
