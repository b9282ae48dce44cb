"""Opening a warehouse file: one process at a time, and never for long.

DuckDB lets one process write a file. So every use first takes exclusive access,
does its few milliseconds of work and closes. Fetching and parsing happen
elsewhere, without it. Analysts read a published copy. Which file belongs to
which district is in ``store``, who may have it in ``home``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.diagnose import Diagnosis, Trouble, diagnose
from aeries_pipeline.stores.files import mark_of
from aeries_pipeline.stores.home import Held, Home, LocalHome, NotFreeError
from aeries_pipeline.stores.kept import KeptDuckDB
from aeries_pipeline.stores.ledger_columns import PULLS_COLUMNS
from aeries_pipeline.stores.memory import open_duckdb
from aeries_pipeline.stores.scratch import scratch_folder
from aeries_pipeline.stores.stay_open import StayOpen
from aeries_pipeline.stores.versions import (
    SCHEMA_VERSION,
    NewerSchemaError,
    bring_up_to_date,
    version_of,
)

Parameters = list[Any] | dict[str, Any] | None
"""What stands for the marks of a query: by place, or by name."""

Columns = dict[tuple[str, str], list[str]]
"""Columns of tables, by schema and name."""

CATALOG = "warehouse"
"""Name under which the file is attached."""

SCHEMAS = ("raw", "history", "quarantine", "core", "meta", "analytics")

_LOOK = "see docs/operating.md"


class WarehouseBusyError(RuntimeError):
    """Another process kept the warehouse for longer than a write ever takes."""


class WarehouseUnusableError(RuntimeError):
    """The warehouse file cannot be opened or written."""


class NoRoomError(WarehouseUnusableError):
    """There is no room for a copy of the file."""


class Warehouse:
    """One DuckDB file that the pipeline writes: a district's warehouse.

    Args:
        path: The file; made with its directory on first use.
        wait_seconds: How long to queue for the lock.
        backups: Where a copy is put before an upgrade; beside the file where None.
        way_back: What to do where the file is damaged, for messages.
        home: Where the file is at home; where it lies if None.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait_seconds: float = 300.0,
        backups: Path | None = None,
        way_back: str = _LOOK,
        home: Home | None = None,
    ) -> None:
        """Remember where it is; nothing is opened yet."""
        self.path = path
        self._home = home or LocalHome(path)
        self._way_back = way_back
        self.backups = backups or path.parent / "backups"
        self._wait = wait_seconds
        self._duckdb = KeptDuckDB(self.connect)
        self._stay: StayOpen | None = None
        self._kept: Held | None = None

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG) -> Iterator[str]:
        """Attach the file to an open connection while the lock is held.

        Args:
            connection: An in-memory DuckDB that holds what is to be written.
            name: Under which it is attached.

        Yields:
            The name of the attached catalog.

        Raises:
            WarehouseBusyError: If the lock does not come free in time.
            WarehouseUnusableError: If DuckDB cannot open the file, or finds it damaged
                while it is read or written.
        """
        if self._stay is not None and self._duckdb.is_own(connection) and name == CATALOG:
            with self._stay.use(), self._undoing(connection):
                yield name
            return
        with self.locked(), self.attached_while_locked(connection, name) as catalog:
            yield catalog

    @contextmanager
    def staying_open(self) -> Iterator[None]:
        """Keep the file open between the uses of the body, until another process wants it."""
        if self._stay is not None:
            yield
            return
        self._stay = StayOpen(
            self, poll_seconds=self._home.poll_seconds, idle_seconds=self._home.idle_seconds
        )
        try:
            yield
        finally:
            stay, self._stay = self._stay, None
            stay.end()

    def open_file(self) -> None:
        """Take the file and attach it to the DuckDB that is kept, see ``stay_open``."""
        self._kept = self._acquire()
        with self._or_let_go() as connection:
            self._attach(connection, CATALOG)

    def close_file(self) -> None:
        """Detach the file, make it count and give it back."""
        try:
            with self._duckdb.cursor() as connection:
                self._detach(connection, CATALOG)
            if self._kept is not None:
                self._kept.commit()
        finally:
            self._release_kept()

    def save_file(self) -> None:
        """Make what the last use has committed count, where the file alone is not enough."""
        if self._kept is None or not self._kept.is_behind():
            return
        with self._or_let_go() as connection:
            self._detach(connection, CATALOG)
            self._kept.commit()
            self._attach(connection, CATALOG)

    @contextmanager
    def _or_let_go(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with self._duckdb.cursor() as connection:
                yield connection
        except BaseException:
            self._duckdb.close()
            self._release_kept()
            raise

    def is_wanted(self) -> bool:
        """Tell whether somebody waits for the file."""
        return self._home.is_wanted()

    def exists(self) -> bool:
        """Tell whether there is a file."""
        return self._home.exists()

    def _release_kept(self) -> None:
        if self._kept is not None:
            self._kept.release()
            self._kept = None

    @contextmanager
    def attached_while_locked(
        self, connection: duckdb.DuckDBPyConnection, name: str = CATALOG
    ) -> Iterator[str]:
        """Attach the file for whoever has the lock already, see :meth:`attached`."""
        try:
            self._attach(connection, name)
        except BaseException:
            self._duckdb.close()
            raise
        try:
            with self._undoing(connection):
                yield name
        finally:
            self._detach(connection, name)

    @contextmanager
    def _undoing(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        try:
            with self._naming(Trouble.DAMAGED):
                yield
        finally:
            # Whatever the body left open is undone; what it committed stays.
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")

    @contextmanager
    def _naming(self, *troubles: Trouble) -> Iterator[None]:
        """Name the warehouse in an error of one of some kinds; of the disk where none is given."""
        try:
            yield
        except duckdb.Error as error:
            found = diagnose(error)
            if found.trouble in (troubles or (Trouble.FULL, Trouble.REFUSED)):
                raise self._unusable(found) from None
            raise

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process of the pipeline from the file.

        Raises:
            WarehouseBusyError: If the lock does not come free in time.
        """
        with self._held():
            yield

    def remove(self) -> None:
        """Delete the file; nothing of it stays.

        Raises:
            WarehouseBusyError: If another process keeps it.
        """
        with self._held() as held:
            held.remove()

    @contextmanager
    def _held(self) -> Iterator[Held]:
        if self._stay is not None:
            self._stay.give_back()
        held = self._acquire()
        try:
            try:
                yield held
            finally:
                held.commit()
        finally:
            held.release()

    def _acquire(self) -> Held:
        private_directory(self.path.parent)
        try:
            return self._home.take(self._wait)
        except NotFreeError:
            raise WarehouseBusyError(
                f"the warehouse {self.path.name} is in use by another process for more than "
                f"{self._wait:.0f} s; close the program that has it open and try again"
            ) from None

    def copy_to(self, target: Path) -> str:
        """Copy the whole file as it stands between two writes, and return its mark.

        The lock is held for the time of a plain copy of the file, where one is needed.

        Args:
            target: A file that is not there yet.

        Raises:
            WarehouseBusyError: If the lock does not come free in time.
            WarehouseUnusableError: If it cannot be opened, or there is no room for the copy.
        """
        private_directory(self.path.parent)
        mark = self._home.snapshot(target)
        if mark is not None:
            return mark
        with self.locked():
            with self.connect() as connection:
                self._attach(connection, CATALOG)
                connection.execute(f"CHECKPOINT {CATALOG}")
                connection.execute(f"DETACH {CATALOG}")
            copy_file(self.path, target)
            return mark_of(self.path)

    def _attach(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        fresh = not self.path.exists()
        try:
            connection.execute(f"ATTACH {literal(str(self.path))} AS {name}")
        except duckdb.Error as error:
            raise self._unusable(diagnose(error)) from None
        if fresh:
            self.path.chmod(0o600)
        self._prepare(connection, name)

    def _detach(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        try:
            connection.execute("USE memory")
            connection.execute(f"DETACH {name}")
        except duckdb.Error as error:
            self._duckdb.close()
            found = diagnose(error)
            if found.trouble is Trouble.DAMAGED:
                raise self._unusable(found) from None
            raise WarehouseUnusableError(
                f"the warehouse {self.path.name} could not be written to the end ({found.cause}); "
                "what was committed is in its log and is taken up at the next opening; "
                f"{self._remedy(found)}, then do again what was under way"
            ) from None

    def _unusable(self, found: Diagnosis) -> WarehouseUnusableError:
        return WarehouseUnusableError(
            f"the warehouse {self.path.name} cannot be used: {found.cause}; {self._remedy(found)}"
        )

    def _remedy(self, found: Diagnosis) -> str:
        return self._way_back if found.trouble is Trouble.DAMAGED else found.remedy

    def _prepare(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Make the schemas and the ledger where missing; upgrade a file of an older release."""
        found = version_of(connection, name)
        if found == SCHEMA_VERSION:
            return
        try:
            if 0 < found < SCHEMA_VERSION:
                self._keep_older(connection, name, found)
            bring_up_to_date(connection, name, found, SCHEMAS, {"meta.pulls": PULLS_COLUMNS})
        except NewerSchemaError as error:
            connection.execute(f"DETACH {name}")
            raise WarehouseUnusableError(
                f"the warehouse {self.path.name} was written by a newer release ({error}); install "
                "that release, or restore a backup of this one"
            ) from None

    def _keep_older(self, connection: duckdb.DuckDBPyConnection, name: str, found: int) -> None:
        """Put a copy of the file among the backups before it is upgraded."""
        connection.execute(f"CHECKPOINT {name}")
        target = private_directory(self.backups) / f"warehouse-schema-{found}.duckdb"
        with scratch_folder(target.parent) as scratch:
            copy_file(self.path, scratch / target.name)
            (scratch / target.name).replace(target)

    def connect(self, *, threads: int | None = None) -> duckdb.DuckDBPyConnection:
        """Open a DuckDB in memory that spills beside this warehouse."""
        return open_duckdb(private_directory(self.path.parent), threads=threads)

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection whose current catalog is the warehouse.

        Meant for short reads and writes; the lock is held all the while.
        """
        naming = self._naming()
        with naming, self._duckdb.own_cursor() as connection, self.attached(connection) as catalog:
            connection.execute(f"USE {catalog}")
            yield connection

    @contextmanager
    def staging(self, *, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection in whose memory a batch is prepared, to be written by ``attached``.

        Args:
            threads: How many; as many as there are cores otherwise.
        """
        if self._stay is None or threads is not None:
            if self._stay is not None:
                # The file can be attached to one DuckDB only.
                self._stay.give_back()
            with self._naming(), self.connect(threads=threads) as connection:
                connection.execute("SET preserve_insertion_order = false")
                yield connection
            return
        with self._naming(), self._duckdb.own_cursor() as connection:
            # Rows of a table have no order; without one both cores write.
            connection.execute("SET preserve_insertion_order = false")
            try:
                yield connection
            finally:
                connection.execute("SET preserve_insertion_order = true")

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


def tables_of(connection: duckdb.DuckDBPyConnection, catalog: str) -> Columns:
    """Return the columns of each table of an attached database, by schema and name."""
    found: Columns = {}
    for schema, table, column in connection.execute(
        "SELECT c.schema_name, c.table_name, c.column_name FROM duckdb_columns() AS c "
        "SEMI JOIN duckdb_tables() AS t ON t.table_oid = c.table_oid "
        "AND t.database_name = c.database_name AND t.schema_name = c.schema_name "
        "WHERE c.database_name = ? ORDER BY c.schema_name, c.table_name, c.column_index",
        [catalog],
    ).fetchall():
        found.setdefault((schema, table), []).append(column)
    return found


def copy_file(source: Path, target: Path) -> None:
    """Copy a database file that nobody writes.

    Raises:
        NoRoomError: If there is no room for it; nothing of it is left.
    """
    try:
        target.touch(mode=0o600)
        shutil.copyfile(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise NoRoomError(
            f"the warehouse {source.name} cannot be copied to {target.parent} "
            f"({error.strerror}); free some disk space and try again"
        ) from None


def private_directory(path: Path) -> Path:
    """Make a directory that only its owner can enter, with its parents, and return it."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True, mode=0o700)
    return path
