"""``aeries-pipeline demo``: three emulated districts, from HTTP to DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from rich.console import Console

from aeries_pipeline.cli.deliver import Wish, deliver_files
from aeries_pipeline.cli.demo_site import day_of, install, note_day, with_receiver
from aeries_pipeline.cli.publish import publish_copy
from aeries_pipeline.cli.requests import take_file
from aeries_pipeline.cli.results import show
from aeries_pipeline.cli.sync import Request, sync_district
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.planner import next_export, planner_export
from aeries_pipeline.emulator.serve import demo_emulator, free_port, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.settings import DEMO_PORT, Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted

DAYS = 3

NIGHTS = 2
WEEKS = 2
"""So many more exports of the planner are handed in."""
PLANNER = "eagle-usd"
"""The district whose students use the course planner."""

_CHANGES = """
SELECT district, count(*) FILTER (kind = 'create') AS created,
       count(*) FILTER (kind = 'update') AS updated,
       count(*) FILTER (kind = 'transfer') AS moved,
       count(*) FILTER (kind = 'deactivate') AS deactivated,
       count(*) FILTER (kind = 'reactivate') AS reactivated,
       any_value(active_now) AS active
FROM core.account_changes_now
JOIN (SELECT district, count(*) FILTER (state = 'active') AS active_now
      FROM core.accounts GROUP BY district) USING (district)
WHERE status = 'applied' AND recorded_at > ?
GROUP BY district ORDER BY district
"""


_WISHES = """
WITH given AS (
    SELECT file_id, line, bool_or(action = 'withdraw') AS was_listed
    FROM core.course_request_exports GROUP BY ALL
), standing AS (
    SELECT DISTINCT student_id, priority, alternate_for FROM core.course_requests
    WHERE state NOT IN ('withdrawn', 'repeated')
)
SELECT CASE WHEN r.state = 'repeated' THEN 'said before, nothing new'
            WHEN r.state = 'exported' AND g.was_listed THEN
                'given up and wanted back: exported, with the number that it had'
            WHEN r.state <> 'withdrawn' THEN replace(r.state, '_', ' ')
            ELSE if(s.student_id IS NULL, 'given up', 'changed for another course')
                 || if(g.file_id IS NULL, ' before it was in any file',
                       ' after its export: in withdrawals.csv') END AS wish,
       count(*) AS lines, count(DISTINCT r.student_id) AS students
