"""The pulse of each run, and the roster that runs go by, for machines that share no disk.

The process of a run says every five seconds that it is there. A run that was
silent for 40 seconds is dead: its machine was killed or is cut off, and has
stopped asking its district by then.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import text

from aeries_pipeline.stores.connection import WarehouseUnusableError
from aeries_pipeline.stores.shared.database import Database

BEAT_SECONDS = 5.0
SILENT_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Beat:
    """What is known of the process of a run.

    Attributes:
        host: Its machine.
        pid: Its number there.
        is_silent: Whether it has said nothing for too long.
    """

    host: str
    pid: int
    is_silent: bool


_beating: set[str] = set()
"""Runs whose pulse this process keeps."""


class NoPulse:
    """Stands in where the process keeps the pulse of the run already."""

    def end(self) -> None:
        """Do nothing: whoever has begun the pulse ends it."""


class SharedPulse:
    """Says that the process of a run is there, until it ends.

    Args:
        database: Where.
        run_id: The run.
    """

    def __init__(self, database: Database, run_id: str) -> None:
        """Begin at once.

        Raises:
            WarehouseUnusableError: If the database cannot be used.
        """
        self._database, self._run_id = database, run_id
        self._ended = threading.Event()
        self._beat()
        _beating.add(run_id)
        self._thread = threading.Thread(target=self._go_on, name="pulse", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End it; the run has ended, too."""
        self._ended.set()
        _beating.discard(self._run_id)
        self._thread.join(BEAT_SECONDS)
        with suppress(WarehouseUnusableError):
            Pulses(self._database).forget(self._run_id)

    def _go_on(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(WarehouseUnusableError):
                self._beat()

    def _beat(self) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                text(
                    "INSERT INTO aeries.pulses (run_id, host, pid, at) "
                    "VALUES (:run_id, :host, :pid, clock_timestamp()) ON CONFLICT (run_id) "
                    "DO UPDATE SET host = excluded.host, pid = excluded.pid, at = excluded.at"
                ),
                {"run_id": self._run_id, "host": self._database.host, "pid": os.getpid()},
            )


class Pulses:
    """The pulses of all machines.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        """Read nothing yet."""
        self._database = database
        self.host = database.host

    def begin(self, run_id: str) -> SharedPulse | NoPulse:
        """Begin the pulse of a run that this process executes, where it has none yet."""
        if run_id in _beating:
            return NoPulse()
        return SharedPulse(self._database, run_id)

    def of(self, run_id: str) -> Beat | None:
        """Return what is known of a run's process; None where it has none."""
        with self._database.transaction() as connection:
            row = connection.execute(
                text(
                    "SELECT host, pid, at < clock_timestamp() - make_interval(secs => :seconds) "
                    "FROM aeries.pulses WHERE run_id = :run_id"
                ),
                {"run_id": run_id, "seconds": SILENT_SECONDS},
            ).one_or_none()
        return None if row is None else Beat(*row)

    def forget(self, run_id: str) -> None:
        """Delete the pulse of a run that has ended."""
        with self._database.transaction() as connection:
            connection.execute(
                text("DELETE FROM aeries.pulses WHERE run_id = :run_id"), {"run_id": run_id}
            )


class Rosters:
    """The roster that all machines go by: its newest version is that of the control host.

    Args:
        database: Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        """Read nothing yet."""
        self._database = database

    def newest(self) -> tuple[int, str] | None:
        """Return number and text of the newest version; None where none was ever given."""
        with self._database.transaction() as connection:
            row = connection.execute(
                text("SELECT version, text FROM aeries.roster ORDER BY version DESC LIMIT 1")
            ).one_or_none()
        return None if row is None else (row.version, row.text)

    def give(self, written: str) -> int:
        """Make a text the newest version, where it is not already, and return its number."""
        with self._database.transaction() as connection:
            connection.execute(text("LOCK TABLE aeries.roster IN SHARE ROW EXCLUSIVE MODE"))
            row = connection.execute(
                text("SELECT version, text FROM aeries.roster ORDER BY version DESC LIMIT 1")
            ).one_or_none()
            if row is not None and row.text == written:
                return int(row.version)
            version = 1 if row is None else int(row.version) + 1
            connection.execute(
                text(
                    "INSERT INTO aeries.roster (version, text, at) "
                    "VALUES (:version, :text, clock_timestamp())"
                ),
                {"version": version, "text": written},
            )
        return version
