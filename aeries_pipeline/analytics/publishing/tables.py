"""The record of publications, in the warehouse and in the published copy itself. DDL only."""

from __future__ import annotations

import duckdb

from aeries_pipeline.stores.connection import CATALOG
from aeries_pipeline.stores.versions import make_tables

PUBLISHED_COLUMNS = (
    ("publication_id", "VARCHAR"),
    ("published_at", "TIMESTAMP"),
    ("data_until", "TIMESTAMP"),
    ("districts", "VARCHAR[]"),
    ("counted_districts", "VARCHAR[]"),
    ("settings", "VARCHAR"),
    ("tables", "BIGINT"),
    ("rows", "BIGINT"),
    ("bytes", "BIGINT"),
    ("seconds", "DOUBLE"),
    ("run_id", "VARCHAR"),
)
"""Columns of ``meta.published``: one row for each publication. Times are UTC."""

MEANINGS = {
    "publication_id": "The publication; sorts by time",
    "published_at": "When its copy of the warehouse was taken, UTC",
    "data_until": "End of the newest pull or change that is in it, UTC",
    "districts": "Districts with rows of students",
    "counted_districts": "Districts whose students may only be counted",
    "settings": "Fingerprint of what the roster lets analysts see",
    "tables": "Tables and views",
    "rows": "Rows of the tables",
    "bytes": "Size of the database file",
    "seconds": "How long it took",
    "run_id": "The Dagster run; empty where there was none",
}


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table if missing; the warehouse is the current catalog."""
    make_tables(connection, CATALOG, {"meta.published": PUBLISHED_COLUMNS})
