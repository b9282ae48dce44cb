"""The sensor that publishes after something has changed, at most as often as configured.

It opens the warehouses only after one of their files has changed; the decision itself is
in ``analytics.publishing.due``.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC

import dagster as dg

from aeries_pipeline.analytics.publishing.copy import read_copy
from aeries_pipeline.analytics.publishing.due import decide, fingerprint, read_state
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.orchestration.automation.jobs import PUBLISH
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store

AGAIN_SECONDS = 900
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def build_publish_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that starts ``published/aeries``."""

    @dg.sensor(
        name="publish_changes",
        job_name=PUBLISH,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes the analysts' copy after a district's data has changed, at most "
        "once in the roster's publish.minutes.",
    )
    @without_values
    def publish_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        store = Store(settings.data)
        marks = list(store.marks(store.districts()).values())
        if not marks:
            return dg.SensorResult(skip_reason="nothing was pulled yet")
        roster = load_roster(settings.roster)
        settled = fingerprint(roster)
        mark = [hashlib.sha256("\n".join(marks).encode()).hexdigest(), settled]
        if context.cursor and json.loads(context.cursor) == mark:
            return dg.SensorResult(skip_reason="nothing has changed since the last copy")
        busy = context.instance.get_runs_count(dg.RunsFilter(job_name=PUBLISH, statuses=UNDER_WAY))
        if busy:
            return dg.SensorResult(skip_reason="a copy is being made")
        state = read_state(store, read_copy(settings.published))
        moment = now()
        found = decide(state, settled, roster.publish.minutes, moment)
        if not found.is_due:
            # Looked at and found current: no need to open it before it changes again.
            cursor = json.dumps(mark) if state.is_published else context.cursor
            return dg.SensorResult(skip_reason=found.reason, cursor=cursor)
        # A copy that could not be made is tried again in the next quarter of an hour.
        slot = int(moment.replace(tzinfo=UTC).timestamp()) // AGAIN_SECONDS
        key = f"{state.changed_at:%Y%m%dT%H%M%S.%f}/{settled}/{state.published_at}/{slot}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)])

    return publish_changes
