"""A sensor that notices when data grow old, which no pull will ever report.

It reads clock and ledger, and speaks up only if an answer has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import dagster as dg

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.deliveries.standing import standing
from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.checks import Answer, freshness
from aeries_pipeline.operations.notices.deliver import NotDeliveredError
from aeries_pipeline.orchestration.assets.backups import BACKUPS
from aeries_pipeline.orchestration.assets.backups import recent as recent_backups
from aeries_pipeline.orchestration.assets.checks import find_targets
from aeries_pipeline.orchestration.assets.published import PUBLISHED
from aeries_pipeline.orchestration.assets.published import freshness as freshness_of_copy
from aeries_pipeline.orchestration.assets.xello_delivery import XELLO_DELIVERY, verdict
from aeries_pipeline.orchestration.automation.notices import lines_of, tell
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import key_of
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.stores.ledger import Partition, partitions
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store


def build_staleness_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that re-judges every quarter of an hour what only time changes."""

    @dg.sensor(
        name="staleness",
        minimum_interval_seconds=900,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails the check data_is_fresh of a school whose last complete pull is old, "
        "published_copy_is_current where no copy follows a change, newest_backup_is_recent where "
        "backups are due, and arrived_before_the_deadline where files are due and have not come.",
    )
    @without_values
    def staleness(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        store = Store(settings.data)
        if not store.districts():
            return dg.SensorResult(skip_reason="nothing was pulled yet")
        roster = load_roster(settings.roster)
        districts = {one.id: one for one in roster.districts}
        known: dict[str, bool] = json.loads(context.cursor or "{}")
        verdicts: dict[str, bool] = {}
        events = []
        for district, one in _partitions(store, districts):
            answer = freshness(one.complete_at, now(), districts[district].stale_after_days)
            partition = key_of(district, one.school)
            verdicts[f"{one.resource}/{partition}"] = answer.passed
            # A pull reports fresh data itself; the sensor adds what it cannot see.
            if not answer.passed and known.get(f"{one.resource}/{partition}", True):
                key = dg.AssetKey(["raw", one.resource])
                targets = find_targets(context.instance, key, [partition])
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


def _partitions(store: Store, districts: Iterable[str]) -> Iterator[tuple[str, Partition]]:
    """Yield what was pulled or tried; what is not granted and never came is left out."""
    for district, ones in partitions(store, districts)[0].items():
        for one in ones:
            granted = one.complete_at is not None or one.status != "not_granted"
            if granted and one.resource in RESOURCES:
                yield district, one


def _judged_anew(
    settings: Settings, roster: Roster
) -> Iterator[tuple[dg.AssetKey, str | None, Answer]]:
    """Yield the verdicts on the analysts' copy and on the newest files of each district."""
    moment, store = now(), Store(settings.data)
    yield PUBLISHED, None, freshness_of_copy(settings, roster, moment)
    if roster.backups.daily:
        yield BACKUPS, None, recent_backups(settings, roster, moment)
    for district in roster.districts:
        if not store.has(district.id):
            continue
        try:
            stands = standing(store.warehouse(district.id), district, settings.out)
        except (WarehouseBusyError, WarehouseUnusableError):
            # Its next delivery says what is wrong with it.
            continue
        if stands:
            yield XELLO_DELIVERY, district.id, verdict(stands, district, moment)
