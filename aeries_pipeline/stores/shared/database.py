"""The Postgres that many machines share: its schema, and querying it.

Errors from the driver may contain the address with its password, so they are
replaced by our own messages. The tables' content is in ``leases`` and ``books``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from aeries_pipeline.stores.connection import WarehouseUnusableError

try:
    from sqlalchemy import Connection, Engine, create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise WarehouseUnusableError(
        "the libraries for many machines are not installed here; install the extra: "
        "pip install 'aeries-pipeline[cluster]'"
    ) from None

CLOCKS_SECONDS = 30.0
"""A machine whose clock differs by more from the database's is refused."""

_MEASURED_SECONDS = 60.0
_SCHEMA_LOCK = 4_102_033_911  # any number that no other program takes

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS aeries;
CREATE SEQUENCE IF NOT EXISTS aeries.fences;
CREATE TABLE IF NOT EXISTS aeries.leases (
    name text PRIMARY KEY, holder text NOT NULL, run_id text, host text NOT NULL,
    fence bigint NOT NULL, taken_at timestamptz NOT NULL, renewed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, wanted_at timestamptz
);
CREATE TABLE IF NOT EXISTS aeries.pulses (
    run_id text PRIMARY KEY, host text NOT NULL, pid integer NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS aeries.districts (
    district text PRIMARY KEY, generation bigint NOT NULL, etag text NOT NULL,
    commit_id text NOT NULL, fence bigint NOT NULL, schema_version integer NOT NULL,
    changed_at timestamptz NOT NULL, bytes bigint NOT NULL, counts jsonb NOT NULL,
    is_removed boolean NOT NULL DEFAULT false
);
CREATE TABLE IF NOT EXISTS aeries.pulls (
    pull_id text NOT NULL, run_id text, district text NOT NULL, school integer,
    resource text NOT NULL, status text NOT NULL, code text, transient boolean,
    rows bigint, started_at timestamp, finished_at timestamp NOT NULL, reason text
);
CREATE INDEX IF NOT EXISTS pulls_of_district ON aeries.pulls (district, finished_at);
CREATE INDEX IF NOT EXISTS pulls_of_run ON aeries.pulls (run_id);
CREATE TABLE IF NOT EXISTS aeries.latest_pulls (
    district text NOT NULL, school integer, resource text NOT NULL, status text NOT NULL,
    reason text, complete_at timestamp, finished_at timestamp NOT NULL,
    UNIQUE NULLS NOT DISTINCT (district, resource, school)
);
CREATE TABLE IF NOT EXISTS aeries.answers (
    district text NOT NULL, question text NOT NULL, mark text NOT NULL, answer text NOT NULL,
    asked_at timestamptz NOT NULL, PRIMARY KEY (district, question)
);
CREATE TABLE IF NOT EXISTS aeries.roster (
    version bigint PRIMARY KEY, text text NOT NULL, at timestamptz NOT NULL
);
"""

_CONNECTION = {
    "connect_timeout": 5,
    # A connection whose other end is cut off is given up after some ten seconds.
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "aeries-pipeline",
    "options": "-c statement_timeout=20000 -c lock_timeout=15000 -c timezone=UTC",
}


class ClockError(WarehouseUnusableError):
    """This machine's clock is not the database's."""


class Database:
    """A pool of connections to the shared Postgres; safe to share between threads.

    Args:
        address: With its password.
        host: This machine's name, for messages.
    """

    def __init__(self, address: str, host: str) -> None:
        """Connect to nothing yet."""
        self.host = host
        self._engine: Engine = create_engine(
            address, connect_args=dict(_CONNECTION), pool_pre_ping=True, pool_size=4
        )
        self._preparing = threading.Lock()
        self._prepared = threading.Event()
        self._offset = timedelta()
        self._measured_at: float | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed when the body ends.

        Raises:
            WarehouseUnusableError: If the database cannot be had; nothing was changed.
            ClockError: If this machine's clock is wrong.
        """
        with self._telling():
            self._prepare()
            with self._engine.begin() as connection:
                yield connection

    def present(self) -> datetime:
        """Return the database's present, aware, without asking it each time.

        Raises:
            ClockError: If this machine's clock is wrong.
        """
        if self._measured_at is None or seconds() - self._measured_at > _MEASURED_SECONDS:
            with self.transaction() as connection:
                self._measure(connection)
        return datetime.now(UTC) + self._offset

    def forget_connections(self) -> None:
        """Leave the connections to the process that this one was forked from."""
        self._engine.dispose(close=False)
        self._preparing = threading.Lock()

    def _prepare(self) -> None:
        if self._prepared.is_set():
            return
        with self._preparing:
            if self._prepared.is_set():
                return
            with self._engine.begin() as connection:
                self._measure(connection)
                if not _is_current(connection):
                    # Two machines that make the tables at once would collide.
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})"))
                    connection.exec_driver_sql(_SCHEMA)
            self._prepared.set()

    def _measure(self, connection: Connection) -> None:
        before = datetime.now(UTC)
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        here = before + (datetime.now(UTC) - before) / 2
        offset = theirs - here
        if abs(offset.total_seconds()) > CLOCKS_SECONDS:
            raise ClockError(
                f"the clock of this machine ({self.host}) differs by "
                f"{abs(offset.total_seconds()):.0f} s from the database's, more than the "
                f"{CLOCKS_SECONDS:.0f} s that are safe; nothing is asked or written from here; "
                "let both follow a time server (NTP), then try again"
            )
        self._offset, self._measured_at = offset, seconds()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            # The driver's own words may hold the address, or a value of a row.
            cause = type(getattr(error, "orig", None) or error).__name__
            raise DatabaseError(
                f"the shared database cannot be used from {self.host} ({cause}); nothing was "
                "changed there; see that Postgres runs and is reached from this machine, then try "
                "again"
            ) from None


class DatabaseError(WarehouseUnusableError):
    """The shared database cannot be used just now."""


def _is_current(connection: Connection) -> bool:
    found = connection.execute(text("SELECT to_regclass('aeries.roster')")).scalar_one()
    return found is not None


def seconds() -> float:
    """Return seconds that only grow, also while this machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def own_name(host: str) -> str:
    """Return what tells this process from every other one in the tables."""
    return f"{host}/{os.getpid()}"
