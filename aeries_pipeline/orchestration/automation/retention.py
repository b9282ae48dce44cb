"""Deletes Dagster's old runs and events, which Dagster itself keeps for ever, every night.

A run goes once it is old and nothing refers to it any more: no partition's newest
materialization or observation, and no check's newest answer. Also starts the nightly
pruning of the data directory.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import func, select

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.privacy.prune import prune
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings

PRUNE = "prune"
_PAGE = 500
_TICK_LOGS = timedelta(days=3)
_OF_TICKS = "__repository__"
"""Name of the repository of a code location, below which Dagster keeps the logs of its ticks."""

_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_VERDICTS = AssetCheckExecutionsTable.c


def prune_dagster(instance: dg.DagsterInstance, days: float, *, now: datetime | None = None) -> int:
    """Delete old runs with their events and logs, except those that are still referred to.

    Args:
        instance: Whose runs.
        days: How long a run stays after it was made.
        now: The present, with its zone; tests give another.

    Returns:
        How many runs went.
    """
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    old = instance.get_run_records(dg.RunsFilter(statuses=_FINISHED, created_before=before))
    if not old:
        return 0
    needed = {*_newest_events(instance), *_newest_verdicts(instance)}
    gone = [one.dagster_run.run_id for one in old if one.dagster_run.run_id not in needed]
    for run_id in gone:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    _drop_verdicts(instance, gone)
    return len(gone)


def prune_ticks(instance: dg.DagsterInstance, *, now: datetime | None = None) -> int:
    """Delete the files of old ticks' logs, most of them empty, and return how many went.

    Dagster makes one for each tick of some sensors, thousands a day, and deletes none.
    """
    before = ((now or datetime.now(UTC)) - _TICK_LOGS).timestamp()
    removed = 0
    for path in (Path(instance.storage_directory()) / _OF_TICKS).glob("*/*"):
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _newest_events(instance: dg.DagsterInstance) -> Iterator[str]:
    """Return the runs of the newest materialization and observation of each partition."""
    storage = instance.event_log_storage
    for key in instance.all_asset_keys():
        last = instance.get_latest_materialization_event(key)
        if last is not None:
            yield last.run_id
        for kind, fetch in (
            (dg.DagsterEventType.ASSET_MATERIALIZATION, instance.fetch_materializations),
            (dg.DagsterEventType.ASSET_OBSERVATION, instance.fetch_observations),
        ):
            ids = list(storage.get_latest_storage_id_by_partition(key, kind).values())
            for start in range(0, len(ids), _PAGE):
                wanted = dg.AssetRecordsFilter(
                    asset_key=key, storage_ids=ids[start : start + _PAGE]
                )
                yield from (one.run_id for one in fetch(wanted, limit=_PAGE).records)


def _newest_verdicts(instance: dg.DagsterInstance) -> list[str]:
    """Return the runs of the newest verdict on each question about each partition."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return []
    newest = select(func.max(_VERDICTS.id)).group_by(
        _VERDICTS.asset_key, _VERDICTS.check_name, _VERDICTS.partition
    )
    with storage.index_connection() as connection:
        found = connection.execute(select(_VERDICTS.run_id).where(_VERDICTS.id.in_(newest)))
        return [str(run_id) for (run_id,) in found if run_id]


def _drop_verdicts(instance: dg.DagsterInstance, runs: list[str]) -> None:
    """Delete the verdicts of runs that are gone; each was followed by a newer one."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    with storage.index_connection() as connection:
        for start in range(0, len(runs), _PAGE):
            mine = _VERDICTS.run_id.in_(runs[start : start + _PAGE])
            connection.execute(AssetCheckExecutionsTable.delete().where(mine))


def build_prune_job(settings: Settings) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """Return the job that applies the roster's retention, and the schedule that runs it nightly."""

    @dg.op(name="prune_what_is_old")
    @without_values
    def prune_what_is_old(context: dg.OpExecutionContext) -> None:
        retention = load_roster(Path(settings.roster)).retention
        removed = dict(prune(settings, retention))
        removed["dagster_runs"] = prune_dagster(context.instance, retention.dagster_days)
        removed["tick_logs"] = prune_ticks(context.instance)
        for name, number in removed.items():
            context.log.info("%s: %d removed", name, number)
        context.add_output_metadata(dict(removed))

    @dg.job(name=PRUNE, description="Removes what is older than the roster's retention allows.")
    def prune_job() -> None:
        prune_what_is_old()

    schedule = dg.ScheduleDefinition(
        name="prune_nightly",
        job=prune_job,
        cron_schedule="20 13 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day at 13:20 UTC, when most districts' windows are closed.",
    )
    return prune_job, schedule
