"""``aeries-pipeline requests send``: writing through Aeries' API, told as counts."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.cli.common import warn
from aeries_pipeline.cli.results import show as show_table
from aeries_pipeline.course_requests.writes.record import FRESH_FOR, Outcome
from aeries_pipeline.course_requests.writes.send import Sent, send, show
from aeries_pipeline.districts.errors import StoppedError
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store

_TITLES = {
    Outcome.SHOWN: "to be written",
    Outcome.WRITTEN: "written",
    Outcome.FOUND: "written, without an answer",
    Outcome.THERE: "there before",
    Outcome.REFUSED: "refused by Aeries",
    Outcome.UNKNOWN: "not known",
    Outcome.NOT_WRITTEN: "not written",
    Outcome.TAKEN_OUT: "taken out since",
}


def send_requests(
    settings: Settings,
    district_id: str,
    school: int | None,
    console: Console,
    *,
    dry: bool,
    again: bool,
    options: PullOptions | None = None,
) -> bool:
    """Show or write what the files of a district give out, and tell what became of it.

    Args:
        settings: Of the installation.
        district_id: District of the roster.
        school: One school alone; None for all.
        console: Where to tell.
        dry: Whether to show it and send nothing.
        again: Whether to write again what was there before and is no longer.
        options: How the pull is opened; tests give another clock.

    Returns:
        Whether all that was asked for happened.
    """
    district = load_roster(settings.roster).get(district_id)
    warehouse = Store(settings.data).warehouse(district.id)
    schools = [school] if school is not None else list(district.schools)
    if dry:
        sent = show(warehouse, district, schools)
    else:

        def opened() -> Session:
            return Session(district, settings, warehouse, options)

        try:
            sent = send(warehouse, district, schools, opened, again=again)
        except StoppedError as error:
            warn(console, str(error).partition("; wait")[0])
            return False
    _tell(district, sent, console, dry=dry)
    return sent.is_good


def _tell(district: District, sent: Sent, console: Console, *, dry: bool) -> None:
    schools = sorted({school for school, _outcome in sent.counts})
    outcomes = [one for one in _TITLES if any(sent.counts[school, one] for school in schools)]
    if schools:
        columns = ["school", *(_TITLES[one] for one in outcomes)]
        rows = [
            [str(school), *(f"{sent.counts[school, one]:,}" for one in outcomes)]
            for school in schools
        ]
        show_table(columns, rows, None, console)
    elif not sent.not_shown:
        console.print(f"{district.id}: there is nothing to write")
    for sentence in _sentences(district.id, sent, dry=dry):
        warn(console, sentence)
    if dry and schools:
        console.print(
            "Nothing was sent. Look at preview.html of each school, then, inside the pull window: "
            f"aeries-pipeline requests send {district.id}",
            soft_wrap=True,
        )


def _sentences(district: str, sent: Sent, *, dry: bool) -> list[str]:
    found = []
    if sent.stale:
        schools = ", ".join(map(str, sent.stale))
        found.append(
            f"{district}: nothing for school {schools}, whose students were not completely pulled "
            f"in the last {FRESH_FOR.days} days; run: aeries-pipeline sync {district}"
        )
    if sent.not_shown and not dry:
        found.append(
            f"{district}: {sent.not_shown} requests were in no dry run as yet and were not "
            f"written; run: aeries-pipeline requests send {district} --dry-run"
        )
    if any(outcome is Outcome.TAKEN_OUT for _school, outcome in sent.counts):
        found.append(
            f"{district}: what somebody took out of Aeries was left so; after Initialize "
            "Scheduling give --again"
        )
    if any(outcome is Outcome.REFUSED for _school, outcome in sent.counts):
        found.append(
            f"{district}: Aeries' own words about what it refused are in the column answer of "
            "core.course_request_writes"
        )
    if sent.left:
        found.append(f"{district}: {sent.left} students wait for another run")
    if sent.trouble:
        found.append(sent.trouble)
    return found
