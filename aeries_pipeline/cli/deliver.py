"""``aeries-pipeline deliver``: what was made goes to whom the roster names."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from aeries_pipeline.cli.common import warn
from aeries_pipeline.deliveries.deliver import Job, Outcome, look, send
from aeries_pipeline.deliveries.parcels import xello_parcel
from aeries_pipeline.districts.delivery import DeliverySettings
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse


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
    dry_run: bool
    again: bool
    who: str


def deliver_files(settings: Settings, wish: Wish, console: Console) -> bool:
    """Deliver a district's newest files for Xello; return whether they are there in time."""
    district = load_roster(settings.roster).get(wish.district)
    target = target_of(district)
    parcel = xello_parcel(settings.out, district.id, target.extra_files)
    asked_by = wish.who if wish.again else None
    job = Job(Warehouse(settings.warehouse), district, target, parcel, asked_by)
    if wish.dry_run:
        found = look(job)
        tell(district, found, console)
        console.print(f"dry run: nothing was sent; {found.target} can be reached", soft_wrap=True)
        return True
    found = send(job)
    tell(district, found, console)
    return not found.is_late


def target_of(district: District) -> DeliverySettings:
    """Return where a district's files go.

    Raises:
        ConfigurationError: If the roster does not say.
    """
    if district.delivery is None:
        raise ConfigurationError(
            "no_delivery",
            f"{district.id}: the roster does not say where its files go; settle it as delivery, "
            "see docs/deliveries.md",
        )
    return district.delivery


def tell(district: District, found: Outcome, console: Console) -> None:
    """Print what is sent, or was."""
    table = Table("file", title=f"{district.id} {found.parcel.name}", title_justify="left")
    for heading in ("rows", "bytes"):
        table.add_column(heading, justify="right")
    table.add_column("SHA-256")
    for item in found.parcel.items:
        rows = found.parcel.rows.get(item.name)
        table.add_row(
            item.name, "" if rows is None else f"{rows:,}", f"{item.bytes:,}", item.sha256[:16]
        )
    console.print(table)
    done = found.is_new and found.arrived_at
    state = f"delivered to {found.target}" if done else f"{found.target}: {found.reason}"
    console.print(f"files for Xello: {state}", soft_wrap=True)
    if found.arrived_at and found.is_late:
        warn(console, f"{district.id}: they came after {told_deadline(district, found)}")


def told_deadline(district: District, found: Outcome) -> str:
    """Return until when a set had to be there, in the district's own time."""
    from datetime import UTC

    return district.told(found.due_at and found.due_at.replace(tzinfo=UTC))
