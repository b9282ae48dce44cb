"""The home of a file in object storage: fetched under a lease, handed in when it has changed.

The file is the authority and the ledger follows. Whoever takes the lease
fetches the file; ``commit`` stamps it with its number, replaces the object on
condition that it still is the one that was fetched, and then tells the ledger.
A commit that was cut off between the two is completed by whoever fetches the
file next. Who takes over from a holder that has not given back stamps the file
anew, so that nothing which that one may still send can be accepted.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.connection import WarehouseUnusableError, private_directory
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.files import mark_of
from aeries_pipeline.stores.home import Held
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.shared.books import Books, Content, Known, read_content
from aeries_pipeline.stores.shared.leases import Lease, LeaseLostError, Leases
from aeries_pipeline.stores.shared.objects import (
    ObjectChangedError,
    Objects,
    ObjectsError,
    State,
)

_TRIES = 5
_STAMP = "meta.shared_state"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the homes of one process have in common.

    Attributes:
        leases: Of this process.
        objects: The object storage.
        books: The ledger.
    """

    leases: Leases
    objects: Objects
    books: Books


class SharedHome:
    """The home of one file.

    Args:
        name: Of the file: a district, or the ledger.
        path: Where this process has it while it holds the lease.
        shared: What homes have in common.
    """

    poll_seconds = 0.05
    idle_seconds = 10.0

    def __init__(self, name: str, path: Path, shared: Shared) -> None:
        """Remember where it is; nothing is asked yet."""
        self._name, self._path, self._shared = name, path, shared
        self._held: _SharedHeld | None = None

    def take(self, wait_seconds: float) -> Held:
        """Take the lease and fetch the file."""
        lease = self._shared.leases.take(f"warehouse/{self._name}", wait_seconds)
        held = _SharedHeld(self._name, self._path, self._shared, lease)
        try:
            held.fetch()
        except BaseException:
            held.release()
            raise
        self._held = held
        return held

    def is_wanted(self) -> bool:
        """Tell whether another process waits for the file that this one has."""
        return self._held is not None and self._held.lease.is_wanted

    def exists(self) -> bool:
        """Tell whether the ledger knows of a file."""
        known = self._shared.books.known(self._name)
        return known is not None and not known.is_removed

    def snapshot(self, target: Path) -> str | None:
        """Fetch the present state for reading; nobody is kept waiting."""
        state = self._shared.objects.get(key_of(self._name), target)
        if state is None:
            raise WarehouseUnusableError(
                f"there is no warehouse of {self._name} in the object storage; pull the district "
                "first"
            )
        return state.notes.get("commit", state.etag)


