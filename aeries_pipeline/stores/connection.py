"""Opening the warehouse file: one process at a time, and never for long.

DuckDB lets one process write a file. Every use therefore takes a lock file
first, does its few milliseconds of work and closes. Fetching and parsing
happen elsewhere, without the lock. Analysts read a published copy.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from aeries_pipeline.stores.diagnose import Diagnosis, Trouble, diagnose
from aeries_pipeline.stores.memory import open_duckdb
from aeries_pipeline.stores.versions import (
    SCHEMA_VERSION,
    NewerSchemaError,
    bring_up_to_date,
    version_of,
)

Parameters = list[Any] | dict[str, Any] | None
"""What stands for the marks of a query: by place, or by name."""

CATALOG = "warehouse"
"""Name under which the file is attached."""

SCHEMAS = ("raw", "quarantine", "core", "meta", "analytics")

BACKUPS = "backups"
"""Folder beside the file, for copies to fall back on."""

PULLS_COLUMNS = (
    ("pull_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("school", "INTEGER"),
    ("resource", "VARCHAR"),
    ("status", "VARCHAR"),
    ("code", "VARCHAR"),
    ("transient", "BOOLEAN"),
    ("reason", "VARCHAR"),
    ("started_at", "TIMESTAMP"),
    ("finished_at", "TIMESTAMP"),
    ("pull_window", "VARCHAR"),
    ("outside_window_reason", "VARCHAR"),
    ("accept_shrunken_reason", "VARCHAR"),
    ("rows", "BIGINT"),
    ("quarantined", "BIGINT"),
    ("duplicates", "BIGINT"),
    ("conflicts", "BIGINT"),
    ("bytes", "BIGINT"),
    ("pages", "BIGINT"),
    ("requests", "BIGINT"),
    ("retries", "BIGINT"),
    ("seconds", "DOUBLE"),
    ("database_year", "VARCHAR"),
    ("server_version", "VARCHAR"),
    ("schema_hash", "VARCHAR"),
    ("drift", "JSON"),
    ("run_id", "VARCHAR"),
    ("mode", "VARCHAR"),
    ("server_time", "VARCHAR"),
    ("changed", "BIGINT"),
    ("removed", "BIGINT"),
    ("missed", "BIGINT"),
    ("reader", "VARCHAR"),
    ("answers", "VARCHAR[]"),
    ("contradicted", "BIGINT"),
    ("server_zone", "VARCHAR"),
)
"""Columns of ``meta.pulls``. Times are UTC; ``school`` is NULL for a district."""


_LOOK = "see docs/operating.md"
_REMEDIES = {
    Trouble.HELD: "close it there and try again; analysts should open the published copy",
    Trouble.DAMAGED: "nothing is read from it or written to it until a backup takes its place: "
    "aeries-pipeline backup --list, then restore FILE, then sync each district; "
    "see docs/operating.md",
    Trouble.FULL: "free some disk space",
    Trouble.REFUSED: "run this as the account that owns the data directory",
    Trouble.MEMORY: "give it more memory (AERIES_DUCKDB_MEMORY, or the container's limit)",
}


class WarehouseBusyError(RuntimeError):
    """Another process kept the warehouse for longer than a write ever takes."""


class WarehouseUnusableError(RuntimeError):
    """The warehouse file cannot be opened or written."""


class Warehouse:
    """The one DuckDB file that the pipeline writes.

    Args:
        path: The file; made with its directory on first use.
        wait_seconds: How long to queue for the lock.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 300.0) -> None:
        """Remember where it is; nothing is opened yet."""
        self.path = path
        self._wait = wait_seconds
        self._memory: duckdb.DuckDBPyConnection | None = None
        self._memory_lock = threading.Lock()

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Attach the file to an open connection while the lock is held.

        Args:
            connection: An in-memory DuckDB that holds what is to be written.

        Yields:
            The name of the attached catalog.

        Raises:
            WarehouseBusyError: If the lock does not come free in time.
            WarehouseUnusableError: If DuckDB cannot open the file, or finds it damaged
                while it is read or written.
        """
        with self.locked():
            try:
                self._attach(connection)
            except BaseException:
                self._let_go()
                raise
            try:
                yield CATALOG
            except duckdb.Error as error:
                found = diagnose(error)
                if found.trouble is Trouble.DAMAGED:
                    raise self._unusable(found) from None
                raise
            finally:
                # Whatever the body left open is undone; what it committed stays.
                with suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                self._detach(connection)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process of the pipeline from the file.

        Raises:
            WarehouseBusyError: If the lock does not come free in time.
        """
        private_directory(self.path.parent)
        lock = FileLock(self.path.with_name(self.path.name + ".lock"), timeout=self._wait)
        try:
            lock.acquire()
        except Timeout:
            raise WarehouseBusyError(
                f"the warehouse {self.path.name} is in use by another process for more than "
                f"{self._wait:.0f} s; close the program that has it open and try again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def copy_to(self, target: Path) -> None:
        """Copy the whole file as it stands between two writes.

        The lock is held for the time of a plain copy of the file.

        Args:
            target: A file that is not there yet.

        Raises:
            WarehouseBusyError: If the lock does not come free in time.
            WarehouseUnusableError: If it cannot be opened, or there is no room for the copy.
        """
        with self.locked():
            with self.connect() as connection:
                self._attach(connection)
                connection.execute(f"CHECKPOINT {CATALOG}")
                connection.execute(f"DETACH {CATALOG}")
            copy_file(self.path, target)

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        fresh = not self.path.exists()
        try:
            connection.execute(
                f"ATTACH '{str(self.path).replace(chr(39), chr(39) * 2)}' AS {CATALOG}"
            )
        except duckdb.Error as error:
            raise self._unusable(diagnose(error)) from None
        if fresh:
            self.path.chmod(0o600)
        self._prepare(connection)

    def _detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.execute("USE memory")
            connection.execute(f"DETACH {CATALOG}")
        except duckdb.Error as error:
            self._let_go()
            found = diagnose(error)
            if found.trouble is Trouble.DAMAGED:
                raise self._unusable(found) from None
            raise WarehouseUnusableError(
                f"the warehouse {self.path.name} could not be written to the end ({found.cause}); "
                "what was committed is in its log and is taken up at the next opening; "
                f"{_REMEDIES.get(found.trouble, _LOOK)}, then do again what was under way"
            ) from None

    def _unusable(self, found: Diagnosis) -> WarehouseUnusableError:
        remedy = _REMEDIES.get(found.trouble, _LOOK)
        return WarehouseUnusableError(
            f"the warehouse {self.path.name} cannot be used: {found.cause}; {remedy}"
        )

    def _let_go(self) -> None:
        """Close the DuckDB that is kept, in which the file may still be attached."""
        with self._memory_lock:
            if self._memory is not None:
                self._memory.close()
                self._memory = None

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the schemas and the ledger where missing; upgrade a file of an older release."""
        found = version_of(connection, CATALOG)
        if found == SCHEMA_VERSION:
            return
        try:
            if 0 < found < SCHEMA_VERSION:
                self._keep_older(connection, found)
            bring_up_to_date(connection, CATALOG, found, SCHEMAS, {"meta.pulls": PULLS_COLUMNS})
        except NewerSchemaError as error:
            connection.execute(f"DETACH {CATALOG}")
            raise WarehouseUnusableError(
                f"the warehouse {self.path.name} was written by a newer release ({error}); install "
                "that release, or restore a backup of this one"
            ) from None

    def _keep_older(self, connection: duckdb.DuckDBPyConnection, found: int) -> None:
        """Put a copy of the file among the backups before it is upgraded."""
        connection.execute(f"CHECKPOINT {CATALOG}")
        folder = private_directory(self.path.parent / BACKUPS)
        target = folder / f"warehouse-schema-{found}.duckdb"
        copy_file(self.path, target.with_suffix(".partial"))
        target.with_suffix(".partial").replace(target)

    def connect(self, *, threads: int | None = None) -> duckdb.DuckDBPyConnection:
        """Open a DuckDB in memory that spills beside this warehouse."""
        return open_duckdb(private_directory(self.path.parent), threads=threads)

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection whose current catalog is the warehouse.

        Meant for short reads and writes; the lock is held all the while.
        """
        with self._cursor() as connection, self.attached(connection) as catalog:
            connection.execute(f"USE {catalog}")
            yield connection

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to the one DuckDB that is kept for short reads and writes.

        It holds nothing but the file while that is attached; to start one for
        each opening costs as much as most of them do.
        """
        with self._memory_lock:
            if self._memory is None:
                self._memory = self.connect()
            return self._memory.cursor()

    def rows(self, query: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Return the rows of one query."""
        with self.open() as connection:
            return connection.execute(query, parameters or []).fetchall()

    def has_table(self, schema: str, name: str) -> bool:
        """Tell whether a table exists."""
        with self.open() as connection:
            return table_exists(connection, schema, name)

    def dicts(self, query: str, parameters: Parameters = None) -> list[dict[str, Any]]:
        """Return the rows of one query as dictionaries."""
        with self.open() as connection:
            cursor = connection.execute(query, parameters or [])
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def table_exists(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, catalog: str = CATALOG
) -> bool:
    """Tell whether an attached database, by default the warehouse, has a table."""
    query = (
        "SELECT 1 FROM duckdb_tables() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ?"
    )
    return connection.execute(query, [catalog, schema, name]).fetchone() is not None


def copy_file(source: Path, target: Path) -> None:
    """Copy a database file that nobody writes.

    Raises:
        WarehouseUnusableError: If there is no room for it; nothing of it is left.
    """
    try:
        target.touch(mode=0o600)
        shutil.copyfile(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise WarehouseUnusableError(
            f"the warehouse {source.name} cannot be copied to {target.parent} "
            f"({error.strerror}); free some disk space and try again"
        ) from None


def private_directory(path: Path) -> Path:
    """Make a directory that only its owner can enter, with its parents, and return it."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True, mode=0o700)
    return path
