"""Dagster assets: thin shells that ask for pulls and report what became of them."""
