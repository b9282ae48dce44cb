"""The DuckDB warehouse: staging, validation, the swap of a partition, the ledger.

Takes files of Aeries answers and makes tables of them. Knows nothing of HTTP
and nothing of Dagster.
"""
