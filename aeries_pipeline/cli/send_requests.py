"""``aeries-pipeline requests send``: writing through Aeries' API, reported as counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aeries_pipeline.cli.common import schools_of, warn
from aeries_pipeline.cli.results import show as show_table
from aeries_pipeline.course_requests.writes.record import FRESH_FOR, SETTLES_WITHIN, Outcome
from aeries_pipeline.course_requests.writes.send import Sent, send, show
from aeries_pipeline.districts.errors import StoppedError
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import doing

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
    schools = schools_of(district, school)
    if dry:
        sent = show(warehouse, district, schools, again=again)
    else:

        def opened() -> Session:
            return Session(district, settings, warehouse, options)

        try:
            with _bar(console, district.id) as told:
                sent = send(warehouse, district, schools, opened, again=again, told=told)
        except StoppedError as error:
            warn(console, str(error).partition("; wait")[0])
            return False
    _tell(district, sent, console, dry=dry)
    if dry and sent.counts:
        asked = (
            f"{district.id}{f' --school {school}' if school else ''}{' --again' if again else ''}"
        )
        console.print(
            "Nothing was sent. Look at preview.html of each school, then, inside the pull window: "
            f"aeries-pipeline requests send {asked}",
            soft_wrap=True,
        )
    return sent.is_good


@contextmanager
def _bar(console: Console, district: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far it is; a server is asked several times for each student."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=30),
        MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{district}: students", total=None)
        yield lambda done, number: progress.update(task, completed=done, total=number)


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
    elif not (sent.not_shown or sent.left or sent.stale or sent.trouble):
        console.print(f"{district.id}: there is nothing to write")
    for sentence in _sentences(district.id, sent, dry=dry):
        warn(console, sentence)


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
            f"{district}: {doing(sent.not_shown, 'request', 'was', 'were')} in no dry run as yet "
            f"and not written; run: aeries-pipeline requests send {district} --dry-run"
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
    if sent.unsettled:
        minutes = SETTLES_WITHIN // timedelta(minutes=1)
        found.append(
            f"{district}: {_students(sent.unsettled)} left alone, since something was sent that "
            f"had no answer as yet; send again {minutes} minutes after it at the earliest"
        )
    if sent.left > sent.unsettled:
        found.append(f"{district}: {_students(sent.left - sent.unsettled)} left for another run")
    if sent.trouble:
        found.append(sent.trouble)
    return found


def _students(number: int) -> str:
    return doing(number, "student", "was", "were")