class _SharedHeld:
    """A file under its lease."""

    def __init__(self, name: str, path: Path, shared: Shared, lease: Lease) -> None:
        self._name, self._path, self._shared = name, path, shared
        self.lease = lease
        self._state: State | None = None
        self._generation = 0
        self._mark = ""
        self._is_removed = False

    def fetch(self) -> None:
        """Have the present state at the path, and the ledger know of it.

        Raises:
            WarehouseUnusableError: If it cannot be had, or there is doubt which it is.
        """
        for _ in range(_TRIES):
            self._clear()
            private_directory(self._path.parent)
            self._state = self._shared.objects.get(self._key, self._path)
            self._complete()
            self._generation = int(self._state.notes["generation"]) if self._state else 0
            self._mark = mark_of(self._path)
            if not self.lease.was_abandoned or self._state is None:
                return
            # Whoever had it may be about to send a file made from this very state.
            with suppress(ObjectChangedError):
                self._hand_in()
                return
        raise ObjectsError(
            f"{self._name}: another process goes on writing this warehouse although its lease has "
            "ended; see which machine that is (aeries.leases) and stop it"
        )

    def _complete(self) -> None:
        """Tell the ledger of a commit or a deletion that was cut off."""
        known = self._shared.books.known(self._name)
        if known is not None and known.is_removed:
            self._shared.objects.remove(self._key)
            self._shared.books.end_removal(self._name)
            self._clear()
            self._state = None
            return
        if self._state is None:
            if known is None:
                return
            raise ObjectsError(
                f"{self._name}: the object storage has no warehouse of it although the ledger "
                f"knows its state number {known.generation}; nothing was changed; see that "
                "AERIES_OBJECTS names the right bucket, or have the storage restore the object"
            )
        if known is None or known.commit_id != self._state.notes["commit"]:
            self._tell(self._state)

    def is_behind(self) -> bool:
        """Tell whether the file has changed since it was fetched or handed in."""
        return not self._is_removed and mark_of(self._path) != self._mark

    def commit(self) -> None:
        """Hand the file in, where it has changed, and tell the ledger."""
        if not self.is_behind():
            return
        try:
            self._hand_in()
        except ObjectChangedError:
            raise self._lost() from None

    def remove(self) -> None:
        """Delete the object and what the ledger knows; a later fetch completes what is cut off."""
        if not self._shared.books.begin_removal(self._name, self._lease_key):
            raise self._lost()
        self._shared.objects.remove(self._key)
        self._shared.books.end_removal(self._name)
        self._is_removed = True

    def release(self) -> None:
        """Delete the copy and give the lease back."""
        self._clear()
        self.lease.release()

    def _hand_in(self) -> None:
        if not self._path.exists():
            raise WarehouseUnusableError(
                f"{self._name}: the copy of its warehouse is gone from {self._path.parent}; the "
                "last state in the object storage stays; do again what was under way"
            )
        generation, commit = self._generation + 1, uuid.uuid4().hex
        self._stamp(generation, commit)
        if not self.lease.holds():
            raise self._lost()
        notes = {
            "generation": str(generation),
            "fence": str(self.lease.fence),
            "commit": commit,
            "host": self.lease.keeper.host,
        }
        state = self._put(notes)
        self._state, self._generation, self._mark = state, generation, mark_of(self._path)
        self._tell(state)

    def _put(self, notes: dict[str, str]) -> State:
        """Replace the object; where the outcome is not known, look at it."""
        for left in reversed(range(_TRIES)):
            try:
                return self._shared.objects.put(self._key, self._path, notes, self._state)
            except (ObjectChangedError, ObjectsError) as error:
                # An answer that was lost on its way: the object may be ours already.
                present = self._shared.objects.head(self._key)
                if present is not None and present.notes.get("commit") == notes["commit"]:
                    return present
                if isinstance(error, ObjectChangedError) or not left or not self.lease.holds():
                    raise
        raise AssertionError("unreachable")

    def _stamp(self, generation: int, commit: str) -> None:
        """Write the number of its state into the file, so that no two states are alike."""
        try:
            with open_beside(self._path) as connection:
                connection.execute(f"ATTACH {literal(str(self._path))} AS handed_in")
                connection.execute("BEGIN")
                connection.execute("CREATE SCHEMA IF NOT EXISTS handed_in.meta")
                connection.execute(
                    f"CREATE OR REPLACE TABLE handed_in.{_STAMP} AS SELECT "
                    "$1::BIGINT AS generation, $2::BIGINT AS fence, $3::VARCHAR AS commit_id, "
                    "$4::VARCHAR AS host, $5::TIMESTAMP AS handed_in_at",
                    [generation, self.lease.fence, commit, self.lease.keeper.host, now()],
                )
                connection.execute("COMMIT")
                connection.execute("CHECKPOINT handed_in")
                connection.execute("DETACH handed_in")
        except duckdb.Error as error:
            # The message of the database may quote a value of a row.
            found = diagnose(error)
            raise WarehouseUnusableError(
                f"{self._name}: its warehouse cannot be handed in ({found.cause}); the last state "
                f"in the object storage stays; {found.remedy}, then do it again"
            ) from None

    def _tell(self, state: State) -> None:
        content: Content = read_content(self._path, self._shared.books.last_pull(self._name))
        known = Known(int(state.notes["generation"]), state.etag, state.notes["commit"])
        size = self._path.stat().st_size
        if not self._shared.books.record(self._name, self._lease_key, known, size, content):
            raise self._lost()

    def _lost(self) -> LeaseLostError:
        self.lease.lost()
        return LeaseLostError(
            f"{self._name}: another machine has taken over this warehouse from "
            f"{self.lease.keeper.host}, which was out of touch for too long; nothing of what was "
            "under way here was written; it is done again from the last state"
        )

    def _clear(self) -> None:
        for one in (self._path, self._path.with_name(self._path.name + ".wal")):
            one.unlink(missing_ok=True)

    @property
    def _key(self) -> str:
        return key_of(self._name)

    @property
    def _lease_key(self) -> tuple[str, int]:
        return self.lease.name, self.lease.fence


def key_of(name: str) -> str:
    """Return the key of a file's object."""
    return f"warehouses/{name}.duckdb"


def own_folder(parent: Path, host: str) -> Path:
    """Return the folder of this process's copies."""
    return parent / f"{host}-{os.getpid()}"
