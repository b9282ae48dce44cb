"""One transaction on the warehouse, and appending rows of Python values to a table.

What is written, and when, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.diagnose import Trouble, diagnose

_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
    "INTEGER[]": pa.list_(pa.int32()),
    "JSON": pa.string(),
}


@contextmanager
def writing(
    warehouse: Warehouse, what: str, again: str = "compute again"
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in a transaction that is committed when the body ends.

    Args:
        warehouse: Locked all the while.
        what: District and table, for the message.
        again: What to do once that is mended.

    Raises:
        WarehouseUnusableError: If the database fails; it is as it was before.
    """
    with warehouse.open() as connection, at_once(connection, what, again):
        yield connection


@contextmanager
def at_once(
    connection: duckdb.DuckDBPyConnection, what: str, again: str, *passed_on: Trouble
) -> Iterator[None]:
    """Commit what the body writes, or undo it.

    Args:
        connection: On the warehouse, without a transaction.
        what: District and table, for the message.
        again: What to do once that is mended.
        passed_on: Troubles that whoever called knows what to do about.

    Raises:
        WarehouseUnusableError: If the database fails; it is as it was before.
    """
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except (duckdb.Error, pa.ArrowException) as error:
        # The message of the database may quote a value of a row.
        found = diagnose(error)
        if found.trouble in {Trouble.DAMAGED, *passed_on}:
            raise
        raise WarehouseUnusableError(
            f"{what}: the warehouse cannot be written ({found.cause}); nothing was "
            f"changed; {found.remedy}, then {again}"
        ) from None


def insert_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Append rows, whose values stand in the order of the columns.

    Args:
        connection: On the warehouse.
        table: Name with its schema.
        columns: Names and DuckDB types.
        rows: May be empty.
    """
    if not rows:
        return
    arrays = [
        pa.array([row[place] for row in rows], _ARROW[kind])
        for place, (_name, kind) in enumerate(columns)
    ]
    connection.register("incoming", pa.table(arrays, names=[name for name, _kind in columns]))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")
