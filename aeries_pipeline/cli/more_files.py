"""``aeries-pipeline accounts files``: who is in the files of people for Xello, in counts."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.accounts.xello.kept import approve, not_made, standing
from aeries_pipeline.accounts.xello.people import EDUCATORS, FAMILY, TEACHERS
from aeries_pipeline.cli.common import warn
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted, verb

_COUNTED = {
    FAMILY.name: "contacts, one for each of their students,",
    EDUCATORS.name: "educators, one for each of their schools,",
    TEACHERS.name: "pairs of a section and its teacher",
}
"""What a line of each counts: a person may be on several."""
_CALLED = {TEACHERS.name: "teachers of sections (EducatorStudent, StudentGroup)"}


def show_files(
    settings: Settings,
    district: str,
    console: Console,
    *,
    accepts: str = "",
    keeps: str = "",
    reason: str = "",
    who: str = "",
) -> bool:
    """Print who is in each file and what waits; carry a person's word about one of them.

    Returns:
        Whether nothing waits, and every file that is on was made.

    Raises:
        ConfigurationError: If nothing of the file waits, or no reason is given.
    """
    on = load_roster(settings.roster).get(district).accounts.xello.files
    warehouse = Store(settings.data).warehouse(district)
    file = accepts or keeps
    if file:
        number = approve(warehouse, district, file, who, reason, keeps=bool(keeps))
        done = (
            verb(number, "stays", "stay")
            if keeps
            else f"{verb(number, 'is', 'are')} approved; the next delivery carries it out"
        )
        console.print(f"{district}: {counted(number, 'line')} of {file} {done}", soft_wrap=True)
    found = standing(warehouse, district)
    lacking = {name: why for name, why in not_made(warehouse, district).items() if name in on}
    for name, why in lacking.items():
        warn(console, f"{name} is not made: {why}")
    if not found and not lacking:
        console.print(
            f"{district}: no file of people has been made yet; see accounts.xello in the roster",
            soft_wrap=True,
        )
    for name, inside, missing, waits, reasons in found:
        console.print(
            f"{_CALLED.get(name, name)}: {inside:,} {_COUNTED[name]} in it, {missing:,} of them "
            f"not shown by the newest list, {waits:,} {verb(waits, 'waits', 'wait')} for a "
            "person",
            soft_wrap=True,
        )
        for why, number in reasons.items():
            warn(console, f"{name}: {number:,} {verb(number, 'is', 'are')} held: {why}")
        if reasons:
            console.print(
                "Once the district has said that it is right:\n"
                f"  aeries-pipeline accounts files {district} --accept {name} --reason WHY\n"
                "Where the list was wrong, and they stay:\n"
                f"  aeries-pipeline accounts files {district} --keep {name} --reason WHY",
                markup=False,
                soft_wrap=True,
            )
    return not lacking and not any(waits for _name, _inside, _missing, waits, _reasons in found)
