"""``aeries-pipeline accounts``: what waits for a person, and the person's answer."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aeries_pipeline.accounts.checks import WAITING
from aeries_pipeline.accounts.duplicates import Pair, Verdict
from aeries_pipeline.accounts.model import DONE
from aeries_pipeline.accounts.preview import drawn, preview
from aeries_pipeline.accounts.review import (
    Wish,
    Word,
    pairs_of,
    say,
    say_of_pair,
    students_of,
    waiting,
)
from aeries_pipeline.accounts.waits import Wait, left_out_now, long_waits
from aeries_pipeline.cli.common import item, warn
from aeries_pipeline.cli.requests import failures
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.districts.nights import NIGHTS
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.accounts import ACCOUNTS, CHANGES
from aeries_pipeline.orchestration.assets.confirmations import CONFIRMATIONS
from aeries_pipeline.orchestration.assets.resources import OUTSIDE_WINDOW_TAG
from aeries_pipeline.orchestration.assets.xello import XELLO_FILES
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import ACCOUNTS_AND_FILES
from aeries_pipeline.orchestration.partitions import DISTRICT_TAG
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted

_UNASKED = "who are asked for alone first"
"""Of a rehearsal, which asks nobody."""


def compute_accounts(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    district: str,
    *,
    with_files: bool = True,
    outside_window: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Compute a district's accounts and files in a Dagster run of this process."""
    tags = {DISTRICT_TAG: district}
    if outside_window:
        tags[OUTSIDE_WINDOW_TAG] = outside_window
    selection = [CONFIRMATIONS, ACCOUNTS, CHANGES, *([XELLO_FILES] if with_files else [])]
    job = defs.resolve_job_def(ACCOUNTS_AND_FILES)
    return run_job(job, instance, keys=[district], tags=tags, asset_selection=selection)


def tell_accounts(district: str, result: dg.ExecuteInProcessResult, console: Console) -> None:
    """Print what became of the accounts, from the metadata of the run."""
    for event in result.get_asset_materialization_events():
        one = event.step_materialization_data.materialization
        shown = {name: value.value for name, value in one.metadata.items()}
        if one.asset_key == CHANGES:
            counts = [f"{shown[kind]} {word}" for kind, word in DONE.items() if shown[kind]]
            console.print(f"accounts: {', '.join(counts) or 'no change'}")
        elif one.asset_key == XELLO_FILES:
            state = "written to" if shown["is_new"] else "unchanged since"
            console.print(f"files for Xello: {state} {shown['folder']}", soft_wrap=True)
    for verdict in result.get_asset_check_evaluations():
        if not verdict.passed:
            text = verdict.description or verdict.check_name
            warn(console, f"{district}: {text}")
    if not result.success:
        for sentence in dict.fromkeys(failures(result)):
            warn(console, sentence)


def show_waiting(
    settings: Settings, district: str, console: Console, *, with_students: bool = False
) -> None:
    """Print what is held, who waits for long, and which ids may be one child."""
    entry = load_roster(settings.roster).get(district)
    warehouse = Store(settings.data).warehouse(district)
    said = [
        f"{text}; nobody's leaving is believed before it is read again"
        for text in left_out_now(warehouse, district)
    ]
    said += [_named(entry, wait) for wait in long_waits(warehouse, entry)]
    said += _paired(district, pairs_of(warehouse, district))
    for text in said:
        for line in text.splitlines():
            item(console, "", line)
    open_ones = waiting(warehouse, district)
    if not open_ones:
        if not said:
            console.print(f"{district}: nothing waits for a person")
        return
    batch = ""
    for one in open_ones:
        if one.batch_id != batch:
            batch = one.batch_id
            since = f", held since {one.held_since:%Y-%m-%d %H:%M} UTC"
            console.print(Text.assemble((f"batch {batch}", "bold"), since))
        place = "" if one.school is None else f" of school {one.school}"
        whom = counted(one.students, "student")
        item(
            console,
            "  ",
            f"{one.kind}: {whom}{place}: {one.reason}",
        )
    if with_students:
        for of_batch, kind, school, student, code in students_of(warehouse, district):
            console.print(
                f"{of_batch} {kind} school {school} student {student} ({code})", soft_wrap=True
            )
    console.print(
        f"Compare with Aeries, then:\n"
        f"  aeries-pipeline accounts approve {district} BATCH --reason WHY\n"
        f"  aeries-pipeline accounts reject {district} BATCH --reason WHY\n"
        "--kind and --school narrow it; --students lists StudentIDs.",
        markup=False,
        soft_wrap=True,
    )


def _named(district: District, wait: Wait) -> str:
    """Return what is said of a student who waits for long; the review alone names them."""
    why = WAITING.get(wait.code, "with a change that waits for a person")
    place = "" if wait.school is None else f" of school {wait.school}"
    since = f"waiting since {district.day_of(wait.since)}, longer than stale_after_days"
    return f"student {wait.student_id}{place}, {since}: {why}"


