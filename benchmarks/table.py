"""The table of ratios: this pipeline, its floor, and the usual tools, in one run.

    make bench                                      # everything, about an hour on 2 cores
    make bench BENCH="--only county --rounds 1"     # a part of it

Each way runs in a process of its own against one emulator, which keeps its
answers so that making them is not measured. Machines are noisy: what counts
are ratios of runs side by side, as medians over the rounds. Results are
printed and kept in ``benchmarks/results.json`` and ``benchmarks/results.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain

HERE = Path(__file__).parent
CERTIFICATE = "477abe9e7d27439681d62f4e0de1f5e1"  # pragma: allowlist secret
NAMES = [name for name, one in RESOURCES.items() if not one.optional]
FED = [name for name in NAMES if RESOURCES[name].feed]
THREADS = 4
A_DAY = 86_400
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """An emulator in another process, and a folder for what is pulled from it."""

    address: str
    schools: dict[str, list[int]]
    folder: Path

    def roster(self, **settings: Any) -> Path:  # noqa: ANN401 - of the roster
        """Write the roster of all districts."""
        path = self.folder / "districts.json"  # JSON is YAML.
        entries = [
            {
                "id": name, "name": name, "url": f"{self.address}/{name}", "schools": codes,
                "certificate_env": "BENCH_AERIES_CERT", "max_concurrent_requests": THREADS,
                "landing_keep": 1, **settings,
            }
            for name, codes in self.schools.items()
        ]  # fmt: skip
        path.write_text(json.dumps({"districts": entries}))
        return path

    def plan(self) -> Path:
        """Write the addresses of the first district for the tools that know no roster."""
        path = self.folder / "plan.json"
        name, codes = next(iter(self.schools.items()))
        urls = {
            one: [
                f"{self.address}/{name}/api/v5/"
                f"{RESOURCES[one].path.format(school=school, year=2026)}?DatabaseYear=2026"
                for school in (codes if RESOURCES[one].grain is Grain.SCHOOL else codes[:1])
            ]
            for one in NAMES
        }
        path.write_text(json.dumps({"certificate": CERTIFICATE, "threads": THREADS, "urls": urls}))
        return path

    def post(self, what: str, body: object) -> None:
        """Tell the emulator something."""
        verb = requests.put if what == "faults" else requests.post
        verb(f"{self.address}/_emulator/{what}", json=body, timeout=600).raise_for_status()

    def run(self, way: str, *flags: str, data: str = "", districts: Sequence[str] = ()) -> Found:
        """Run one way; into an empty folder, unless one is named."""
        folder = self.folder / (data or "data")
        if not data:
            shutil.rmtree(folder, ignore_errors=True)
        names = ",".join(districts or list(self.schools)[:1])
        roster = self.folder / "districts.json"
        command = [sys.executable, str(HERE / "ways.py"), way, names, str(roster), str(folder)]
        return _json_of([*command, *flags])

    def again(self, way: str, data: str) -> Found:
        """Run one way on a copy of a folder, so that the same night can be run once more."""
        copy = self.folder / "again"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / data, copy, ignore=shutil.ignore_patterns("landing"))
        return self.run(way, data="again")

    def other(self, python: str, script: str, *flags: str) -> Found:
        """Run one of the usual tools."""
        folder = self.folder / script
        shutil.rmtree(folder, ignore_errors=True)
        command = [python, str(HERE / f"{script}.py"), str(self.plan()), str(folder)]
        return _json_of([*command, *flags])

    def warm(self) -> None:
        """Have the server make every answer, whole and in pages, before anything is measured."""
        self.run("floor")
        self.run("pull", "--full")


def _json_of(command: Sequence[str]) -> Found:
    environment = {**os.environ, "BENCH_AERIES_CERT": CERTIFICATE, "DAGSTER_HOME": ""}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=7200
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    found: Found = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@contextmanager
def serving(port: int, *, districts: int = 1, schools: int, students: int) -> Iterator[Server]:
    """Start an emulator and wait until it listens."""
    sizes = ["--districts", districts, "--schools", schools, "--students", students]
    command = [sys.executable, str(HERE / "server.py"), "--port", port, *sizes]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        process = subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE, text=True)
        try:
            codes = json.loads(process.stdout.readline() if process.stdout else "")
            server = Server(f"http://127.0.0.1:{port}", codes, Path(folder))
            for _ in range(100):
                try:
                    requests.get(f"{server.address}/_emulator/log", timeout=5)
                    break
                except requests.ConnectionError:
                    time.sleep(0.1)
            server.roster()
            yield server
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured, and with what."""

    rounds: int
    port: int
    others: str | None
    schools: int
    students: int
    defaults: bool


Rows = list[dict[str, str]]


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)


