"""The Dagster project: assets, jobs, sensors, partitions, and how they are joined.

Thin: whatever is decided is decided in the rooms below.
"""
