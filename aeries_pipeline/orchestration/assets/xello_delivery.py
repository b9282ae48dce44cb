"""``out/xello_delivery``: a district's files for Xello, delivered as the roster says.

Thin around ``deliveries.deliver``. Only districts with ``delivery`` have a partition.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from aeries_pipeline.deliveries import deliver
from aeries_pipeline.deliveries.deliver import Job, NotDeliveredError, Outcome, send
from aeries_pipeline.deliveries.parcels import NothingToSendError, xello_parcel
from aeries_pipeline.deliveries.standing import Standing, standing, told_verdict
from aeries_pipeline.districts.roster import District
from aeries_pipeline.ingest.checks import Answer
from aeries_pipeline.orchestration.assets.accounts import AFTER_PULLS
from aeries_pipeline.orchestration.assets.checks import check_result, check_specs
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.assets.xello import XELLO_FILES
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.stores.outcomes import now

XELLO_DELIVERY = dg.AssetKey(["out", "xello_delivery"])
GROUP = "deliveries"
AGAIN_TAG = "aeries/deliver_again"
"""Tag of a run that sends what has arrived once more; its value is who asked."""

IN_TIME = "arrived_before_the_deadline"
QUESTIONS = {
    IN_TIME: "The newest files are at their receiver by the deadline of the roster, in the "
    "district's own time: Xello reads what lies there at 8 in the evening."
}
"""The good state that each check asks about."""
_TEXT = """\
The newest files for Xello, delivered as `delivery` of the roster says: all of a set or none, compared by checksum.

| | |
|---|---|
| Proof | `meta.sent`: what went where, with the SHA-256 of each file |
| Sent twice | never, unless somebody asks with `aeries-pipeline deliver DISTRICT --again` |
| More | `docs/deliveries.md` |
"""  # noqa: E501


def build_xello_delivery_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the asset that delivers a district's files for Xello."""

    @dg.asset(
        key=XELLO_DELIVERY,
        group_name=GROUP,
        kinds={"file"},
        owners=[OWNER],
        description=_TEXT,
        partitions_def=partitions.delivering,
        deps=[dg.AssetDep(XELLO_FILES, partition_mapping=partitions.same_district())],
        automation_condition=AFTER_PULLS,
        tags={"aeries/grain": "district", "aeries/personal": "yes"},
        metadata=links(deliver, "deliveries.md"),
        check_specs=check_specs(XELLO_DELIVERY, QUESTIONS, partitions.delivering),
    )
    @without_values
    def xello_delivery(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        district = aeries.roster.get(context.partition_key)
        out, store = aeries.settings.out, warehouse.of(district.id)
        if district.delivery is None:
            raise dg.Failure(
                f"{district.id}: the roster no longer says where its files go; reload the code "
                "location",
                allow_retries=False,
            )
        try:
            parcel = xello_parcel(out, district.id, district.delivery.extra_files)
            job = Job(
                store, district, district.delivery, parcel,
                context.run.tags.get(AGAIN_TAG), context.run.run_id,
            )  # fmt: skip
            found = send(job)
        except (
            NotDeliveredError, NothingToSendError, WarehouseBusyError, WarehouseUnusableError,
        ) as error:  # fmt: skip
            failed = standing(store, district, out)
            if failed is not None:
                yield check_result(XELLO_DELIVERY, verdict(failed, district, now()))
            raise dg.Failure(str(error), allow_retries=False) from None
        stands = standing(store, district, out)
        assert stands is not None  # noqa: S101 - it has just been delivered
        yield dg.MaterializeResult(
            metadata=_metadata(found),
            check_results=[check_result(XELLO_DELIVERY, verdict(stands, district, now()))],
        )

    return xello_delivery


def verdict(found: Standing, district: District, moment: datetime) -> Answer:
    """Say whether a set came in time."""
    return Answer(
        IN_TIME, not found.is_late(moment), told_verdict(found, district, moment), serious=True
    )


def _metadata(found: Outcome) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "set": dg.MetadataValue.text(found.parcel.name),
        "target": dg.MetadataValue.text(found.target),
        "is_new": dg.MetadataValue.bool(found.is_new),
        "why": dg.MetadataValue.text(found.reason),
        "attempts": dg.MetadataValue.int(found.attempts),
        "files": dg.MetadataValue.md(
            "\n".join(
                [
                    "| file | bytes | SHA-256 |",
                    "|---|---|---|",
                    *(f"| {one.name} | {one.bytes} | {one.sha256} |" for one in found.parcel.items),
                ]
            )
        ),
    }
    if found.delivery_id:
        shown["delivery"] = dg.MetadataValue.text(found.delivery_id)
    return shown
