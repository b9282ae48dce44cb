"""Jobs: one pulls what a district has once, one pulls its schools."""

from __future__ import annotations

import dagster as dg

from aeries_pipeline.catalog.registry import of_grain
from aeries_pipeline.catalog.resource import Grain

PULL_DISTRICT = "pull_district"
PULL_SCHOOLS = "pull_schools"


def build_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """Return the pull jobs; their partitions are those of their assets."""
    return [
        dg.define_asset_job(
            PULL_DISTRICT,
            selection=_selection(Grain.DISTRICT),
            description="Pulls a district's schools, courses and staff.",
        ),
        dg.define_asset_job(
            PULL_SCHOOLS,
            selection=_selection(Grain.SCHOOL),
            description="Pulls everything that Aeries keeps for each school of a district.",
        ),
    ]


def _selection(grain: Grain) -> dg.AssetSelection:
    return dg.AssetSelection.assets(
        *(dg.AssetKey(["raw", resource.name]) for resource in of_grain(grain))
    )
