"""What is kept on disk: the DuckDB warehouse with its ledger, backups, delivery folders.

Turns files of Aeries responses into tables: reading, validation, replacing a
partition. Knows nothing of HTTP and nothing of Dagster.
"""
