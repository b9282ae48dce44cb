"""Sensors that notify people of failed runs and failed checks.

They join Dagster's own hooks for runs that ended to the roster's ``notifications``. A
notice is made only of our own sentences.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.notices.deliver import tell_channels
from aeries_pipeline.operations.notices.notice import Line
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import districts_of, split
from aeries_pipeline.settings import Settings

NOBODY = "the roster has no notifications, so nobody is told"


def build_notice_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors on failed runs and on runs with failed checks."""

    @dg.run_failure_sensor(
        name="notify_of_failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the roster's notifications of a failed run, and of its failed checks.",
    )
    @without_values
    def notify_of_failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        lines = failures_of(context.dagster_run, context.get_step_failure_events())
        lines += failed_checks(context.instance, context.dagster_run)
        return tell(settings, lines, context.dagster_run.run_id)

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="notify_of_failed_checks",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the roster's notifications of checks that failed in a run that ended.",
    )
    @without_values
    def notify_of_failed_checks(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        lines = failed_checks(context.instance, context.dagster_run)
        return tell(settings, lines, context.dagster_run.run_id)

    return [notify_of_failed_runs, notify_of_failed_checks]


def tell(settings: Settings, lines: list[Line], run_id: str | None) -> dg.SkipReason | None:
    """Send what there is to send.

    Raises:
        NotDeliveredError: So that the tick shows which channel did not work.
    """
    channels = load_roster(settings.roster).notifications
    if not channels:
        return dg.SkipReason(NOBODY)
    if not lines:
        return dg.SkipReason("nothing failed")
    tell_channels(channels, lines, run_id)
    return None


def district_of(run: dg.DagsterRun) -> str:
    """Return the district that a run is about; empty if its tags do not say."""
    return next(iter(districts_of(run.tags)), "")


def failures_of(run: dg.DagsterRun, events: Sequence[dg.DagsterEvent]) -> list[Line]:
    """Return a line for each failed step, or one for a run that died without any.

    Only what this project said of a failure is passed on: an exception of a
    library may quote a value.
    """
    district = district_of(run)
    texts = []
    for event in events:
        data = event.step_failure_data
        said = data.user_failure_data.description if data.user_failure_data else None
        kind = data.error.cls_name if data.error else "an unknown error"
        texts.append(said or f"{event.step_key} ended with {kind}; see the run's log")
    name = run.job_name
    texts = texts or [f"the run of {name} ended without saying why; see its log"]
    return [Line("runs", text, district) for text in texts]


def failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[Line]:
    """Return a line for each check of a run that failed as an error."""
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = []
    for entry in logs:
        event = entry.dagster_event
        if event is not None:
            found += lines_of(event.asset_check_evaluation_data, district_of(run))
    return found


def lines_of(
    one: AssetCheckEvaluation, district: str = "", *, warnings: bool = False
) -> list[Line]:
    """Return what to say about one check: nothing if it passed, or only warns."""
    if one.passed or (one.severity is not dg.AssetCheckSeverity.ERROR and not warnings):
        return []
    where = f" {one.partition}" if one.partition else ""
    text = f"{one.asset_key.to_user_string()}{where}, {one.check_name}: {one.description}"
    return [Line("checks", text, split(one.partition)[0] if one.partition else district)]
