"""The asset between the lists of students and the accounts: students requested individually.

Thin around ``accounts.ask``. It never fails because a server cannot be reached: the
accounts are computed all the same, and what is not confirmed waits.
"""

from typing import Any

import dagster as dg

from aeries_pipeline.accounts import ask, columns
from aeries_pipeline.accounts.ask import Confirmed, asking, confirm
from aeries_pipeline.accounts.checks import CONFIRMATION_QUESTIONS, confirmation_answers
from aeries_pipeline.accounts.tables import CONFIRMATIONS_COLUMNS
from aeries_pipeline.orchestration.assets.checks import check_result, check_specs
from aeries_pipeline.orchestration.assets.describe import OWNER, table_metadata
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError

CONFIRMATIONS = dg.AssetKey(["core", "confirmations"])

_TEXT = """\
Students asked for alone before an account ends or is taken up again, with what the answers said.

| | |
|---|---|
| Table | `core.confirmations` |
| End point | `schools/{school}/students/{StudentID}`, inside the district's window and limits |
| Rules | `docs/accounts.md` |
"""


def build_confirmations_asset(
    partitions: Partitions, condition: dg.AutomationCondition[dg.AssetKey]
) -> dg.AssetsDefinition:
    """Return the asset that requests students one by one.

    Args:
        partitions: The partitions of the roster.
        condition: When it is computed, the same as the accounts.
    """

    @dg.asset(
        key=CONFIRMATIONS,
        description=_TEXT,
        group_name="accounts",
        kinds={"python", "duckdb"},
        owners=[OWNER],
        partitions_def=partitions.districts,
        deps=[
            dg.AssetDep(
                dg.AssetKey(["raw", "students"]),
                partition_mapping=partitions.schools_of_district("students"),
            )
        ],
        automation_condition=condition,
        tags={"aeries/grain": "district", "aeries/personal": "yes"},
        metadata=table_metadata(
            "core.confirmations", CONFIRMATIONS_COLUMNS, columns.CONFIRMATIONS, ask, "accounts.md"
        ),
        check_specs=check_specs(CONFIRMATIONS, CONFIRMATION_QUESTIONS, partitions.districts),
    )
    @without_values
    def core_confirmations(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        district = aeries.roster.get(context.partition_key)
        own = warehouse.of(district.id)
        try:
            confirmed = confirm(
                own,
                district,
                lambda: asking(aeries.session(district.id, own)),
                run_id=context.run.run_id,
            )
        except (WarehouseBusyError, WarehouseUnusableError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        return dg.MaterializeResult(
            metadata=_metadata(confirmed),
            check_results=[
                check_result(CONFIRMATIONS, one)
                for one in confirmation_answers(district.id, confirmed)
            ],
        )

    return core_confirmations


def _metadata(confirmed: Confirmed) -> dict[str, Any]:
    return {
        "students_to_confirm": confirmed.due,
        "students_asked_for": confirmed.asked,
        "requests": confirmed.requests,
        "answers_agree": confirmed.agreed,
        "answers_contradict": sum(confirmed.contradicted.values()),
        "no_usable_answer": confirmed.failed,
    }
