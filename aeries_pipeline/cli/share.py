"""``aeries-pipeline accounts share``: who is left out, in counts, and a person's word about it."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.accounts.left_out import accept, look, told
from aeries_pipeline.cli.common import warn
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.districts.share import unknown_schools
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import doing


def show_share(
    settings: Settings,
    district: str,
    console: Console,
    *,
    reason: str = "",
    who: str = "",
    accepts: bool = False,
) -> bool:
    """Print who is left out; let those be shared again who wait for it, where a person says so.

    Returns:
        Whether nothing stands in the way of a delivery.

    Raises:
        ConfigurationError: If nobody waits, or no reason is given.
    """
    entry = load_roster(settings.roster).get(district)
    warehouse = Store(settings.data).warehouse(district)
    if accepts:
        number = accept(warehouse, entry, who, reason)
        console.print(
            f"{district}: {doing(number, 'student', 'is', 'are')} shared again; the next "
            "computation carries it out: "
            f"aeries-pipeline sync {district}",
            soft_wrap=True,
        )
    found = look(warehouse, entry)
    console.print(f"{district}: {told(found)}", soft_wrap=True)
    unknown = unknown_schools(entry.share, entry.schools, "in the roster")
    if unknown:
        warn(console, f"{district}: {unknown}")
    if found.trouble:
        warn(console, f"{district}: nothing is delivered to Xello, because {found.trouble}")
    if found.doubted:
        console.print(
            "Once the district has said that it is right:\n"
            f"  aeries-pipeline accounts share {district} --accept --reason WHY",
            markup=False,
            soft_wrap=True,
        )
    return not found.trouble
