"""The version of the warehouse's schema, and how an older file is upgraded.

A file is upgraded by the first process of a newer release that opens it, in one
transaction, after a copy of it was put among the backups. A release leaves a
file that is newer than itself alone. Tables of other packages get their new
columns from :func:`make_tables`, which these call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from aeries_pipeline.catalog.tables import quoted

SCHEMA_VERSION = 6
"""Of this release. 1 is release 0.1, which did not say so."""

_REPEATED = r" \(''.*''\)"
"""What a server had said, as versions before 3 repeated it; it may name a student."""

_TABLE = "meta.schema_version"
_MADE_ANEW = ("core", "analytics")
"""Schemas whose views are made by the code that knows them."""


class NewerSchemaError(RuntimeError):
    """The file was written by a newer release."""

    def __init__(self, found: int) -> None:
        """Say which version was found."""
        super().__init__(f"its schema is version {found}, this release knows {SCHEMA_VERSION}")


def version_of(connection: duckdb.DuckDBPyConnection, catalog: str) -> int:
    """Return the version of an attached file's schema; 0 for a file without any table."""
    names = {
        name
        for (name,) in connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ? "
            "AND schema_name = 'meta'",
            [catalog],
        ).fetchall()
    }
    if _TABLE not in names:
        return 1 if "meta.pulls" in names else 0
    found = connection.execute(f"SELECT max(version) FROM {catalog}.{_TABLE}").fetchone()
    return int(found[0]) if found and found[0] is not None else 1


def bring_up_to_date(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    found: int,
    schemas: Sequence[str],
    tables: Mapping[str, Sequence[tuple[str, str]]],
) -> None:
    """Bring a file from an older version to this release's, in one transaction.

    Args:
        connection: Has the file attached.
        catalog: Under this name.
        found: The file's version.
        schemas: Schemas that every warehouse has.
        tables: Tables of the warehouse itself with their columns.

    Raises:
        NewerSchemaError: If the file is newer than this release.
    """
    if found > SCHEMA_VERSION:
        raise NewerSchemaError(found)
    connection.execute("BEGIN")
    for schema in schemas:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")
    make_tables(connection, catalog, tables)
    # Views of an older release may name what is no longer there.
    for schema, name in connection.execute(
        "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = ? "
        "AND list_contains(?, schema_name)",
        [catalog, list(_MADE_ANEW)],
    ).fetchall():
        connection.execute(f"DROP VIEW {catalog}.{schema}.{name}")
    if 0 < found < 3:
        connection.execute(
            f"UPDATE {catalog}.meta.pulls SET reason = "
            f"regexp_replace(reason, '{_REPEATED}', '', 'g')"
        )
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {catalog}.{_TABLE} (version INTEGER, upgraded_at TIMESTAMP)"
    )
    connection.execute(
        f"INSERT INTO {catalog}.{_TABLE} VALUES (?, now() AT TIME ZONE 'UTC')", [SCHEMA_VERSION]
    )
    connection.execute("COMMIT")


def make_tables(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    tables: Mapping[str, Sequence[tuple[str, str]]],
) -> None:
    """Make tables where missing, and add the columns that an older release did not have.

    Args:
        connection: Has the database attached.
        catalog: Its name.
        tables: Columns and types by name with schema.
    """
    present: dict[str, set[str]] = {}
    for schema, name, column in connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE database_name = ?",
        [catalog],
    ).fetchall():
        present.setdefault(f"{schema}.{name}", set()).add(column)
    for name, columns in tables.items():
        if name not in present:
            body = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
            connection.execute(f"CREATE TABLE {catalog}.{name} ({body})")
            continue
        for column, kind in columns:
            if column not in present[name]:
                connection.execute(
                    f"ALTER TABLE {catalog}.{name} ADD COLUMN {quoted(column)} {kind}"
                )
