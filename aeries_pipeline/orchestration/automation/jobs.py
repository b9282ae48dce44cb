"""Jobs: what a district has once, its schools, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from aeries_pipeline.catalog.registry import of_grain
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.orchestration.assets.course_requests import REQUESTS, SSS_FILES
from aeries_pipeline.orchestration.assets.sss_delivery import SSS_DELIVERY
from aeries_pipeline.orchestration.assets.xello_delivery import XELLO_DELIVERY

PULL_DISTRICT = "pull_district"
PULL_SCHOOLS = "pull_schools"
ACCOUNTS_AND_FILES = "accounts_and_files"
TAKE_REQUESTS = "course_requests"
EXPORT_REQUESTS = "sss_files"
PUBLISH = "publish"
DELIVER = "deliver"
DELIVER_REQUESTS = "deliver_course_requests"


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
        dg.define_asset_job(
            DELIVER,
            selection=dg.AssetSelection.assets(XELLO_DELIVERY),
            description="Delivers a district's newest files to whom the roster names.",
        ),
        dg.define_asset_job(
            DELIVER_REQUESTS,
            selection=dg.AssetSelection.assets(SSS_DELIVERY),
            description="Delivers the newest files of each school to whom the roster names.",
        ),
        dg.define_asset_job(
            PUBLISH,
            selection=dg.AssetSelection.groups("publish", "analytics"),
            description="Makes the copy of the warehouse that analysts open.",
        ),
    ]


def pull_job(defs: dg.Definitions, name: str, keys: Collection[dg.AssetKey]) -> dg.JobDefinition:
    """Return a pull job that is narrowed to some of its assets, and promises no verdict.

    Args:
        defs: The code location.
        name: ``PULL_DISTRICT`` or ``PULL_SCHOOLS``.
        keys: The raw assets to pull.
    """
    job = defs.resolve_job_def(name)
    return job.get_subset(asset_selection=set(keys), asset_check_selection=set())


def _selection(grain: Grain) -> dg.AssetSelection:
    """Return the raw assets of a grain, without a promise to answer their checks.

    A pull answers them for every partition that brought anything; a school that
    is as it was costs no event but its observation.
    """
    return dg.AssetSelection.assets(
        *(dg.AssetKey(["raw", resource.name]) for resource in of_grain(grain))
    ).without_checks()
