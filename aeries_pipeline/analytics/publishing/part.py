"""One district's part of the analysts' copy: a database of its own, and its Parquet files.

The part is what analysts of that district alone are given. It is made from a private copy
of the district's warehouse, so the pipeline waits only while a file is copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

from aeries_pipeline.analytics.dictionary import entries, titles
from aeries_pipeline.analytics.publishing.contents import (
    LEDGER,
    NAME,
    RAW,
    fill,
    make_empty,
    names,
    note_publication,
)
from aeries_pipeline.analytics.publishing.copy import Held
from aeries_pipeline.analytics.registry import VIEWS
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import copy_file
from aeries_pipeline.stores.diagnose import lacks_memory
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.store import Store

STORAGE_VERSION = "v1.4.0"
"""The oldest DuckDB that can read the copy."""

OF_ALL = "all"
"""Name of the Parquet file of a table that is no district's."""

EMPTY = "empty"
"""Name of a Parquet file without rows: every table and view has one, for its columns."""

_SMALL_GROUP = 8192
"""Rows of a group of a Parquet file, where memory is short."""

_OF_NO_DISTRICT = {"meta.published", "meta.data_dictionary"}
CHARTS = {
    "students_now": "SELECT district, count(*) FILTER (is_main_school)",
    "on_track_by_school": "SELECT district, coalesce(sum(students), 0)",
    "account_changes_by_day": "SELECT kind, coalesce(sum(students), 0)",
    "data_quality": "SELECT status, count(*)",
    "pull_history": "SELECT status, count(*)",
}
"""What is drawn of a view: a label and a number."""


def shape_of() -> str:
    """Return a short hash of everything in a copy except its rows."""
    views = [(view.full_name, view.query, view.title) for view in VIEWS.values()]
    told = [one.row for one in entries()]
    text = json.dumps([views, told, titles(), sorted(RAW), LEDGER, STORAGE_VERSION], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_template(path: Path) -> dict[str, int]:
    """Make a copy without rows, and return how many rows of no district it has, by table."""
    with open_beside(path) as connection:
        connection.execute(
            f"ATTACH {literal(str(path))} AS {NAME} (STORAGE_VERSION {literal(STORAGE_VERSION)})"
        )
        make_empty(connection)
        found = dict.fromkeys(names(connection), 0)
        ((found["meta.data_dictionary"],),) = connection.execute(
            f"SELECT count(*) FROM {NAME}.meta.data_dictionary"
        ).fetchall()
        connection.execute("USE memory")
        connection.execute(f"DETACH {NAME}")
    return found


def make_part(
    store: Store,
    district: District,
    folder: Path,
    template: Path,
    publication: Mapping[str, Any],
    settings: str,
) -> Held:
    """Make a district's database and Parquet files in a hidden folder.

    Args:
        store: The warehouses.
        district: Whose, and what analysts may see of it.
        folder: Has the folders ``districts`` and ``parquet``.
        template: A copy without rows.
        publication: The row of ``meta.published``, as far as it is known; until
            when it tells at least.
        settings: What analysts may see of it, for the note beside the copy.

    Returns:
        What it holds.

    Raises:
        WarehouseBusyError: If the warehouse does not come free.
        WarehouseUnusableError: If it cannot be read.
        NotSharedError: If it is not certain who may be in it.
        duckdb.Error: If the part cannot be written.
    """
    source, target = folder / "source.duckdb", folder / "districts" / f"{district.id}.duckdb"
    store.warehouse(district.id).copy_to(source)
    with ExitStack() as undo:
        undo.callback(source.unlink, missing_ok=True)
        # What is half made must not take the place of what the last copy has.
        unmake = undo.enter_context(ExitStack())
        unmake.callback(_remove_part, folder, target, district.id)
        copy_file(template, target)
        with open_beside(source) as connection:
            connection.execute(f"ATTACH {literal(str(source))} AS source")
            connection.execute(f"ATTACH {literal(str(target))} AS {NAME}")
            moments = (fill(connection, "source", district), publication["data_until"])
            until = max((one for one in moments if one is not None), default=None)
            note_publication(connection, {**publication, "data_until": until})
            rows = _write_parquet(connection, folder / "parquet", district.id)
            charts = _count_charts(connection)
            connection.execute("USE memory")
            connection.execute("DETACH source")
            connection.execute(f"CHECKPOINT {NAME}")
            connection.execute(f"DETACH {NAME}")
        unmake.pop_all()
    if not rows:
        target.unlink()
    return Held(until, settings, rows, "", charts)


def _remove_part(folder: Path, target: Path, district: str) -> None:
    target.unlink(missing_ok=True)
    target.with_name(f"{target.name}.wal").unlink(missing_ok=True)
    for path in (folder / "parquet").glob(f"*/{district}.parquet"):
        path.unlink()


def parquet_of(folder: Path, name: str) -> Path:
    """Return the folder of a table's or view's Parquet files; it is made if missing.

    It is named like a file, so that what reads one reads the folder.
    """
    place = folder / f"{name}.parquet"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def write_constant_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the tables of no district, and an empty file of every other table and view."""
    for name in names(connection):
        place = parquet_of(folder, name)
        if name in _OF_NO_DISTRICT:
            _copy_out(connection, name, place / f"{OF_ALL}.parquet", "")
        else:
            _copy_out(connection, name, place / f"{EMPTY}.parquet", " LIMIT 0")


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, folder: Path, district: str
) -> dict[str, int]:
    """Write a file for each table and view that has rows, and return how many each has."""
    rows = {}
    for name in names(connection):
        if name in _OF_NO_DISTRICT:
            continue
        path = parquet_of(folder, name) / f"{district}.parquet"
        number = _copy_out(connection, name, path, "")
        if number:
            rows[name] = number
        else:
            path.unlink()
    return rows


def _copy_out(connection: duckdb.DuckDBPyConnection, name: str, path: Path, tail: str) -> int:
    schema, _, table = name.partition(".")
    copy = (
        f"COPY (SELECT * FROM {NAME}.{schema}.{quoted(table)}{tail}) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION zstd, "
        f"KV_METADATA {{description: {literal(titles()[name])}}}"
    )
    try:
        written = connection.execute(f"{copy})").fetchone()
    except duckdb.Error as error:
        if not lacks_memory(error):
            raise
        # Each thread holds a group of rows until it is full.
        connection.execute("SET threads = 1")
        written = connection.execute(f"{copy}, ROW_GROUP_SIZE {_SMALL_GROUP})").fetchone()
    return int(written[0]) if written else 0


def _count_charts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    return {
        view: {
            str(label): int(number)
            for label, number in connection.execute(
                f"{query} FROM {NAME}.analytics.{view} GROUP BY 1 ORDER BY 1"
            ).fetchall()
        }
        for view, query in CHARTS.items()
    }
