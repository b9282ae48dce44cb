"""``core/course_requests`` and ``out/sss_files``: from an inbox to what schools import.

Thin around ``course_requests``. A district without any request
materializes neither.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from aeries_pipeline.course_requests import columns_of_table, rules
from aeries_pipeline.course_requests.checks import QUESTIONS, answers
from aeries_pipeline.course_requests.compute import Computed, compute
from aeries_pipeline.course_requests.inbox import inbox_of, refresh_reports, take_all
from aeries_pipeline.course_requests.intake import Taken
from aeries_pipeline.course_requests.reconcile import Arrival, Reconciled
from aeries_pipeline.course_requests.sentences import SENTENCES
from aeries_pipeline.course_requests.sss import plan
from aeries_pipeline.course_requests.sss.deliver import (
    Export,
    NotExportedError,
    export,
    write_unplaced,
)
from aeries_pipeline.course_requests.tables import REQUESTS_COLUMNS
from aeries_pipeline.deliveries.collect import Collected, collect, may_look
from aeries_pipeline.orchestration.assets.accounts import AFTER_PULLS
from aeries_pipeline.orchestration.assets.checks import check_result, check_specs
from aeries_pipeline.orchestration.assets.describe import OWNER, table_metadata
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.orchestration.partitions import Partitions, key_of, split
from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError

REQUESTS = dg.AssetKey(["core", "course_requests"])
SSS_FILES = dg.AssetKey(["out", "sss_files"])
GROUP = "course_requests"

_REQUESTS_TEXT = """\
Every course request of every file that was in the district's inbox, with its state: ready, exported, already in Aeries, held, rejected, repeated or withdrawn.

| | |
|---|---|
| Table | `core.course_requests`, one row for each line of each file |
| Inbox | `data/inbox/DISTRICT/course_requests/` |
| Rules | `docs/course-requests.md` |
| Views | `core.course_request_counts`, `core.course_requests_by_course`, `core.course_request_arrivals` |
"""  # noqa: E501 - the first paragraph of a description is one line
_SSS_TEXT = """\
What a school imports into Aeries: SSS.csv, alternates, the same as sss.sql, rejects, a preview and a manifest.

