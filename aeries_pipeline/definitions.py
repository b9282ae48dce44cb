"""What Dagster loads: the code location for the roster that the environment names."""

import os

from aeries_pipeline.orchestration.assembly import build_defs

# What a run writes is about children: nobody else on the machine reads it, the
# log beside an open database file included.
os.umask(0o077)

defs = build_defs()