ONCE = "dlt 1.31, its defaults, one round"


def county(wanted: Wanted) -> Rows:
    """Compare every way at the size of a county."""
    ways: dict[str, Callable[[Server], Found]] = {
        "floor": lambda server: server.run("floor"),
        "this pipeline, without Dagster": lambda server: server.run("pull", "--full"),
        "this pipeline, through Dagster": lambda server: server.run("dagster", "--full"),
    }
    if wanted.others:
        python = wanted.others
        ways["dlt 1.31, Parquet, parallel"] = lambda server: server.other(python, "with_dlt")
        ways["dagster-duckdb-pandas, sample"] = lambda server: server.other(python, "with_pandas")
        if wanted.defaults:
            ways[ONCE] = lambda server: server.other(python, "with_dlt", "--defaults")
    found: dict[str, list[Found]] = {name: [] for name in ways}
    with serving(wanted.port, schools=wanted.schools, students=wanted.students) as server:
        server.warm()
        for place in range(wanted.rounds):
            for name, way in ways.items():
                if place == 0 or name != ONCE:
                    found[name].append(way(server))
    return [_compared(name, runs, found["floor"], wanted.schools) for name, runs in found.items()]


def _compared(name: str, runs: list[Found], floors: list[Found], schools: int) -> dict[str, str]:
    # A sample is scaled to all schools: its cost is the same for each partition.
    scaled = [one["seconds"] * schools / one.get("schools", schools) for one in runs]
    ratio = _middle([s / f["seconds"] for s, f in zip(scaled, floors, strict=False)])
    note = f"{runs[0]['schools']} of {schools} schools, scaled" if "schools" in runs[0] else ""
    events = f"{runs[0]['events']:,} events" if "events" in runs[0] else note
    return {
        "way": name,
        "seconds": f"{_middle(scaled):.1f}",
        "times the floor": f"{ratio:.2f}",
        "peak MB": f"{max(one['peak_mb'] for one in runs):,.0f}",
        "": events,
    }


def nights(wanted: Wanted) -> Rows:
    """Compare nights in which a share of the students changed to a whole pull of the same data."""
    rows: Rows = []
    with serving(wanted.port, schools=wanted.schools, students=wanted.students) as server:
        for words, whole, shares in (
            ("students whole, the default", ["students"], (0.0, 0.01, 0.10, 1.0)),
            ("feeds for all", [], (0.0, 0.01)),
        ):
            server.roster(incremental={"whole": whole})
            # A day later, so that the overlap does not reach back into the nights before.
            server.post("touch", {"share": 0.0, "later": A_DAY})
            server.warm()
            for way in ("pull", "dagster"):
                server.run(way, data=f"{way}-{len(whole)}")
            for share in shares:
                server.post("touch", {"share": share, "later": A_DAY})
                server.warm()
                # The records that feeds name are asked for one by one: these answers as well.
                server.again("pull", f"pull-{len(whole)}")
                pairs = [_night(server, len(whole)) for _ in range(wanted.rounds)]
                rows.append(_compared_nights(pairs, words, share))
                for way in ("pull", "dagster"):
                    server.run(way, data=f"{way}-{len(whole)}")
    return rows


def _night(server: Server, mark: int) -> dict[str, tuple[Found, Found]]:
    """Run a night and a whole pull, side by side, both ways."""
    return {
        way: (server.again(way, f"{way}-{mark}"), server.run(way, "--full"))
        for way in ("pull", "dagster")
    }


def _compared_nights(
    pairs: Sequence[Mapping[str, tuple[Found, Found]]], words: str, share: float
) -> dict[str, str]:
    def middle(way: str, cost: Callable[[Found], float]) -> str:
        return f"{_middle([cost(one[way][0]) / cost(one[way][1]) for one in pairs]):.0%}"

    night, full = pairs[0]["pull"]
    run, full_run = pairs[0]["dagster"]
    return {
        "students changed": f"{share:.0%}",
        "settings": words,
        "seconds": f"{_middle([one['pull'][0]['seconds'] for one in pairs]):.1f}",
        "of a full pull": middle("pull", lambda one: one["seconds"]),
        "where feeds exist": middle(
            "pull", lambda one: sum(one["by_resource"][name] for name in FED)
        ),
        "through Dagster": middle("dagster", lambda one: one["seconds"]),
        "bytes": f"{night['bytes'] / full['bytes']:.1%}",
        "requests": f"{night['requests']:,}",
        "events": f"{run['events']:,} of {full_run['events']:,}",
    }


