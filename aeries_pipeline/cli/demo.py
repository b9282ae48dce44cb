"""``aeries-pipeline demo``: three emulated districts, from HTTP to DuckDB."""

from __future__ import annotations

from dataclasses import replace

import duckdb
from rich.console import Console
from rich.table import Table

from aeries_pipeline.cli.sync import Request, sync_district
from aeries_pipeline.emulator.serve import demo_emulator, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.roster import load_roster
from aeries_pipeline.settings import DEMO_PORT, DEMO_ROSTER, Settings
from aeries_pipeline.warehouse.connection import Warehouse

DAYS = 3

_CURRENT = """
SELECT district, "StudentID" AS student, min(school) AS school, count(*) AS enrolments,
       hash(any_value("LastName"), any_value("FirstName")) AS name, max("Grade") AS grade
FROM raw.students
WHERE trim("InactiveStatusCode") = ''
GROUP BY ALL
"""

_CHANGES = """
SELECT coalesce(o.district, n.district) AS district,
       count(*) FILTER (o.student IS NULL) AS arrived,
       count(*) FILTER (n.student IS NULL) AS left_district,
       count(*) FILTER (o.school <> n.school) AS changed_school,
       count(*) FILTER (o.name <> n.name) AS renamed,
       count(*) FILTER (o.grade <> n.grade) AS changed_grade,
       count(n.student) AS students
FROM before o FULL JOIN after n USING (district, student)
GROUP BY ALL ORDER BY district
"""


def run_demo(settings: Settings, console: Console, *, keep_serving: bool = False) -> bool:
    """Run the demo and return whether every pull succeeded.

    It writes to the data directory, or to ``demo`` inside it where the
    installation has a roster of its own.
    """
    if not settings.is_demo:
        settings = replace(settings, roster=DEMO_ROSTER, data=settings.data / "demo", is_demo=True)
    emulator = demo_emulator()
    with serving(emulator, DEMO_PORT) as address:
        console.rule("An emulated Aeries")
        for name, site in emulator.sites.items():
            rows = sum(len(rows) for rows in site.district.rows.values())
            console.print(f"{address}/{name}  {len(site.district.schools)} schools, {rows} rows")
        good = _first_pull(settings, console)
        good = _days(settings, emulator, console) and good
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


def _days(settings: Settings, emulator: Emulator, console: Console) -> bool:
    console.rule(f"{DAYS} school days later")
    good = True
    with duckdb.connect() as memory:
        _snapshot(settings, memory, "before")
        for site in emulator.sites.values():
            site.advance(DAYS)
        for district in load_roster(settings.roster).districts:
            request = Request(district.id, resources=("students",))
            good = sync_district(settings, request, console) and good
        _snapshot(settings, memory, "after")
        table = Table(title="What changed among current students", title_justify="left")
        cursor = memory.execute(_CHANGES)
        for column in cursor.description or []:
            table.add_column(str(column[0]).replace("_", " "))
        for row in cursor.fetchall():
            table.add_row(*map(str, row))
    console.print(table)
    return good


def _snapshot(settings: Settings, memory: duckdb.DuckDBPyConnection, name: str) -> None:
    with Warehouse(settings.warehouse).attached(memory) as catalog:
        query = _CURRENT.replace("raw.students", f"{catalog}.raw.students")
        memory.execute(f"CREATE OR REPLACE TABLE memory.main.{name} AS {query}")


def _what_next(settings: Settings, console: Console) -> None:
    console.rule("What next")
    lines = (
        "Look at the runs and checks:",
        "    make ui                     # then open http://127.0.0.1:3000",
        "Ask the warehouse:",
        '    .venv/bin/aeries-pipeline sql "SELECT resource, status, count(*), sum(rows) '
        'FROM meta.pulls GROUP BY ALL ORDER BY ALL"',
        f"    or open {settings.warehouse} with any DuckDB tool, read-only",
        "Break something: docs/emulator.md lists the faults.",
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
