"""Sixty nights in one go with Dagster's servers and every sensor: does anything grow with them?

    make bench-soak                          # a minute a night; needs Linux and a C compiler
    make bench-soak BENCH="--nights 5"

Code server, web server and daemon run over an emulated district as they would on a server. One
number in a file says how far their clock is ahead: a library of thirty lines, loaded before every
other one, adds it wherever Python, SQLite or DuckDB asks for the time, and leaves waiting alone.
While no run is under way the clock moves on, so that each night has its opening, its publication,
its pruning and its backup. A line for each night says what there is of files, memory, handles,
events and ticks; the table at the end compares the nights after the first retention.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean, median

from ruamel.yaml import YAML

from aeries_pipeline.emulator.serve import Shape, free_port, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import DEMO_CERTIFICATE
from aeries_pipeline.orchestration.automation.instance import open_instance, prepare_home
from aeries_pipeline.settings import DATA_VARIABLE, ROSTER_VARIABLE, Settings

CLOCK = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long ahead(void) {
  char text[32] = {0};
  int file = open(getenv("SOAK_CLOCK"), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  long got = read(file, text, 31);
  close(file);
  return got > 0 ? atol(text) : 0;
}
int clock_gettime(clockid_t id, struct timespec *at) {
  int done = syscall(SYS_clock_gettime, id, at);
  if (!done && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
  return done;
}
int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
"""
RETENTION = {
    "landing_days": 7, "quarantine_days": 7, "deliveries_days": 10, "inbox_days": 10,
    "dagster_days": 10, "backups_keep": 5,
}  # fmt: skip
SETTLED = 15
"""Nights after which everything has been let go of at least once."""

_POLL_SECONDS = 2
_IDLE_POLLS = 4
_PATIENCE = 600
_OPENING = timedelta(hours=4, minutes=1)
_AFTERNOON = timedelta(hours=13, minutes=51)
Measures = dict[str, float]


class Clock:
    """How far the installation's clock is ahead, in a file that each of its processes reads."""

    def __init__(self, folder: Path) -> None:
        """Build the library and begin at the next midnight in UTC."""
        self.file = folder / "ahead"
        self.library = folder / "clock.so"
        source = folder / "clock.c"
        source.write_text(CLOCK, encoding="utf-8")
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-o", str(self.library), str(source)], check=True
        )
        self._ahead = 0.0
        self.go_to(datetime.now(UTC))

    def now(self) -> datetime:
        """Return the installation's present."""
        return datetime.fromtimestamp(time.time() + self._ahead, UTC)

    def go_to(self, moment: datetime) -> None:
        """Move on to a moment; never back."""
        self._ahead = max(self._ahead, round(moment.timestamp() - time.time()))
        partial = self.file.with_suffix(".partial")
        partial.write_text(str(int(self._ahead)), encoding="ascii")
        partial.replace(self.file)


