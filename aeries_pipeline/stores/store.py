"""The districts' warehouses: one DuckDB file each, in one data directory.

Districts are written, backed up, moved and deleted independently, and none
waits for another one's lock. Queries across them are in ``across``. This is the
one place that knows where a district's file lies. :class:`Homes` says whether its
home is there or on many machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from aeries_pipeline.stores.connection import (
    Warehouse,
    WarehouseUnusableError,
    private_directory,
)
from aeries_pipeline.stores.files import mark_of
from aeries_pipeline.stores.home import Home, LocalHome, LocalRight, Right
from aeries_pipeline.stores.notes import Notes, NotesInLedger
from aeries_pipeline.stores.place import data_directory, shared_place
from aeries_pipeline.stores.scratch import scratch_folder
from aeries_pipeline.stores.split import SINGLE, split_if_needed

WAREHOUSES = "warehouses"
BACKUPS = "backups"
LOCKS = "locks"
LEDGER = "ledger.duckdb"
"""The installation's own records: publications, forgettings, what is known of each district."""


class Homes(Protocol):
    """Where the files of an installation are at home, and what its machines share."""

    folder: Path
    """Where this process has the districts' files; it may not be there yet."""

    ledger: Path
    """Where it has the ledger."""

    are_copies: bool
    """Whether these are copies, fetched for each use, of files that are at home elsewhere."""

    def home(self, path: Path) -> Home:
        """Return the home of a file in one of these places."""

    def districts(self) -> list[str]:
        """Return the districts that have a file."""

    def marks(self, districts: Iterable[str]) -> dict[str, str]:
        """Return what tells the present state of each file from every other one."""

    def notes(self, ledger: Warehouse) -> Notes:
        """Return where answers are noted, given the ledger."""

    def right(self, name: str, run_id: str | None) -> Right:
        """Take a right by its name, at once.

        Raises:
            NotFreeError: If another process has it.
        """

    def present(self) -> datetime:
        """Return the present by the clock that all machines share, aware."""


