"""The homes of the files of many machines, as ``store`` asks for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path

from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.home import Home, Right
from aeries_pipeline.stores.memory import is_running
from aeries_pipeline.stores.notes import Notes
from aeries_pipeline.stores.place import SharedPlace
from aeries_pipeline.stores.shared.books import Books, SharedNotes
from aeries_pipeline.stores.shared.database import Database
from aeries_pipeline.stores.shared.home import Shared, SharedHome, own_folder
from aeries_pipeline.stores.shared.leases import Leases, at_fork
from aeries_pipeline.stores.shared.objects import Objects
from aeries_pipeline.stores.shared.pulses import Pulses, Rosters

_LEDGER = "_ledger"
"""No district can have this name."""


class SharedHomes:
    """Files in object storage, leases and ledger in Postgres.

    Args:
        data: The data directory, for copies while they are in use.
        place: What the environment says.
    """

    are_copies = True

    def __init__(self, data: Path, place: SharedPlace) -> None:
        """Connect to nothing yet."""
        copies = data / "warehouses"
        _clean(copies, place.host)
        self.folder = own_folder(copies, place.host)
        self.ledger = self.folder / f"{_LEDGER}.duckdb"
        self._place = place

    def home(self, path: Path) -> Home:
        """Return the home of a file."""
        return SharedHome(path.stem, path, _shared(self._place))

    def districts(self) -> list[str]:
        """Return the districts that the ledger knows a file of."""
        return sorted(one for one in _shared(self._place).books.marks() if one != _LEDGER)

    def marks(self, districts: Iterable[str]) -> dict[str, str]:
        """Return the number of each file's last commit; empty where there is no file."""
        found = _shared(self._place).books.marks()
        return {one: found.get(one, "") for one in districts}

    def notes(self, ledger: Warehouse) -> Notes:  # noqa: ARG002 - answers are in Postgres
        """Return the answers in the shared ledger."""
        return SharedNotes(_shared(self._place).books)

    def right(self, name: str, run_id: str | None) -> Right:
        """Take a lease, at once."""
        return _shared(self._place).leases.take(f"district/{name}", 0.0, run_id)

    def present(self) -> datetime:
        """Return the database's present."""
        return _shared(self._place).leases.present()


def pulses(place: SharedPlace) -> Pulses:
    """Return the pulses of all machines."""
    return Pulses(_database(place))


def rosters(place: SharedPlace) -> Rosters:
    """Return the versions of the roster."""
    return Rosters(_database(place))


@cache
def _database(place: SharedPlace) -> Database:
    return Database(place.database, place.host)


@cache
def _shared(place: SharedPlace) -> Shared:
    """Return what this process has; one for all warehouses."""
    database = _database(place)
    leases = Leases(database)
    at_fork(leases, database)
    return Shared(leases, Objects(place), Books(database))


def _clean(copies: Path, host: str) -> None:
    """Delete the copies of processes of this machine that have ended; they hold students' data."""
    for left in copies.glob(f"{host}-*"):
        pid = left.name.removeprefix(f"{host}-")
        if pid.isdecimal() and not is_running(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
