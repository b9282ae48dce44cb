"""Backups of many districts at once, rehearsals, and a backup of all from before 0.2.

How one file is copied, proved and put back is in ``backup``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.backup import (
    LEDGER_PREFIX,
    PREFIX,
    Backup,
    BackupError,
    backups,
    check_backup,
    inspect,
    put_in_place,
    stated_of,
    take_backup,
)
from aeries_pipeline.stores.connection import Warehouse, private_directory, tables_of
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.scratch import scratch_folder
from aeries_pipeline.stores.split import districts_in, write_part
from aeries_pipeline.stores.store import Store


@dataclass(frozen=True, slots=True)
class Restored:
    """One file that was put back.

    Attributes:
        district: District id; empty for the ledger.
        taken_at: When the backup was taken, UTC without a zone.
        before: Where the file that was there until now lies; None if there was none.
    """

    district: str
    taken_at: datetime
    before: Path | None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a backup would bring back.

    Attributes:
        district: District id.
        taken_at: When the backup was taken, UTC without a zone.
        tables: Rows by table after it was put back, in a folder of its own.
        present: Rows by table of the warehouse of now; empty if there is none.
    """

    district: str
    taken_at: datetime
    tables: Mapping[str, int]
    present: Mapping[str, int]


def take_backups(
    store: Store,
    folder: Path,
    districts: Iterable[str] | None = None,
    *,
    only_changed: bool = False,
) -> Iterator[tuple[str, Backup]]:
    """Back up districts one after the other, or all of them and the ledger.

    Args:
        store: The warehouses.
        folder: Where each district has a folder.
        districts: Of whom; of all where None.
        only_changed: Whether a warehouse is left out that is as its newest backup is.

    Yields:
        Each district, and the ledger as an empty name, with its backup.

    Raises:
        BackupError: If there is nothing to copy, or no room.
    """
    wanted = store.districts() if districts is None else list(districts)
    if not wanted:
        raise BackupError("there is no warehouse yet; nothing to back up")
    moment = now()
    for district in wanted:
        if only_changed and _is_backed_up(store, folder, district):
            continue
        yield district, take_backup(store.warehouse(district), folder / district, moment=moment)
    if districts is None and (made := take_ledger(store, folder, moment)):
        yield "", made


def take_ledger(store: Store, folder: Path, moment: datetime | None = None) -> Backup | None:
    """Back up the ledger; None if there is none yet.

    Raises:
        BackupError: If there is no room.
    """
    if not store.ledger.exists():
        return None
    return take_backup(store.ledger, folder, moment=moment, prefix=LEDGER_PREFIX)


def _is_backed_up(store: Store, folder: Path, district: str) -> bool:
    taken = taken_of(folder, district)
    return bool(taken) and stated_of(taken[-1])[1] == store.marks([district])[district]


def newest_of(folder: Path, district: str) -> Path:
    """Return a district's newest backup.

    Raises:
        BackupError: If it has none.
    """
    found = taken_of(folder, district)
    if not found:
        raise BackupError(
            f"{district}: there is no backup of this district in {folder}; "
            "aeries-pipeline backup --list shows them"
        )
    return found[-1]


def taken_of(folder: Path, district: str) -> list[Path]:
    """Return the backups of a district that somebody has taken, the oldest first."""
    found = backups(folder / district)
    return [one for one in found if one.name.removeprefix(PREFIX)[:1].isdecimal()]


def without_recent(
    store: Store, folder: Path, districts: Iterable[str], before: datetime
) -> dict[str, datetime | None]:
    """Return the districts whose newest backup is too old, with when it was taken.

    A warehouse that has not changed since its newest backup needs no other.

    Args:
        store: The warehouses.
        folder: Where the backups are.
        districts: Of whom; those that were never pulled are left out.
        before: What is older than this is too old, UTC without a zone.
    """
    found: dict[str, datetime | None] = {}
    for district in districts:
        if not store.has(district) or _is_backed_up(store, folder, district):
            continue
        taken = taken_of(folder, district)
        at = stated_of(taken[-1])[0] if taken else None
        if at is None or at < before:
            found[district] = at
    return found


