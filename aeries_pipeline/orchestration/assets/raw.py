"""Raw assets: one for each resource of the catalog, all made by one factory.

An asset pulls its partitions, records a materialization for each one that was replaced,
answers each check for each partition, and fails at the end with a list of those that did
not come, so that one school's failure stays with that school.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline.districts.errors import AeriesError
from aeries_pipeline.ingest.checks import QUESTIONS, questions_for
from aeries_pipeline.ingest.progress import tell
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import DistrictBusyError
from aeries_pipeline.orchestration.assets.checks import check_specs
from aeries_pipeline.orchestration.assets.describe import OWNER, description_of, raw_metadata
from aeries_pipeline.orchestration.assets.pull_events import (
    Event,
    promised,
    pull_events,
)
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions, by_district
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.words import counted

AERIES = dg.AssetKey(["source", "aeries_sites"])


def build_raw_asset(
    resource: Resource, partitions: Partitions, *, priority: int
) -> dg.AssetsDefinition:
    """Return the asset that pulls one resource.

    Args:
        resource: What to pull.
        partitions: The partitions of the roster.
        priority: Steps of a run are taken in descending priority, so that
            what others refer to comes first.
    """
    key = dg.AssetKey(["raw", resource.name])
    partitions_def = partitions.of(resource)

    @dg.multi_asset(
        name=f"raw__{resource.name}",
        specs=[
            dg.AssetSpec(
                key,
                description=description_of(resource),
                group_name="raw",
                kinds={"python", "duckdb"},
                owners=[OWNER],
                skippable=True,
                metadata=raw_metadata(resource, AERIES),
                tags={"aeries/grain": resource.grain.value, **_privacy(resource)},
                partitions_def=partitions_def,
                deps=[AERIES],
            )
        ],
        check_specs=check_specs(
            key, {name: QUESTIONS[name] for name in questions_for(resource)}, partitions_def
        ),
        can_subset=True,
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags={"dagster/priority": str(priority)},
    )
    @without_values
    def pull(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> Iterator[Event]:
        troubles: list[str] = []
        refused: list[str] = []
        done = 0
        for district, schools in by_district(context.partition_keys).items():
            if not aeries.roster.get(district).wants(resource):
                # The roster is newer than the code location, which had a partition for it.
                troubles.append(
                    f"{district}: {resource.name} is no longer listed under 'resources' in the "
                    f"roster, so nothing was asked for; list it there, or reload the code location"
                )
                continue
            try:
                session = aeries.session(district, warehouse.of(district))
                results = pull_resource(session, resource, schools, tell)
                while session.warnings:
                    context.log.warning(session.warnings.pop())
                done += sum(one.pull.status is Status.COMPLETE for one in results)
                yield from pull_events(context, session, resource, results)
            except (
                AeriesError,
                DistrictBusyError,
                WarehouseBusyError,
                WarehouseUnusableError,
            ) as error:
                troubles.append(str(error))
                continue
            missing = [one.pull for one in results if one.pull.status is not Status.COMPLETE]
            # Not granted at any school is a state of the district, and no failure.
            if any(one.status is not Status.NOT_GRANTED for one in missing):
                troubles += [one.reason for one in missing]
            else:
                refused += [one.reason for one in missing]
        if troubles:
            raise _failure(resource, [*troubles, *refused], done)
        yield from promised(context)

    return pull


def _privacy(resource: Resource) -> dict[str, str]:
    return {"aeries/personal": "yes" if resource.personal else "no"}


def _failure(resource: Resource, troubles: Sequence[str], done: int) -> dg.Failure:
    what = counted(done, "partition" if resource.grain is Grain.DISTRICT else "school")
    listed = "\n".join(f"- {trouble}" for trouble in dict.fromkeys(troubles))
    return dg.Failure(
        description=(
            f"{resource.name}: {what} loaded, {len(troubles)} not; their last good tables "
            f"stay as they are.\n{listed}"
        ),
        metadata={"loaded": done, "failed": len(troubles), "reasons": dg.MetadataValue.md(listed)},
        allow_retries=False,
    )


def build_raw_assets(
    resources: Sequence[Resource], partitions: Partitions
) -> list[dg.AssetsDefinition]:
    """Return the raw assets, pulled in the order given, and what they come from."""
    site = dg.AssetSpec(
        AERIES,
        description="The Aeries sites of the districts, version 5 of the API. Not ours to make.",
        group_name="raw",
        kinds={"api"},
        owners=[OWNER],
    )
    return [
        dg.AssetsDefinition(specs=[site]),
        *(
            build_raw_asset(resource, partitions, priority=len(resources) - place)
            for place, resource in enumerate(resources)
        ),
    ]
