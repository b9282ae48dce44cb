"""The tables and views of the analysts' lake, as the published copy has them. DDL only."""

from __future__ import annotations

import duckdb

from aeries_pipeline.analytics.publishing.contents import NAME
from aeries_pipeline.analytics.publishing.lake_access import LAKE
from aeries_pipeline.catalog.tables import literal, quoted

DISTRICTS = "meta.lake_districts"
"""Table of what the lake holds of each district, for the next publication."""

_COLUMNS = "district VARCHAR, part VARCHAR, settings VARCHAR, shape VARCHAR, tables VARCHAR[]"
_TITLE = "What the lake holds of each district; for the pipeline"

_TABLES = """
SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE database_name = ? ORDER BY ALL
"""
_VIEWS = """
SELECT schema_name, view_name, sql, comment FROM duckdb_views()
WHERE database_name = ? AND NOT internal ORDER BY view_oid
"""
_WORDS = """
SELECT c.schema_name, c.table_name, c.column_name, c.comment FROM duckdb_columns() AS c
JOIN duckdb_tables() AS t USING (database_name, schema_name, table_name)
WHERE c.database_name = ? AND c.comment IS NOT NULL
"""


def make_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every table and view of the copy in the lake, in place of what is there.

    Tables that are no district's are filled. Columns of views have no comments in
    a lake; the data dictionary says what they mean.
    """
    connection.execute(f"USE {LAKE}")
    _drop(connection)
    tables = connection.execute(_TABLES, [NAME]).fetchall()
    views = connection.execute(_VIEWS, [NAME]).fetchall()
    for schema in sorted({one[0] for one in (*tables, *views)}):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {LAKE}.{schema}")
    for schema, table, comment in tables:
        name = f"{schema}.{quoted(table)}"
        connection.execute(f"CREATE TABLE {LAKE}.{name} AS FROM {NAME}.{name} LIMIT 0")
        _comment(connection, f"TABLE {LAKE}.{name}", comment)
    for schema, table, column, comment in connection.execute(_WORDS, [NAME]).fetchall():
        place = f"{LAKE}.{schema}.{quoted(table)}.{quoted(column)}"
        _comment(connection, f"COLUMN {place}", comment)
    connection.execute(f"CREATE TABLE {LAKE}.{DISTRICTS} ({_COLUMNS})")
    _comment(connection, f"TABLE {LAKE}.{DISTRICTS}", _TITLE)
    dictionary = "meta.data_dictionary"
    connection.execute(f"INSERT INTO {LAKE}.{dictionary} FROM {NAME}.{dictionary}")
    _make_views(connection, [(schema, view, query) for schema, view, query, _comment in views])
    for schema, view, _query, comment in views:
        _comment(connection, f"VIEW {LAKE}.{schema}.{quoted(view)}", comment)


def _make_views(connection: duckdb.DuckDBPyConnection, views: list[tuple[str, str, str]]) -> None:
    """Make views that read one another, each after those that it reads.

    Raises:
        duckdb.Error: If one cannot be made.
    """
    while views:
        left = []
        for view in views:
            try:
                connection.execute(view[2])
            except duckdb.CatalogException:
                left.append(view)
        if len(left) == len(views):
            connection.execute(left[0][2])
        views = left


def _drop(connection: duckdb.DuckDBPyConnection) -> None:
    for schema, view, _query, _comment in connection.execute(_VIEWS, [LAKE]).fetchall():
        connection.execute(f"DROP VIEW {LAKE}.{schema}.{quoted(view)}")
    for schema, table, _comment in connection.execute(_TABLES, [LAKE]).fetchall():
        connection.execute(f"DROP TABLE {LAKE}.{schema}.{quoted(table)}")


def _comment(connection: duckdb.DuckDBPyConnection, of: str, words: str | None) -> None:
    if words:
        connection.execute(f"COMMENT ON {of} IS {literal(words)}")