def restore_file(store: Store, path: Path, district: str = "") -> list[Restored]:
    """Put a backup back: of one district, or of all as releases before 0.2 took them.

    Args:
        store: The warehouses.
        path: The backup; it stays.
        district: The district that is meant; every one that it holds where empty.

    Raises:
        BackupError: If it is not to be trusted, or not that district's; nothing was changed.
        WarehouseBusyError: If a warehouse does not come free.
    """
    if path.name.startswith(LEDGER_PREFIX):
        taken_at = check_backup(path).taken_at
        before = put_in_place(store.ledger, path, now(), prefix=LEDGER_PREFIX)
        return [Restored("", taken_at, before)]
    with _parts(store, path, district) as (taken_at, parts):
        moment = now()
        return [
            Restored(name, taken_at, put_in_place(store.warehouse(name), part, moment))
            for name, part in parts.items()
        ]


def rehearse(store: Store, path: Path, district: str = "") -> list[Rehearsal]:
    """Put a backup back in a folder of its own, open it as a run would, and compare.

    Args:
        store: The warehouses; none is changed.
        path: The backup.
        district: As of :func:`restore_file`.

    Raises:
        BackupError: If it is not to be trusted, or reads otherwise than it did.
    """
    found = []
    with _parts(store, path, district) as (taken_at, parts):
        for name, part in parts.items():
            stated = inspect(part)[1]
            with scratch_folder(part.parent) as scratch:
                own = Warehouse(scratch / part.name, backups=scratch / "backups")
                put_in_place(own, part, now())
                # An older one is brought up to date, as the first run would.
                own.rows("SELECT count(*) FROM meta.pulls")
                tables = inspect(own.path)[1]
            lost = [one for one, rows in stated.items()
                    if tables.get(one) != rows and one != "meta.schema_version"]  # fmt: skip
            if lost:
                raise BackupError(
                    f"{name}: {path.name} reads otherwise once it is put back ({', '.join(lost)}); "
                    "do not restore it; take another backup"
                )
            found.append(Rehearsal(name, taken_at, tables, _present(store, name)))
    return found


def _present(store: Store, district: str) -> Mapping[str, int]:
    if store.has(district):
        # A damaged one is what a backup is for.
        with suppress(BackupError), store.reading(district) as seen:
            return inspect(seen.warehouse.path)[1]
    return {}


@contextmanager
def _parts(store: Store, path: Path, district: str) -> Iterator[tuple[datetime, dict[str, Path]]]:
    """Yield when a backup was taken, and one file for each district that is meant."""
    taken_at = check_backup(path).taken_at
    held = districts_of(path)
    if district and district not in held:
        raise BackupError(
            f"{district}: {path.name} holds nothing of this district but of "
            f"{', '.join(held) or 'none'}; nothing was changed"
        )
    if not held:
        raise BackupError(f"{path.name} holds rows of no district; nothing was changed")
    if len(held) == 1:
        yield taken_at, {held[0]: path}
        return
    folder = private_directory(store.folder)
    with scratch_folder(folder) as scratch:
        names = [district] if district else held
        parts = {name: scratch / f"{name}.duckdb" for name in names}
        try:
            with open_beside(folder / path.name) as connection:
                connection.execute(f"ATTACH {literal(str(path))} AS whole (READ_ONLY)")
                for name, part in parts.items():
                    write_part(connection, "whole", name, part, path.name)
        except duckdb.Error as error:
            found = diagnose(error)
            raise BackupError(
                f"{path.name} cannot be taken apart into districts: {found.cause}; nothing was "
                f"changed; {found.remedy}"
            ) from None
        yield taken_at, parts


def districts_of(path: Path) -> list[str]:
    """Return the districts that a backup has rows of."""
    with open_beside(path) as connection:
        connection.execute(f"ATTACH {literal(str(path))} AS held (READ_ONLY)")
        return districts_in(connection, "held", tables_of(connection, "held"))