| | |
|---|---|
| Folder | `data/out/DISTRICT/sss/SCHOOL/TIME/` |
| For the registrar | `docs/course-requests.md`, and how-to-import.txt in the folder |
| Written | when there are new requests, or other ones than before cannot be imported |
"""  # noqa: E501


def build_requests_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the asset that takes files and decides requests, one partition a district."""
    by_school = [
        dg.AssetDep(
            dg.AssetKey(["raw", name]), partition_mapping=partitions.schools_of_district(name)
        )
        for name in ("students", "course_requests", "alternate_course_requests")
    ]

    @dg.multi_asset(
        name="core__course_requests",
        specs=[
            dg.AssetSpec(
                REQUESTS,
                description=_REQUESTS_TEXT,
                group_name=GROUP,
                kinds={"duckdb", "csv"},
                owners=[OWNER],
                skippable=True,
                partitions_def=partitions.districts,
                deps=[
                    *by_school,
                    dg.AssetKey(["raw", "courses"]),
                    dg.AssetKey(["raw", "schools"]),
                ],
                automation_condition=AFTER_PULLS,
                metadata=table_metadata(
                    "core.course_requests",
                    REQUESTS_COLUMNS,
                    columns_of_table.MEANINGS,
                    rules,
                    "course-requests.md",
                ),
                tags={"aeries/grain": "district", "aeries/personal": "yes"},
            )
        ],
        check_specs=check_specs(REQUESTS, QUESTIONS, partitions.districts),
        partitions_def=partitions.districts,
    )
    @without_values
    def core_course_requests(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        district = aeries.roster.get(context.partition_key)
        place = inbox_of(aeries.settings.inbox, district.id)
        own = warehouse.of(district.id)
        moment = datetime.now(UTC)
        collected = collect(district, place) if may_look(district, moment) else Collected()
        if collected.trouble:
            context.log.warning(collected.trouble)
        try:
            with own.staying_open():
                taken = list(take_all(own, district, place, datetime.now(UTC), context.run.run_id))
                computed = compute(own, district)
                refresh_reports(own, district, place, taken)
                unplaced = write_unplaced(own, district, aeries.settings.out)
        except (WarehouseBusyError, WarehouseUnusableError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except OSError as error:
            raise dg.Failure(
                f"{district.id}: a file of course requests could not be read or moved "
                f"({error.strerror or type(error).__name__}); it stays in the inbox; see to disk "
                "space and permissions, then materialize core/course_requests again",
                allow_retries=False,
            ) from None
        checks = [
            check_result(REQUESTS, one)
            for one in answers(district.id, taken, computed, collected.trouble)
        ]
        has_any = bool(computed.received or taken)
        if not has_any:
            context.log.info("%s: there are no course requests", district.id)
        yield dg.MaterializeResult(
            asset_key=REQUESTS,
            metadata={
                **_requests_metadata(computed, taken, unplaced),
                "files_fetched": collected.fetched,
            },
            check_results=checks,
            # None and none again is nothing that anybody has to follow.
            data_version=None if has_any else dg.DataVersion("no course requests"),
        )

    return core_course_requests


def _requests_metadata(computed: Computed, taken: Sequence[Taken], unplaced: int) -> dict[str, Any]:
    files = Counter(one.status for one in taken)
    shown: dict[str, Any] = {
        "dagster/partition_row_count": computed.received,
        **{str(state): number for state, number in computed.states.items()},
        "changed": computed.changed,
        "files_taken": files["taken"],
        "files_known_already": files["known"],
        "files_failed": files["failed"],
        "without_school": unplaced,
        "school_year": str(computed.next_year or "not known yet"),
    }
    if computed.reasons:
        rows = [
            f"| {state} | {reason} | {number} | {SENTENCES[reason]} |"
            for (state, reason), number in sorted(computed.reasons.items())
        ]
        head = ["| state | code | requests | what to do |", "|---|---|---|---|"]
        shown["to_look_at"] = dg.MetadataValue.md("\n".join([*head, *rows]))
    if computed.reconciled:
        shown["arrivals"] = dg.MetadataValue.md(_arrivals(computed.reconciled))
    return shown


def _arrivals(schools: Sequence[Reconciled]) -> str:
    """Return the table of what became in Aeries of what each school was given."""
    kinds = [one for one in Arrival if any(school.counts.get(one) for school in schools)]
    head = ["school", *(one.replace("_", " ") for one in kinds), "share that arrived"]
    rows = [
        [
            str(one.school), *(str(one.counts.get(kind, 0)) for kind in kinds),
            "not known" if one.share is None else f"{one.share:.1%}",
        ]
        for one in schools
    ]  # fmt: skip
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def build_sss_asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Return the asset that writes the files of schools, one partition a school."""

    @dg.multi_asset(
        name="out__sss_files",
        specs=[
            dg.AssetSpec(
                SSS_FILES,
                description=_SSS_TEXT,
                group_name=GROUP,
                kinds={"file", "csv", "sqlserver"},
                owners=[OWNER],
                skippable=True,
                partitions_def=partitions.schools,
                deps=[dg.AssetDep(REQUESTS, partition_mapping=partitions.district_of_schools())],
                automation_condition=AFTER_PULLS,
                tags={"aeries/grain": "school", "aeries/personal": "yes"},
                metadata=links(plan, "course-requests.md"),
            )
        ],
        can_subset=True,
        partitions_def=partitions.schools,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @without_values
    def out_sss_files(
        context: dg.AssetExecutionContext, aeries: AeriesResource, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetMaterialization]:
        troubles: list[str] = []
        for key in context.partition_keys:
            name, school = split(key)
            if school is None:
                continue
            try:
                found = export(
                    warehouse.of(name), aeries.roster.get(name), school, aeries.settings.out
                )
            except (NotExportedError, WarehouseBusyError, WarehouseUnusableError) as error:
                troubles.append(str(error))
            except OSError as error:
                troubles.append(
                    f"{name}, school {school}: the files could not be written "
                    f"({error.strerror or type(error).__name__}); the last ones stay"
                )
            else:
                yield dg.AssetMaterialization(
                    SSS_FILES, partition=key_of(name, school), metadata=_export_metadata(found)
                )
        if troubles:
            listed = "\n".join(f"- {trouble}" for trouble in troubles)
            raise dg.Failure(
                f"{len(troubles)} of {len(context.partition_keys)} schools have no new files.\n"
                f"{listed}",
                allow_retries=False,
            )

    return out_sss_files


def _export_metadata(found: Export) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "is_new": found.is_new,
        "new_rows": found.new,
        "whole_rows": found.whole,
        "lines_in_rejects": found.rejects,
        "lines_in_withdrawals": found.withdrawals,
        **{str(state): number for state, number in found.states.items()},
    }
    if found.folder is not None:
        shown["folder"] = dg.MetadataValue.path(str(found.folder))
    return shown