FROM core.course_requests r
LEFT JOIN given g USING (file_id, line)
LEFT JOIN standing s USING (student_id, priority, alternate_for)
WHERE r.district = ? GROUP BY ALL ORDER BY lines DESC, wish
"""
"""A wish was changed where another one of the same student has its place in the order."""


def run_demo(settings: Settings, console: Console, *, keep_serving: bool = False) -> bool:
    """Run the demo and return whether every pull succeeded.

    It writes to the data directory, or to ``demo`` inside it if the installation has a roster of
    its own.
    """
    if not settings.is_demo:
        settings = replace(settings, data=settings.data / "demo")
    emulator = demo_emulator()
    port = free_port(DEMO_PORT)
    if port != DEMO_PORT:
        console.print(f"Port {DEMO_PORT} is in use; the emulator takes {port}.")
    settings = install(settings, port)
    day = day_of(settings)
    for site in emulator.sites.values():
        site.advance(day)
    with serving(emulator, port) as address:
        console.rule("An emulated Aeries")
        for name, site in emulator.sites.items():
            rows = sum(len(rows) for rows in site.district.rows.values())
            console.print(
                f"{address}/{name}  {counted(len(site.district.schools), 'school')}, {rows:,} rows"
            )
        good = _first_pull(settings, console)
        good = _requests(settings, emulator, console) and good
        good = _days(settings, emulator, console) and good
        console.rule("The analysts' copy")
        good = publish_copy(settings, console) and good
        good = _deliver(settings, port, console) and good
        _what_next(settings, console)
        if keep_serving:
            console.print("The emulator goes on serving; stop it with Ctrl-C.")
            _wait()
    return good


def _wait() -> None:
    from threading import Event

    try:
        Event().wait()
    except KeyboardInterrupt:
        return


def _first_pull(settings: Settings, console: Console) -> bool:
    good = True
    for district in load_roster(settings.roster).districts:
        console.rule(f"Pulling {district.name}")
        good = sync_district(settings, Request(district.id), console) and good
    return good


def _requests(settings: Settings, emulator: Emulator, console: Console) -> bool:
    """Hand in what the students of one district ask for next year."""
    console.rule("Course requests from the course planner")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "course-planner-export.csv"
        district = emulator.sites[PLANNER].district
        first = planner_export(district)
        file.write_text(first, encoding="utf-8")
        good = take_file(settings, PLANNER, file, console)
        for week in range(1, WEEKS + 1):
            console.rule(f"The planner's export of {week} week{'s' if week > 1 else ''} later")
            file.write_text(next_export(district, first, week), encoding="utf-8")
            good = take_file(settings, PLANNER, file, console) and good
            _tell_changes(settings, console)
    return good


def _tell_changes(settings: Settings, console: Console) -> None:
    """Say what became of the wishes that changed since the export before."""
    _answer(
        settings,
        console,
        "What became of the wishes of all exports so far:",
        (_WISHES, PLANNER),
        [PLANNER],
    )


def _days(settings: Settings, emulator: Emulator, console: Console) -> bool:
    """Move the districts on, and pull their students on two nights.

    Who is absent from every school is deactivated after the second one.
    """
    good = True
    began = now()
    for site in emulator.sites.values():
        site.advance(DAYS)
    note_day(settings, day_of(settings) + DAYS)
    for night in range(1, NIGHTS + 1):
        console.rule(f"{DAYS} school days later, night {night}")
        for district in load_roster(settings.roster).districts:
            request = Request(district.id, resources=("students",))
            good = sync_district(settings, request, console) and good
    districts = [one.id for one in load_roster(settings.roster).districts]
    _answer(settings, console, "What became of the accounts since:", (_CHANGES, began), districts)
    return good


def _answer(
    settings: Settings,
    console: Console,
    title: str,
    question: tuple[str, object],
    districts: Sequence[str],
) -> None:
    """Print the rows of one question to the warehouses of some districts."""
    query, bound = question
    found = Store(settings.data).warehouses(districts)
    rows = [row for _district, one in found for row in one.dicts(query, [bound])]
    console.print(title)
    show(list(rows[0]) if rows else [], [list(row.values()) for row in rows], None, console)


def _deliver(settings: Settings, port: int, console: Console) -> bool:
    """Deliver the newest files to an SFTP server of this machine, and name what arrived there."""
    console.rule("A delivery by SFTP")
    with with_receiver(settings, port) as (with_delivery, received):
        target = load_roster(with_delivery.roster).get(PLANNER).delivery
        console.print(f"A receiver listens: {target}", soft_wrap=True)
        good = deliver_files(with_delivery, Wish(PLANNER, who="the demo"), console)
    console.print(f"What arrived, in {received}:", soft_wrap=True)
    for one in sorted(received.iterdir()):
        content = one.read_bytes()
        rows, digest = content.count(b"\n") - 1, sha256(content).hexdigest()
        console.print(f"    {one.name}: {counted(rows, 'row')}, SHA-256 {digest[:16]}...")
    return good


def _what_next(settings: Settings, console: Console) -> None:
    console.rule("What next")
    lines = (
        "Look at the runs and checks:",
        "    make ui                     # then open http://127.0.0.1:3000",
        "Ask the analysts' copy (docs/analysts.md has thirteen questions with their answers):",
        '    .venv/bin/aeries-pipeline sql --published "SELECT student_id, credits_behind '
        "FROM analytics.credits_by_subject WHERE grade = 11 AND subject = 'English' "
        'AND credits_behind > 0"',
        f"    or open {settings.published / 'aeries.duckdb'} with any DuckDB tool, read-only",
        "See who has an account, who changed and why (docs/accounts.md has the rules and views):",
        '    .venv/bin/aeries-pipeline sql "SELECT * FROM core.account_changes_by_day"',
        f"What Xello would import, and what schools would import into Aeries: {settings.out}",
        f"    open a preview.html below {settings.out / PLANNER / 'sss'} in a browser",
        "What was sent where, with the SHA-256 of each file (docs/deliveries.md):",
        '    .venv/bin/aeries-pipeline sql "SELECT * FROM meta.sent"',
        "Break something: docs/emulator.md lists the faults.",
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
