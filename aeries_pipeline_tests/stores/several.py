"""Warehouses of more districts, made from the one that a test has pulled."""

import shutil

from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.connection import CATALOG, tables_of
from aeries_pipeline.stores.store import Store

_DRAWN = {"pull_id", "_pull_id", "change_id", "batch_id", "file_id", "export_id"}


def copy_district(store: Store, district: str, name: str) -> None:
    """Give another district the same rows."""
    with store.warehouse(district).locked():
        shutil.copyfile(store.path(district), store.path(name))
    rename_rows(store, name, name)


def rename_rows(store: Store, file: str, name: str) -> None:
    with store.warehouse(file).open() as connection:
        for (schema, table), columns in tables_of(connection, CATALOG).items():
            if "district" in columns:
                # Ids are drawn by lot; two districts never have the same.
                ids = [f"{one} = {one} || ?" for one in columns if one in _DRAWN]
                connection.execute(
                    f"UPDATE {schema}.{quoted(table)} SET {', '.join(['district = ?', *ids])}",
                    [name] * (1 + len(ids)),
                )


def join_files(store: Store, target: str) -> None:
    """Write the rows of every warehouse into one file, as releases before 0.2 had them."""
    with store.warehouse(target).open() as connection:
        for district in store.districts():
            if district == target:
                continue
            connection.execute(f"ATTACH '{store.path(district)}' AS other (READ_ONLY)")
            for schema, table in tables_of(connection, "other"):
                name = f"{schema}.{quoted(table)}"
                if (schema, table) != ("meta", "schema_version"):
                    connection.execute(f"INSERT INTO {name} BY NAME FROM other.{name}")
            connection.execute("DETACH other")
