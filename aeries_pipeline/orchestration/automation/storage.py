"""Dagster's SQLite storage, with each event at a fraction of its usual cost.

The files are those of Dagster's own SQLite storage, which can open them at any time. What
differs: statements are compiled once and not for every event, a commit does not wait for
the disk (``synchronous = NORMAL``: after a power cut the last events may be lost, never
the file), and events that come as a batch are one transaction. Files are kept open, so
events are first in the journal next to a file, and watchers of a run watch both. Measured
in ``docs/performance.md``; a test compares every method with Dagster's own.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster._core.event_api import EventHandlerFn
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

_BUSY_SECONDS = 60
_KEPT_FILES = 8
_KEPT_RUNS = 100
BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 500
"""Events that Dagster hands over at once where it knows of many: what a run intends to do."""


@event.listens_for(Engine, "do_connect")
def _wait_alike(dialect: Dialect, _record: Any, _args: Any, options: dict[str, Any]) -> None:  # noqa: ANN401 - of SQLAlchemy
    """Let runs and schedules wait for a locked file as long as events do, and not five seconds."""
    if dialect.name == "sqlite":
        options.setdefault("timeout", _BUSY_SECONDS)


def batch_events() -> None:
    """Let Dagster hand over planned events in batches, unless the environment says otherwise."""
    os.environ.setdefault(BATCH_VARIABLE, str(BATCH_SIZE))


def _engine(address: str) -> Engine:
    """Return an engine that keeps its one connection, and what it has compiled.

    Closing the last connection of a file folds its journal into it, which is
    the larger part of what an event costs otherwise.
    """
    engine = create_engine(
        address,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=4,  # Dagster looks at a new file with two at once.
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:  # noqa: ANN401 - of the driver
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine


class _Held(threading.local):
    """Connections that a batch of this thread keeps open, by shard."""

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}


class _JournalWatchdog(SqliteEventLogStorageWatchdog):
    """Tells of a run's new events as soon as they stand in the file or in its journal."""

    def __init__(
        self,
        storage: SqliteEventLogStorage,
        run_id: str,
        callback: EventHandlerFn,
        cursor: str | None,
    ) -> None:
        super().__init__(storage, run_id, callback, cursor)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: FileSystemEvent) -> None:
        """Read what is new; Dagster's own accepts the file alone."""
        del event
        self._process_log()


class QuickSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's event log in SQLite files, without the cost of each connection."""

    _obs: Any
    """Watches the folder, once anybody watches a run; Dagster's ``dispose`` stops it."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Prepare; files are made as Dagster makes them."""
        self._held = _Held()
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        self._announced: OrderedDict[str, bool] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        held = self._held.connections.get(shard)
        if held is not None:
            yield held
            return
        with self._db_lock, self._opened(shard) as connection:
            yield connection

    @contextmanager
    def _opened(self, shard: str) -> Iterator[Connection]:
        engine = self._engine_of(shard)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect() as connection, connection.begin():
            yield connection

    def _engine_of(self, shard: str) -> Engine:
        """Return the engine of a file; those used last are kept. Called under the lock."""
        engine = self._engines.pop(shard, None) or _engine(self.conn_string_for_shard(shard))
        self._engines[shard] = engine
        while len(self._engines) > _KEPT_FILES:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def has_table(self, table_name: str) -> bool:
        """Tell whether a table exists; one that was found is not looked for again."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close every file."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call back with each new event of a run."""
        if self._obs is None:
            self._obs = Observer()
            self._obs.start()
        watchdog = _JournalWatchdog(self, run_id, callback, cursor)
        watched = self._obs.schedule(watchdog, self._base_dir, recursive=True)
        self._watchers[run_id][callback] = (watchdog, watched)

    def wipe(self) -> None:
        """Delete all events, with the files that hold them."""
        self.dispose()
        super().wipe()

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events, and the file that held them."""
        super().delete_events(run_id)
        with self._db_lock:
            engine = self._engines.pop(run_id, None)
            if engine is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            path = Path(self.path_for_shard(run_id))
            for ending in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + ending).unlink(missing_ok=True)

    def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        """Store a verdict; only a run that has announced verdicts has a row to be filled in."""
        if self._has_announced(event.run_id):
            super()._update_asset_check_evaluation(event, event_id)
            return
        try:
            self._store_runless_asset_check_evaluation(event, event_id)
        except IntegrityError:
            # A second verdict of one run on the same question takes the place of the first.
            super()._update_asset_check_evaluation(event, event_id)

    def _has_announced(self, run_id: str) -> bool:
        """Tell whether a run had announced any verdict before its first one; asked once."""
        if run_id not in self._announced:
            mine = AssetCheckExecutionsTable.c.run_id == run_id
            query = select(AssetCheckExecutionsTable.c.id).where(mine).limit(1)
            with self.index_connection() as connection:
                self._announced[run_id] = connection.execute(query).first() is not None
            while len(self._announced) > _KEPT_RUNS:
                self._announced.popitem(last=False)
        return self._announced[run_id]

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction of each file: all of them, or none."""
        shards = dict.fromkeys([INDEX_SHARD_NAME, *(event.run_id for event in events)])
        with self._db_lock, ExitStack() as stack:
            stack.callback(self._held.connections.clear)
            opened = {shard: stack.enter_context(self._opened(shard)) for shard in shards}
            self._held.connections.update(opened)
            for event in events:
                self.store_event(event)


class QuickSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in the files of Dagster's own SQLite storage."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the storage in a folder, which is made where it is missing."""
        super().__init__(base_dir, inst_data)
        self._event_log_storage = QuickSqliteEventLogStorage(str(Path(base_dir, "history", "runs")))

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Any,  # noqa: ANN401 - Dagster's
    ) -> QuickSqliteStorage:
        """Return the storage that ``dagster.yaml`` describes."""
        return cls(str(config_value["base_dir"]), inst_data)
