"""``meta/backups``: a daily copy of every warehouse, tested, and whether it is recent."""

from datetime import datetime, timedelta

import dagster as dg

from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.checks import Answer
from aeries_pipeline.orchestration.assets.checks import check_result
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.resources import AeriesResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores import backup
from aeries_pipeline.stores.backup import BackupError, thin_out
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.restore_many import take_backups, take_ledger, without_recent
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted, verb

BACKUPS = dg.AssetKey(["meta", "backups"])
RECENT = "newest_backup_is_recent"
QUESTIONS = {RECENT: "Has every warehouse that changed a backup that is recent enough?"}
_TOLD = 5
_TICKED: dg.AutomationCondition = dg.AutomationCondition.cron_tick_passed("50 13 * * *")
DAILY = _TICKED.since_last_handled() & ~dg.AutomationCondition.in_progress()
"""When most districts' windows are closed."""


def build_backups_asset(roster: Roster) -> dg.AssetsDefinition:
    """Return the asset that backs the warehouses up, daily if the roster says so."""

    @dg.asset(
        key=BACKUPS,
        group_name="operations",
        kinds={"duckdb"},
        owners=[OWNER],
        description="A copy of each warehouse that has changed since its last one, read from end "
        "to end, with `backups_keep` of each kept. Daily with `backups: {daily: true}`.",
        automation_condition=DAILY if roster.backups.daily else None,
        tags={"aeries/personal": "yes"},
        metadata=links(backup, "operating.md"),
        check_specs=[
            dg.AssetCheckSpec(name, asset=BACKUPS, description=text)
            for name, text in QUESTIONS.items()
        ],
    )
    @without_values
    def meta_backups(
        context: dg.AssetExecutionContext, aeries: AeriesResource
    ) -> dg.MaterializeResult:
        roster = load_roster(aeries.settings.roster)
        store = Store(aeries.settings.data)
        folder = roster.backups.place(aeries.settings.backups)
        taken, troubles = 0, []
        size = 0
        for district in store.districts():
            try:
                for _name, made in take_backups(store, folder, [district], only_changed=True):
                    taken, size = taken + 1, size + made.bytes
            except (BackupError, WarehouseBusyError, WarehouseUnusableError) as error:
                troubles.append(f"{district}: {error}")
        try:
            take_ledger(store, folder)
        except (BackupError, WarehouseBusyError, WarehouseUnusableError) as error:
            troubles.append(str(error))
        thin_out(folder, roster.retention.backups_keep)
        for trouble in troubles:
            context.log.error(trouble)
        return dg.MaterializeResult(
            metadata={
                "warehouses": len(store.districts()),
                "backed_up_now": taken,
                "bytes": size,
                "could_not_be_backed_up": len(troubles),
                "folder": dg.MetadataValue.path(str(folder)),
            },
            check_results=[check_result(BACKUPS, recent(aeries.settings, roster, now()))],
        )

    return meta_backups


def recent(settings: Settings, roster: Roster, moment: datetime) -> Answer:
    """Return whether every warehouse of the roster has a backup that is recent enough."""
    if not roster.backups.daily:
        return Answer(RECENT, passed=True, text="the roster asks for no daily backups")
    days = roster.backups.oldest_days
    folder = roster.backups.place(settings.backups)
    ids = [one.id for one in roster.districts]
    old = without_recent(Store(settings.data), folder, ids, moment - timedelta(days=days))
    if not old:
        return Answer(RECENT, passed=True, text=f"none is older than {days:g} days")
    named = [
        f"{name} ({f'{at:%Y-%m-%d %H:%M} UTC' if at else 'never'})"
        for name, at in list(old.items())[:_TOLD]
    ]
    more = f" and {len(old) - _TOLD} more" if len(old) > _TOLD else ""
    return Answer(
        RECENT,
        passed=False,
        text=f"the newest backup of {counted(len(old), 'district')} is older than {days:g} "
        f"{verb(days, 'day', 'days')}: "
        f"{', '.join(named)}{more}; see why the last run of meta/backups failed, or run: "
        "aeries-pipeline backup",
        serious=True,
    )
