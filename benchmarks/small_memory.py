"""A county pulled, computed, written and published in a container's memory of 512 MB.

    make bench-memory                    # a few minutes; Linux, and root for the control group
    make bench-memory BENCH="--megabytes 384 --schools 10 --students 5000"

The whole ``aeries-pipeline sync`` runs in a control group of its own with a hard limit, as
in a container: what goes beyond it is killed. The emulator stands outside. Prints how it
ended, the peak of resident memory, and what every resource brought.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from table import CERTIFICATE, serving

ROOT = Path("/sys/fs/cgroup")


@contextmanager
def group(megabytes: int) -> Iterator[Path]:
    """Make a control group with a limit of memory, of whichever version the system has."""
    is_second = (ROOT / "cgroup.controllers").exists()
    folder = (ROOT if is_second else ROOT / "memory") / f"aeries-bench-{os.getpid()}"
    folder.mkdir()
    limits = ["memory.max"] if is_second else ["memory.limit_in_bytes"]
    swap = "memory.swap.max" if is_second else "memory.memsw.limit_in_bytes"
    for name in (*limits, swap):
        if (folder / name).exists():
            (folder / name).write_text("0" if name == "memory.swap.max" else f"{megabytes << 20}")
    try:
        yield folder
    finally:
        folder.rmdir()


def main() -> None:
    """Run one sync and tell how it ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--schools", type=int, default=50)
    parser.add_argument("--students", type=int, default=50_000)
    parser.add_argument("--port", type=int, default=8499)
    given = parser.parse_args()
    with (
        serving(given.port, schools=given.schools, students=given.students) as server,
        group(given.megabytes) as folder,
    ):
        data = server.folder / "data"

        def enter() -> None:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "aeries_pipeline.cli", "sync", "d1"],
            env={
                **os.environ, "BENCH_AERIES_CERT": CERTIFICATE, "COLUMNS": "200",
                "AERIES_DISTRICTS": str(server.folder / "districts.json"),
                "AERIES_DATA_DIR": str(data),
            },
            preexec_fn=enter, check=False,
        )  # fmt: skip
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        found = {
            "limit MB": given.megabytes,
            "exit status": done.returncode,
            "seconds": round(time.monotonic() - began),
            "peak MB": round(peak),
        }
        with duckdb.connect(str(data / "warehouses" / "d1.duckdb"), read_only=True) as connection:
            found["partitions"] = dict(
                connection.execute("SELECT status, count(*) FROM meta.pulls GROUP BY 1").fetchall()
            )
            found["reasons"] = connection.execute(
                "SELECT DISTINCT reason FROM meta.pulls WHERE status <> 'complete' LIMIT 5"
            ).fetchall()
        print(json.dumps(found))


if __name__ == "__main__":
    main()
