"""What a file for each district is worth: writers side by side, publications, looks at all.

    make bench-stores                                   # about half an hour on 2 cores
    make bench-stores BENCH="--only writers --rounds 1"

``writers`` has six processes pull a district each, into files of their own and
into one file for all, as releases before 0.2 had it. ``publications`` compares
one of all districts with one after six have changed. ``looks`` times what asks
every district: ``status``, and a tick of the sensor that publishes. What counts
are the ratios of one run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from table import CERTIFICATE, NAMES, Server, serving

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.publishing.copy import read_copy
from aeries_pipeline.analytics.publishing.due import read_state
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.operations.status.read import read_status
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import CATALOG, Warehouse, tables_of
from aeries_pipeline.stores.store import Store

WRITERS = 6
CHANGED = 6
Rows = list[dict[str, str]]


def pull(settings: Settings, name: str, file: Path | None, *, full: bool) -> None:
    """Pull everything of a district, into its own warehouse or into a file for all."""
    roster = load_roster(settings.roster)
    warehouse = Warehouse(file) if file else Store(settings.data).warehouse(name)
    with Session(roster.get(name), settings, warehouse, PullOptions(full=full)) as session:
        for resource in NAMES:
            for one in pull_resource(session, RESOURCES[resource], session.district.schools):
                if one.pull.status != "complete":
                    raise SystemExit(one.pull.reason)


def writers(given: argparse.Namespace) -> Rows:
    """Compare six writers of one file with six writers of six."""
    seconds: dict[str, list[float]] = {"one file": [], "a file for each": []}
    with serving(given.port, districts=WRITERS, schools=6, students=600) as server:
        names = list(server.schools)
        roster = server.roster()
        for _ in range(given.rounds):
            for layout, times in seconds.items():
                data = server.folder / "data"
                shutil.rmtree(data, ignore_errors=True)
                # The first time every table is made; the second is what a night is like.
                for is_measured in (False, True):
                    took = _side_by_side(roster, data, names, one_file=layout == "one file")
                    if is_measured:
                        times.append(took)
    one, each = (median(times) for times in seconds.values())
    return [
        {"layout": "one file", "seconds": f"{one:.1f}", "throughput": "1.00"},
        {"layout": "a file for each", "seconds": f"{each:.1f}", "throughput": f"{one / each:.2f}"},
    ]


def _side_by_side(roster: Path, data: Path, names: Sequence[str], *, one_file: bool) -> float:
    file = ["--file", str(data / "one.duckdb")] if one_file else []
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", name, str(roster), str(data), *file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    # To start Python and load the libraries takes as long in every layout.
    for process in processes:
        if process.stdout is not None:
            process.stdout.readline()
    began = time.perf_counter()
    for process in processes:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    if any(process.wait() for process in processes):
        raise SystemExit("a writer failed")
    return time.perf_counter() - began


def county(server: Server, districts: int) -> tuple[Settings, Roster]:
    """Make an installation of many districts from one that is pulled."""
    settings = Settings(server.roster(), server.folder / "county")
    store = Store(settings.data)
    pull(settings, "d1", None, full=True)
    compute(store.warehouse("d1"), load_roster(settings.roster).get("d1"))
    store.warehouse("d1").copy_to(server.folder / "first.duckdb")
    names = [f"d{number}" for number in range(1, districts + 1)]
    for name in names[1:]:
        shutil.copyfile(server.folder / "first.duckdb", store.path(name))
        with store.warehouse(name).open() as connection:
            for (schema, table), columns in tables_of(connection, CATALOG).items():
                if "district" in columns:
                    connection.execute(f"UPDATE {schema}.{quoted(table)} SET district = ?", [name])
    server.schools.update(dict.fromkeys(names, server.schools["d1"]))
    return settings, load_roster(server.roster())


def change(store: Store, name: str) -> None:
    """Let a district have been pulled once more."""
    with store.warehouse(name).open() as connection:
        connection.execute(
            "INSERT INTO meta.pulls BY NAME SELECT * REPLACE (finished_at + INTERVAL 1 SECOND AS "
            "finished_at) FROM meta.pulls ORDER BY finished_at DESC LIMIT 1"
        )


def publications(given: argparse.Namespace) -> Rows:
    """Compare a publication of everything with one after six districts have changed."""
    rows: Rows = []
    with serving(given.port, schools=2, students=60) as server:
        settings, roster = county(server, given.districts)
        store = Store(settings.data)
        began = time.perf_counter()
        done = publish(settings, roster)
        whole = time.perf_counter() - began
        rows.append(_published(f"all {given.districts}", whole, whole, len(done.read)))
        for number in (CHANGED, 1, 0):
            for name in list(server.schools)[5 : 5 + number]:
                change(store, name)
            began = time.perf_counter()
            done = publish(settings, roster)
            rows.append(
                _published(f"{number} changed", time.perf_counter() - began, whole, len(done.read))
            )
    return rows


def _published(what: str, seconds: float, whole: float, read: int) -> dict[str, str]:
    return {
        "publication": what,
        "districts read": str(read),
        "seconds": f"{seconds:.2f}",
        "of a whole one": f"{seconds / whole:.1%}",
    }


def looks(given: argparse.Namespace) -> Rows:
    """Time what asks every district, before and after the ledger knows the answers."""
    rows: Rows = []
    with serving(given.port, schools=2, students=60) as server:
        settings, roster = county(server, given.districts)
        store = Store(settings.data)
        for what in ("nothing known", "as before", f"{CHANGED} changed"):
            if "changed" in what:
                for name in list(server.schools)[5 : 5 + CHANGED]:
                    change(store, name)
            began = time.perf_counter()
            read_status(store, roster, datetime.now(UTC))
            status = time.perf_counter() - began
            began = time.perf_counter()
            read_state(store, read_copy(settings.published))
            state = time.perf_counter() - began
            rows.append(
                {
                    "files": what,
                    "status: seconds": f"{status:.2f}",
                    "what to publish: seconds": f"{state:.2f}",
                }
            )
    return rows


PARTS = {
    "writers": (f"{WRITERS} districts pulled by {WRITERS} processes at once", writers),
    "publications": ("Publications of many small districts", publications),
    "looks": ("Looks at many small districts", looks),
}


def main() -> None:
    """Measure what is asked for and print it; or be one of the writers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8661)
    parser.add_argument("--districts", type=int, default=600)
    parser.add_argument("--worker", nargs=3, metavar=("DISTRICT", "ROSTER", "DATA"))
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    os.environ["BENCH_AERIES_CERT"] = CERTIFICATE
    if given.worker:
        name, roster, data = given.worker
        print("ready", flush=True)
        sys.stdin.readline()
        pull(Settings(Path(roster), Path(data)), name, given.file, full=True)
        return
    for name in given.only.split(","):
        title, part = PARTS[name]
        rows = part(given)
        table = Table(*rows[0], title=title, title_justify="left")
        for row in rows:
            table.add_row(*row.values())
        Console().print(table)


if __name__ == "__main__":
    main()
