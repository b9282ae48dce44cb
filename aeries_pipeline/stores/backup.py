"""Backups of a warehouse: taking one, proving that it can be read, and putting one back.

A backup is a plain copy of the file between two writes, with a manifest that
has its digest and its counts. It holds students' data like the warehouse does.
Each district's lie in a folder of its name. What takes in several districts is
in ``restore_many``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.stores.connection import (
    Columns,
    Warehouse,
    copy_file,
    private_directory,
    tables_of,
)
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.scratch import scratch_folder
from aeries_pipeline.stores.versions import SCHEMA_VERSION, version_of

_REPLACES = "replaces_sha256"
"""In a manifest: the digest of the file that is being replaced, which is right until then."""

PREFIX = "warehouse-"
"""Of every backup of a warehouse, that of all districts before 0.2 included."""

LEDGER_PREFIX = "ledger-"


class BackupError(RuntimeError):
    """A backup cannot be taken or is not to be trusted; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Attributes:
        path: The file.
        taken_at: When, UTC.
        bytes: Its size.
        schema_version: Of its tables.
        tables: Rows by table, with its schema.
        mark: Of the file that was copied, see ``files.mark_of``; empty if not known.
    """

    path: Path
    taken_at: datetime
    bytes: int
    schema_version: int
    tables: Mapping[str, int]
    mark: str = ""


def take_backup(
    warehouse: Warehouse,
    folder: Path,
    *,
    moment: datetime | None = None,
    prefix: str = PREFIX,
) -> Backup:
    """Copy the warehouse and prove that the copy can be read.

    Args:
        warehouse: Locked for the time of a plain copy.
        folder: Where the backup goes; best on another disk.
        moment: The present, UTC without a zone; tests give another.
        prefix: Of the file's name.

    Raises:
        BackupError: If there is nothing to copy, or no room.
        WarehouseBusyError: If the warehouse does not come free.
    """
    if not warehouse.exists():
        raise BackupError(f"there is no warehouse at {warehouse.path}; nothing to back up")
    moment = moment or now()
    path = private_directory(folder) / f"{prefix}{moment:%Y%m%dT%H%M%SZ}.duckdb"
    with scratch_folder(folder) as scratch:
        copy = scratch / path.name
        mark = warehouse.copy_to(copy)
        version, tables = inspect(copy)
        backup = Backup(path, moment, copy.stat().st_size, version, tables, mark)
        _write_manifest(backup, copy)
        copy.replace(path)
    return backup


def inspect(path: Path) -> tuple[int, dict[str, int]]:
    """Read a database file from end to end.

    Returns:
        The version of its schema, and its rows by table.

    Raises:
        BackupError: If it is no database, or damaged.
    """
    try:
        with open_beside(path) as connection:
            connection.execute(f"ATTACH {literal(str(path))} AS looked_at (READ_ONLY)")
            # Every value of every column is read, not only the number of rows.
            found = sums(connection, "looked_at", tables_of(connection, "looked_at"))
            rows = {name: number for name, (number, _digest) in found.items()}
            return version_of(connection, "looked_at"), rows
    except duckdb.Error as error:
        raise BackupError(
            f"{path.name} cannot be read as a database ({type(error).__name__}); it is damaged or "
            "was written by a newer DuckDB; take another backup"
        ) from None


def sums(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    tables: Columns,
    district: str | None = None,
) -> dict[str, tuple[int, int]]:
    """Return count and hash of the rows of tables, whatever their order, by name with schema.

    Args:
        connection: Has the database attached.
        catalog: Under this name.
        tables: Their columns.
        district: Whose rows are meant, of tables that have a district; all where None.
    """
    found = {}
    for (schema, table), columns in tables.items():
        where = ""
        if district is not None and "district" in columns:
            where = f" WHERE district = {literal(district)}"
        rows, digest = connection.execute(
            "SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0) "
            f"FROM {catalog}.{schema}.{quoted(table)} AS t{where}"
        ).fetchall()[0]
        found[f"{schema}.{table}"] = (int(rows), int(digest))
    return found


def backups(folder: Path) -> list[Path]:
    """Return the backups below a folder, of each owner the oldest first.

    Copies from before upgrades are among them, and those of the ledger.
    """
    if not folder.exists():
        return []
    found = [*folder.glob(f"{PREFIX}*.duckdb"), *folder.glob(f"*/{PREFIX}*.duckdb")]
    return sorted([*found, *folder.glob(f"{LEDGER_PREFIX}*.duckdb")])


def thin_out(folder: Path, keep: int) -> int:
    """Delete all backups below a folder but the newest of each owner; return how many went.

    Args:
        folder: Has the backups of all.
        keep: How many of each district stay, and of the ledger.
    """
    owners: dict[tuple[Path, str], list[Path]] = {}
    for path in backups(folder):
        owners.setdefault((path.parent, path.name.partition("-")[0]), []).append(path)
    # By when they were taken, not by name: copies from before an upgrade are named otherwise.
    old = [path for kept in owners.values() for path in sorted(kept, key=stated_of)[:-keep]]
    for path in old:
        remove(path)
    return len(old)


def check_backup(path: Path) -> Backup:
    """Hold a backup against its manifest, and read it from end to end.

    Raises:
        BackupError: If it is missing, changed, damaged or newer than this release.
    """
    if not path.is_file():
        raise BackupError(f"there is no backup {path}; aeries-pipeline backup --list shows them")
    manifest = _manifest(path)
    stated = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    if stated and _digest(path) not in {stated["sha256"], stated.get(_REPLACES)}:
        raise BackupError(f"{path.name} is not what its manifest says; do not restore it")
    version, tables = inspect(path)
    if version > SCHEMA_VERSION:
        raise BackupError(
            f"{path.name} is of schema version {version}, and this release knows {SCHEMA_VERSION}; "
            "install the release that wrote it"
        )
    if version == 0:
        raise BackupError(f"{path.name} is no warehouse: it has no ledger")
    taken = datetime.fromisoformat(stated["taken_at"]) if stated else _changed(path)
    return Backup(path, taken, path.stat().st_size, version, tables)


def restore(warehouse: Warehouse, path: Path, *, moment: datetime | None = None) -> Path | None:
    """Let a backup take the place of the warehouse; the present file becomes a backup itself.

    Args:
        warehouse: Locked all the while.
        path: A backup; it stays.
        moment: The present, UTC without a zone; tests give another.

    Returns:
        Where the file that was there until now lies; None if there was none.

    Raises:
        BackupError: If the backup is not to be trusted; nothing was changed.
    """
    check_backup(path)
    return put_in_place(warehouse, path, moment or now())


def put_in_place(
    warehouse: Warehouse, path: Path, moment: datetime, *, prefix: str = PREFIX
) -> Path | None:
    """Let a file that was looked at take the place of a warehouse, see :func:`restore`."""
    place = private_directory(warehouse.path.parent)
    incoming = place / f".{warehouse.path.name}.incoming"
    incoming.unlink(missing_ok=True)
    with warehouse.locked():
        copy_file(path, incoming)
        before = None
        if warehouse.path.exists():
            folder = private_directory(warehouse.backups)
            before = folder / f"{prefix}replaced-{moment:%Y%m%dT%H%M%SZ}.duckdb"
            warehouse.path.replace(before)
        # What was not checkpointed belongs to the file that it stands beside.
        log = warehouse.path.with_name(warehouse.path.name + ".wal")
        if log.exists():
            log.replace(before.with_name(before.name + ".wal") if before else log)
        incoming.replace(warehouse.path)
    return before


def stated_of(path: Path) -> tuple[datetime, str]:
    """Return when a backup was taken, UTC, and the mark of what was copied; nothing is proved."""
    manifest = _manifest(path)
    if not manifest.exists():
        return _changed(path), ""
    stated = json.loads(manifest.read_text(encoding="utf-8"))
    return datetime.fromisoformat(stated["taken_at"]), stated.get("mark", "")


def announce(path: Path, fresh: Path) -> None:
    """Have a backup's manifest describe the file that is about to take its place.

    Until :func:`settle` the present file is right as well, so that a process which is
    killed between the two leaves a backup that can be restored.

    Args:
        path: The backup.
        fresh: What it will be.
    """
    if not _manifest(path).exists():
        return
    stated = json.loads(_manifest(path).read_text(encoding="utf-8"))
    version, tables = inspect(fresh)
    taken = datetime.fromisoformat(stated["taken_at"])
    backup = Backup(path, taken, fresh.stat().st_size, version, tables)
    # After a kill it may be either of the two.
    _write_manifest(backup, fresh, replaces=_digest(path))


def settle(path: Path) -> None:
    """Have a backup's manifest describe the file that is there, and no other."""
    if _manifest(path).exists():
        stated = json.loads(_manifest(path).read_text(encoding="utf-8"))
        if stated.pop(_REPLACES, None):
            write_atomically(_manifest(path), json.dumps(stated, indent=2) + "\n")


def remove(path: Path) -> None:
    """Delete a backup with everything that belongs to it."""
    for one in (path, _manifest(path), path.with_name(path.name + ".wal")):
        one.unlink(missing_ok=True)


def _write_manifest(backup: Backup, content: Path, replaces: str = "") -> None:
    stated = {
        "taken_at": backup.taken_at.isoformat(),
        "sha256": _digest(content),
        "bytes": backup.bytes,
        "schema_version": backup.schema_version,
        "tables": dict(backup.tables),
        "mark": backup.mark,
    }
    if replaces:
        stated[_REPLACES] = replaces
    write_atomically(_manifest(backup.path), json.dumps(stated, indent=2) + "\n")


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _changed(path: Path) -> datetime:
    from datetime import UTC

    return datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
