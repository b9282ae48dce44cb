"""Fills the analysts' database from a private copy of the warehouse.

What is in it is a list, not everything: the raw tables, accounts, changes and
course requests of the districts that let analysts see rows; counts of those
that do not; the ledger; the views. Quarantine, free texts of decisions and the
digests of answers stay behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.build import COUNTED, comment, make_views
from aeries_pipeline.analytics.cells import suppressed
from aeries_pipeline.analytics.dictionary import DICTIONARY_COLUMNS, entries, titles
from aeries_pipeline.analytics.publishing.due import changed_at
from aeries_pipeline.analytics.publishing.tables import PUBLISHED_COLUMNS
from aeries_pipeline.analytics.registry import COUNTS, VIEWS
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import columns_of, create_raw, quoted
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import PULLS_COLUMNS
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

LEDGER = tuple((name, kind) for name, kind in PULLS_COLUMNS if name != "answers")
_SIZES = ("rows", "quarantined", "duplicates", "conflicts", "changed", "removed", "missed")


def prepare_source(connection: duckdb.DuckDBPyConnection, catalog: str) -> datetime | None:
    """Make everything in a private copy of the warehouse that queries may ask for.

    Returns:
        When the newest of it changed.
    """
    connection.execute(f"USE {catalog}")
    make_tables(connection, catalog, RAW)
    accounts.prepare(connection)
    requests.prepare(connection)
    make_views(connection, catalog)
    return changed_at(connection, catalog)


def fill(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    districts: Sequence[District],
    publication: Mapping[str, Any],
) -> datetime | None:
    """Fill an attached, empty database named ``aeries``, and tell until when it tells.

    Args:
        connection: Has both databases attached.
        source: Name of the private copy of the warehouse.
        districts: The roster's.
        publication: The row for ``meta.published``; what is not known yet is None.
    """
    until = prepare_source(connection, source)
    connection.execute(f"USE {NAME}")
    for schema in ("raw", "core", "meta", "analytics", COUNTED):
        connection.execute(f"CREATE SCHEMA {schema}")
    whole = [one.id for one in districts if one.analysts.access == "rows"]
    counted = [one for one in districts if one.analysts.access == "counts"]
    _copy_raw(connection, source, whole)
    _copy_ledger(connection, source, whole, counted)
    _copy_core(connection, source, whole)
    _count(connection, source, counted)
    make_views(connection, NAME, counted=True)
    _describe(connection)
    insert_rows(
        connection,
        "meta.published",
        PUBLISHED_COLUMNS,
        [[{**publication, "data_until": until}[name] for name, _kind in PUBLISHED_COLUMNS]],
    )
    return until


def _copy_raw(connection: duckdb.DuckDBPyConnection, source: str, districts: Sequence[str]) -> None:
    for resource in RESOURCES.values():
        for table in resource.tables:
            name = quoted(table.name)
            columns = ", ".join(quoted(column) for column, _kind in columns_of(table))
            connection.execute(create_raw(table, NAME))
            connection.execute(
                f"INSERT INTO raw.{name} BY NAME SELECT {columns} FROM {source}.raw.{name} "
                "WHERE list_contains(?, district) ORDER BY district, school",
                [list(districts)],
            )


def _copy_core(
    connection: duckdb.DuckDBPyConnection, source: str, districts: Sequence[str]
) -> None:
    accounts.prepare(connection)
    requests.prepare(connection)
    for name in accounts.PRIVATE_VIEWS:
        connection.execute(f"DROP VIEW {name}")
    for name in (*accounts.TABLES, *requests.TABLES):
        if name not in CORE:
            connection.execute(f"DROP TABLE {name}")
            continue
        connection.execute(
            f"INSERT INTO {name} BY NAME SELECT * FROM {source}.{name} "
            "WHERE list_contains(?, district) ORDER BY district",
            [list(districts)],
        )


def _copy_ledger(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    districts: Sequence[str],
    counted: Sequence[District],
) -> None:
    body = ", ".join(f"{name} {kind}" for name, kind in LEDGER)
    names = ", ".join(name for name, _kind in LEDGER)
    connection.execute(f"CREATE OR REPLACE TABLE meta.pulls ({body})")
    query = f"INSERT INTO meta.pulls BY NAME SELECT {{}} FROM {source}.meta.pulls "
    order = " ORDER BY finished_at"
    connection.execute(
        query.format(names) + "WHERE list_contains(?, district)" + order, [list(districts)]
    )
    for district in counted:
        # How many rows a list has is a count of students as well.
        least = district.analysts.smallest_count
        hidden = [
            f"CASE WHEN {name} BETWEEN 1 AND {least - 1} THEN NULL ELSE {name} END AS {name}"
            if name in _SIZES
            else name
            for name, _kind in LEDGER
        ]
        connection.execute(
            query.format(", ".join(hidden)) + "WHERE district = ?" + order, [district.id]
        )


def _count(connection: duckdb.DuckDBPyConnection, source: str, counted: Sequence[District]) -> None:
    for view in COUNTS:
        body = ", ".join(f"{quoted(column.name)} {column.kind}" for column in view.columns)
        name = f"{NAME}.{COUNTED}.{quoted(view.name)}"
        connection.execute(f"CREATE TABLE {name} ({body})")
        for district in counted:
            # The views of the copy are bound in the copy.
            connection.execute(f"USE {source}")
            rows = f"(SELECT * FROM {view.full_name} WHERE district = $district)"
            query = suppressed(view, rows, district.analysts.smallest_count)
            connection.execute(f"INSERT INTO {name} BY NAME {query}", {"district": district.id})
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


def names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the tables of the filled database, then the views for analysts."""
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ? "
        "AND schema_name <> ? ORDER BY ALL",
        [NAME, COUNTED],
    ).fetchall()
    return [*(name for (name,) in tables), *(view.full_name for view in VIEWS.values())]
