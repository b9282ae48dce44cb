"""``aeries-pipeline sql``: one query on the warehouse or on the analysts' copy, reading only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from rich.console import Console
from rich.table import Table

from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError


class BadQueryError(Exception):
    """The database does not understand the query; the message is its own."""


def run_query(settings: Settings, query: str, console: Console, *, published: bool) -> None:
    """Run a query and print its rows.

    Raises:
        WarehouseUnusableError: If there is nothing to ask yet.
        BadQueryError: If the query is wrong.
    """
    with _connection(settings, published=published) as connection:
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            cursor = connection.execute(query)
        except duckdb.Error as error:
            raise BadQueryError(str(error).splitlines()[0]) from None
        table = Table(*(str(column[0]) for column in cursor.description or []))
        for row in cursor.fetchall():
            table.add_row(*("" if value is None else str(value) for value in row))
        connection.execute("ROLLBACK")
    console.print(table)


@contextmanager
def _connection(settings: Settings, *, published: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    if published:
        path = settings.published / "aeries.duckdb"
        if not path.exists():
            raise WarehouseUnusableError(
                f"there is no copy for analysts at {path} yet; run: aeries-pipeline publish"
            )
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection
        return
    if not settings.warehouse.exists():
        raise WarehouseUnusableError(
            f"there is no warehouse at {settings.warehouse} yet; pull a district first"
        )
    with Warehouse(settings.warehouse).open() as connection:
        yield connection
