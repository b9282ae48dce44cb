"""The analysts' lake: what the published copy has, in DuckLake, one transaction a district.

Written after the copy is in place, from its districts' own files. What the lake has of
each district is noted in the lake itself, in the same transaction, so a publication that
was killed is completed by the next one. If the catalogue is a file, a copy of it is
changed and takes its place in one step, so no reader keeps the publisher waiting. Where
the lake is, and how it is opened, is in ``lake_access``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from aeries_pipeline.analytics.publishing.contents import NAME, tables_with_rows
from aeries_pipeline.analytics.publishing.copy import Copy
from aeries_pipeline.analytics.publishing.lake_access import (
    LAKE,
    MARK,
    Lake,
    LakeNotWrittenError,
    attached,
    target_of,
)
from aeries_pipeline.analytics.publishing.lake_schema import DISTRICTS, make_schema
from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.connection import copy_file, private_directory, tables_of
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.files import sync

DATABASE = f"{NAME}.duckdb"
_AHEAD = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Holding:
    """What the lake holds, or should hold, of one district, by hashes that say nothing of it.

    Attributes:
        part: Of the district's own file that its rows are from.
        settings: Of what analysts might see of it.
        shape: Of the tables and views.
    """

    part: str
    settings: str
    shape: str


@dataclass(frozen=True, slots=True)
class LakePlan:
    """What has to be done.

    Attributes:
        make: Districts whose rows are exchanged.
        is_whole: Whether everything is made again, and nothing stays of what was there.
    """

    make: tuple[str, ...]
    is_whole: bool


def plan_lake(
    present: Mapping[str, Holding], wanted: Mapping[str, Holding], *, whole: bool
) -> LakePlan:
    """Return what has to be done to bring a lake up to date.

    The smallest and the greatest value of a column stay in the catalogue when their row goes. If
    somebody may no longer be seen, everything is made again.

    Args:
        present: What it holds of each district.
        wanted: What it should hold.
        whole: Whether all of it is asked for.
    """
    hides = any(
        name not in wanted
        or (one.settings, one.shape) != (wanted[name].settings, wanted[name].shape)
        for name, one in present.items()
    )
    if whole or hides or not present:
        return LakePlan(tuple(wanted), is_whole=True)
    return LakePlan(
        tuple(name for name, one in wanted.items() if present.get(name) != one), is_whole=False
    )


def write_lake(
    lake: Lake, place: Path, copy: Copy, *, whole: bool, modes: tuple[int, int]
) -> LakePlan:
    """Let the lake hold what the copy in place holds.

    Args:
        lake: Where it is.
        place: The folder of the copy.
        copy: What the copy holds.
        whole: Whether the lake is made again, so that nothing stays of what is gone.
        modes: Of its files and folders.

    Raises:
        LakeNotWrittenError: If it cannot be written. The districts that are done stay done.
    """
    wanted = {
        name: Holding(_short(one.mark), _short(one.settings), copy.shape)
        for name, one in copy.districts.items()
        if one.rows
    }
    with _saying_what_failed():
        is_new = _take_folder(lake)
        before = _files_of(lake)
        plan = plan_lake({} if is_new else _holdings(lake), wanted, whole=whole)
        with _writing(lake, modes[0], anew=plan.is_whole or is_new) as connection:
            _exchange(connection, place, wanted, plan)
            _expire(connection, 0 if plan.is_whole else lake.snapshot_days)
            _settle(lake, before, modes)
        # Only now does nobody's catalogue name what has expired.
        with _writing(lake, modes[0]) as connection:
            for tidy in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
                connection.execute(f"CALL {tidy}({literal(LAKE)}, cleanup_all => true)")
    return plan


def _exchange(
    connection: duckdb.DuckDBPyConnection,
    place: Path,
    wanted: Mapping[str, Holding],
    plan: LakePlan,
) -> None:
    """Exchange the rows of districts: each in its transaction, or everything in one."""
    connection.execute(f"ATTACH {literal(str(place / DATABASE))} AS {NAME} (READ_ONLY)")
    tables = tables_with_rows(connection, NAME)
    if plan.is_whole:
        connection.execute("BEGIN")
        make_schema(connection)
        for name in plan.make:
            _insert(connection, NAME, name, wanted[name], tables)
    else:
        for name in plan.make:
            part = place / "districts" / f"{name}.duckdb"
            connection.execute(f"ATTACH {literal(str(part))} AS part (READ_ONLY)")
            connection.execute("BEGIN")
            _delete(connection, name)
            _insert(connection, "part", name, wanted[name], tables)
            connection.execute("COMMIT")
            connection.execute("DETACH part")
        connection.execute("BEGIN")
        connection.execute(f"DELETE FROM {LAKE}.meta.published")
    connection.execute(f"INSERT INTO {LAKE}.meta.published FROM {NAME}.meta.published")
    connection.execute("COMMIT")
    connection.execute(f"DETACH {NAME}")


def _delete(connection: duckdb.DuckDBPyConnection, district: str) -> None:
    """Delete a district's rows; a file that has no others is let go of whole."""
    found = connection.execute(
        f"SELECT tables FROM {LAKE}.{DISTRICTS} WHERE district = ?", [district]
    ).fetchone()
    for table in (*(found[0] if found else ()), DISTRICTS):
        connection.execute(f"DELETE FROM {LAKE}.{table} WHERE district = ?", [district])


