"""``aeries-pipeline forget`` and ``prune``."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.cli.accounts import compute_accounts
from aeries_pipeline.cli.common import warn
from aeries_pipeline.cli.requests import failures, follow_requests
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.privacy.forget import Wish, forget
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.retention import build_prune_job
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.ledger import last_good
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted


def forget_somebody(settings: Settings, wish: Wish, console: Console) -> bool:
    """Forget a student or a district, make deliveries without them, and say what was found.

    Returns:
        Whether the search of every file found nothing more, and deliveries were made.
    """
    roster = load_roster(settings.roster)
    done = forget(settings, roster, wish)
    console.print(
        f"{wish.district}: {counted(done.rows, 'row')} and {counted(done.files, 'file')}; "
        f"{counted(done.searched, 'file')} "
        "searched afterwards",
        soft_wrap=True,
    )
    for place in done.places:
        warn(console, f"still found in {place}")
    if not done.places:
        console.print("nothing more is found; the audit row is in meta.forgotten")
    good = not done.places
    if wish.student is None:
        console.print("What was handed out, backups elsewhere and the roster are yours to see to.")
        return good
    good = _deliver_anew(settings, wish.district, console) and good
    console.print(
        "Have Xello take the new delivery, and the schools import whole/ of their new files for "
        "Aeries; backups elsewhere are yours to see to.",
        soft_wrap=True,
    )
    return good


def prune_old(settings: Settings, console: Console) -> bool:
    """Apply the retention in a Dagster run and print what went; return whether it succeeded."""
    with open_instance(settings) as instance:
        result = run_job(build_prune_job(settings)[0], instance)
    for sentence in dict.fromkeys(failures(result)):
        warn(console, sentence)
    for event in result.filter_events(lambda one: one.is_successful_output):
        for name, value in event.step_output_data.metadata.items():
            console.print(f"{name.replace('_', ' ')}: {value.value} removed")
    return result.success


def _deliver_anew(settings: Settings, district_id: str, console: Console) -> bool:
    """Make the deliveries in which the student is missing."""
    warehouse = Store(settings.data).warehouse(district_id)
    district = next(
        (d for d in load_roster(settings.roster).districts if d.id == district_id), None
    )
    if district is None:
        return True
    pulled = last_good(warehouse, district.id, "students")
    if not pulled:
        return True
    complete = all(school in pulled for school in district.schools)
    with open_instance(settings) as instance:
        defs = build_defs(settings)
        runs = [compute_accounts(defs, instance, district.id, with_files=complete)]
        runs += follow_requests(defs, instance, settings, district)
    for run in runs:
        for sentence in dict.fromkeys(failures(run)):
            warn(console, sentence)
    return all(run.success for run in runs)
