"""``meta/onboarding``: the onboarding check of each district, as an asset check.

Thin around ``operations.onboarding.check``. It requests a sample of everything from a
district's server, so it runs when a person starts it and is not part of a pull.
"""

from typing import Any

import dagster as dg

from aeries_pipeline.ingest.session import DistrictBusyError, take_district
from aeries_pipeline.operations.onboarding import site
from aeries_pipeline.operations.onboarding.check import check
from aeries_pipeline.operations.onboarding.findings import Finding, Verdict, is_good
from aeries_pipeline.operations.onboarding.page import page_of, text, write_page
from aeries_pipeline.orchestration.assets.checks import check_specs
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.raw import AERIES
from aeries_pipeline.orchestration.assets.resources import OUTSIDE_WINDOW_TAG, AeriesResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions

ONBOARDING = dg.AssetKey(["meta", "onboarding"])
CAN_BE_PULLED = "district_can_be_pulled"
QUESTIONS = {
    CAN_BE_PULLED: "Network, address, certificate, school year, every permission and the window: "
    "does all that a pull needs work?",
}


def build_onboarding_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the asset that checks the way to a district's Aeries."""

    @dg.asset(
        key=ONBOARDING,
        group_name="operations",
        kinds={"python"},
        owners=[OWNER],
        partitions_def=partitions.districts,
        check_specs=check_specs(ONBOARDING, QUESTIONS, partitions.districts),
        deps=[AERIES],
        description="The way to a district's Aeries, step by step, and what to write to the "
        "district. Materialize it to test a district; the same as aeries-pipeline check. "
        f"Outside the district's window it needs a reason in the run's tag {OUTSIDE_WINDOW_TAG}.",
        tags={"aeries/personal": "no"},
        metadata=links(site, "adding-a-district.md"),
    )
    @without_values
    def onboarding(
        context: dg.AssetExecutionContext, aeries: AeriesResource
    ) -> dg.MaterializeResult:
        district = aeries.roster.get(context.partition_key)
        reason = context.run.tags.get(OUTSIDE_WINDOW_TAG)
        try:
            with take_district(district.id, aeries.settings) as right:
                findings = list(
                    check(
                        district,
                        outside_window=bool(reason),
                        clock=right.present,
                        refusal=right.refusal,
                    )
                )
        except DistrictBusyError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        page = page_of(district, findings)
        metadata: dict[str, Any] = {
            "steps": dg.MetadataValue.md(_table(findings)),
            "to_send_to_the_district": dg.MetadataValue.md(text(page)),
            "steps_not_passed": sum(one.verdict is not Verdict.PASSED for one in findings),
        }
        place = write_page(aeries.settings, district, page)
        if place is not None:
            metadata["page_for_the_district"] = dg.MetadataValue.path(str(place))
        if reason:
            metadata["outside_window"] = reason
        verdict = dg.AssetCheckResult(
            check_name=CAN_BE_PULLED, passed=is_good(findings), description=_summary(findings)
        )
        return dg.MaterializeResult(metadata=metadata, check_results=[verdict])

    return onboarding


def _summary(findings: list[Finding]) -> str:
    for wanted in (Verdict.FAILED, Verdict.WARNED):
        found = [f"{one.step}: {one.text}" for one in findings if one.verdict is wanted]
        if found:
            more = f" And {len(found) - 1} more, see the steps." if len(found) > 1 else ""
            return found[0] + more
    return f"all {len(findings)} steps passed"


def _table(findings: list[Finding]) -> str:
    rows = [
        f"| {one.verdict} | {one.step} | {one.text.replace('|', '/')} |".replace("\n", " ")
        for one in findings
    ]
    return "\n".join(["| | step | found |", "|---|---|---|", *rows])
