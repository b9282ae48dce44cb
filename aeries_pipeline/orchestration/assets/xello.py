"""``out/xello_files``: what Xello imports, as files, for one district.

Thin around ``accounts.xello.deliver``.
"""

import dagster as dg

from aeries_pipeline.accounts.xello import layout
from aeries_pipeline.accounts.xello.contents import NothingToDeliverError
from aeries_pipeline.accounts.xello.deliver import Delivery, deliver
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.orchestration.assets.accounts import ACCOUNTS, AFTER_PULLS, CHANGES
from aeries_pipeline.orchestration.assets.checks import check_specs
from aeries_pipeline.orchestration.assets.describe import OWNER
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
from aeries_pipeline.words import counted, verb

XELLO_FILES = dg.AssetKey(["out", "xello_files"])
FITS = "values_fit_xellos_specification"
NOTHING_HELD = "no_change_of_people_is_held"
QUESTIONS = {
    FITS: "Every value of the files fits Xello's published specification: no delimiter in it, not "
    "too long, nothing required missing.",
    NOTHING_HELD: "Nobody of the families and educators waits for a person, and every file that is "
    "switched on is made.",
}
"""The good state that each check asks about."""
_TEXT = """\
School, Student and StudentCourses as Xello's file specification asks for, the files of families and educators that the roster switches on, the account changes since the last delivery, and a manifest.

| | |
|---|---|
| Folder | `data/out/DISTRICT/xello/TIME/` |
| Format | pipe-delimited text, UTF-8; see `docs/accounts.md` |
| Written | when anything in it differs from the last delivery |
"""  # noqa: E501


def build_xello_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the asset that writes a district's delivery."""

    @dg.asset(
        key=XELLO_FILES,
        group_name="accounts",
        kinds={"file", "csv"},
        owners=[OWNER],
        description=_TEXT,
        partitions_def=partitions.districts,
        deps=[
            ACCOUNTS,
            CHANGES,
            dg.AssetKey(["raw", "schools"]),
            dg.AssetKey(["raw", "courses"]),
            *(
                dg.AssetDep(
                    dg.AssetKey(["raw", name]),
                    partition_mapping=partitions.schools_of_district(name),
                )
                for name in ("classes", "terms", "transcripts", *_of_people(partitions))
            ),
        ],
        automation_condition=AFTER_PULLS,
        tags={"aeries/grain": "district", "aeries/personal": "yes"},
        metadata=links(layout, "accounts.md"),
        check_specs=check_specs(XELLO_FILES, QUESTIONS, partitions.districts),
    )
    @without_values
    def xello_files(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        district = aeries.roster.get(context.partition_key)
        try:
            delivery = deliver(warehouse.of(district.id), district, aeries.settings.out)
        except (NothingToDeliverError, WarehouseBusyError, WarehouseUnusableError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except OSError as error:
            raise dg.Failure(
                f"{district.id}: the delivery to Xello could not be written "
                f"({error.strerror or type(error).__name__}); the last one stays; see whether the "
                "disk is full, then materialize out/xello_files again",
                allow_retries=False,
            ) from None
        return dg.MaterializeResult(
            metadata=_metadata(delivery),
            check_results=[_verdict(delivery), _held(district.id, delivery)],
        )

    return xello_files


def _of_people(partitions: Partitions) -> list[str]:
    """Return the optional lists that files of people are made from, where any district has one."""
    return [
        name
        for name in ("staff", "contacts", "sections")
        if partitions.of(RESOURCES[name]).get_partition_keys()
    ]


def _metadata(delivery: Delivery) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "folder": dg.MetadataValue.path(str(delivery.folder)),
        "is_new": dg.MetadataValue.bool(delivery.is_new),
        "accounts_outside_delivered_grades": dg.MetadataValue.int(delivery.undelivered),
    }
    for name, rows in delivery.rows.items():
        shown[f"{name}_rows"] = dg.MetadataValue.int(rows)
    if delivery.missing:
        shown["not_pulled_yet"] = dg.MetadataValue.text(", ".join(delivery.missing))
    return shown


def _held(district: str, delivery: Delivery) -> dg.AssetCheckResult:
    lines = [
        f"{file}: {number:,} {verb(number, 'is', 'are')} held: {why}"
        for file, reasons in delivery.more.held.items()
        for why, number in reasons.items()
    ]
    if lines:
        lines.append(f"see aeries-pipeline accounts files {district}")
    lines += [f"{file} is not made: {why}" for file, why in delivery.more.not_made.items()]
    waiting = sum(sum(one.values()) for one in delivery.more.held.values())
    return dg.AssetCheckResult(
        check_name=NOTHING_HELD,
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(lines) or "nobody waits",
        metadata={"people": waiting, "files_not_made": len(delivery.more.not_made)},
    )


def _verdict(delivery: Delivery) -> dg.AssetCheckResult:
    lines = [
        f"{file}.{column} {problem} in {counted(number, 'row')} ({action})"
        for (file, column, problem, action), number in delivery.problems.items()
    ]
    text = "; ".join(lines)
    if lines:
        text += (
            f"; the rows are named in {delivery.folder.name}/problems.csv; correct them in Aeries"
        )
    return dg.AssetCheckResult(
        check_name=FITS,
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description=text or "every value fits",
        metadata={"problems": sum(delivery.problems.values())},
    )
