"""What a pull reports to Dagster: one event a partition, and answers to checks if there are any.

A partition with new rows is a materialization, and every check is answered for it. An
unchanged one is a materialization too if a person or a backfill has asked for it, with
the data version of the last one, so that nothing follows from it. A sensor's nightly pull
makes it an observation, and earlier answers stand: only an answer that has changed, or
that the run has promised, is recorded. A partition that may not be read is observed with
the reason: it is missing, and its page says why. What the roster does not list has no
partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.storage.tags import PARENT_RUN_ID_TAG

from aeries_pipeline.catalog.resource import Reference, Resource
from aeries_pipeline.ingest.checks import (
    FRESH,
    ROSTER,
    Answer,
    answers,
    freshness,
    questions_for,
    roster_drift,
    unresolved_references,
)
from aeries_pipeline.ingest.listed_schools import teaching_schools
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.orchestration.assets.checks import (
    find_targets,
    last_outcomes,
    newest_materializations,
)
from aeries_pipeline.orchestration.assets.describe import (
    materialization_metadata,
    observation_metadata,
)
from aeries_pipeline.orchestration.assets.resources import OPENING_TAG
from aeries_pipeline.orchestration.partitions import key_of
from aeries_pipeline.stores.field_history import unknown_since
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.ledger import LastGood, last_good
from aeries_pipeline.stores.outcomes import Loaded, Mode, now

Event = dg.AssetMaterialization | dg.AssetObservation | AssetCheckEvaluation | dg.Output[None]


def is_news(resource: Resource, loaded: Loaded) -> bool:
    """Tell whether a complete pull brought anything for those who follow it."""
    pull = loaded.pull
    as_before = pull.mode is Mode.UNCHANGED or (pull.mode is Mode.CHANGES and not pull.changed)
    return resource.absence_counts or not as_before


def pull_events(
    context: dg.AssetExecutionContext,
    session: Session,
    resource: Resource,
    results: Sequence[Loaded],
) -> Iterator[Event]:
    """Yield one event for each complete partition, then the answers to checks.

    Args:
        context: Of the step.
        session: The pull that has ended.
        resource: What was pulled.
        results: What became of each partition.
    """
    district = session.district
    key = dg.AssetKey(["raw", resource.name])
    by_partition = {key_of(district.id, one.pull.school): one for one in results}
    as_before = {
        partition
        for partition, one in by_partition.items()
        if one.pull.status is Status.COMPLETE and not is_news(resource, one)
    }
    goods = last_good(session.warehouse, district.id, resource.name)
    versions = {
        partition: _version(resource, one, goods.get(one.pull.school))
        for partition, one in by_partition.items()
    }
    if not _is_nightly(context.run):
        as_before = set()
    # Dagster may know less than the warehouse: its files were lost, or a run was
    # killed after the rows had come and before it could say so.
    last = newest_materializations(context.instance, key, as_before)
    as_before = {name for name in as_before if _said(last.get(name)) == versions[name]}
    for partition, result in by_partition.items():
        pull = result.pull
        if partition in as_before:
            metadata = observation_metadata(result)
            yield dg.AssetObservation(key, partition=partition, metadata=metadata)
        elif pull.status is Status.COMPLETE:
            yield dg.AssetMaterialization(
                key,
                partition=partition,
                metadata=materialization_metadata(resource, result),
                tags={DATA_VERSION_TAG: versions[partition]},
            )
        elif pull.status is Status.NOT_GRANTED:
            # No materialization, so that the partition stays missing; this tells why.
            yield dg.AssetObservation(
                key,
                partition=partition,
                description=pull.reason,
                metadata={"state": "not granted", "reason": pull.reason or ""},
            )
            context.log.warning(pull.reason)
        else:
            context.log.error(pull.reason)
    told = _Told(context, resource, sorted(as_before))
    targets = find_targets(context.instance, key, list(by_partition))
    unresolved = unresolved_references(session.warehouse, resource, district.id)
    has_unknown = any(one.drift is not None and one.drift.unknown for one in results)
    since = unknown_since(session.warehouse, district.id, resource.name) if has_unknown else {}
    for partition, result in by_partition.items():
        school = result.pull.school
        # Yielded, not logged: what is logged after the last yield of a step
        # that then fails never reaches the event log.
        for answer in _verdicts(
            session, resource, result, goods.get(school), unresolved.get(school, []),
            since.get(school, {}),
        ):  # fmt: skip
            if partition not in as_before or told.is_due(answer, partition):
                yield targets.evaluation(partition, answer)


def _is_nightly(run: dg.DagsterRun) -> bool:
    """Tell whether a sensor started a run; who executes it again takes its tags along."""
    return OPENING_TAG in run.tags and PARENT_RUN_ID_TAG not in run.tags


def _version(resource: Resource, result: Loaded, good: LastGood | None) -> str:
    """Return the data version of a partition: the last pull that brought anything."""
    if good is None or good.brought_by is None or is_news(resource, result):
        return result.pull.pull_id
    return good.brought_by


def _said(record: dg.EventLogRecord | None) -> str | None:
    """Return the data version that a materialization bears."""
    last = record.asset_materialization if record is not None else None
    return (last.tags or {}).get(DATA_VERSION_TAG) if last is not None else None


def promised(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """Yield the outputs of the checks that a run has announced and that were answered.

    Verdicts are evaluations made by hand, which Dagster does not count as
    outputs; it would log that they are missing.
    """
    for output, spec in context.assets_def.check_specs_by_output_name.items():
        if spec.key in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=output)


class _Told:
    """What was last said of partitions, to say only what is new.

    A check that the run has announced is always answered: left open it would
    look as if it had failed.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, resource: Resource, partitions: Sequence[str]
    ) -> None:
        self._announced = {check.name for check in context.selected_asset_check_keys}
        key = dg.AssetKey(["raw", resource.name])
        names = [name for name in questions_for(resource) if name not in self._announced]
        self._last = last_outcomes(context.instance, key, names, partitions)

    def is_due(self, answer: Answer, partition: str) -> bool:
        """Tell whether an answer is to be recorded."""
        if answer.name in self._announced:
            return True
        return self._last.get((answer.name, partition)) is not answer.passed


def _verdicts(
    session: Session,
    resource: Resource,
    result: Loaded,
    good: LastGood | None,
    unresolved: Sequence[tuple[Reference, int, int]],
    since: Mapping[str, datetime],
) -> list[Answer]:
    verdicts = answers(resource, result, good, unresolved, since)
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
    district = session.district
    teaching = teaching_schools(rows, district.inactive_school, district.exclude_schools)
    return roster_drift(district.schools, teaching, district.id)
