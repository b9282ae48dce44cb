"""What is kept on disk: the DuckDB warehouse with its ledger, backups, folders of deliveries.

Takes files of Aeries answers and makes tables of them: staging, validation,
replacing a partition. Knows nothing of HTTP and nothing of Dagster.
"""
