"""Leases: the sole right to something among many machines, on the database's clock.

A lease runs for 30 seconds and is renewed every five by a thread of the
process that has it. Its fence is a number that only grows: each holder has a
higher one than the last. A machine that is cut off stops using a lease ten
seconds before another one can take it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from sqlalchemy import text

from aeries_pipeline.stores.connection import WarehouseUnusableError
from aeries_pipeline.stores.home import NotFreeError
from aeries_pipeline.stores.shared.database import Database, own_name, seconds

LEASE_SECONDS = 30.0
RENEW_SECONDS = 5.0
UNUSED_SECONDS = 10.0
"""A district is not asked in the last seconds of a lease."""

PATIENCE_SECONDS = 120.0
"""So long a request waits for the database to come back before its pull is given up."""

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_WANTED_SECONDS = 5


class LeaseLostError(WarehouseUnusableError):
    """Another process has the lease; nothing of what was under way was written."""


@dataclass
class Lease:
    """The sole right to something, for the time being.

    Attributes:
        name: What it is for.
        fence: Higher than that of every earlier holder.
        was_abandoned: Whether the holder before had not given it back.
        until: Until when it surely holds, in seconds of ``database.seconds``.
    """

    name: str
    fence: int
    was_abandoned: bool
    until: float
    keeper: Leases
    is_lost: bool = False
    is_wanted: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def holds(self) -> bool:
        """Tell whether nobody else can have it at this moment."""
        return not self.is_lost and seconds() < self.until

    def refusal(self, patience: float = PATIENCE_SECONDS) -> str | None:
        """Return why no request may be sent under this lease; None if one may.

        While the database cannot be reached it waits for it.
        """
        until = seconds() + patience
        with self._changed:
            while not self.is_lost and seconds() >= self.until - UNUSED_SECONDS:
                left = until - seconds()
                if left <= 0:
                    return (
                        f"this machine ({self.keeper.host}) has not reached the shared database "
                        "for too long, so it no longer asks the district; what is left is tried "
                        "again"
                    )
                self._changed.wait(min(left, 1.0))
        if self.is_lost:
            return (
                f"another machine has taken over from this one ({self.keeper.host}), which had "
                "not reached the shared database for too long; nothing more is asked from here"
            )
        return None

    def present(self) -> datetime:
        """Return the database's present, aware."""
        return self.keeper.present()

    def release(self) -> None:
        """Give it back; where the database cannot be told it runs out by itself."""
        self.keeper.give_back(self)

    def renewed(self, until: float) -> None:
        """Note that it holds for longer."""
        with self._changed:
            self.until = until
            self._changed.notify_all()

    def lost(self) -> None:
        """Note that somebody else has it."""
        with self._changed:
            self.is_lost = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


