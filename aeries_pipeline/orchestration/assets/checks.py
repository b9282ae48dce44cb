"""Answers to checks as Dagster check evaluations, one for each partition.

An ``AssetCheckResult`` of a run over a range of partitions has no partition, so the
evaluations are made here by hand. Each names the materialization that it is about;
without that, the UI takes it for outdated and shows none.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from aeries_pipeline.ingest.checks import Answer


def check_specs(
    key: dg.AssetKey, questions: Mapping[str, str], partitions_def: dg.PartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset, with an answer for each partition."""
    with warnings.catch_warnings():
        # Partitions of checks are marked as a preview in Dagster 1.13; the
        # lock file holds the version and a test reads the verdicts back.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(name, asset=key, description=text, partitions_def=partitions_def)
            for name, text in questions.items()
        ]


def severity_of(answer: Answer) -> dg.AssetCheckSeverity:
    """Return how bad a failed check is."""
    return dg.AssetCheckSeverity.ERROR if answer.serious else dg.AssetCheckSeverity.WARN


def check_result(key: dg.AssetKey, answer: Answer) -> dg.AssetCheckResult:
    """Return an answer as the result of a check, in a run of one partition."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=answer.name,
        passed=answer.passed,
        severity=severity_of(answer),
        description=answer.text,
        metadata=dict(answer.numbers),
    )


@dataclass(frozen=True, slots=True)
class Targets:
    """The newest materialization of each partition of an asset.

    Attributes:
        key: The asset.
        records: What evaluations point to, by partition.
    """

    key: dg.AssetKey
    records: Mapping[str, AssetCheckEvaluationTargetMaterializationData] = field(
        default_factory=dict
    )

    def evaluation(self, partition: str | None, answer: Answer) -> AssetCheckEvaluation:
        """Return an answer as the evaluation of a check of this asset."""
        return AssetCheckEvaluation(
            asset_key=self.key,
            check_name=answer.name,
            passed=answer.passed,
            severity=severity_of(answer),
            description=answer.text,
            metadata={
                name: dg.MetadataValue.int(n) if isinstance(n, int) else dg.MetadataValue.float(n)
                for name, n in answer.numbers.items()
            },
            target_materialization_data=self.records.get(partition) if partition else None,
            partition=partition,
        )


def last_outcomes(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    names: Sequence[str],
    partitions: Sequence[str],
) -> dict[tuple[str, str], bool]:
    """Return whether checks passed when they were last answered.

    Args:
        instance: Holds the verdicts.
        key: The asset.
        names: Its checks.
        partitions: What to look up.

    Returns:
        The outcomes by check and partition, without those that were never
        answered or whose last run gave none.
    """
    if not names or not partitions:
        return {}
    found = instance.event_log_storage.get_asset_check_partition_info(
        [dg.AssetCheckKey(key, name) for name in names], partition_keys=list(partitions)
    )
    answered = {
        AssetCheckExecutionRecordStatus.SUCCEEDED: True,
        AssetCheckExecutionRecordStatus.FAILED: False,
    }
    return {
        (one.check_key.name, one.partition_key): answered[one.latest_execution_status]
        for one in found
        if one.partition_key is not None and one.latest_execution_status in answered
    }


def find_targets(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str]
) -> Targets:
    """Look up the newest materialization of each partition.

    A partition that was never materialized has none, and its answers count as they are.
    """
    return Targets(
        key,
        {
            partition: AssetCheckEvaluationTargetMaterializationData(
                storage_id=record.storage_id,
                run_id=record.run_id,
                timestamp=record.timestamp,
            )
            for partition, record in newest_materializations(instance, key, partitions).items()
        },
    )


def newest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str]
) -> dict[str, dg.EventLogRecord]:
    """Return the newest materialization of each partition that has one."""
    records: dict[str, dg.EventLogRecord] = {}
    wanted = list(dict.fromkeys(partitions))
    cursor: str | None = None
    while len(records) < len(wanted):
        missing = [partition for partition in wanted if partition not in records]
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=missing),
            limit=max(100, len(missing)),
            cursor=cursor,
        )
        for record in page.records:
            if record.partition_key:
                records.setdefault(record.partition_key, record)
        if not page.has_more:
            break
        cursor = page.cursor
    return records