def _insert(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    district: str,
    holding: Holding,
    tables: Sequence[str],
) -> None:
    """Insert a district's rows, and note what they are. No file holds rows of two districts."""
    filled = []
    for table in tables:
        written = connection.execute(
            f"INSERT INTO {LAKE}.{table} BY NAME FROM {source}.{table} WHERE district = ?",
            [district],
        ).fetchone()
        if written and written[0]:
            filled.append(table)
    connection.execute(
        f"INSERT INTO {LAKE}.{DISTRICTS} VALUES (?, ?, ?, ?, ?)",
        [district, holding.part, holding.settings, holding.shape, filled],
    )


def _holdings(lake: Lake) -> dict[str, Holding]:
    """Return what the lake holds of each district; nothing if there is no lake yet."""
    if lake.catalog is not None and not lake.catalog.exists():
        return {}
    # A file may be open with any number of readers, and a server's catalogue is made by this.
    with attached(lake, target_of(lake), reads=lake.catalog is not None) as connection:
        if not tables_of(connection, LAKE):
            return {}
        found = connection.execute(
            f"SELECT district, part, settings, shape FROM {LAKE}.{DISTRICTS}"
        ).fetchall()
    return {district: Holding(*rest) for district, *rest in found}


@contextmanager
def _writing(lake: Lake, mode: int, *, anew: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection on the lake; a catalogue that is a file changes at the end, in one step.

    Args:
        lake: Which one.
        mode: Of the catalogue's file.
        anew: Whether that file is started again. A server's catalogue never is.
    """
    if lake.catalog is None:
        with attached(lake, target_of(lake)) as connection:
            yield connection
        return
    folder = lake.catalog.parent
    hidden = lake.catalog.with_name(f".{lake.catalog.name}.next")
    logs = [one.with_name(f"{one.name}.wal") for one in (hidden, lake.catalog)]
    try:
        for one in (hidden, logs[0]):
            one.unlink(missing_ok=True)
        if not anew:
            copy_file(lake.catalog, hidden)
        with attached(lake, str(hidden)) as connection:
            yield connection
        hidden.chmod(mode)
        sync(hidden)
        # Who opened the last one for writing may have left a log, which is not this one's.
        logs[1].unlink(missing_ok=True)
        hidden.replace(lake.catalog)
        sync(folder)
    finally:
        for one in (hidden, logs[0]):
            one.unlink(missing_ok=True)


def _expire(connection: duckdb.DuckDBPyConnection, days: float) -> None:
    """Let go of older snapshots; by any clock, where none is to stay."""
    moment = datetime.now(UTC) - timedelta(days=days) if days else datetime.now(UTC) + _AHEAD
    connection.execute(
        f"CALL ducklake_expire_snapshots({literal(LAKE)}, "
        f"older_than => {literal(moment.isoformat())}::TIMESTAMPTZ)"
    )


def _take_folder(lake: Lake) -> bool:
    """Make the folder of the lake's files, and return whether the lake is a new one.

    Raises:
        LakeNotWrittenError: If something else lies in it, which the lake would delete.
    """
    folder = private_directory(lake.data)
    mark = folder / MARK
    if mark.exists():
        return lake.catalog is not None and not lake.catalog.exists()
    if any(folder.iterdir()):
        raise LakeNotWrittenError(
            f"{folder} (publish: data:) is not empty and holds no lake of this pipeline; name an "
            "empty folder, since files that the lake does not know are deleted from its folder"
        )
    if lake.catalog is not None:
        private_directory(lake.catalog.parent)
    mark.touch(mode=0o600)
    return True


def _files_of(lake: Lake) -> set[Path]:
    return {one for one in lake.data.rglob("*") if one.is_file()}


def _settle(lake: Lake, before: set[Path], modes: tuple[int, int]) -> None:
    """Let new files reach the disk before the catalogue that names them; nobody else reads them."""
    for one in (lake.data, *lake.data.rglob("*")):
        one.chmod(modes[1] if one.is_dir() else modes[0])
        if one.is_dir() or one not in before:
            sync(one)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _saying_what_failed() -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.Error) as error:
        # The message of the database may quote a value of a row, or a password.
        found = diagnose(error)
    else:
        return
    raise LakeNotWrittenError(
        f"the analysts' lake could not be written ({found.cause}); each district in it is wholly "
        f"old or wholly new; {found.remedy}, then run: aeries-pipeline publish"
    ) from None
