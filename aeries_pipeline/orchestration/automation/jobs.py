"""Jobs: one for what a district has once, one for its schools, and those that follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.assets.job.asset_job import (
    build_asset_job,
    get_asset_graph_for_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aeries_pipeline.catalog.registry import OPTIONAL, of_grain
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.orchestration.assets.course_requests import REQUESTS, SSS_FILES
from aeries_pipeline.orchestration.assets.sss_delivery import SSS_DELIVERY
from aeries_pipeline.orchestration.assets.xello_delivery import XELLO_DELIVERY

PULL_DISTRICT = "pull_district"
PULL_SCHOOLS = "pull_schools"
PULL_DISTRICT_AND_OPTIONAL = "pull_district_and_optional"
PULL_SCHOOLS_AND_OPTIONAL = "pull_schools_and_optional"
PULL_JOBS = frozenset(
    {PULL_DISTRICT, PULL_SCHOOLS, PULL_DISTRICT_AND_OPTIONAL, PULL_SCHOOLS_AND_OPTIONAL}
)
ACCOUNTS_AND_FILES = "accounts_and_files"
TAKE_REQUESTS = "course_requests"
EXPORT_REQUESTS = "sss_files"
PUBLISH = "publish"
DELIVER = "deliver"
DELIVER_REQUESTS = "deliver_course_requests"


class _JobOfSeveralPartitions(UnresolvedAssetJobDefinition):
    """A job whose assets have partitions of their own; a run's keys are those of all of them.

    Dagster runs such assets together in the job that it makes of all assets, and
    refuses them in any other. The UI cannot offer one list of partitions for it.
    """

    def resolve(
        self,
        asset_graph: AssetGraph,
        default_executor_def: dg.ExecutorDefinition | None = None,
        resource_defs: Mapping[str, dg.ResourceDefinition] | None = None,
    ) -> dg.JobDefinition:
        """Return the job, made of the assets that it selects."""
        return build_asset_job(
            self.name,
            asset_graph=get_asset_graph_for_job(
                asset_graph, self.selection, allow_different_partitions_defs=True
            ),
            description=self.description,
            executor_def=self.executor_def or default_executor_def,
            resource_defs=resource_defs,
            allow_different_partitions_defs=True,
        )


def build_pull_jobs() -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs that ask the districts' servers.

    What every district is asked for has the same partitions, and its jobs are
    those that a person launches for a school of their choice. The other two take
    along the optional resources that a district lists.
    """
    return [
        dg.define_asset_job(
            PULL_DISTRICT,
            selection=_selection(Grain.DISTRICT, optional=False),
            description="Pulls a district's schools and courses.",
        ),
        dg.define_asset_job(
            PULL_SCHOOLS,
            selection=_selection(Grain.SCHOOL, optional=False),
            description="Pulls what every school of a district is asked for.",
        ),
        _JobOfSeveralPartitions(
            PULL_DISTRICT_AND_OPTIONAL,
            selection=_selection(Grain.DISTRICT, optional=True),
            description="The same with optional resources; runs of districts that list any.",
        ),
        _JobOfSeveralPartitions(
            PULL_SCHOOLS_AND_OPTIONAL,
            selection=_selection(Grain.SCHOOL, optional=True),
            description="The same with optional resources; runs of districts that list any.",
        ),
    ]


def pull_job_of(grain: Grain, resources: Collection[str]) -> str:
    """Return the name of the job that pulls some resources of one grain."""
    if OPTIONAL.isdisjoint(resources):
        return PULL_DISTRICT if grain is Grain.DISTRICT else PULL_SCHOOLS
    return PULL_DISTRICT_AND_OPTIONAL if grain is Grain.DISTRICT else PULL_SCHOOLS_AND_OPTIONAL


def build_jobs() -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs that follow pulls; partitions are those of the assets."""
    jobs = (
        (
            ACCOUNTS_AND_FILES,
            dg.AssetSelection.groups("accounts"),
            "Computes a district's accounts and writes what Xello imports.",
        ),
        (
            TAKE_REQUESTS,
            dg.AssetSelection.assets(REQUESTS),
            "Takes the files in a district's inbox and decides its course requests.",
        ),
        (
            EXPORT_REQUESTS,
            dg.AssetSelection.assets(SSS_FILES),
            "Writes the course requests that schools import into Aeries.",
        ),
        (
            DELIVER,
            dg.AssetSelection.assets(XELLO_DELIVERY),
            "Delivers a district's newest files to whom the roster names.",
        ),
        (
            DELIVER_REQUESTS,
            dg.AssetSelection.assets(SSS_DELIVERY),
            "Delivers the newest files of each school to whom the roster names.",
        ),
        (
            PUBLISH,
            dg.AssetSelection.groups("publish", "analytics"),
            "Makes the copy of the warehouse that analysts open.",
        ),
    )
    return [
        dg.define_asset_job(name, selection=selection, description=description)
        for name, selection, description in jobs
    ]


def pull_job(defs: dg.Definitions, name: str, keys: Collection[dg.AssetKey]) -> dg.JobDefinition:
    """Return a pull job that is narrowed to some of its assets, and plans no checks.

    Args:
        defs: The code location.
        name: One of ``PULL_JOBS``.
        keys: The raw assets to pull.
    """
    job = defs.resolve_job_def(name)
    return job.get_subset(asset_selection=set(keys), asset_check_selection=set())


def _selection(grain: Grain, *, optional: bool) -> dg.AssetSelection:
    """Return the raw assets of a grain, without a promise to answer their checks.

    A pull answers them for every partition that brought anything; a school that
    is as it was costs no event but its observation.
    """
    return dg.AssetSelection.assets(
        *(
            dg.AssetKey(["raw", resource.name])
            for resource in of_grain(grain)
            if optional or not resource.optional
        )
    ).without_checks()
