"""``aeries-pipeline deliver``, and the delivery at the end of a sync, as Dagster runs."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
from rich.console import Console
from rich.table import Table

from aeries_pipeline.cli.common import warn
from aeries_pipeline.cli.requests import failures
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.deliveries.deliver import Job, look
from aeries_pipeline.deliveries.parcels import Parcel, xello_parcel
from aeries_pipeline.deliveries.standing import standing, told_verdict
from aeries_pipeline.districts.delivery import DeliverySettings
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.xello_delivery import AGAIN_TAG
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import DELIVER
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks ``deliver`` for.

    Attributes:
        district: District id.
        dry_run: Whether nothing is to be sent.
        again: Whether what has arrived is sent once more.
        who: Who asks.
    """

    district: str
    dry_run: bool = False
    again: bool = False
    who: str = ""


def deliver_files(settings: Settings, wish: Wish, console: Console) -> bool:
    """Deliver a district's newest files for Xello; return whether they are there in time.

    Raises:
        ConfigurationError: If the roster does not say where they go.
        NothingToSendError: If there are none yet, or somebody has changed them.
        NotDeliveredError: If a dry run finds that they cannot be delivered.
    """
    district = load_roster(settings.roster).get(wish.district)
    target = _target_of(district)
    parcel = xello_parcel(settings.out, district.id, target.extra_files)
    console.print(_table(district, parcel))
    if wish.dry_run:
        found = look(Job(Store(settings.data).warehouse(district.id), district, target, parcel))
        state = "would be sent" if found.is_new else "would not be sent"
        console.print(
            f"dry run: nothing was sent; {found.target} can be reached; the set {state}, because "
            f"{found.reason}",
            soft_wrap=True,
        )
        return True
    with open_instance(settings) as instance:
        result = run_delivery(
            build_defs(settings), instance, district, again=wish.who if wish.again else ""
        )
    return tell_delivery(settings, district, result, console)


def run_delivery(
    defs: dg.Definitions, instance: dg.DagsterInstance, district: District, *, again: str = ""
) -> dg.ExecuteInProcessResult:
    """Deliver a district's files in a Dagster run of this process.

    Args:
        defs: The code location.
        instance: Where the run is noted.
        district: The roster's entry.
        again: Who wants what has arrived to be sent once more; empty for nobody.
    """
    job = defs.resolve_job_def(DELIVER)
    tags = {AGAIN_TAG: again} if again else {}
    return run_job(job, instance, keys=[district.id], tags=tags)


def tell_delivery(
    settings: Settings, district: District, result: dg.ExecuteInProcessResult, console: Console
) -> bool:
    """Print what became of a delivery, from the metadata of its run.

    Returns:
        Whether the files are there in time.
    """
    for event in result.get_asset_materialization_events():
        shown = {
            name: value.value
            for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        state = "delivered to" if shown["is_new"] else f"{shown['why']}:"
        console.print(f"files for Xello: {state} {shown['target']}", soft_wrap=True)
    for sentence in dict.fromkeys(failures(result)):
        warn(console, sentence)
    stands = standing(Store(settings.data).warehouse(district.id), district, settings.out)
    if not result.success or stands is None:
        return False
    moment = now()
    is_late = stands.is_late(moment)
    if is_late:
        warn(console, told_verdict(stands, district, moment))
    return not is_late


def _target_of(district: District) -> DeliverySettings:
    if district.delivery is None:
        raise ConfigurationError(
            "no_delivery",
            f"{district.id}: the roster does not say where its files go; configure "
            "delivery, see docs/deliveries.md",
        )
    return district.delivery


def _table(district: District, parcel: Parcel) -> Table:
    table = Table("file", title=f"{district.id} {parcel.name}", title_justify="left")
    for heading in ("rows", "bytes"):
        table.add_column(heading, justify="right")
    table.add_column("SHA-256")
    for item in parcel.items:
        rows = parcel.rows.get(item.name)
        shown = "" if rows is None else f"{rows:,}"
        table.add_row(item.name, shown, f"{item.bytes:,}", f"{item.sha256[:16]}...")
    return table
