"""The Dagster project: assets, jobs, sensors, partitions, and how they are joined.

Thin: every decision is made in the packages below.
"""