class Leases:
    """The leases of this process, with the thread that renews them.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        """Take nothing yet."""
        self._database = database
        self.host = database.host
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def present(self) -> datetime:
        """Return the database's present, aware."""
        return self._database.present()

    def take(self, name: str, wait_seconds: float, run_id: str | None = None) -> Lease:
        """Take a lease.

        Args:
            name: What it is for.
            wait_seconds: How long to wait for it.
            run_id: The Dagster run that takes it, for people.

        Raises:
            NotFreeError: If it does not come free in time.
            WarehouseUnusableError: If the database cannot be used.
        """
        until = seconds() + wait_seconds
        while True:
            with self._lock:
                own = self._held.get(name)
            lease = None if own is not None else self._try(name, run_id)
            if lease is not None:
                return lease
            left = until - seconds()
            if left <= 0:
                raise NotFreeError
            if own is not None:
                own.is_wanted = True
            time.sleep(min(left, 0.05 if own is not None else _RETRY_SECONDS))

    def _try(self, name: str, run_id: str | None) -> Lease | None:
        began = seconds()
        with self._database.transaction() as connection:
            found = connection.execute(
                text(
                    "SELECT holder, expires_at <= clock_timestamp() AS has_ended "
                    "FROM aeries.leases WHERE name = :name FOR UPDATE"
                ),
                {"name": name},
            ).one_or_none()
            if found is not None and not found.has_ended:
                connection.execute(
                    text(
                        "UPDATE aeries.leases SET wanted_at = clock_timestamp() WHERE name = :name"
                    ),
                    {"name": name},
                )
                return None
            # Two that begin at once: the second finds the row of the first.
            fence = connection.execute(
                text(
                    "INSERT INTO aeries.leases AS l (name, holder, run_id, host, fence, taken_at, "
                    "renewed_at, expires_at) VALUES (:name, :holder, :run_id, :host, "
                    "nextval('aeries.fences'), clock_timestamp(), clock_timestamp(), "
                    "clock_timestamp() + make_interval(secs => :seconds)) "
                    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
                    "run_id = excluded.run_id, host = excluded.host, fence = excluded.fence, "
                    "taken_at = excluded.taken_at, renewed_at = excluded.renewed_at, "
                    "expires_at = excluded.expires_at, wanted_at = NULL "
                    "WHERE l.expires_at <= clock_timestamp() RETURNING fence"
                ),
                {
                    "name": name,
                    "holder": own_name(self.host),
                    "run_id": run_id,
                    "host": self.host,
                    "seconds": LEASE_SECONDS,
                },
            ).scalar_one_or_none()
        if fence is None:
            return None
        was_abandoned = found is not None and found.holder != ""
        lease = Lease(name, fence, was_abandoned, began + LEASE_SECONDS, self)
        with self._lock:
            self._held[name] = lease
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew_all, name="leases", daemon=True)
                self._thread.start()
        return lease

    def give_back(self, lease: Lease) -> None:
        """Give a lease back; where the database cannot be told it runs out by itself."""
        with self._lock:
            if self._held.get(lease.name) is lease:
                del self._held[lease.name]
        with suppress(WarehouseUnusableError), self._database.transaction() as connection:
            connection.execute(
                text(
                    "UPDATE aeries.leases SET holder = '', run_id = NULL, wanted_at = NULL, "
                    "expires_at = clock_timestamp() WHERE name = :name AND fence = :fence"
                ),
                {"name": lease.name, "fence": lease.fence},
            )

    def forget(self) -> None:
        """Leave the leases to the process that this one was forked from."""
        self._held, self._lock, self._thread = {}, threading.Lock(), None

    def _renew_all(self) -> None:
        renewed_at = seconds()
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                held = list(self._held.values())
                if not held:
                    # The next lease starts another thread.
                    self._thread = None
                    return
            # What cannot be renewed is tried again at once, until it has run out and after.
            is_due = seconds() - renewed_at >= RENEW_SECONDS or any(
                one.until - seconds() < LEASE_SECONDS - RENEW_SECONDS for one in held
            )
            with suppress(WarehouseUnusableError):
                if is_due:
                    began = seconds()
                    self._renew(held)
                    renewed_at = began
                else:
                    self._look(held)

    def _renew(self, held: Sequence[Lease]) -> None:
        """Renew leases that nobody else has taken, also those that have run out."""
        began = seconds()
        with self._database.transaction() as connection:
            found = connection.execute(
                text(
                    "UPDATE aeries.leases AS l SET renewed_at = clock_timestamp(), "
                    "expires_at = clock_timestamp() + make_interval(secs => :seconds) "
                    "FROM unnest(CAST(:names AS text[]), CAST(:fences AS bigint[])) "
                    "AS mine(name, fence) WHERE l.name = mine.name AND l.fence = mine.fence "
                    f"RETURNING l.name, {_IS_WANTED}"
                ),
                {"seconds": LEASE_SECONDS} | _named(held),
            ).all()
        wanted = {row.name: row.is_wanted for row in found}
        for lease in held:
            if lease.name in wanted:
                lease.renewed(began + LEASE_SECONDS)
                lease.is_wanted = lease.is_wanted or wanted[lease.name]
            elif self._held.get(lease.name) is lease:
                lease.lost()

    def _look(self, held: Sequence[Lease]) -> None:
        """Notice who waits for a lease."""
        with self._database.transaction() as connection:
            found = connection.execute(
                text(
                    f"SELECT l.name, {_IS_WANTED} FROM aeries.leases AS l "
                    "WHERE l.name = ANY(:names)"
                ),
                {"names": [one.name for one in held]},
            ).all()
        wanted = {name for name, is_wanted in found if is_wanted}
        for lease in held:
            lease.is_wanted = lease.is_wanted or lease.name in wanted


_IS_WANTED = (
    "coalesce(l.wanted_at > clock_timestamp() - "
    f"make_interval(secs => {_WANTED_SECONDS}), false) AS is_wanted"
)


def _named(held: Sequence[Lease]) -> dict[str, object]:
    return {"names": [one.name for one in held], "fences": [one.fence for one in held]}


def at_fork(leases: Leases, database: Database) -> None:
    """Have a process that is forked from this one begin with none of them."""

    def begin_anew() -> None:
        leases.forget()
        database.forget_connections()

    os.register_at_fork(after_in_child=begin_anew)