def show_preview(settings: Settings, district: str, console: Console) -> None:
    """Print what the next delivery will change, by school and kind, and a chart of the nights."""
    entry = load_roster(settings.roster).get(district)
    found = preview(Store(settings.data).warehouse(district), entry, settings.out)
    number = sum(found.coming.values())
    since = "nothing was delivered yet"
    if found.since:
        since = f"the last one has the changes until {found.since:%Y-%m-%d %H:%M} UTC"
    console.print(
        f"{district}: the next delivery to Xello has {counted(number, 'account change')}; {since}",
        soft_wrap=True,
    )
    table = Table("school", "change", box=None)
    for heading in ("next", "average", "most", "held"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for one in found.lines():
        more = f"more than on any of the last {NIGHTS} nights" if one.is_unusual else ""
        numbers = (f"{one.coming:,}", f"{one.usual:.1f}", f"{one.most:,}", f"{one.held:,}")
        table.add_row(str(one.school), one.kind, *numbers, more)
    if table.row_count:
        console.print(table)
    console.print(f"Account changes of the last {NIGHTS} nights and of the next delivery:")
    for line in drawn(found.bars, "#" if console.options.ascii_only else "\N{FULL BLOCK}"):
        console.print(f"  {line}", soft_wrap=True)
    for code, students in found.waiting.items():
        why = _UNASKED if code == "not_confirmed" else WAITING[code]
        console.print(f"not decided yet: {counted(students, 'student')} {why}", soft_wrap=True)
    if found.held:
        console.print(f"held: see aeries-pipeline accounts review {district}", soft_wrap=True)


def _paired(district: str, pairs: Sequence[Pair]) -> list[str]:
    """Return which ids may be one child, and how to say what they are."""
    lines = [
        f"student {one.student_id} at school {one.school}"
        + (", who waits for an account," if one.waits else "")
        + f" and student {one.related_student_id} at school {one.related_school}: "
        f"the same {one.alike}"
        for one in pairs
    ]
    if lines:
        lines.append(
            "Compare with Aeries, then say of each pair what it is:\n"
            f"  aeries-pipeline accounts same {district} CLOSED GOES_ON --reason WHY\n"
            f"  aeries-pipeline accounts different {district} ONE OTHER --reason WHY"
        )
    return lines


def speak_of_pair(settings: Settings, district: str, word: Word, console: Console) -> bool:
    """Record what a person says of two ids, carry it out, and print what became of it.

    Returns:
        Whether the computation succeeded.
    """
    load_roster(settings.roster).get(district)
    warehouse = Store(settings.data).warehouse(district)
    say_of_pair(warehouse, district, word)
    result = None
    with open_instance(settings) as instance:
        defs = build_defs(settings)
        # The id that goes on gets its account first; only then is the other one closed.
        done = (
            word.verdict is Verdict.DIFFERENT
            or compute_accounts(defs, instance, district, with_files=False).success
        )
        if done:
            result = compute_accounts(defs, instance, district)
            done = result.success
    rows = warehouse.rows(
        "SELECT student_id, state, school FROM core.accounts WHERE district = ? "
        "AND list_contains(?, student_id) ORDER BY student_id",
        [district, [word.student_id, word.related_student_id]],
    )
    stand = ", ".join(f"{student} is {state} at school {school}" for student, state, school in rows)
    said = "the same child" if word.verdict is Verdict.SAME else "two children"
    console.print(
        f"{district}: {said}, says {word.who}; {stand or 'neither has an account'}",
        markup=False,
        soft_wrap=True,
    )
    if result is not None:
        tell_accounts(district, result, console)
    if not done:
        warn(console, "the run failed; see it in the Dagster UI")
    return done


def decide_held(settings: Settings, district: str, wish: Wish, console: Console) -> bool:
    """Record what a person decides, carry it out, and print what became of it.

    Returns:
        Whether the computation succeeded.
    """
    load_roster(settings.roster).get(district)
    warehouse = Store(settings.data).warehouse(district)
    began = now()
    covered = say(warehouse, district, wish)
    with open_instance(settings) as instance:
        result = compute_accounts(build_defs(settings), instance, district)
    outcome = warehouse.rows(
        "SELECT status, count(*) FROM core.account_changes_now WHERE district = ? "
        "AND batch_id = ? AND (? IS NULL OR kind = ?) "
        "AND (? IS NULL OR coalesce(from_school, to_school) = ?) "
        # Of the batch's other changes most had passed before.
        "AND (status = 'held' OR recorded_at >= ?) "
        "AND change_id IN (SELECT change_id FROM core.account_changes WHERE status = 'held') "
        "GROUP BY ALL ORDER BY ALL",
        [district, wish.batch_id, wish.kind, wish.kind, wish.school, wish.school, began],
    )
    now_they_are = ", ".join(f"{number:,} {status}" for status, number in outcome)
    console.print(
        f"{district}: {counted(covered, 'held change')} of batch {wish.batch_id} "
        f"{'approved' if wish.action == 'approve' else 'rejected'} by {wish.who}; they are now "
        f"{now_they_are or 'as they were'}",
        markup=False,
        soft_wrap=True,
    )
    tell_accounts(district, result, console)
    if not result.success:
        warn(console, "the run failed; see it in the Dagster UI")
    return result.success
