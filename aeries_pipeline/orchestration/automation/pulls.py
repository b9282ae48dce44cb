"""The sensor that starts each district's pull when its window opens.

It reads the clock, the run list and the ledger, and sends nothing to any
district. The decision is made in ``schedule``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import PRIORITY_TAG

from aeries_pipeline.catalog.registry import of_grain
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.districts.schedule import Attempt, CutOff, Outcome, Stage, Start, decide
from aeries_pipeline.orchestration.assets.resources import OPENING_TAG
from aeries_pipeline.orchestration.automation.jobs import PULL_JOBS, pull_job_of
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import (
    DISTRICT_TAG,
    Partitions,
    districts_of,
    partition_tags,
    school_key,
)
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.ledger import partitions as partitions_of
from aeries_pipeline.stores.ledger import troubles
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted

ATTEMPT_TAG = "aeries/attempt"
STAGE_TAG = "aeries/stage"
_TOLD = 20
_NEWER = (
    "its schools or resources in the roster are others than Dagster has loaded; reload the code "
    "location (Deployment, Code locations)"
)
_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.MANAGED,
]


def build_pull_sensor(
    settings: Settings,
    jobs: Sequence[dg.UnresolvedAssetJobDefinition],
    partitions: Partitions,
    clock: Callable[[], datetime] | None = None,
) -> dg.SensorDefinition:
    """Return the sensor that decides for all districts of the roster.

    Args:
        settings: Where roster and warehouse are.
        jobs: The pull jobs.
        partitions: Of the roster as it was when the code location was loaded.
        clock: The present, aware; tests replace it.
    """
    # All machines go by one clock, which is that of the gate before each request, too.
    present = clock or Store(settings.data).present

    @dg.sensor(
        name="pull_windows",
        jobs=list(jobs),
        minimum_interval_seconds=60,
        # A clone that shows the demo has no server to ask until one is started.
        default_status=dg.DefaultSensorStatus.STOPPED
        if settings.is_demo
        else dg.DefaultSensorStatus.RUNNING,
        description="Starts one pull for each district in each opening of its window, and tries "
        "again what failed for a reason that may pass.",
    )
    @without_values
    def pull_windows(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        moment = present()
        districts = load_roster(settings.roster).districts
        openings = {
            one.id: opening_key(one, moment) for one in districts if one.windows.contains(moment)
        }
        attempts = _attempts(context.instance, settings, openings.values())
        busy = _busy(context.instance)
        # The ledger is asked once in an opening, not at every tick.
        unbegun = [name for name, key in openings.items() if key not in attempts]
        cut_off = _cut_off(settings, [name for name in unbegun if name not in busy])
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        for district in districts:
            key = openings.get(district.id, "")
            decision = decide(
                district,
                moment,
                busy=district.id in busy,
                attempts=attempts.get(key, []),
                cut_off=cut_off.get(district.id),
            )
            if decision.starts and not partitions.agree(district):
                # Dagster would refuse the run, and with it those of all districts of this tick.
                reasons.append(f"{district.id}: {_NEWER}")
                continue
            requests += [request_for(district, key, start) for start in decision.starts]
            if decision.reason and not decision.starts:
                reasons.append(f"{district.id}: {decision.reason}")
        skip = None if requests else _told(reasons)
        return dg.SensorResult(run_requests=requests, skip_reason=skip)

    return pull_windows


def _told(reasons: Sequence[str]) -> str:
    """Return the reasons for doing nothing, not more of them than a person reads."""
    shown = "; ".join(reasons[:_TOLD]) or "the roster is empty"
    more = len(reasons) - _TOLD
    return f"{shown}; and {counted(more, 'more district')}" if more > 0 else shown


def opening_key(district: District, moment: datetime) -> str:
    """Return the name of the opening around a moment; it is part of every run key."""
    return f"{district.id}@{district.windows.opened_at(moment):%Y-%m-%dT%H:%MZ}"


def request_for(district: District, opening: str, start: Start) -> dg.RunRequest:
    """Return the run request for a start."""
    tags = {
        DISTRICT_TAG: district.id,
        OPENING_TAG: opening,
        STAGE_TAG: start.stage.value,
        ATTEMPT_TAG: str(start.attempt),
    }
    grain = Grain.SCHOOL if start.schools else Grain.DISTRICT
    names = [
        one.name
        for one in of_grain(grain)
        if district.wants(one) and (not start.resources or one.name in start.resources)
    ]
    if start.schools is None:
        # Both runs are queued at once; this one is taken first.
        tags[PRIORITY_TAG] = "1"
        tags |= partition_tags([district.id])
    else:
        # The ends alone, which are one school where they are the same.
        tags |= partition_tags(
            list(dict.fromkeys(school_key(district.id, school) for school in start.schools))
        )
    return dg.RunRequest(
        run_key=f"{opening}/{start.stage}/{start.attempt}",
        job_name=pull_job_of(grain, names),
        tags=tags,
        asset_selection=[dg.AssetKey(["raw", name]) for name in names],
        asset_check_keys=[],
    )


def _cut_off(settings: Settings, districts: Sequence[str]) -> dict[str, CutOff]:
    """Return what closing windows left undone: the newest attempt was not even sent."""
    found: dict[str, CutOff] = {}
    for district, ones in partitions_of(Store(settings.data), districts)[0].items():
        left = [one for one in ones if one.status == "skipped" and one.school is not None]
        if left:
            schools = sorted({one.school for one in left if one.school is not None})
            found[district] = CutOff(tuple(schools), tuple(sorted({one.resource for one in left})))
    return found


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """Return the districts with a run that has not ended, however it was started."""
    found: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if DISTRICT_TAG in run.tags or run.job_name in PULL_JOBS:
            found.update(districts_of(run.tags))
    return found


def _attempts(
    instance: dg.DagsterInstance, settings: Settings, openings: Iterable[str]
) -> dict[str, list[Attempt]]:
    """Return what was started in the present openings, by opening."""
    names = list(openings)
    if not names:
        return {}
    records = instance.get_run_records(dg.RunsFilter(tags={OPENING_TAG: names}))
    failed = {
        district
        for record in records
        if record.dagster_run.status is dg.DagsterRunStatus.FAILURE
        for district in districts_of(record.dagster_run.tags)
    }
    known = troubles(Store(settings.data), failed)
    found: dict[str, list[Attempt]] = {}
    for record in records:
        run = record.dagster_run
        outcome, schools = _outcome(run, known)
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
        found.setdefault(run.tags[OPENING_TAG], []).append(
            Attempt(Stage(run.tags[STAGE_TAG]), int(run.tags[ATTEMPT_TAG]), outcome, ended, schools)
        )
    return found


Troubles = Mapping[str, list[tuple[int | None, bool]]]


def _outcome(run: dg.DagsterRun, known: Troubles) -> tuple[Outcome, tuple[int, ...]]:
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return Outcome.DONE, ()
    if not run.is_finished:
        return Outcome.RUNNING, ()
    if run.status is dg.DagsterRunStatus.CANCELED:
        # A person stopped it; only a person starts it again.
        return Outcome.LASTS, ()
    mine = known.get(run.run_id)
    if not mine:
        return Outcome.MAY_PASS, ()
    passing = tuple(school for school, transient in mine if transient and school is not None)
    return (Outcome.MAY_PASS if any(t for _, t in mine) else Outcome.LASTS), passing
