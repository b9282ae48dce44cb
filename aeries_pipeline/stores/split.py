"""Splits the single file of releases before 0.2 into one file per district.

It happens when a newer release first looks for a warehouse. Each district's
file is written under a temporary name, read back, compared with its source, and
only then renamed; the old file goes to the backups as the last step. If the
process is killed meanwhile, the old file stays where it was, and the next one
continues.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.stores.backup import sums
from aeries_pipeline.stores.connection import (
    SCHEMAS,
    Columns,
    Warehouse,
    WarehouseUnusableError,
    private_directory,
    tables_of,
)
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.files import sync
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.scratch import scratch_folder

SINGLE = "warehouse.duckdb"
"""The one file of earlier releases, in the data directory."""

OF_THE_INSTALLATION = {("meta", "published"), ("meta", "forgotten"), ("meta", "answers")}
"""Tables that are no district's; they go to the ledger."""

_PART = "part"


def split_if_needed(data: Path, folder: Path, ledger: Path, backups: Path) -> None:
    """Split the one file of an earlier release, where there is one.

    Args:
        data: The data directory.
        folder: Where the districts' files go.
        ledger: Where the records of the installation go.
        backups: Where the one file goes in the end.

    Raises:
        WarehouseUnusableError: If it cannot be split; it stays as it was.
        WarehouseBusyError: If it is in use.
    """
    single = data / SINGLE
    if not single.exists():
        return
    old = Warehouse(
        single,
        backups=backups,
        way_back="it is of an earlier release and is not split into one file for each district; "
        "move it out of the data directory, then put its newest backup back (aeries-pipeline "
        "backup --list, then aeries-pipeline restore FILE)",
    )
    with old.locked():
        if not single.exists():
            # Another process has done it meanwhile.
            return
        try:
            _split(old, folder, ledger)
        except duckdb.Error as error:
            # The message of the database may quote a value of a row.
            found = diagnose(error)
            raise WarehouseUnusableError(
                f"the warehouse {single.name} of an earlier release cannot be split into one file "
                f"for each district ({found.cause}), which takes as much room again; it is as it "
                f"was; {found.remedy}, then try again"
            ) from None
        _put_away(single, backups)


def _split(old: Warehouse, folder: Path, ledger: Path) -> None:
    private_directory(folder)
    with old.connect() as connection, old.attached_while_locked(connection) as source:
        tables = tables_of(connection, source)
        districts = districts_in(connection, source, tables)
        for district in districts:
            write_part(connection, source, district, folder / f"{district}.duckdb", old.path.name)
        if not ledger.exists():
            own = {*OF_THE_INSTALLATION, ("meta", "schema_version")}
            held = {place: columns for place, columns in tables.items() if place in own}
            _write(connection, source, held, None, ledger)
    for one in (folder, ledger.parent):
        sync(one)


def districts_in(connection: duckdb.DuckDBPyConnection, source: str, tables: Columns) -> list[str]:
    """Return the districts that an attached database has rows of.

    Raises:
        WarehouseUnusableError: If rows are of no district.
    """
    found: set[str] = set()
    for (schema, table), columns in tables.items():
        if "district" in columns and (schema, table) not in OF_THE_INSTALLATION:
            found.update(
                name
                for (name,) in connection.execute(
                    f"SELECT DISTINCT district FROM {source}.{schema}.{quoted(table)}"
                ).fetchall()
            )
    # A district's id is the name of its file.
    strange = [one for one in found if not one or Path(one).name != one or one.startswith(".")]
    if strange:
        raise WarehouseUnusableError(
            "the warehouse of an earlier release has rows of no district, so it is not split; it "
            "is as it was; ask for help with the output of: aeries-pipeline backup --list"
        )
    return sorted(found)


def write_part(
    connection: duckdb.DuckDBPyConnection, source: str, district: str, target: Path, name: str
) -> None:
    """Write a district's rows of an attached database to a file of their own, and compare.

    A file that is there already is left where it holds the same, as after an
    interruption.

    Args:
        connection: Has the database attached.
        source: Under this name.
        district: District id.
        target: The file.
        name: What the database is called, for the message.

    Raises:
        WarehouseUnusableError: If another file is there, or what was written differs.
        duckdb.Error: If it cannot be written.
    """
    tables = {
        place: columns
        for place, columns in tables_of(connection, source).items()
        if place not in OF_THE_INSTALLATION
    }
    if target.exists():
        wanted = sums(connection, source, tables, district)
        if _sums_of_file(connection, target, tables) != wanted:
            raise WarehouseUnusableError(
                f"{district}: {name} and {target.name} both hold rows of this district, and not "
                "the same ones; nothing was changed; move the one that is not wanted out of the "
                "data directory, then try again"
            )
        return
    _write(connection, source, tables, district, target)


def _write(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    tables: Columns,
    district: str | None,
    target: Path,
) -> None:
    """Copy tables of an attached database to a file of their own, which appears once compared.

    Args:
        connection: Has the database attached.
        source: Under this name.
        tables: What is copied.
        district: Whose rows, of tables that have a district; all where None.
        target: The file's place.

    Raises:
        WarehouseUnusableError: If what was written reads otherwise.
    """
    with scratch_folder(target.parent) as scratch:
        partial = scratch / target.name
        connection.execute(f"ATTACH {literal(str(partial))} AS {_PART}")
        try:
            partial.chmod(0o600)
            for schema in SCHEMAS:
                connection.execute(f"CREATE SCHEMA {_PART}.{schema}")
            for (schema, table), columns in tables.items():
                place = f"{schema}.{quoted(table)}"
                is_part = district is not None and "district" in columns
                where = f" WHERE district = {literal(district or '')}" if is_part else ""
                connection.execute(f"CREATE TABLE {_PART}.{place} AS FROM {source}.{place}{where}")
            connection.execute(f"CHECKPOINT {_PART}")
        finally:
            connection.execute(f"DETACH {_PART}")
        wanted = sums(connection, source, tables, district)
        if _sums_of_file(connection, partial, tables) != wanted:
            raise WarehouseUnusableError(
                f"{target.stem}: its rows read otherwise from its own file than from where they "
                "were copied, so it was not put in place and the old file is as it was; look "
                "after the disk, then try again"
            )
        sync(partial)
        partial.replace(target)


def _sums_of_file(
    connection: duckdb.DuckDBPyConnection, path: Path, tables: Columns
) -> dict[str, tuple[int, int]]:
    connection.execute(f"ATTACH {literal(str(path))} AS {_PART} (READ_ONLY)")
    try:
        held = tables_of(connection, _PART)
        present = {one: columns for one, columns in tables.items() if one in held}
        return sums(connection, _PART, present)
    finally:
        connection.execute(f"DETACH {_PART}")


def _put_away(single: Path, backups: Path) -> None:
    """Move the one file to the backups; what is left of it says that all is done."""
    kept = private_directory(backups) / f"warehouse-before-split-{now():%Y%m%dT%H%M%SZ}.duckdb"
    try:
        shutil.move(single, kept)
    except OSError as error:
        raise WarehouseUnusableError(
            f"{single.name} was split and cannot be moved to {backups} ({error.strerror}); move it "
            "there yourself, then try again"
        ) from None
    sync(backups)
