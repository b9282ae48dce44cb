"""``meta/operator_page``: how every district stands, for whoever is on duty."""

from datetime import UTC, datetime

import dagster as dg

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.status import read as status
from aeries_pipeline.operations.status.page import html, markdown
from aeries_pipeline.operations.status.read import read_status
from aeries_pipeline.orchestration.assets.accounts import ACCOUNTS
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.resources import AeriesResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.store import Store

_TICKED: dg.AutomationCondition = dg.AutomationCondition.cron_tick_passed("7 * * * *")
HOURLY = _TICKED.since_last_handled() & ~dg.AutomationCondition.in_progress()
OPERATOR_PAGE = dg.AssetKey(["meta", "operator_page"])


def build_operator_page() -> dg.AssetsDefinition:
    """Return the asset that writes the operator's page."""

    @dg.asset(
        key=OPERATOR_PAGE,
        group_name="operations",
        kinds={"html", "markdown"},
        owners=[OWNER],
        description="How every district stands: last complete pull, failing schools, missing "
        "permissions, held account changes, next opening. Also as operator.html in the data "
        "directory. Made from the ledger; nothing is asked of any server.",
        deps=[dg.AssetDep(ACCOUNTS, partition_mapping=dg.AllPartitionMapping())],
        automation_condition=HOURLY,
        tags={"aeries/personal": "no"},
        metadata=links(status, "operating.md"),
    )
    @without_values
    def operator_page(aeries: AeriesResource) -> dg.MaterializeResult:
        moment = datetime.now(UTC)
        roster = load_roster(aeries.settings.roster)
        statuses = read_status(Store(aeries.settings.data), roster, moment)
        path = aeries.settings.data / "operator.html"
        write_atomically(path, html(statuses, moment))
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.md(markdown(statuses, moment)),
                "file": dg.MetadataValue.path(str(path)),
                "districts": len(statuses),
                "districts_that_need_a_person": sum(one.needs_a_person for one in statuses),
                "held_changes": sum(one.holds for one in statuses),
                "failing_partitions": sum(len(one.troubles) for one in statuses),
            }
        )

    return operator_page
