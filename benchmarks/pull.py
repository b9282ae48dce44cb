"""How close a pull comes to the floor, as ratios of one run.

The floor is what nothing can beat: the same bytes downloaded by as many
threads, and DuckDB's ``read_json`` into one table for each resource. Against it
stand the pull without Dagster and the pull through Dagster, from one emulator
in a process of its own. Machines are noisy, so only ratios of one run count.

    make bench                     # 12 schools, 6,000 students, 3 rounds
    make bench BENCH="--schools 50 --students 50000 --rounds 1"
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb
import requests
from rich.console import Console
from rich.table import Table

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.cli.sync import Request, sync_district
from aeries_pipeline.pulls.run import pull_resource
from aeries_pipeline.pulls.session import Session
from aeries_pipeline.roster import load_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.warehouse.connection import Warehouse

CERTIFICATE = "477abe9e7d27439681d62f4e0de1f5e1"
NAMES = [name for name, resource in RESOURCES.items() if not resource.optional]
THREADS = 4
ROSTER = """\
districts:
  - id: county
    name: County
    url: {url}
    certificate_env: BENCH_AERIES_CERT
    schools: {schools}
    max_concurrent_requests: {threads}
"""


@contextmanager
def emulator(schools: int, students: int, port: int) -> Iterator[tuple[str, list[int]]]:
    """Serve a district from another process; yield its address and schools."""
    command = [sys.executable, "-m", "aeries_pipeline.cli", "emulator", "--port", str(port)]
    command += ["--schools", str(schools), "--students", str(students)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        codes = [int(code) for code in line.split("schools ")[1].split(",")]
        time.sleep(1)
        yield f"http://127.0.0.1:{port}/aeries", codes
    finally:
        process.terminate()
        process.wait()


def floor(url: str, schools: list[int], folder: Path) -> int:
    """Download everything and read it into one table for each resource."""
    session = requests.Session()
    session.headers["AERIES-CERT"] = CERTIFICATE
    jobs = [
        (name, place, RESOURCES[name].path.format(school=school, year=2026))
        for name in NAMES
        for place, school in enumerate(
            schools if RESOURCES[name].grain is Grain.SCHOOL else schools[:1]
        )
    ]

    def fetch(job: tuple[str, int, str]) -> int:
        name, place, path = job
        body = session.get(f"{url}/api/v5/{path}", timeout=300).content
        (folder / f"{name}-{place}.json").write_bytes(body)
        return len(body)

    with ThreadPoolExecutor(THREADS) as pool:
        size = sum(pool.map(fetch, jobs))
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        for name in NAMES:
            connection.execute(
                f"CREATE TABLE {name} AS FROM read_json('{folder}/{name}-*.json', "
                "maximum_object_size = 100000000)"
            )
    return size


def plain_pull(settings: Settings, schools: list[int]) -> None:
    """Pull without Dagster."""
    district = load_roster(settings.roster).districts[0]
    with Session(district, settings, Warehouse(settings.warehouse)) as session:
        for name in NAMES:
            for one in pull_resource(session, RESOURCES[name], schools):
                if one.pull.status != "complete":
                    raise SystemExit(one.pull.reason)


def dagster_pull(settings: Settings) -> None:
    """Pull through Dagster runs, as ``aeries-pipeline sync`` does."""
    if not sync_district(settings, Request("county"), Console(quiet=True)):
        raise SystemExit("the sync did not succeed")


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Run the rounds and print medians and ratios."""
    parser = argparse.ArgumentParser(description="ratio of a pull to the floor")
    parser.add_argument("--schools", type=int, default=12)
    parser.add_argument("--students", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8651)
    wanted = parser.parse_args()
    os.environ["BENCH_AERIES_CERT"] = CERTIFICATE
    rounds: list[tuple[float, float, float]] = []
    size = 0
    with emulator(wanted.schools, wanted.students, wanted.port) as (url, schools):
        for _ in range(wanted.rounds):
            base = Path(tempfile.mkdtemp(prefix="bench-"))
            roster = base / "districts.yaml"
            roster.write_text(ROSTER.format(url=url, schools=schools, threads=THREADS))
            one, other = Settings(roster, base / "plain"), Settings(roster, base / "dagster")
            os.environ["DAGSTER_HOME"] = ""
            started = time.perf_counter()
            size = floor(url, schools, base)
            rounds.append(
                (
                    time.perf_counter() - started,
                    seconds(lambda one=one: plain_pull(one, schools)),
                    seconds(lambda other=other: dagster_pull(other)),
                )
            )
            shutil.rmtree(base)
    table = Table("way", "median s", "times the floor", title=f"{size / 1e6:.0f} MB a round")
    for place, way in enumerate(("floor", "pull without Dagster", "pull through Dagster")):
        ratio = statistics.median(times[place] / times[0] for times in rounds)
        middle = statistics.median(times[place] for times in rounds)
        table.add_row(way, f"{middle:.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
