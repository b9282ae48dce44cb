"""Runs on many machines: the launcher of the control host, and the workers' side of it.

Imported by ``deploy/dagster.yaml`` and the workers' command alone; needs the
extra ``aeries-pipeline[cluster]``.
"""
