"""Makes the analysts' copy and lets it take the place of the last one, whole.

Analysts open ``published/aeries.duckdb``, or the Parquet files below
``published/parquet``. Both are made in a hidden folder and put in place by a
rename: whoever has the old ones open keeps reading them, whoever opens them
now gets the new ones, and nobody ever waits for a lock of the pipeline.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.build import make_views
from aeries_pipeline.analytics.dictionary import titles
from aeries_pipeline.analytics.publishing.contents import NAME, RAW, fill, names
from aeries_pipeline.analytics.publishing.due import fingerprint, read_state
from aeries_pipeline.analytics.publishing.tables import PUBLISHED_COLUMNS, prepare
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.districts.roster import Roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import (
    CATALOG,
    Warehouse,
    private_directory,
    table_exists,
)
from aeries_pipeline.stores.deliveries import clear, scratch_folder
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.files import sync
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.stores.versions import make_tables

STORAGE_VERSION = "v1.4.0"
"""The oldest DuckDB that can read the copy."""

DATABASE = f"{NAME}.duckdb"
PARQUET = "parquet"
_VERSION = ".parquet-"


class NothingToPublishError(RuntimeError):
    """Nothing was ever pulled."""


class NotPublishedError(RuntimeError):
    """The copy could not be made; the last one is as it was."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        row: Its row in ``meta.published``.
        rows: Rows by table or view, with its schema.
        database: The file that analysts open.
        parquet: The folder with one file for each table and view.
    """

    row: Mapping[str, Any]
    rows: Mapping[str, int]
    database: Path
    parquet: Path


def publish(
    warehouse: Warehouse,
    settings: Settings,
    roster: Roster,
    *,
    moment: datetime | None = None,
    run_id: str | None = None,
    versions: int = 2,
) -> Published:
    """Publish what the warehouse holds now.

    The warehouse is locked for the time of a plain copy of its file; the rest
    is made from that copy.

    Args:
        warehouse: What is published.
        settings: Says where the copy goes.
        roster: Says which districts analysts may see, and how.
        moment: The present, UTC without a zone; tests give another.
        run_id: The Dagster run, for the record.
        versions: How many Parquet folders stay, the new one included.

    Raises:
        NothingToPublishError: If nothing was ever loaded.
        NotPublishedError: If the disk is full or the copy cannot be made.
        WarehouseBusyError: If the warehouse does not come free.
    """
    if not warehouse.path.exists():
        raise NothingToPublishError(
            f"there is no warehouse at {warehouse.path} yet; pull a district first"
        )
    if read_state(warehouse).changed_at is None:
        raise NothingToPublishError(
            "nothing was loaded yet, so there is nothing to publish; pull a district first "
            "(aeries-pipeline status says what did not come)"
        )
    began = time.monotonic()
    place = private_directory(settings.published)
    with ExitStack() as stack:
        stack.enter_context(FileLock(private_directory(settings.locks) / "publish.lock"))
        clear(place)
        folder = stack.enter_context(scratch_folder(place))
        moment = moment or now()
        row: dict[str, Any] = dict.fromkeys(name for name, _kind in PUBLISHED_COLUMNS)
        row |= {
            "publication_id": new_id(moment),
            "published_at": moment,
            "districts": [one.id for one in roster.districts if one.analysts.access == "rows"],
            "counted_districts": [
                one.id for one in roster.districts if one.analysts.access == "counts"
            ],
            "settings": fingerprint(roster),
            "run_id": run_id,
        }
        with _saying_what_failed():
            row["data_until"], rows = _make(warehouse, folder, roster, row)
            row |= {
                "tables": len(rows),
                "rows": sum(rows.values()),
                "bytes": (folder / DATABASE).stat().st_size,
            }
            before = _linked(place)
            _put_in_place(folder, place, str(row["publication_id"]), roster)
            _keep(place, versions, before)
        row["seconds"] = round(time.monotonic() - began, 3)
        _record(warehouse, row)
    return Published(row, rows, place / DATABASE, place / PARQUET)


def _linked(place: Path) -> str | None:
    """Return the name of the Parquet folder that analysts see; None before the first."""
    link = place / PARQUET
    return link.readlink().name if link.is_symlink() else None


def _keep(place: Path, versions: int, before: str | None) -> None:
    """Remove older Parquet folders; some stay for whoever is reading them.

    What a publication that was killed had put beside them was never seen by
    anybody and is no older version.
    """
    now_linked = _linked(place)
    seen = [one for one in sorted(place.glob(f"{_VERSION}*")) if one.name != now_linked]
    unseen = [one for one in seen if before is None or one.name > before]
    older = [one for one in seen if one not in unseen]
    for old in (*unseen, *older[: max(len(older) - (versions - 1), 0)]):
        shutil.rmtree(old)


@contextmanager
def _saying_what_failed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
    except duckdb.Error as error:
        # The message of the database may quote a value of a row.
        why = diagnose(error).cause
    else:
        return
    raise NotPublishedError(
        f"the analysts' copy could not be made ({why}); the last one is as it was; see whether "
        "the disk is full, then run: aeries-pipeline publish"
    ) from None


def _make(
    warehouse: Warehouse, folder: Path, roster: Roster, row: Mapping[str, Any]
) -> tuple[datetime | None, dict[str, int]]:
    """Make database and Parquet files; return until when they tell, and rows by table."""
    source = folder / "source.duckdb"
    warehouse.copy_to(source)
    target = folder / DATABASE
    with warehouse.connect() as connection:
        connection.execute(f"ATTACH {literal(str(source))} AS source")
        connection.execute(
            f"ATTACH {literal(str(target))} AS {NAME} (STORAGE_VERSION {literal(STORAGE_VERSION)})"
        )
        until = fill(connection, "source", roster.districts, row)
        rows = _write_parquet(connection, folder / PARQUET)
        connection.execute("USE memory")
        connection.execute("DETACH source")
        connection.execute(f"CHECKPOINT {NAME}")
        connection.execute(f"DETACH {NAME}")
    source.unlink()
    return until, rows


def _write_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    folder.mkdir(mode=0o700)
    words = titles()
    rows = {}
    for name in names(connection):
        schema, _, table = name.partition(".")
        path = literal(str(folder / f"{name}.parquet"))
        written = connection.execute(
            f"COPY (SELECT * FROM {schema}.{quoted(table)}) TO {path} (FORMAT parquet, "
            f"COMPRESSION zstd, KV_METADATA {{description: {literal(words[name])}}})"
        ).fetchone()
        rows[name] = int(written[0]) if written else 0
    return rows


def _put_in_place(folder: Path, place: Path, name: str, roster: Roster) -> None:
    """Make everything private and durable, then rename it to where analysts look."""
    shared = roster.publish.readable_by_group
    file_mode, folder_mode = (0o640, 0o750) if shared else (0o600, 0o700)
    place.chmod(folder_mode)
    for one in (*folder.rglob("*"), folder):
        one.chmod(folder_mode if one.is_dir() else file_mode)
        sync(one)
    version = place / f"{_VERSION}{name}"
    link = folder / "link"
    link.symlink_to(version.name, target_is_directory=True)
    (folder / PARQUET).rename(version)
    # Somebody who opened the last copy for writing may have left a log, which is not this one's.
    (place / f"{DATABASE}.wal").unlink(missing_ok=True)
    (folder / DATABASE).replace(place / DATABASE)
    link.replace(place / PARQUET)
    sync(place)


def _record(warehouse: Warehouse, row: Mapping[str, Any]) -> None:
    with writing(warehouse, "the record of publications", "publish again") as connection:
        prepare(connection)
        insert_rows(
            connection,
            "meta.published",
            PUBLISHED_COLUMNS,
            [[row[name] for name, _kind in PUBLISHED_COLUMNS]],
        )
        # The same views for whoever queries the warehouse by the command line.
        present = {name: RAW[name] for name in RAW if table_exists(connection, *name.split("."))}
        make_tables(connection, CATALOG, present)
        accounts.prepare(connection)
        requests.prepare(connection)
        make_views(connection, CATALOG)
