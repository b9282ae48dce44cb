"""Whether a district's newest set has arrived, from its manifest and the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aeries_pipeline.deliveries.decide import arrivals, due_at, is_late
from aeries_pipeline.deliveries.ledger import Ledger
from aeries_pipeline.deliveries.parcels import XELLO, made_at_of
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.deliveries import newest


@dataclass(frozen=True, slots=True)
class Standing:
    """How the newest set stands.

    Attributes:
        name: Its name.
        due_at: Until when it has to be there, UTC without a zone; None for no deadline.
        arrived_at: When it first was there; None for not yet.
        why_not: What the last attempt said where it failed.
    """

    name: str
    due_at: datetime | None
    arrived_at: datetime | None
    why_not: str = ""

    def is_late(self, moment: datetime) -> bool:
        """Tell whether it came after it was due, or is due and has not come."""
        return self.due_at is not None and is_late(self.due_at, self.arrived_at, moment)


def standing(warehouse: Warehouse, district: District, out: Path) -> Standing | None:
    """Return the state of the newest files for Xello; None if there is nothing to deliver."""
    place = out / district.id / "xello"
    manifest = newest(place) if district.delivery and place.is_dir() else None
    if manifest is None or district.delivery is None:
        return None
    name, made = str(manifest["name"]), made_at_of(manifest)
    sent, target = Ledger(warehouse, district.id, XELLO).sent(), str(district.delivery)
    arrived = arrivals(name, target, sent)
    reasons = [one.reason for one in sent if (one.set_name, one.target) == (name, target)]
    deadline = district.delivery.deadline
    return Standing(
        name,
        due_at(made, deadline, district.zone) if deadline else None,
        min(arrived, default=None),
        "" if arrived else next((one for one in reversed(reasons) if one), ""),
    )


def told_verdict(found: Standing, district: District, moment: datetime) -> str:
    """Return in one sentence whether a set came in time, and what to do if it did not."""
    head = f"{district.id}: the files for Xello of {found.name}"
    due = district.told(_utc(found.due_at)) if found.due_at else ""
    if found.arrived_at:
        came = f"{head} arrived {district.told(_utc(found.arrived_at))}"
        if not found.is_late(moment):
            return came
        return (
            f"{came}, after they were due ({due}), so Xello reads them a day later; see in "
            "docs/deliveries.md how to begin earlier or to move the deadline"
        )
    if not found.is_late(moment):
        return f"{head} have not arrived yet" + (f"; they are due {due}" if due else "")
    last = f"; the last attempt: {found.why_not}" if found.why_not else ""
    return (
        f"{head} have not arrived, although they were due {due}; run aeries-pipeline deliver "
        f"{district.id}{last}"
    )


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)
