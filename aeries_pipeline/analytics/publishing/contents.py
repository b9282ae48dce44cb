"""What a copy for analysts holds: its empty tables and views, and one district's rows.

A district's rows come from a private copy of its warehouse. What is in it is a
list, not everything: the raw tables, accounts, changes and course requests of
the districts that let analysts see rows; counts of those that do not; the
ledger; the views. Quarantine, free texts of decisions and the digests of
answers stay behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.accounts.left_out import NotSharedError, find_left_out
from aeries_pipeline.analytics.build import COUNTED, comment, make_views
from aeries_pipeline.analytics.cells import suppressed
from aeries_pipeline.analytics.dictionary import DICTIONARY_COLUMNS, entries, titles
from aeries_pipeline.analytics.publishing.copy import is_all_published
from aeries_pipeline.analytics.publishing.due import changed_at
from aeries_pipeline.analytics.publishing.tables import PUBLISHED_COLUMNS
from aeries_pipeline.analytics.registry import COUNTS, VIEWS
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import columns_of, create_raw, quoted
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import tables_of
from aeries_pipeline.stores.diagnose import lacks_memory
from aeries_pipeline.stores.history import SCHEMA, history_columns
from aeries_pipeline.stores.ledger_columns import PULLS_COLUMNS
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows
from aeries_pipeline.stores.versions import make_tables

NAME = "aeries"
"""Name of the published database, and of its file without the ending."""

CORE = (
    "core.accounts",
    "core.enrollment_counts",
    "core.account_changes",
    "core.course_requests",
    "core.course_request_files",
    "core.course_request_exports",
)
RAW = {f"raw.{table.name}": columns_of(table) for one in RESOURCES.values() for table in one.tables}
"""Columns of every raw table. One that an older release has made may lack some."""

STUDENT_KEYS = ("student_id", "StudentID")
"""Columns that say of whom a row is."""

OTHER_KEYS = ("related_student_id", "OldStudentID")
"""Columns that point from another student's row to this one."""

HISTORY = {
    f"{SCHEMA}.{table.name}": history_columns(table)
    for one in RESOURCES.values()
    for table in one.tables
}
"""Columns of every table of closed years."""

LEDGER = tuple((name, kind) for name, kind in PULLS_COLUMNS if name != "answers")
_SIZES = ("rows", "quarantined", "duplicates", "conflicts", "changed", "removed", "missed")


def prepare_source(
    connection: duckdb.DuckDBPyConnection, catalog: str, *, with_views: bool
) -> datetime | None:
    """Make everything that queries may need in a private copy of the warehouse.

    Args:
        connection: Has it attached.
        catalog: Under this name.
        with_views: Whether views are asked for, and not tables alone.

    Returns:
        When the newest of it changed.
    """
    connection.execute(f"USE {catalog}")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{SCHEMA}")
    make_tables(connection, catalog, {**RAW, **HISTORY})
    accounts.prepare(connection)
    requests.prepare(connection)
    if with_views:
        make_views(connection, catalog)
    return changed_at(connection, catalog)