class Installation:
    """A roster of one district, its data directory, and Dagster's processes over both."""

    def __init__(self, folder: Path, url: str, schools: list[int], clock: Clock) -> None:
        """Write the roster."""
        self.data = folder / "data"
        self.clock = clock
        self.roster = folder / "districts.yaml"
        entry = {
            "id": "eagle-usd", "name": "Eagle", "url": f"{url}/eagle-usd/",
            "certificate_env": "SOAK_CERTIFICATE", "schools": schools,
            "pull_window": "every day 8pm-2am",
            "delivery": {"to": "folder", "folder": str(folder / "receiver")},
        }  # fmt: skip
        (folder / "receiver").mkdir()
        with self.roster.open("w", encoding="utf-8") as file:
            YAML().dump(
                {"districts": [entry], "backups": {"daily": True}, "retention": RETENTION}, file
            )

    @contextmanager
    def serving(self, folder: Path) -> Iterator[tuple[int, dict[str, int]]]:
        """Run code server, web server and daemon at the clock's time, as on a server."""
        settings = Settings(self.roster, self.data)
        with open_instance(settings):
            home = prepare_home(settings)
        code, web = free_port(3211), free_port(3251)
        workspace = folder / "workspace.yaml"
        location = {"host": "127.0.0.1", "port": code, "location_name": "aeries_pipeline"}
        with workspace.open("w", encoding="utf-8") as file:
            YAML().dump({"load_from": [{"grpc_server": location}]}, file)
        environment = {
            **os.environ, ROSTER_VARIABLE: str(self.roster), DATA_VARIABLE: str(self.data),
            "DAGSTER_HOME": str(home), "SOAK_CERTIFICATE": DEMO_CERTIFICATE,
            "SOAK_CLOCK": str(self.clock.file), "LD_PRELOAD": str(self.clock.library),
            # The clock leaps over hours in which a daemon would have sent its heartbeats.
            "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE": "1000000000",
        }  # fmt: skip
        over = ["-w", str(workspace)]
        of_this = ["-m", "aeries_pipeline.definitions", "--location-name", "aeries_pipeline"]
        commands = {
            "code server": ["dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(code), *of_this],
            "web server": ["dagster_webserver", "-h", "127.0.0.1", "-p", str(web), *over],
            "daemon": ["dagster._daemon", "run", *over],
        }
        with ExitStack() as stack:
            pids = {}
            for name, words in commands.items():
                log = stack.enter_context((folder / f"{name}.log").open("wb"))
                process = subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", *words],
                    env=environment, stdout=log, stderr=log, cwd=folder,
                )  # fmt: skip
                stack.callback(process.wait, timeout=120)
                stack.callback(process.terminate)
                pids[name] = process.pid
                time.sleep(15)
            yield web, pids

    def _ask(self, file: str, query: str) -> list[tuple]:
        path = self.data / "dagster" / file
        if not path.exists():
            return []
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []  # Its tables are being made.
        finally:
            connection.close()

    def runs(self) -> dict[tuple[str, str], int]:
        """Count the runs by job and status."""
        query = "SELECT pipeline_name, status, count(*) FROM runs GROUP BY 1, 2"
        return {(job, status): n for job, status, n in self._ask("history/runs.db", query)}

    def last_run(self) -> int:
        """Return the number of the newest run; runs that went are counted too."""
        return (self._ask("history/runs.db", "SELECT max(id) FROM runs") or [(0,)])[0][0] or 0

    def failed(self, after: int) -> list[tuple]:
        """Return the jobs of the runs after one that did not end well."""
        return self._ask(
            "history/runs.db",
            f"SELECT pipeline_name, status FROM runs WHERE id > {after} AND status <> 'SUCCESS'",
        )

    def jobs(self, after: int) -> set[str]:
        """Return the jobs that ran well after a run."""
        query = f"SELECT DISTINCT pipeline_name FROM runs WHERE id > {after} AND status = 'SUCCESS'"
        return {job for (job,) in self._ask("history/runs.db", query)}

    def settle(self, wanted: set[str], after: int, step: timedelta) -> None:
        """Move the clock on while no run is under way, until these jobs ran and nothing follows."""
        until = time.monotonic() + _PATIENCE
        idle = 0
        while idle < _IDLE_POLLS or not wanted <= self.jobs(after):
            if time.monotonic() > until:
                raise SystemExit(f"waited in vain for {sorted(wanted - self.jobs(after))}")
            time.sleep(_POLL_SECONDS)
            ended = {"SUCCESS", "FAILURE", "CANCELED"}
            busy = any(status not in ended for _job, status in self.runs())
            idle = 0 if busy else idle + 1
            if idle and idle % 2 == 0:
                self.clock.go_to(self.clock.now() + step)

    def ticks(self, since: datetime) -> dict[str, list[float]]:
        """Return the seconds of each tick of a night, by sensor."""
        found: dict[str, list[float]] = defaultdict(list)
        for (body,) in self._ask("schedules/schedules.db", "SELECT tick_body FROM job_ticks"):
            tick = json.loads(body)
            if tick.get("end_timestamp") and tick["timestamp"] >= since.timestamp():
                found[tick["job_name"]].append(tick["end_timestamp"] - tick["timestamp"])
        return found


