"""Jobs: what a district has once, its schools, and what follows from them."""

from __future__ import annotations

import dagster as dg

from aeries_pipeline.assets.course_requests import REQUESTS, SSS_FILES
from aeries_pipeline.catalog.registry import of_grain
from aeries_pipeline.catalog.resource import Grain

PULL_DISTRICT = "pull_district"
PULL_SCHOOLS = "pull_schools"
ACCOUNTS_AND_FILES = "accounts_and_files"
TAKE_REQUESTS = "course_requests"
EXPORT_REQUESTS = "sss_files"


def build_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """Return the two pull jobs, then the rest; partitions are those of the assets."""
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
        dg.define_asset_job(
            ACCOUNTS_AND_FILES,
            selection=dg.AssetSelection.groups("accounts"),
            description="Computes a district's accounts and writes what Xello imports.",
        ),
        dg.define_asset_job(
            TAKE_REQUESTS,
            selection=dg.AssetSelection.assets(REQUESTS),
            description="Takes the files in a district's inbox and decides its course requests.",
        ),
        dg.define_asset_job(
            EXPORT_REQUESTS,
            selection=dg.AssetSelection.assets(SSS_FILES),
            description="Writes the course requests that schools import into Aeries.",
        ),
    ]


def _selection(grain: Grain) -> dg.AssetSelection:
    return dg.AssetSelection.assets(
        *(dg.AssetKey(["raw", resource.name]) for resource in of_grain(grain))
    )
