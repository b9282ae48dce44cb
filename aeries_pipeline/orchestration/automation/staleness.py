"""A sensor that notices data growing old, which no pull will ever report.

It reads clock and ledger, and speaks up only where a verdict has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.deliveries.standing import standing
from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.checks import Answer, freshness
from aeries_pipeline.operations.notices.deliver import NotDeliveredError
from aeries_pipeline.orchestration.assets.checks import find_targets
from aeries_pipeline.orchestration.assets.published import PUBLISHED
from aeries_pipeline.orchestration.assets.published import freshness as freshness_of_copy
from aeries_pipeline.orchestration.assets.xello_delivery import XELLO_DELIVERY, verdict
from aeries_pipeline.orchestration.automation.notices import lines_of, tell
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import key_of
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.ledger import last_complete
from aeries_pipeline.stores.outcomes import now


def build_staleness_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that re-judges every quarter of an hour what only time changes."""

    @dg.sensor(
        name="staleness",
        minimum_interval_seconds=900,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails the check data_is_fresh of a school whose last complete pull is old, "
        "published_copy_is_current where no copy follows a change, and arrived_before_the_deadline "
        "where files are due and have not come.",
    )
    @without_values
    def staleness(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if not settings.warehouse.exists():
            return dg.SensorResult(skip_reason="nothing was pulled yet")
        roster = load_roster(settings.roster)
        districts = {one.id: one for one in roster.districts}
        known: dict[str, bool] = json.loads(context.cursor or "{}")
        verdicts: dict[str, bool] = {}
        events = []
        for (district, school, name), last in last_complete(Warehouse(settings.warehouse)).items():
            if district not in districts or name not in RESOURCES:
                continue
            answer = freshness(last, now(), districts[district].stale_after_days)
            partition = key_of(district, school)
            verdicts[f"{name}/{partition}"] = answer.passed
            # A pull reports fresh data itself; the sensor adds what it cannot see.
            if not answer.passed and known.get(f"{name}/{partition}", True):
                targets = find_targets(context.instance, dg.AssetKey(["raw", name]), [partition])
                events.append(targets.evaluation(partition, answer))
        for asset, place, answer in _judged_anew(settings, roster):
            name = f"{answer.name}/{place}" if place else answer.name
            verdicts[name] = answer.passed
            if known.get(name, True) != answer.passed:
                targets = find_targets(context.instance, asset, [place] if place else [])
                events.append(targets.evaluation(place, answer))
        if events:
            # No run reports these, so the sensor tells of them itself.
            lines = [line for event in events for line in lines_of(event, warnings=True)]
            try:
                tell(settings, lines, None)
            except NotDeliveredError as error:
                # The verdicts matter more than the notice.
                context.log.error(str(error))  # noqa: TRY400 - the sentence is all there is to say
        stale = {name: passed for name, passed in verdicts.items() if not passed}
        return dg.SensorResult(asset_events=events, cursor=json.dumps(stale))

    return staleness


def _judged_anew(
    settings: Settings, roster: Roster
) -> Iterator[tuple[dg.AssetKey, str | None, Answer]]:
    """Yield the verdicts on the analysts' copy and on the newest files of each district."""
    moment, warehouse = now(), Warehouse(settings.warehouse)
    yield PUBLISHED, None, freshness_of_copy(warehouse, roster, moment)
    for district in roster.districts:
        if stands := standing(warehouse, district, settings.out):
            yield XELLO_DELIVERY, district.id, verdict(stands, district, moment)
