"""The Dagster project: assets, jobs, sensors, partitions, and how they are joined.

Thin: the other packages make every decision.
"""
