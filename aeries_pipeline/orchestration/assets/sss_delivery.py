"""``out/sss_delivery``: the schools' files of course requests, delivered as the roster says.

Thin around ``deliveries.deliver``. Only districts with ``course_requests: delivery`` have
a partition.
"""

import dagster as dg

from aeries_pipeline.deliveries import parcels
from aeries_pipeline.deliveries.deliver import Job, NotDeliveredError, Outcome, send
from aeries_pipeline.deliveries.parcels import NothingToSendError, requests_parcel
from aeries_pipeline.orchestration.assets.accounts import AFTER_PULLS
from aeries_pipeline.orchestration.assets.course_requests import SSS_FILES
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError

SSS_DELIVERY = dg.AssetKey(["out", "sss_delivery"])
_TEXT = """\
The newest folder of each school, delivered as `delivery` under `course_requests` says, whole or not at all, as SCHOOL/TIME/.

| | |
|---|---|
| Proof | `meta.sent`, kind `course_requests`: the SHA-256 of each file |
| Sent twice | never |
| More | `docs/deliveries.md` |
"""  # noqa: E501


def build_sss_delivery_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the asset that delivers the folders of a district's schools."""

    @dg.asset(
        key=SSS_DELIVERY,
        group_name="deliveries",
        kinds={"file"},
        owners=[OWNER],
        description=_TEXT,
        partitions_def=partitions.delivering_requests,
        deps=[
            dg.AssetDep(SSS_FILES, partition_mapping=partitions.schools_of_delivering_district())
        ],
        automation_condition=AFTER_PULLS,
        tags={"aeries/grain": "district", "aeries/personal": "yes"},
        metadata=links(parcels, "deliveries.md"),
    )
    @without_values
    def sss_delivery(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        district = aeries.roster.get(context.partition_key)
        target = district.course_requests.delivery
        if target is None:
            raise dg.Failure(
                f"{district.id}: the roster no longer says where its course requests go; reload "
                "the code location",
                allow_retries=False,
            )
        found: dict[int, Outcome] = {}
        troubles: list[str] = []
        for school in district.schools:
            try:
                parcel = requests_parcel(aeries.settings.out, district.id, school)
                if parcel is not None:
                    job = Job(
                        warehouse.of(district.id),
                        district,
                        target,
                        parcel,
                        run_id=context.run.run_id,
                    )
                    found[school] = send(job)
            except (
                NotDeliveredError, NothingToSendError, WarehouseBusyError, WarehouseUnusableError,
            ) as error:  # fmt: skip
                troubles.append(str(error))
        if troubles:
            raise dg.Failure("\n".join(dict.fromkeys(troubles)), allow_retries=False)
        return dg.MaterializeResult(metadata=_metadata(found))

    return sss_delivery


def _metadata(found: dict[int, Outcome]) -> dict[str, dg.MetadataValue]:
    lines = [
        f"| {school} | {one.parcel.name} | {len(one.parcel.items)} | "
        f"{'sent' if one.is_new else one.reason} |"
        for school, one in found.items()
    ]
    head = ["| school | folder | files | what became of it |", "|---|---|---|---|"]
    return {
        "sent": dg.MetadataValue.int(sum(one.is_new for one in found.values())),
        "schools": dg.MetadataValue.md("\n".join([*head, *lines])),
    }
