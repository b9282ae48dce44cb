"""The same district through dlt, at its best settings, in the benchmark's own environment.

``python with_dlt.py PLAN FOLDER`` prints one line of JSON like ``ways.py``. PLAN
is a JSON file with the certificate and, for each resource, its addresses.
Extraction in threads, normalization in processes, Parquet files to DuckDB,
loads in parallel; extraction buffers large enough that no file is tiny.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def settings(workers: int) -> dict[str, str]:
    """Return what is set for dlt, by the names of its environment variables."""
    return {
        "EXTRACT__WORKERS": str(workers),
        "EXTRACT__MAX_PARALLEL_ITEMS": str(4 * workers),
        "NORMALIZE__WORKERS": "2",
        "NORMALIZE__START_METHOD": "spawn",
        "LOAD__WORKERS": "4",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
        "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "100000",
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "100000",
    }


def main() -> None:
    """Run the pipeline once and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--defaults", action="store_true", help="set nothing but telemetry")
    wanted = parser.parse_args()
    plan: dict[str, Any] = json.loads(wanted.plan.read_text())
    wanted.folder.mkdir(parents=True)
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    if not wanted.defaults:
        os.environ.update(settings(plan["threads"]))

    import dlt
    import orjson
    import requests

    session = requests.Session()
    session.headers["AERIES-CERT"] = plan["certificate"]
    session.trust_env = False

    def rows_of(name: str, urls: list[str]) -> Any:  # noqa: ANN401 - of dlt
        def fetch(url: str) -> list[dict[str, Any]]:
            answer = session.get(url, timeout=600)
            answer.raise_for_status()
            return orjson.loads(answer.content)

        get = fetch if wanted.defaults else dlt.defer(fetch)

        @dlt.resource(name=name, write_disposition="replace")
        def rows() -> Iterator[Any]:
            for url in urls:
                yield get(url)

        return rows

    started = time.perf_counter()
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(wanted.folder / "dlt"),
        destination=dlt.destinations.duckdb(str(wanted.folder / "dlt.duckdb")),
        dataset_name="raw",
        progress=None,
    )
    pipeline.run(
        [rows_of(name, urls) for name, urls in plan["urls"].items()],
        loader_file_format=None if wanted.defaults else "parquet",
    )
    seconds = time.perf_counter() - started
    import duckdb

    with duckdb.connect(str(wanted.folder / "dlt.duckdb"), read_only=True) as connection:
        lines = connection.execute("SELECT count(*) FROM raw.transcripts__course_grades").fetchone()
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(json.dumps({"seconds": seconds, "peak_mb": max(peaks), "lines": lines and lines[0]}))


if __name__ == "__main__":
    main()
