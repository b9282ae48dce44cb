"""``aeries-pipeline requests``: course requests as Dagster runs of this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from aeries_pipeline.cli.common import item, warn
from aeries_pipeline.cli.results import show
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.course_requests.checks import NONE_REJECTED
from aeries_pipeline.course_requests.holds import Answer, NoSuchFileError, answer
from aeries_pipeline.course_requests.inbox import drop_in, inbox_of, waiting_files
from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.reconcile import Arrival, reconcile
from aeries_pipeline.course_requests.sentences import SENTENCES, STATES
from aeries_pipeline.course_requests.sss.deliver import last_folder
from aeries_pipeline.course_requests.statement import Covers
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import (
    DELIVER_REQUESTS,
    EXPORT_REQUESTS,
    TAKE_REQUESTS,
)
from aeries_pipeline.orchestration.partitions import DISTRICT_TAG, school_keys
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store


def take_file(
    settings: Settings,
    district_id: str,
    file: Path,
    console: Console,
    *,
    covers: str | None = None,
) -> bool:
    """Put a file into the inbox, then take it and write the files for Aeries.

    Args:
        settings: Of the installation.
        district_id: District of the roster.
        file: The file.
        console: Where to tell.
        covers: For whom it speaks; None for the district's setting.

    Returns:
        Whether the file could be read and everything was written.
    """
    district = load_roster(settings.roster).get(district_id)
    cover = Covers(covers) if covers else None
    drop_in(inbox_of(settings.inbox, district.id), file, cover)
    return export_requests(settings, district_id, console)


def answer_file(
    settings: Settings, district_id: str, said: tuple[str, str, str], console: Console
) -> bool:
    """Record what a person says about a file, then decide and write again.

    Args:
        settings: Of the installation.
        district_id: District of the roster.
        said: The file, the answer, and who gives it.
        console: Where to tell.

    Returns:
        Whether the answer was recorded and everything was written.
    """
    district = load_roster(settings.roster).get(district_id)
    file_id, what, who = said
    try:
        answer(
            Store(settings.data).warehouse(district.id), district, file_id, Answer(what), who, now()
        )
    except NoSuchFileError as error:
        warn(console, str(error))
        return False
    return export_requests(settings, district_id, console)


def export_requests(settings: Settings, district_id: str, console: Console) -> bool:
    """Take what is in the inbox, decide all requests, write the files, and tell.

    Returns:
        Whether every file could be read and everything was written.
    """
    district = load_roster(settings.roster).get(district_id)
    with open_instance(settings) as instance:
        runs = run_requests(build_defs(settings), instance, district)
    return tell_requests(settings, district, runs, console)


def follow_requests(
    defs: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, district: District
) -> list[dg.ExecuteInProcessResult]:
    """Do the same after a pull, if the district has any request or file."""
    place = inbox_of(settings.inbox, district.id)
    warehouse = Store(settings.data).warehouse(district.id)
    if not waiting_files(place, datetime.now(UTC)) and not (
        warehouse.has_table("core", "course_requests")
        and warehouse.rows(
            "SELECT 1 FROM core.course_requests WHERE district = ? LIMIT 1", [district.id]
        )
    ):
        return []
    return run_requests(defs, instance, district)


def run_requests(
    defs: dg.Definitions, instance: dg.DagsterInstance, district: District
) -> list[dg.ExecuteInProcessResult]:
    """Run the jobs of course requests for a district: take, write, and deliver if configured."""
    tags = {DISTRICT_TAG: district.id}
    job = defs.resolve_job_def
    taken = run_job(job(TAKE_REQUESTS), instance, keys=[district.id], tags=tags)
    keys = school_keys(district)
    if not taken.success or not keys:
        return [taken]
    exported = run_job(job(EXPORT_REQUESTS), instance, keys=keys, tags=tags)
    runs = [taken, exported]
    if exported.success and district.course_requests.delivery is not None:
        runs.append(run_job(job(DELIVER_REQUESTS), instance, keys=[district.id], tags=tags))
    return runs


def tell_requests(
    settings: Settings,
    district: District,
    runs: Sequence[dg.ExecuteInProcessResult],
    console: Console,
) -> bool:
    """Print what became of the requests.

    Returns:
        Whether the runs succeeded and no file was refused.
    """
    good = True
    for run in runs:
        for verdict in run.get_asset_check_evaluations():
            # What was rejected is in the table below.
            if not verdict.passed and verdict.check_name != NONE_REJECTED:
                good &= verdict.severity is not dg.AssetCheckSeverity.ERROR
                warn(console, verdict.description)
        for sentence in dict.fromkeys(failures(run)):
            warn(console, sentence)
        good &= run.success
    show_requests(settings, district.id, console)
    for run in runs:
        if run.success and run.job_def.name == DELIVER_REQUESTS:
            console.print(
                f"course requests: at {district.course_requests.delivery}", soft_wrap=True
            )
    return good


def show_reconciled(settings: Settings, district_id: str, console: Console) -> bool:
    """Print what became in Aeries of what each school was given.

    Returns:
        Whether nothing that was given is missing or changed, as far as a pull shows.
    """
    district = load_roster(settings.roster).get(district_id)
    found = reconcile(Store(settings.data).warehouse(district.id), district.id)
    if not found:
        console.print(f"{district.id}: nothing was given to any school as yet")
        return True
    kinds = [one for one in Arrival if any(school.counts.get(one) for school in found)]
    columns = ["school", "year", *(one.replace("_", " ") for one in kinds), "share that arrived"]
    rows = [
        [
            str(one.school), str(one.year), *(f"{one.counts.get(kind, 0):,}" for kind in kinds),
            "not known" if one.share is None else f"{one.share:.1%}",
        ]
        for one in found
    ]  # fmt: skip
    show(columns, rows, None, console)
    if any(one.counts.get(Arrival.NOT_GRANTED) for one in found):
        console.print("Course requests are not granted, so nothing is known of what was imported.")
    return not any(
        one.counts.get(Arrival.MISSING) or one.counts.get(Arrival.CHANGED) for one in found
    )


def show_requests(settings: Settings, district_id: str, console: Console) -> None:
    """Print the requests of a district by school, state and reason, and where the files are."""
    district = load_roster(settings.roster).get(district_id)
    warehouse = Store(settings.data).warehouse(district.id)
    rows = []
    if warehouse.has_table("core", "course_requests"):
        rows = warehouse.rows(
            "SELECT school, state, reason, sum(requests) FROM core.course_request_counts "
            "WHERE district = ? AND state IS NOT NULL GROUP BY ALL "
            "ORDER BY school NULLS LAST, state, reason",
            [district.id],
        )
    if not rows:
        console.print(f"{district.id}: there are no course requests")
        return
    console.print(_by_school(rows, f"{district.id}: course requests"))
    reasons: Counter[str] = Counter()
    for _school, _state, reason, number in rows:
        if reason:
            reasons[reason] += number
    for reason, number in reasons.most_common():
        item(console, f"{number:>9,}  ", SENTENCES[Reason(reason)])
    for school in district.schools:
        folder = last_folder(settings.out, district.id, school)
        if folder is not None:
            console.print(f"school {school}: {folder}", soft_wrap=True)


def _by_school(rows: Sequence[tuple[int | None, str, str | None, int]], title: str) -> Table:
    counts: dict[str, Counter[str]] = {}
    for school, state, _reason, number in rows:
        counts.setdefault(str(school or "no school"), Counter())[state] += number
    states = [state for state in State if any(one[state] for one in counts.values())]
    table = Table("school", title=title, title_justify="left")
    for state in states:
        table.add_column(STATES[state], justify="right")
    for place, one in counts.items():
        table.add_row(place, *(f"{one[state]:,}" for state in states))
    return table


def failures(run: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield what a run that left nothing in the ledger says of its end."""
    for event in run.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
            yield "stopped from outside; what was loaded stays, sync again for the rest"
            return
        if event.is_step_failure:
            user = event.step_failure_data.user_failure_data
            yield (
                (user and user.description) or (error and error.message.strip()) or "a step failed"
            )
        elif event.event_type is dg.DagsterEventType.RUN_FAILURE and event.message:
            yield event.message
