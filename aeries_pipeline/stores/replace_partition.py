"""Replacing: the rows of accepted partitions take the place of the last ones.

A refused partition keeps its last good rows. If a partition was read by changes, only the
records that were read again are replaced. The transaction is ``load``'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.catalog.tables import columns_of, create_quarantine, create_raw, quoted
from aeries_pipeline.stores.history import keep_closing_years
from aeries_pipeline.stores.judge import Status, Verdict
from aeries_pipeline.stores.outcomes import Fetched
from aeries_pipeline.stores.tables import bad_table, good_table, key_of, make_table


def make_raw_tables(
    connection: duckdb.DuckDBPyConnection, resource: Resource, catalog: str
) -> None:
    """Make missing tables, and add columns that the catalogue has gained."""
    for table in resource.tables:
        connection.execute(create_raw(table, catalog))
        connection.execute(create_quarantine(table, catalog))
        found = {
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM duckdb_columns() WHERE database_name = ? "
                "AND schema_name = 'raw' AND table_name = ?",
                [catalog, table.name],
            ).fetchall()
        }
        for name, kind in columns_of(table):
            if name not in found:
                connection.execute(
                    f"ALTER TABLE {catalog}.raw.{quoted(table.name)} "
                    f"ADD COLUMN {quoted(name)} {kind}"
                )


def replace_partitions(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    fetched: Sequence[Fetched],
    verdicts: Sequence[Verdict],
    catalog: str,
) -> None:
    """Replace the rows of accepted partitions, and what is in quarantine of all.

    Args:
        connection: With the tables that ``read``, ``validate`` and ``compare`` made, and a
            transaction open.
        resource: What was pulled.
        fetched: The partitions, in the order in which they were read.
        verdicts: One for each.
        catalog: Name of the warehouse.
    """
    accepted = [part for part, verdict in enumerate(verdicts) if verdict.status is Status.COMPLETE]
    make_table(connection, "accepted", {"part": pa.array(accepted, pa.int32())})
    keep_closing_years(connection, resource, fetched, catalog)
    for table in resource.tables:
        raw = f"{catalog}.raw.{quoted(table.name)}"
        _delete(connection, raw, "JOIN accepted USING (part) JOIN scope USING (part) WHERE whole")
        if resource.feed is not None:
            connection.execute(
                f"DELETE FROM {raw} t USING (SELECT p.district, p.school, r.key FROM parts p "
                "JOIN accepted USING (part) JOIN read_again r USING (part)) d "
                "WHERE t.district = d.district AND t.school IS NOT DISTINCT FROM d.school "
                f"AND {key_of(resource, 't')} = d.key"
            )
        names = ", ".join(quoted(field.name) for field in table.stored)
        connection.execute(
            f"INSERT INTO {raw} BY NAME SELECT p.district, p.school, p._pull_id, "
            f"p._pulled_at, g._extra, {names} FROM {good_table(table)} g "
            "JOIN parts p ON p.part = g._part JOIN accepted a ON a.part = g._part"
        )
        quarantine = f"{catalog}.quarantine.{quoted(table.name)}"
        _delete(connection, quarantine, "")
        connection.execute(
            f"INSERT INTO {quarantine} BY NAME SELECT p.district, p.school, p._pull_id, "
            f"p._pulled_at, b.reason, b.record FROM {bad_table(table)} b "
            "JOIN parts p ON p.part = b._part"
        )


def _delete(connection: duckdb.DuckDBPyConnection, name: str, chosen: str) -> None:
    connection.execute(
        f"DELETE FROM {name} t USING (SELECT p.district, p.school FROM parts p {chosen}) d "
        "WHERE t.district = d.district AND t.school IS NOT DISTINCT FROM d.school"
    )
