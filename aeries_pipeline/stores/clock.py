"""A clock that was ahead: what it left behind, and how that is repaired.

In the ledger, the order of times counts. A pull recorded a year ahead would be
the newest for a year: its responses would pass for the last ones, and anything
after it would be overlooked. So pulls stop while there are times from the
future, and :func:`mend` moves these back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb

from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.connection import CATALOG

TOLERANCE = timedelta(minutes=10)
"""Clocks of machines that share a data directory may differ by as much."""

_STATED = {("core.course_requests", "requested_at"), ("meta.sent", "due_at")}
"""Moments that a file states, and deadlines: they are not this machine's present."""


def furthest(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return the latest moment that this machine has noted; None in an empty warehouse."""
    found = []
    for name, columns in _moments(connection).items():
        for column in columns:
            row = connection.execute(f"SELECT max({quoted(column)}) FROM {name}").fetchone()
            if row and row[0] is not None:
                found.append(row[0])
    return max(found, default=None)


def is_ahead(moment: datetime | None, now: datetime) -> bool:
    """Tell whether a noted moment lies in the future, beyond what clocks may differ."""
    return moment is not None and moment > now + TOLERANCE


def mend(connection: duckdb.DuckDBPyConnection, now: datetime) -> timedelta | None:
    """Move every moment from the future back, so that the latest of them is now.

    All of them by the same time, which keeps their order and their distances.

    Args:
        connection: On the warehouse, in a transaction.
        now: The right present, UTC without a zone.

    Returns:
        By how much; None if nothing lies in the future.
    """
    latest = furthest(connection)
    if latest is None or not is_ahead(latest, now):
        return None
    shift = latest - now
    for name, columns in _moments(connection).items():
        for column in map(quoted, columns):
            connection.execute(
                f"UPDATE {name} SET {column} = {column} - $shift WHERE {column} > $now",
                {"shift": shift, "now": now},
            )
    return shift


def _moments(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the columns of moments that this machine notes, by table."""
    found: dict[str, list[str]] = {}
    for name, column in _columns(connection):
        found.setdefault(name, []).append(column)
    return found


def _columns(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    rows = connection.execute(
        "SELECT c.schema_name, c.table_name, c.column_name FROM duckdb_columns() AS c "
        "SEMI JOIN duckdb_tables() AS t ON t.table_oid = c.table_oid "
        "AND t.database_name = c.database_name AND t.schema_name = c.schema_name "
        "WHERE c.database_name = ? AND c.data_type = 'TIMESTAMP' "
        "AND (c.schema_name IN ('core', 'meta') OR c.column_name = '_pulled_at')",
        [CATALOG],
    ).fetchall()
    for schema, table, column in rows:
        if (f"{schema}.{table}", column) not in _STATED:
            yield f"{schema}.{quoted(table)}", column
