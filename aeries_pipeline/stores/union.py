"""Several warehouses queried as one, for a person; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import duckdb

from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.connection import SCHEMAS, tables_of
from aeries_pipeline.stores.memory import open_duckdb
from aeries_pipeline.stores.store import Store

MEMORY = "memory"
"""Name of the database in which the tables of all are views."""

_LEDGER = "ledger"
Columns = Sequence[tuple[str, str]]


@contextmanager
def in_one(
    store: Store, districts: Sequence[str], expected: Mapping[str, Columns] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in which each table is a view of that table in every warehouse.

    The ledger's own tables are there as well. The warehouses are locked all the while,
    in the order of their names.

    Args:
        store: The warehouses.
        districts: Which of them; each has one.
        expected: Columns of tables by name with schema; those that every warehouse
            lacks, since an older release has made its tables, are empty.

    Raises:
        WarehouseBusyError: If one does not come free.
        WarehouseUnusableError: If one cannot be read.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(open_duckdb(store.folder))
        parts: dict[tuple[str, str], list[str]] = {}
        held: dict[tuple[str, str], set[str]] = {}
        for place, district in enumerate(sorted(districts)):
            name = f"district_{place}"
            stack.enter_context(store.warehouse(district).attached(connection, name))
            for (schema, table), columns in tables_of(connection, name).items():
                parts.setdefault((schema, table), []).append(f"{name}.{schema}.{quoted(table)}")
                held.setdefault((schema, table), set()).update(columns)
        if store.ledger.exists():
            stack.enter_context(store.ledger.attached(connection, _LEDGER))
            for schema, table in tables_of(connection, _LEDGER):
                # Those tables alone that no district has.
                parts.setdefault((schema, table), [f"{_LEDGER}.{schema}.{quoted(table)}"])
        for schema in SCHEMAS:
            connection.execute(f"CREATE SCHEMA {MEMORY}.{schema}")
        for (schema, table), names in parts.items():
            query = " UNION ALL BY NAME ".join(f"SELECT * FROM {one}" for one in names)
            empty = [
                f"CAST(NULL AS {kind}) AS {quoted(column)}"
                for column, kind in (expected or {}).get(f"{schema}.{table}", ())
                if column not in held.get((schema, table), {column})
            ]
            if empty:
                query = f"SELECT *, {', '.join(empty)} FROM ({query})"
            connection.execute(f"CREATE VIEW {MEMORY}.{schema}.{quoted(table)} AS {query}")
        connection.execute(f"USE {MEMORY}")
        yield connection
