"""The code location that ``workspace.yaml`` loads, for the roster of the environment."""

from __future__ import annotations

from aeries_pipeline.assembly import build_defs

defs = build_defs()
