"""The districts' warehouses: one DuckDB file for each, below one data directory.

Districts are written, backed up, moved and deleted apart from each other, and
none waits for another one's lock. What looks across them is in ``across``.
This is the one place that knows where a district's file lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.split import split_if_needed

WAREHOUSES = "warehouses"
BACKUPS = "backups"
LEDGER = "ledger.duckdb"
"""The installation's own records: publications, forgettings, what is known of each district."""


class Store:
    """Every warehouse of one installation.

    Args:
        data: The data directory.
    """

    def __init__(self, data: Path) -> None:
        """Remember where it is, and split the one file of an earlier release.

        Raises:
            WarehouseUnusableError: If that file cannot be split.
        """
        self._data = data
        self._folder = data / WAREHOUSES
        split_if_needed(data, self._folder, data / LEDGER, self.backups)

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
        return self.path(district).exists()

    def districts(self) -> list[str]:
        """Return the districts that have a warehouse, whether in the roster or not."""
        found = self._folder.glob("*.duckdb") if self._folder.is_dir() else ()
        return sorted(one.stem for one in found if not one.name.startswith("."))

    def warehouse(self, district: str) -> Warehouse:
        """Return a district's warehouse; its file is made at the first opening."""
        return Warehouse(
            self.path(district),
            backups=self.backups / district,
            way_back="nothing is read from it or written to it until a backup takes its place: "
            f"aeries-pipeline restore --newest --district {district}, then aeries-pipeline sync "
            f"{district}; where there is no backup, see docs/operating.md",
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
            self._data / LEDGER,
            backups=self.backups,
            way_back="put its newest backup back (aeries-pipeline backup --list, then "
            "aeries-pipeline restore ledger-...), or move it out of the data directory: it is made "
            "anew and lacks the record of earlier publications and forgettings",
        )

    def remove(self, district: str) -> None:
        """Delete a district's warehouse; nothing of it stays."""
        path = self.path(district)
        with self.warehouse(district).locked():
            for one in (path, path.with_name(path.name + ".wal")):
                one.unlink(missing_ok=True)