def make_empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every table and view of the copy in an attached, empty database named ``aeries``."""
    connection.execute(f"USE {NAME}")
    for schema in ("raw", SCHEMA, "core", "meta", "analytics", COUNTED):
        connection.execute(f"CREATE SCHEMA {schema}")
    for resource in RESOURCES.values():
        for table in resource.tables:
            connection.execute(create_raw(table, NAME))
    make_tables(connection, NAME, HISTORY)
    body = ", ".join(f"{name} {kind}" for name, kind in LEDGER)
    connection.execute(f"CREATE TABLE meta.pulls ({body})")
    accounts.prepare(connection)
    requests.prepare(connection)
    for name in accounts.PRIVATE_VIEWS:
        connection.execute(f"DROP VIEW {name}")
    for name in (*accounts.TABLES, *requests.TABLES):
        if name not in CORE:
            connection.execute(f"DROP TABLE {name}")
    for view in COUNTS:
        columns = ", ".join(f"{quoted(column.name)} {column.kind}" for column in view.columns)
        connection.execute(f"CREATE TABLE {COUNTED}.{quoted(view.name)} ({columns})")
    make_views(connection, NAME, counted=True)
    _describe(connection)


def fill(connection: duckdb.DuckDBPyConnection, source: str, district: District) -> datetime | None:
    """Copy a district into an attached database that :func:`make_empty` has made.

    Args:
        connection: Has both databases attached.
        source: Name of the private copy of the district's warehouse.
        district: Says what analysts may see of it.

    Returns:
        Until when it tells.

    Raises:
        NotSharedError: If it is not certain who may be in it.
    """
    until = prepare_source(connection, source, with_views=district.analysts.access == "counts")
    if not is_all_published(district):
        _leave_out(connection, source, district)
    connection.execute(f"USE {NAME}")
    if district.analysts.access == "rows":
        _copy_raw(connection, source, district.id)
        _copy_core(connection, source, district.id)
        _copy_ledger(connection, source, district.id, None)
    elif district.analysts.access == "counts":
        _copy_ledger(connection, source, district.id, district.analysts.smallest_count)
        _count(connection, source, district)
    return until


def _leave_out(connection: duckdb.DuckDBPyConnection, source: str, district: District) -> None:
    """Take those out of the private copy who are not shared; counts are then without them, too.

    The rows are looked at as they are now: they may be newer than the accounts.
    """
    found = find_left_out(connection, district, now(), source)
    if found.trouble:
        raise NotSharedError(
            f"not published anew, because {found.trouble}; see: aeries-pipeline accounts share "
            f"{district.id}"
        )
    ids = pa.table({"student_id": pa.array(list(found.causes), pa.int64())})
    connection.register("not_shared", ids)
    for (schema, table), columns in tables_of(connection, source).items():
        name = f"{source}.{schema}.{quoted(table)}"
        for key in columns:
            test = f"{quoted(key)} IN (SELECT student_id FROM not_shared)"
            if key in STUDENT_KEYS:
                connection.execute(f"DELETE FROM {name} WHERE {test}")
            elif key in OTHER_KEYS:
                connection.execute(f"UPDATE {name} SET {quoted(key)} = NULL WHERE {test}")
    connection.unregister("not_shared")


def note_publication(connection: duckdb.DuckDBPyConnection, publication: Mapping[str, Any]) -> None:
    """Say in an attached copy which publication it is."""
    connection.execute(f"DELETE FROM {NAME}.meta.published")
    values = [[publication[name] for name, _kind in PUBLISHED_COLUMNS]]
    insert_rows(connection, f"{NAME}.meta.published", PUBLISHED_COLUMNS, values)


def _copy_raw(connection: duckdb.DuckDBPyConnection, source: str, district: str) -> None:
    for name, kinds in {**RAW, **HISTORY}.items():
        columns = ", ".join(quoted(column) for column, _kind in kinds)
        rows = f"{source}.{name} WHERE district = ?"
        insert = f"INSERT INTO {name} BY NAME SELECT {columns} FROM {rows}"
        try:
            connection.execute(f"{insert} ORDER BY school", [district])
        except duckdb.Error as error:
            if not lacks_memory(error):
                raise
            # What cannot be sorted whole is copied school by school.
            for (school,) in connection.execute(
                f"SELECT DISTINCT school FROM {rows} ORDER BY school", [district]
            ).fetchall():
                connection.execute(
                    f"{insert} AND school IS NOT DISTINCT FROM ?", [district, school]
                )


def _copy_core(connection: duckdb.DuckDBPyConnection, source: str, district: str) -> None:
    for name in CORE:
        connection.execute(
            f"INSERT INTO {name} BY NAME SELECT * FROM {source}.{name} WHERE district = ?",
            [district],
        )


def _copy_ledger(
    connection: duckdb.DuckDBPyConnection, source: str, district: str, least: int | None
) -> None:
    """Copy the ledger; how many rows a list has is a count of students as well.

    Args:
        connection: Has both databases attached.
        source: Name of the private copy.
        district: District id.
        least: Counts below this one are hidden; None hides none.
    """
    columns = [
        f"CASE WHEN {name} BETWEEN 1 AND {least - 1} THEN NULL ELSE {name} END AS {name}"
        if least is not None and name in _SIZES
        else name
        for name, _kind in LEDGER
    ]
    connection.execute(
        f"INSERT INTO meta.pulls BY NAME SELECT {', '.join(columns)} FROM {source}.meta.pulls "
        "WHERE district = ? ORDER BY finished_at",
        [district],
    )


def _count(connection: duckdb.DuckDBPyConnection, source: str, district: District) -> None:
    for view in COUNTS:
        # The views of the copy are bound in the copy.
        connection.execute(f"USE {source}")
        rows = f"(SELECT * FROM {view.full_name} WHERE district = $district)"
        query = suppressed(view, rows, district.analysts.smallest_count)
        connection.execute(
            f"INSERT INTO {NAME}.{COUNTED}.{quoted(view.name)} BY NAME {query}",
            {"district": district.id},
        )
        connection.execute(f"USE {NAME}")


def _describe(connection: duckdb.DuckDBPyConnection) -> None:
    """Comment every table, and write the data dictionary."""
    columns = {"meta.published": PUBLISHED_COLUMNS, "meta.data_dictionary": DICTIONARY_COLUMNS}
    make_tables(connection, NAME, columns)
    rows = [one.row for one in entries()]
    insert_rows(connection, "meta.data_dictionary", DICTIONARY_COLUMNS, rows)
    words = titles()
    for name in words:
        if not name.startswith("analytics."):
            schema, _, table = name.partition(".")
            meanings = {
                one.column_name: one.meaning
                for one in entries()
                if (one.schema_name, one.table_name) == (schema, table)
            }
            kind = "VIEW" if name in accounts.VIEWS or name in requests.VIEWS else "TABLE"
            comment(connection, kind, f"{schema}.{quoted(table)}", words[name], meanings)


def tables_with_rows(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """Return the tables of a copy whose rows are of districts, with their schemas, quoted."""
    return [
        f"{schema}.{quoted(table)}"
        for (schema, table), columns in tables_of(connection, catalog).items()
        if "district" in columns
    ]


def names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the tables of the filled database, then the views for analysts."""
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ? "
        "AND schema_name <> ? ORDER BY ALL",
        [NAME, COUNTED],
    ).fetchall()
    return [*(name for (name,) in tables), *(view.full_name for view in VIEWS.values())]
