"""The record of what was forgotten: that and when, never who. DDL only."""

from __future__ import annotations

import duckdb

from aeries_pipeline.stores.versions import make_tables

FORGOTTEN_COLUMNS = (
    ("forgotten_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("what", "VARCHAR"),
    ("status", "VARCHAR"),
    ("decided_by", "VARCHAR"),
    ("why", "VARCHAR"),
    ("forgotten_at", "TIMESTAMP"),
    ("rows", "BIGINT"),
    ("files", "BIGINT"),
    ("searched_files", "BIGINT"),
    ("still_found_in", "VARCHAR[]"),
)
"""Columns of ``meta.forgotten``. Only appended to; times are UTC.

``what`` is student or district. ``status`` is removed (rows and files are
gone), then proved (a search of every file found nothing) or remains (it found
something, in the places named). ``rows`` counts rows of the warehouse.
"""


def prepare(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Make the table if missing."""
    make_tables(connection, catalog, {"meta.forgotten": FORGOTTEN_COLUMNS})
