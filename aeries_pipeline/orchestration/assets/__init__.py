"""Dagster assets: thin shells that start pulls and report their results."""
