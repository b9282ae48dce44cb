"""Aeries to DuckDB through Dagster, for hundreds of districts."""

__version__ = "0.2.0"