def measure(installation: Installation, pids: dict[str, int], since: datetime) -> Measures:
    """Return what there is of everything that could grow."""
    found: Measures = defaultdict(float)
    for name, pid in pids.items():
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)
        found[f"{name}, MB"] += int(kilobytes) / 1024
        found[f"{name}, handles"] += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        found[f"{name}, threads"] += len(list(Path(f"/proc/{pid}/task").iterdir()))
    for folder in sorted(installation.data.iterdir()):
        sizes = [size for one in (folder, *folder.rglob("*")) if (size := size_of(one)) is not None]
        if folder.is_dir():
            found[f"{folder.name}/, files"] = len(sizes)
        found[f"{folder.name}, MB"] = sum(sizes) / 1e6
    found["runs kept"] = sum(installation.runs().values())
    ticks = installation.ticks(since)
    found["ticks kept"] = installation._ask(  # noqa: SLF001 - of this script
        "schedules/schedules.db", "SELECT count(*) FROM job_ticks"
    )[0][0]
    for sensor, seconds in ticks.items():
        # Some have the clock move on in their midst.
        found[f"tick of {sensor}, ms"] = median(seconds) * 1000
    return {name: value for name, value in found.items() if not name.endswith(".lock, MB")}


def size_of(path: Path) -> int | None:
    """Return the bytes of a file; None for a folder, and for what is gone by now."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def look(port: int) -> None:
    """Ask the web server what a page of runs asks."""
    query = {"query": "{runsOrError(limit: 25) {... on Runs {results {runId status}}}}"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps(query).encode(),
        {"Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def compare(nights: list[Measures]) -> None:
    """Print the first and last thirds of the settled nights side by side."""
    settled = nights[SETTLED:] if len(nights) >= SETTLED + 6 else nights
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    print(f"\n| measure | nights {len(nights) - len(settled) + 1} on | last {third} | growth |")
    print("|---|---|---|---|")
    for name in sorted({name for one in nights for name in one}):
        then = mean(one.get(name, 0.0) for one in first)
        now = mean(one.get(name, 0.0) for one in last)
        growth = f"{now / then - 1:+.0%}" if then else ""
        print(f"| {name} | {then:,.1f} | {now:,.1f} | {growth} |")


def main() -> None:
    """Run the nights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="a file for the measures of each night, as JSON")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    nights: list[Measures] = []
    try:
        clock = Clock(folder)
        site = make_site(Shape(seed=5, schools=3, students=given.students))
        with serving(Emulator({"eagle-usd": site})) as url:
            schools = [school.code for school in site.district.real_schools()]
            installation = Installation(folder, url, schools, clock)
            first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            clock.go_to(first + timedelta(days=1) + _OPENING)
            after = 0
            with installation.serving(folder) as (port, pids):
                for night in range(1, given.nights + 1):
                    began = time.monotonic()
                    midnight = first + timedelta(days=night)
                    site.clock_offset = clock.now().timestamp() - time.time()
                    clock.go_to(midnight + _OPENING)
                    pulls = {"pull_district", "pull_schools", "publish"}
                    installation.settle(pulls, after, timedelta(minutes=10))
                    clock.go_to(midnight + _AFTERNOON)
                    installation.settle({"prune"}, after, timedelta(minutes=1))
                    look(port)
                    found = measure(installation, pids, midnight)
                    found["runs that failed"] = len(installation.failed(after))
                    found["seconds"] = time.monotonic() - began
                    nights.append(found)
                    said = ", ".join(f"{name} {value:.0f}" for name, value in found.items())
                    print(f"night {night}: {said}", flush=True)
                    for job, status in installation.failed(after):
                        print(f"  {job}: {status}", flush=True)
                    if given.keep:
                        given.keep.write_text(json.dumps(nights), encoding="utf-8")
                    after = installation.last_run()
                    site.advance(1)
        compare(nights)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
