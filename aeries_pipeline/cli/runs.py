"""How a command runs a job: quietly, in its own process, with a sentence if it has to wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from aeries_pipeline.cli.common import errors
from aeries_pipeline.orchestration.automation.command_runs import execute
from aeries_pipeline.orchestration.partitions import partition_tags

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_job(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    keys: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    asset_selection: Sequence[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    """Execute a job in this process, in a run that the UI shows as one of its own.

    Args:
        job: What to execute.
        instance: Where the run is noted.
        keys: Its partitions, an unbroken range of them; none for a job without partitions.
        tags: Of the run.
        asset_selection: Some of the job's assets; all where None.
    """
    return execute(
        job,
        instance,
        lambda sentence: errors.print(sentence, soft_wrap=True),
        run_config=QUIET,
        tags={**(tags or {}), **(partition_tags(keys) if keys else {})},
        asset_selection=asset_selection,
    )
