"""One way of pulling a district, in a process of its own so that its peak memory is known.

``python benchmarks/ways.py WAY DISTRICTS ROSTER DATA`` prints one line of JSON:
seconds without the imports, the peak of resident memory in MB, bytes, rows,
and Dagster's events where there are any. ``table.py`` calls it.

Ways: ``floor`` downloads the same bytes with as many threads and has DuckDB's
``read_json`` make one table of each resource, which nothing can beat. ``pull``
is the pipeline without Dagster, ``dagster`` the same in Dagster runs.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import requests

from aeries_pipeline.catalog.registry import RESOURCES, of_grain
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import PULL_DISTRICT, PULL_SCHOOLS, pull_job
from aeries_pipeline.orchestration.partitions import school_keys
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store

NAMES = [name for name, one in RESOURCES.items() if not one.optional]
Found = dict[str, Any]


def jobs_of(district: District) -> list[tuple[str, int, str]]:
    """Return resource, a number and path of everything that the floor downloads."""
    return [
        (name, place, RESOURCES[name].path.format(school=school, year=2026))
        for name in NAMES
        for place, school in enumerate(
            district.schools if RESOURCES[name].grain is Grain.SCHOOL else district.schools[:1]
        )
    ]


def floor(district: District, settings: Settings) -> Found:
    """Download everything at once and read it into one table for each resource."""
    folder = settings.data
    folder.mkdir(parents=True)
    session = requests.Session()
    session.headers["AERIES-CERT"] = district.certificate().reveal()
    session.trust_env = False

    def fetch(job: tuple[str, int, str]) -> int:
        name, place, path = job
        url = f"{district.url}/api/v5/{path}?DatabaseYear=2026"
        with session.get(url, timeout=300, stream=True) as answer:
            answer.raise_for_status()
            # In large pieces: what requests does by itself takes twice as long.
            body = b"".join(answer.iter_content(4 * 1024 * 1024))
        (folder / f"{name}-{place}.json").write_bytes(body)
        return len(body)

    with ThreadPoolExecutor(district.max_concurrent_requests) as pool:
        size = sum(pool.map(fetch, jobs_of(district)))
    rows = 0
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        for name in NAMES:
            connection.execute(
                f"CREATE TABLE {name} AS FROM read_json('{folder}/{name}-*.json', "
                "maximum_object_size = 200000000)"
            )
            rows += connection.table(name).count("*").fetchall()[0][0]
    return {"bytes": size, "rows": rows}


def pull(district: District, settings: Settings, *, full: bool) -> Found:
    """Pull without Dagster."""
    found: Found = {"bytes": 0, "rows": 0, "requests": 0}
    by_resource: dict[str, float] = {}
    options = PullOptions(full=full)
    with Session(
        district, settings, Store(settings.data).warehouse(district.id), options
    ) as session:
        for name in NAMES:
            before = time.perf_counter()
            for one in pull_resource(session, RESOURCES[name], district.schools):
                if one.pull.status != "complete":
                    raise SystemExit(one.pull.reason)
                found["bytes"] += one.pull.bytes
                found["rows"] += one.pull.rows or 0
                found["requests"] += one.pull.requests
            by_resource[name] = time.perf_counter() - before
    return found | {"by_resource": by_resource}


def through_dagster(district: District, settings: Settings, *, full: bool) -> Found:
    """Pull in the two runs that a sensor starts."""
    runs = []
    with open_instance(settings) as instance:
        defs = build_defs(settings)
        for grain, job, keys in (
            (Grain.DISTRICT, PULL_DISTRICT, [district.id]),
            (Grain.SCHOOL, PULL_SCHOOLS, school_keys(district)),
        ):
            assets = [dg.AssetKey(["raw", one.name]) for one in of_grain(grain) if not one.optional]
            tags = {"aeries/full": "benchmark"} if full else {}
            result = run_job(
                pull_job(defs, job, assets),
                instance,
                keys=keys,
                tags=tags,
            )
            if not result.success:
                raise SystemExit("the run did not succeed")
            runs.append(result.run_id)
    return {"runs": runs}


def events_of(settings: Settings, runs: list[str]) -> int:
    """Return how many events runs have left behind."""
    with open_instance(settings) as instance:
        return sum(len(instance.all_logs(run)) for run in runs)


def main() -> None:
    """Run one way and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["floor", "pull", "dagster"])
    parser.add_argument("districts", help="ids with commas between them")
    parser.add_argument("roster", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--full", action="store_true", help="use no short cut")
    wanted = parser.parse_args()
    settings = Settings(wanted.roster, wanted.data)
    roster = load_roster(settings.roster)
    ways: dict[str, Callable[[District], Found]] = {
        "floor": lambda one: floor(one, settings),
        "pull": lambda one: pull(one, settings, full=wanted.full),
        "dagster": lambda one: through_dagster(one, settings, full=wanted.full),
    }
    before = time.perf_counter()
    found = [ways[wanted.way](roster.get(name)) for name in wanted.districts.split(",")][-1]
    found["seconds"] = time.perf_counter() - before
    if "runs" in found:
        found["events"] = events_of(settings, found.pop("runs"))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