def latency(wanted: Wanted) -> Rows:
    """Tell how much of the allowed concurrency is used when the server is slow."""
    rows: Rows = []
    with serving(wanted.port, schools=wanted.schools, students=wanted.students) as server:
        server.warm()
        for seconds in (0.0, 0.05, 0.5):
            fault = [{"kind": "latency", "seconds": seconds}] if seconds else []
            server.post("faults", fault)
            found = server.run("pull", "--full")
            least = found["requests"] * seconds / THREADS
            rows.append(
                {
                    "latency": f"{seconds * 1000:.0f} ms",
                    "requests": f"{found['requests']:,}",
                    "seconds": f"{found['seconds']:.1f}",
                    "least possible": f"{least:.1f}",
                    "concurrency used": f"{least / found['seconds']:.0%}" if seconds else "",
                }
            )
    return rows


def sizes(wanted: Wanted) -> Rows:
    """Tell how cost and memory grow with the number of schools."""
    rows: Rows = []
    base: dict[str, float] = {}
    for schools in (1, 10, 50, 200):
        with serving(wanted.port, schools=schools, students=schools * 500) as server:
            server.warm()
            rows.append(_grown(server, f"{schools} schools", base))
    return rows


def _grown(server: Server, size: str, base: dict[str, float]) -> dict[str, str]:
    row = {"size": size}
    for way in ("pull", "dagster"):
        found = server.run(way)
        if way == "pull":
            row["rows"] = f"{found['rows']:,}"
            rows = found["rows"]
        each = found["seconds"] / rows
        base.setdefault(way, each)
        row[f"{way}: seconds"] = f"{found['seconds']:.1f}"
        row[f"{way}: a row, to the smallest"] = f"{each / base[way]:.2f}"
        row[f"{way}: peak MB"] = f"{found['peak_mb']:,.0f}"
    return row


def districts(wanted: Wanted) -> Rows:
    """Tell how cost and memory grow with the number of small districts."""
    rows: Rows = []
    base: dict[str, float] = {}
    with serving(wanted.port, districts=600, schools=2, students=60) as server:
        for number in (1, 10, 50, 600):
            names = list(server.schools)[:number]
            row = {"size": f"{number} districts"}
            # Two runs for each of 600 districts would take half an hour.
            for way in ("pull", "dagster") if number < 600 else ("pull",):
                found = server.run(way, districts=names)
                each = found["seconds"] / number
                base.setdefault(way, each)
                row[f"{way}: seconds"] = f"{found['seconds']:.1f}"
                row[f"{way}: a district, to one alone"] = f"{each / base[way]:.2f}"
                row[f"{way}: peak MB"] = f"{found['peak_mb']:,.0f}"
            rows.append(dict.fromkeys(rows[0], "") | row if rows else row)
    return rows


def typical(wanted: Wanted) -> Rows:
    """Compare every way at the size of a typical district."""
    return county(replace(wanted, schools=6, students=3_600))


PARTS: dict[str, tuple[str, Callable[[Wanted], Rows]]] = {
    "typical": ("A typical district: 6 schools, 3,600 students", typical),
    "county": ("A county: 50 schools, 50,000 students, 1.2 million transcript lines", county),
    "nights": ("A night after a share of the students changed", nights),
    "latency": ("A slow server", latency),
    "sizes": ("Schools of 500 students", sizes),
    "districts": ("Small districts of 2 schools", districts),
}


def _shown(title: str, rows: Rows) -> Table:
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*row.values())
    return table


def _markdown(kept: dict[str, Any]) -> str:
    lines = ["# Results of `make bench`", "", "Written by the benchmark; read docs/performance.md."]
    for name, (title, _part) in PARTS.items():
        if name not in kept:
            continue
        part = kept[name]
        rows: Rows = part["rows"]
        lines += ["", f"## {title}", "", f"{part['when']}, {part['where']}.", ""]
        lines += [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
        lines += [f"| {' | '.join(row.values())} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is asked for, print it, and keep it beside what was measured before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8651)
    parser.add_argument("--others", help="the Python that has dlt and dagster-duckdb-pandas")
    parser.add_argument("--schools", type=int, default=50)
    parser.add_argument("--students", type=int, default=50_000)
    parser.add_argument(
        "--defaults", action="store_true", help="dlt with its defaults as well, for ten minutes"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    wanted = Wanted(
        given.rounds, given.port, given.others, given.schools, given.students, given.defaults
    )
    kept = json.loads(given.results.read_text()) if given.results.exists() else {}
    for name in given.only.split(","):
        title, part = PARTS[name]
        rows = part(wanted)
        Console().print(_shown(title, rows))
        where = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        kept[name] = {"rows": rows, "when": time.strftime("%Y-%m-%d"), "where": where}
        given.results.write_text(json.dumps(kept, indent=1) + "\n")
        given.results.with_suffix(".md").write_text(_markdown(kept))


if __name__ == "__main__":
    main()