class LocalHomes:
    """Everything lies on one machine.

    Args:
        data: The data directory.
    """

    def __init__(self, data: Path) -> None:
        """Remember where it is."""
        self.folder = data / WAREHOUSES
        self.ledger = data / LEDGER
        self.are_copies = False
        self._locks = data / LOCKS

    def home(self, path: Path) -> Home:
        """Return the home of a file, which is where it lies."""
        return LocalHome(path)

    def districts(self) -> list[str]:
        """Return the districts that have a file."""
        found = self.folder.glob("*.duckdb") if self.folder.is_dir() else ()
        return sorted(one.stem for one in found if not one.name.startswith("."))

    def marks(self, districts: Iterable[str]) -> dict[str, str]:
        """Return the mark of each file and its log."""
        return {one: mark_of(self.folder / f"{one}.duckdb") for one in districts}

    def notes(self, ledger: Warehouse) -> Notes:
        """Return the ledger's own table of answers."""
        return NotesInLedger(ledger)

    def right(self, name: str, run_id: str | None) -> Right:  # noqa: ARG002 - a lock says enough
        """Take a lock file."""
        return LocalRight(private_directory(self._locks) / f"{name}.lock")

    def present(self) -> datetime:
        """Return this machine's time."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """A district's warehouse as a question sees it.

    Attributes:
        warehouse: To be read only.
        mark: Returns the mark of the file that is read.
    """

    warehouse: Warehouse
    mark: Callable[[], str]


class Store:
    """Every warehouse of one installation.

    Args:
        data: The data directory.
        homes: Where the files are at home; as the environment says if None.
    """

    def __init__(self, data: Path, homes: Homes | None = None) -> None:
        """Remember where it is, and split the one file of an earlier release.

        Raises:
            WarehouseUnusableError: If that file cannot be split.
        """
        self._data = data
        self._homes: Homes = homes or _homes_of(data)
        self._folder = self._homes.folder
        if not self._homes.are_copies:
            split_if_needed(data, self._folder, data / LEDGER, self.backups)
        elif (data / SINGLE).exists():
            raise WarehouseUnusableError(
                f"{data / SINGLE} is the warehouse of an earlier release and of this machine "
                "alone; give a command without AERIES_DATABASE_URL and AERIES_OBJECTS first, which "
                "splits it by district, then move to many machines as docs/scale.md says"
            )

    @property
    def backups(self) -> Path:
        """Where backups lie, in a folder for each district."""
        return self._data / BACKUPS

    @property
    def folder(self) -> Path:
        """Where the warehouses lie; it may not be there yet."""
        return self._folder

    def path(self, district: str) -> Path:
        """Return where a district's file is, or will be."""
        return self._folder / f"{district}.duckdb"

    def has(self, district: str) -> bool:
        """Tell whether a district was ever pulled."""
        return self._homes.home(self.path(district)).exists()

    def districts(self) -> list[str]:
        """Return the districts that have a warehouse, whether in the roster or not."""
        return self._homes.districts()

    def marks(self, districts: Iterable[str]) -> dict[str, str]:
        """Return what tells the present state of each district's file from every other one."""
        return self._homes.marks(districts)

    @contextmanager
    def reading(self, district: str) -> Iterator[Seen]:
        """Yield a district's warehouse for a question: its own, or a copy where files are shared.

        Whoever writes it is not kept waiting by a copy.
        """
        warehouse = self.warehouse(district)
        if not self._homes.are_copies:
            yield Seen(warehouse, lambda: self.marks([district])[district])
            return
        folder = private_directory(self._folder)
        with scratch_folder(folder) as scratch:
            copy = scratch / f"{district}.duckdb"
            mark = warehouse.copy_to(copy)
            yield Seen(Warehouse(copy), lambda: mark)

    def right(self, name: str, run_id: str | None = None) -> Right:
        """Take a right that one process of the installation has at a time.

        Args:
            name: Of the right, such as a district's id.
            run_id: The Dagster run that takes it, for people.

        Raises:
            NotFreeError: If another process has it.
        """
        return self._homes.right(name, run_id)

    def present(self) -> datetime:
        """Return the present by the clock that all machines of the installation share, aware."""
        return self._homes.present()

    @property
    def is_shared(self) -> bool:
        """Whether the files are at home elsewhere, and many machines take turns at a district."""
        return self._homes.are_copies

    @property
    def notes(self) -> Notes:
        """Where answers to questions about all districts are noted."""
        return self._homes.notes(self.ledger)

    def warehouse(self, district: str) -> Warehouse:
        """Return a district's warehouse; its file is made at the first opening."""
        return Warehouse(
            self.path(district),
            backups=self.backups / district,
            way_back="nothing is read from it or written to it until a backup takes its place: "
            f"aeries-pipeline restore --newest --district {district}, then aeries-pipeline sync "
            f"{district}; where there is no backup, see docs/operating.md",
            home=self._homes.home(self.path(district)),
        )

    def warehouses(self, districts: Iterable[str] | None = None) -> Iterator[tuple[str, Warehouse]]:
        """Yield each of the districts that has a warehouse, with it."""
        for district in self.districts() if districts is None else districts:
            if self.has(district):
                yield district, self.warehouse(district)

    @property
    def ledger(self) -> Warehouse:
        """The installation's own records."""
        return Warehouse(
            self._homes.ledger,
            backups=self.backups,
            way_back="restore its newest backup (aeries-pipeline backup --list, then "
            "aeries-pipeline restore ledger-...), or move it out of the data directory: a new one "
            "is made, which lacks the record of earlier publications and deletions",
            home=self._homes.home(self._homes.ledger),
        )

    def remove(self, district: str) -> None:
        """Delete a district's warehouse; nothing of it stays."""
        self.warehouse(district).remove()


def _homes_of(data: Path) -> Homes:
    """Return the homes that the environment names; of a scratch directory always the local ones."""
    place = shared_place()
    if place is None or data.absolute() != data_directory():
        return LocalHomes(data)
    from aeries_pipeline.stores.shared.homes import SharedHomes

    return SharedHomes(data, place)
