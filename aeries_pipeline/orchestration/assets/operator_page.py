"""``meta/operator_page``: the state of every district, for whoever is on duty."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.status import read as status
from aeries_pipeline.operations.status.page import html, markdown
from aeries_pipeline.operations.status.read import read_status
from aeries_pipeline.orchestration.assets.accounts import ACCOUNTS
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links, operator_link
from aeries_pipeline.orchestration.assets.resources import AeriesResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.store import Store

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
        tags={"aeries/personal": "no"},
        metadata=links(status, "operating.md"),
    )
    @without_values
    def operator_page(aeries: AeriesResource) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=write_page(aeries.settings, datetime.now(UTC)))

    return operator_page


def write_page(settings: Settings, moment: datetime) -> dict[str, Any]:
    """Write the page as a file, and return it as the metadata of its asset.

    Args:
        settings: Where roster, warehouses and the page are.
        moment: The present, aware.
    """
    statuses = read_status(Store(settings.data), load_roster(settings.roster), moment)
    path = settings.data / "operator.html"
    write_atomically(path, html(statuses, moment))
    return {
        "page": dg.MetadataValue.md(markdown(statuses, moment)),
        "whole_page": operator_link(path),
        "districts": len(statuses),
        "need_a_person": sum(one.needs_a_person for one in statuses),
        "held_changes": sum(one.holds for one in statuses),
        "failing_partitions": sum(len(one.troubles) for one in statuses),
    }


def report_page(settings: Settings, instance: dg.DagsterInstance) -> None:
    """Make the page at the end of a command, because no daemon may be running to do it."""
    metadata = write_page(settings, datetime.now(UTC))
    instance.report_runless_asset_event(dg.AssetMaterialization(OPERATOR_PAGE, metadata=metadata))
