"""Closed school years: what the last complete pull of each partition had found.

When a list of a new school year is accepted, the rows that it replaces are
the closing year's last ones; they go to the schema ``history``, in the same
transaction. Within a year nothing is kept twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import columns_of, quoted
from aeries_pipeline.stores.connection import table_exists, tables_of
from aeries_pipeline.stores.outcomes import Fetched
from aeries_pipeline.stores.tables import make_table

SCHEMA = "history"
YEAR = ("school_year", "VARCHAR")
"""The column that tables of history have beside those of the raw table, as ``2026-2027``."""

_SAME = "t.district = d.district AND t.school IS NOT DISTINCT FROM d.school"


def history_columns(table: Table) -> tuple[tuple[str, str], ...]:
    """Return names and types of the table of closed years, in order."""
    return (YEAR, *columns_of(table))


def keep_closing_years(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    fetched: Sequence[Fetched],
    catalog: str,
) -> None:
    """Keep the rows of accepted partitions that are of another year than the new ones.

    Args:
        connection: Has the tables ``parts`` and ``accepted``, and a transaction open.
        resource: What was pulled.
        fetched: The partitions, in the order of ``parts``.
        catalog: The warehouse.
    """
    years = pa.array([one.draft.database_year for one in fetched], pa.string())
    parts = pa.array(range(len(fetched)), pa.int32())
    make_table(connection, "new_years", {"part": parts, "year": years})
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE closing AS "
        "SELECT p.district, p.school, n.year, arg_max(l.database_year, l.finished_at) AS was "
        "FROM parts p JOIN accepted USING (part) JOIN new_years n USING (part) "
        f"JOIN {catalog}.meta.pulls l ON l.district = p.district "
        "AND l.school IS NOT DISTINCT FROM p.school AND l.resource = ? AND l.status = 'complete' "
        "WHERE n.year IS NOT NULL GROUP BY ALL HAVING was <> n.year",
        [resource.name],
    )
    if not connection.execute("SELECT 1 FROM closing LIMIT 1").fetchone():
        return
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{SCHEMA}")
    for table in resource.tables:
        make_history(connection, table, catalog)
        name = f"{catalog}.{SCHEMA}.{quoted(table.name)}"
        # A year that comes back, after a wrong one was accepted, is in raw once more.
        connection.execute(
            f"DELETE FROM {name} t USING closing d "
            f"WHERE {_SAME} AND t.school_year IN (d.was, d.year)"
        )
        connection.execute(
            f"INSERT INTO {name} BY NAME SELECT d.was AS school_year, t.* "
            f"FROM {catalog}.raw.{quoted(table.name)} t JOIN closing d ON {_SAME}"
        )


def make_history(connection: duckdb.DuckDBPyConnection, table: Table, catalog: str) -> None:
    """Make the table of closed years where it is missing, with every column of today."""
    name = f"{catalog}.{SCHEMA}.{quoted(table.name)}"
    columns = history_columns(table)
    body = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({body})")
    present = tables_of(connection, catalog)[SCHEMA, table.name]
    for column, kind in columns:
        if column not in present:
            connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(column)} {kind}")


def forget_old_years(connection: duckdb.DuckDBPyConnection, catalog: str, years: int) -> int:
    """Remove years that are further back than so many before the newest; return the rows.

    Args:
        connection: Has the warehouse attached.
        catalog: Its name.
        years: Closed years that stay.
    """
    if not table_exists(connection, "meta", "pulls", catalog):
        return 0
    newest = connection.execute(
        f"SELECT max(TRY_CAST(left(database_year, 4) AS INTEGER)) FROM {catalog}.meta.pulls "
        "WHERE status = 'complete'"
    ).fetchone()
    if newest is None or newest[0] is None:
        return 0
    removed = 0
    for schema, table in tables_of(connection, catalog):
        if schema == SCHEMA:
            gone = connection.execute(
                f"DELETE FROM {catalog}.{SCHEMA}.{quoted(table)} "
                "WHERE TRY_CAST(left(school_year, 4) AS INTEGER) < ?",
                [newest[0] - years],
            ).fetchone()
            removed += int(gone[0]) if gone else 0
    return removed
