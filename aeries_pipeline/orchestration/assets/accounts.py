"""The assets of the account lifecycle: ``core/accounts`` and ``core/account_changes``.

Thin around ``accounts.compute``: one partition for each district, computed by
declarative automation once the pulls of the district's schools have ended.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from aeries_pipeline.accounts import columns, decide
from aeries_pipeline.accounts.checks import QUESTIONS, WAITING, answers
from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.accounts.model import Kind
from aeries_pipeline.accounts.preview import Preview, left_to_deliver
from aeries_pipeline.accounts.review import Waiting, pairs_of, summarised
from aeries_pipeline.accounts.tables import ACCOUNTS_COLUMNS, CHANGES_COLUMNS
from aeries_pipeline.districts.nights import NIGHTS
from aeries_pipeline.orchestration.assets.checks import check_result, check_specs
from aeries_pipeline.orchestration.assets.confirmations import CONFIRMATIONS
from aeries_pipeline.orchestration.assets.describe import OWNER, table_metadata
from aeries_pipeline.orchestration.assets.links import bars
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.words import counted

ACCOUNTS = dg.AssetKey(["core", "accounts"])
CHANGES = dg.AssetKey(["core", "account_changes"])

AFTER_PULLS = (
    dg.AutomationCondition.eager()
    # A school that was never pulled must not hold back the district for ever.
    .without(~dg.AutomationCondition.any_deps_missing())
    # What was asked for by hand and came as it was is materialized and changes nothing.
    .replace("newly_updated", dg.AutomationCondition.data_version_changed())
    .with_label("when the district's pulls have ended")
)

_ACCOUNTS_TEXT = """\
One row for each district and student: whether the account is in use, where, and what Xello needs to know.

| | |
|---|---|
| Table | `core.accounts` |
| Made from | the newest complete pull of `raw.students` of every school |
| Rules | `docs/accounts.md` |
| Views | `core.account_history`, `core.account_enrolments`, `core.students_in_several_schools` |
"""  # noqa: E501 - the first paragraph of a description is one line
_CHANGES_TEXT = """\
What was created, updated, transferred, deactivated and reactivated, with the pulls that say so. Only ever appended to.

| | |
|---|---|
| Table | `core.account_changes`; `core.account_changes_now` has the newest state of each change |
| Held changes | `core.account_holds`; `aeries-pipeline accounts review DISTRICT` |
| Views | `core.account_changes_by_day` |
"""  # noqa: E501


def build_account_assets(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the assets that a district's accounts and their changes are."""
    shared: dict[str, Any] = {
        "group_name": "accounts",
        "kinds": {"duckdb"},
        "owners": [OWNER],
        "partitions_def": partitions.districts,
        "deps": [
            dg.AssetDep(
                dg.AssetKey(["raw", "students"]),
                partition_mapping=partitions.schools_of_district("students"),
            ),
            dg.AssetDep(CONFIRMATIONS),
        ],
        "automation_condition": AFTER_PULLS,
        "tags": {"aeries/grain": "district", "aeries/personal": "yes"},
    }

    @dg.multi_asset(
        name="core__accounts",
        specs=[
            dg.AssetSpec(
                ACCOUNTS,
                description=_ACCOUNTS_TEXT,
                metadata=table_metadata(
                    "core.accounts", ACCOUNTS_COLUMNS, columns.ACCOUNTS, decide, "accounts.md"
                ),
                **shared,
            ),
            dg.AssetSpec(
                CHANGES,
                description=_CHANGES_TEXT,
                metadata=table_metadata(
                    "core.account_changes", CHANGES_COLUMNS, columns.CHANGES, decide, "accounts.md"
                ),
                **shared,
            ),
        ],
        check_specs=check_specs(ACCOUNTS, QUESTIONS, partitions.districts),
        partitions_def=partitions.districts,
    )
    @without_values
    def core_accounts(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult]:
        district = aeries.roster.get(context.partition_key)
        own = warehouse.of(district.id)
        try:
            with own.staying_open():
                computed = compute(own, district, run_id=context.run.run_id)
                pairs = pairs_of(own, district.id)
                coming = left_to_deliver(own, district, aeries.settings.out, computed)
        except (WarehouseBusyError, WarehouseUnusableError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        if not computed.picture.pulls and not computed.active_before:
            raise dg.Failure(
                f"{district.id}: no school's students were completely pulled yet, so there are no "
                "accounts to compute; pull the district first",
                allow_retries=False,
            )
        open_ones = summarised(computed.open_holds)
        verdicts = answers(district.id, computed, open_ones, pairs)
        yield dg.MaterializeResult(
            asset_key=ACCOUNTS,
            metadata=_accounts_metadata(computed),
            check_results=[check_result(ACCOUNTS, one) for one in verdicts],
        )
        yield dg.MaterializeResult(
            asset_key=CHANGES,
            metadata={**_changes_metadata(computed, open_ones), **_preview_metadata(coming)},
        )

    return core_accounts


def _accounts_metadata(computed: Computed) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": computed.active_after,
        "active_accounts": computed.active_after,
        "active_change": computed.active_after - computed.active_before,
        "schools_read": len(computed.picture.pulls),
        "database_year": computed.picture.database_year,
        "batch_id": computed.batch_id,
    }
    if computed.waiting:
        lines = [
            f"- {counted(number, 'student')} {WAITING[code]}"
            for code, number in computed.waiting.items()
        ]
        metadata["not_decided_yet"] = dg.MetadataValue.md("\n".join(lines))
    return metadata


def _preview_metadata(found: Preview) -> dict[str, Any]:
    """Return what the next delivery changes, as a chart of the nights and a table."""
    rows = [
        f"| {one.school} | {one.kind} | {one.coming} | {one.usual:.1f} | {one.most} | {one.held} |"
        for one in found.lines()
    ]
    heads = ["| school | change | next | average | most | held |", "|---|---|---:|---:|---:|---:|"]
    return {
        "next_delivery": sum(found.coming.values()),
        "next_delivery_by_night": bars(
            f"Account changes of the last {NIGHTS} nights and of the next delivery to Xello",
            "night", "changes", found.bars,
        ),
        "next_delivery_by_school": dg.MetadataValue.md("\n".join([*heads, *rows])),
    }  # fmt: skip


def _changes_metadata(computed: Computed, open_ones: Sequence[Waiting]) -> dict[str, Any]:
    metadata: dict[str, Any] = {str(kind): computed.applied.get(kind, 0) for kind in Kind}
    metadata |= {
        "held_now": sum(computed.held.values()),
        "held_in_all": len(computed.open_holds),
        "rejected_or_withdrawn": computed.rejected,
        "batch_id": computed.batch_id,
    }
    if open_ones:
        rows = [
            f"| {one.batch_id} | {one.kind} | {one.school} | {one.changes} |" for one in open_ones
        ]
        table = "\n".join(["| batch | kind | school | changes |", "|---|---|---|---|", *rows])
        metadata["held"] = dg.MetadataValue.md(table)
    return metadata
