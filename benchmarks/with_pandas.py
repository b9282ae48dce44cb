"""A DataFrame for each partition and a run for each partition, as dagster-duckdb-pandas has it.

``python with_pandas.py PLAN FOLDER`` prints one line of JSON like ``ways.py``.
Only the first schools of the plan are pulled: the cost is the same for each
partition, and a county would take the better part of an hour.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import requests
from dagster_duckdb_pandas import DuckDBPandasIOManager

NESTED = {
    "transcripts": "CourseGrades",
    "graduation_requirements": "SubjectAreas",
    "graduation_status": "SubjectAreas",
}
"""The arrays whose elements are the rows."""


def main() -> None:
    """Materialize each partition of the sample in a run of its own and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--schools", type=int, default=3)
    wanted = parser.parse_args()
    plan: dict[str, Any] = json.loads(wanted.plan.read_text())
    wanted.folder.mkdir(parents=True)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"

    session = requests.Session()
    session.headers["AERIES-CERT"] = plan["certificate"]
    session.trust_env = False
    sample = [str(place) for place in range(wanted.schools)]
    parts = dg.StaticPartitionsDefinition(sample)

    def asset(name: str, urls: list[str]) -> dg.AssetsDefinition:
        @dg.asset(name=name, partitions_def=parts, metadata={"partition_expr": "part"})
        def pulled(context: dg.AssetExecutionContext) -> pd.DataFrame:
            answer = session.get(urls[int(context.partition_key)], timeout=600)
            answer.raise_for_status()
            rows = answer.json()
            nested = NESTED.get(name)
            if nested:
                inner = next((row[nested][0] for row in rows if row[nested]), {})
                outer = [one for one in rows[0] if one not in {nested, *inner}] if rows else []
                rows = pd.json_normalize(rows, record_path=nested, meta=outer)
            return pd.DataFrame(rows).assign(part=context.partition_key)

        return pulled

    assets = [asset(name, urls) for name, urls in plan["urls"].items() if len(urls) > 1]
    manager = DuckDBPandasIOManager(database=str(wanted.folder / "pandas.duckdb"), schema="raw")
    with dg.DagsterInstance.local_temp(str(wanted.folder)) as instance:
        job = dg.define_asset_job("pull", assets)
        defs = dg.Definitions(assets, jobs=[job], resources={"io_manager": manager})
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        started = time.perf_counter()
        for part in sample:
            result = defs.resolve_job_def("pull").execute_in_process(
                run_config=quiet, partition_key=part, instance=instance
            )
            if not result.success:
                raise SystemExit("the run did not succeed")
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "schools": wanted.schools}))


if __name__ == "__main__":
    main()
