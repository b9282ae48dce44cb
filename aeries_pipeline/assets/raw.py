"""Raw assets: one for each resource of the catalogue, all made by one factory.

An asset pulls its partitions, records a materialization for each one that was
swapped in, answers each check for each partition, and fails at the end with a
list of those that did not come, so that one school's trouble is its own.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from aeries_pipeline.api.errors import AeriesError
from aeries_pipeline.assets.describe import (
    OWNER,
    column_schema,
    description_of,
    materialization_metadata,
)
from aeries_pipeline.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.assets.verdicts import check_specs, find_targets
from aeries_pipeline.catalog.resource import Grain, Reference, Resource
from aeries_pipeline.partitions import Partitions, by_district, key_of
from aeries_pipeline.progress import tell
from aeries_pipeline.pulls.run import pull_resource
from aeries_pipeline.pulls.session import DistrictBusyError, Session
from aeries_pipeline.pulls.verdicts import (
    FRESH,
    QUESTIONS,
    ROSTER,
    Answer,
    answers,
    freshness,
    not_asked,
    questions_for,
    roster_drift,
    teaching_schools,
    unresolved_references,
)
from aeries_pipeline.warehouse.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.warehouse.ledger import LastGood, last_good
from aeries_pipeline.warehouse.load import Loaded, now
from aeries_pipeline.warehouse.verdict import Status

AERIES = dg.AssetKey(["aeries", "api"])
Event = dg.AssetMaterialization | AssetCheckEvaluation


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
    partitions_def = partitions.of(resource.grain)

    @dg.multi_asset(
        name=f"raw__{resource.name}",
        specs=[
            dg.AssetSpec(
                key,
                description=description_of(resource),
                group_name="aeries",
                kinds={"aeries", "duckdb"},
                owners=[OWNER],
                skippable=True,
                metadata={
                    "dagster/column_schema": column_schema(resource.main),
                    "dagster/table_name": f"raw.{resource.name}",
                },
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
    def pull(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> Iterator[Event]:
        troubles: list[str] = []
        done = 0
        for district, schools in by_district(context.partition_keys).items():
            if not aeries.roster.get(district).wants(resource):
                context.log.info(
                    "%s: %s is optional and not listed under 'resources' in the roster; nothing "
                    "was asked for",
                    district,
                    resource.name,
                )
                yield from _not_asked(context, resource, district, schools)
                continue
            try:
                session = aeries.session(district, warehouse.warehouse)
                results = pull_resource(session, resource, schools, tell)
                done += sum(one.pull.status is Status.COMPLETE for one in results)
                yield from _report(context, session, resource, results)
            except (
                AeriesError,
                DistrictBusyError,
                WarehouseBusyError,
                WarehouseUnusableError,
            ) as error:
                troubles.append(str(error))
                continue
            troubles += [
                result.pull.reason
                for result in results
                if result.pull.status not in {Status.COMPLETE, Status.NOT_GRANTED}
            ]
        if troubles:
            raise _failure(resource, troubles, done)

    return pull


def _not_asked(
    context: dg.AssetExecutionContext, resource: Resource, district: str, schools: Sequence[int]
) -> Iterator[Event]:
    partitions = [key_of(district, school) for school in schools] or [district]
    targets = find_targets(context.instance, dg.AssetKey(["raw", resource.name]), partitions)
    for partition in partitions:
        for answer in not_asked(resource):
            yield targets.evaluation(partition, answer)


def _privacy(resource: Resource) -> dict[str, str]:
    return {"aeries/personal": "yes" if resource.personal else "no"}


def _report(
    context: dg.AssetExecutionContext,
    session: Session,
    resource: Resource,
    results: Sequence[Loaded],
) -> Iterator[Event]:
    """Yield a materialization for each swapped partition, then every check's verdict."""
    district = session.district
    key = dg.AssetKey(["raw", resource.name])
    for result in results:
        pull = result.pull
        if pull.status is Status.COMPLETE:
            yield dg.AssetMaterialization(
                key,
                partition=key_of(district.id, pull.school),
                metadata=materialization_metadata(resource, result),
            )
        elif pull.status is Status.NOT_GRANTED:
            context.log.warning(pull.reason)
        else:
            context.log.error(pull.reason)
    partitions = [key_of(district.id, result.pull.school) for result in results]
    targets = find_targets(context.instance, key, partitions)
    unresolved = unresolved_references(session.warehouse, resource, district.id)
    goods = last_good(session.warehouse, district.id, resource.name)
    for partition, result in zip(partitions, results, strict=True):
        school = result.pull.school
        # Yielded, not logged: what is logged after the last yield of a step
        # that then fails never reaches the event log.
        for answer in _verdicts(
            session, resource, result, goods.get(school), unresolved.get(school, [])
        ):
            yield targets.evaluation(partition, answer)


def _verdicts(
    session: Session,
    resource: Resource,
    result: Loaded,
    good: LastGood | None,
    unresolved: Sequence[tuple[Reference, int, int]],
) -> list[Answer]:
    verdicts = answers(resource, result, good, unresolved)
    if good is None and result.pull.status is Status.NOT_GRANTED:
        verdicts.append(Answer(FRESH, passed=True, text="not granted, so nothing grows old"))
    else:
        last = good.finished_at if good else None
        verdicts.append(freshness(last, now(), session.district.stale_after_days))
    if resource.name == "schools":
        verdicts.append(_roster(session))
    return verdicts


def _roster(session: Session) -> Answer:
    if not session.warehouse.has_table("raw", "schools"):
        return Answer(ROSTER, passed=False, text="the schools were never pulled")
    rows = session.warehouse.dicts(
        'SELECT "SchoolCode", "InactiveStatusCode", "DoNotReport", "Terms" FROM raw.schools '
        "WHERE district = ?",
        [session.district.id],
    )
    teaching = teaching_schools(rows, session.district.inactive_school)
    return roster_drift(session.district.schools, teaching, session.district.id)


def _failure(resource: Resource, troubles: Sequence[str], done: int) -> dg.Failure:
    what = "partitions" if resource.grain is Grain.DISTRICT else "schools"
    listed = "\n".join(f"- {trouble}" for trouble in dict.fromkeys(troubles))
    return dg.Failure(
        description=(
            f"{resource.name}: {done} {what} loaded, {len(troubles)} not; their last good tables "
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
        group_name="aeries",
        kinds={"aeries"},
        owners=[OWNER],
    )
    return [
        dg.AssetsDefinition(specs=[site]),
        *(
            build_raw_asset(resource, partitions, priority=len(resources) - place)
            for place, resource in enumerate(resources)
        ),
    ]
