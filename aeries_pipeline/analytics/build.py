"""Creates the views of ``analytics`` in a database, with a comment on each of their columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import duckdb

from aeries_pipeline.analytics.registry import COUNTS, VIEWS
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import columns_of, literal, quoted
from aeries_pipeline.stores.history import history_columns

COUNTED = "counted"
"""Schema of the rows of districts whose students may only be counted."""

_RAW = re.compile(r"\b(?:raw|history)\.(\w+)")
_TABLES = {
    **{f"raw.{t.name}": columns_of(t) for one in RESOURCES.values() for t in one.tables},
    **{f"history.{t.name}": history_columns(t) for one in RESOURCES.values() for t in one.tables},
}


def make_views(
    connection: duckdb.DuckDBPyConnection, catalog: str, *, counted: bool = False
) -> None:
    """Make every view in the current database, in place of older ones.

    Args:
        connection: Whose current database is ``catalog``; the schemas and the
            tables of ``core`` and ``meta`` are there. A raw table that was
            never pulled is read as an empty one.
        catalog: Name of the database.
        counted: Whether the schema ``counted`` has a table for each view of
            counts, whose rows are part of it.
    """
    found = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = $name "
        "AND schema_name IN ('raw', 'history') "
        "UNION ALL SELECT schema_name || '.' || view_name FROM duckdb_views() "
        "WHERE database_name = $name AND schema_name IN ('raw', 'history')",
        {"name": catalog},
    ).fetchall()
    present = {name for (name,) in found}
    counts = {one.name for one in COUNTS}
    for view in VIEWS.values():
        query = with_empty_tables(view.query, present)
        if counted and view.name in counts:
            names = ", ".join(quoted(column.name) for column in view.columns)
            query = f"{query} UNION ALL SELECT {names} FROM {COUNTED}.{quoted(view.name)}"
        connection.execute(f"CREATE OR REPLACE VIEW {view.full_name} AS {query}")
        meanings = {column.name: column.meaning for column in view.columns}
        comment(connection, "VIEW", view.full_name, view.title, meanings)


def with_empty_tables(query: str, present: Collection[str]) -> str:
    """Return a query in which raw tables that are not there are empty ones."""

    def table(match: re.Match[str]) -> str:
        name = match.group(0)
        if name in present:
            return match.group(0)
        columns = ", ".join(
            f"CAST(NULL AS {kind}) AS {quoted(column)}" for column, kind in _TABLES[name]
        )
        return f"(SELECT {columns} WHERE false)"

    return _RAW.sub(table, query)


def comment(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    name: str,
    title: str,
    meanings: Mapping[str, str],
) -> None:
    """Put a comment on a table or view and on each of its columns."""
    connection.execute(f"COMMENT ON {kind} {name} IS {literal(title)}")
    for column, meaning in meanings.items():
        connection.execute(f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(meaning)}")
