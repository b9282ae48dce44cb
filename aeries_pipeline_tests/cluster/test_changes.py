"""What people do in the middle of a night on many machines: none of it costs a run or a row.

A district is added, every machine gets another release, a student is forgotten,
and an analyst reads throughout.
"""

import logging
import shutil
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from aeries_pipeline.operations.privacy.erase import looking_at
from aeries_pipeline.operations.privacy.person import Person, is_known
from aeries_pipeline_tests.cluster.conftest import Ask, Cluster
from aeries_pipeline_tests.cluster.night import PULLS, REPOSITORY, Night, done, report
from aeries_pipeline_tests.cluster.servers import BUCKET, Servers

pytestmark = pytest.mark.cluster

LATE = "late-usd"
NAME = "Zzyzxmarker"
PARTLY = """
SELECT p.district, p.resource, p.school FROM (
    SELECT district, resource, school, arg_max(rows, finished_at) AS rows
    FROM meta.pulls WHERE status = 'complete' AND resource IN ('students', 'classes') GROUP BY ALL
) AS p LEFT JOIN (
    SELECT district, 'students' AS resource, school, count(*) AS rows FROM raw.students GROUP BY ALL
    UNION ALL SELECT district, 'classes', school, count(*) FROM raw.classes GROUP BY ALL
) AS t USING (district, resource, school) WHERE p.rows <> coalesce(t.rows, 0)
"""
"""Partitions of which a copy has other rows than its own ledger says."""

_logger = logging.getLogger(__name__)


@dataclass
class Analyst:
    """Opens the copy again and again, and notes what is not as it should be."""

    copy: Path
    looks: int = 0
    publications: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        while not self.ended.wait(0.5):
            if self.copy.exists():
                self.look()

    def look(self) -> None:
        try:
            with duckdb.connect(str(self.copy), read_only=True) as copy:
                found = copy.execute("SELECT publication_id FROM meta.published").fetchall()
                partly = copy.execute(PARTLY).fetchall()
        except duckdb.Error as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
            return
        self.looks += 1
        self.publications.add(str(found))
        self.wrong += [str(one) for one in partly]


def other_release(folder: Path) -> Path:
    """A copy of the software that says of itself that it is another release."""
    shutil.copytree(REPOSITORY / "aeries_pipeline", folder / "aeries_pipeline")
    about = folder / "aeries_pipeline" / "__init__.py"
    text = about.read_text()
    assert '__version__ = "' in text
    about.write_text(text.replace('__version__ = "', '__version__ = "9.'))
    return folder


def finds(night: Night, person: Person, needle: bytes) -> list[str]:
    """Where a student still is: objects, Postgres, disks of all machines."""
    servers = night.cluster.servers
    client = servers.client()
    place = night.cluster.folder / f"objects-{person.district}"
    place.mkdir()
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=night.cluster.prefix)["Contents"]
    for one in listed:
        client.download_file(BUCKET, one["Key"], str(place / one["Key"].replace("/", "-")))
    own = next(place.glob(f"*{person.district}.duckdb"))
    with looking_at(own) as connection:
        known = [own.name] if is_known(connection, "old", person) else []
    disks = [place, servers.folder / "postgres", night.control.folder]
    disks += [one.folder for one in night.workers]
    files = (path for disk in disks for path in disk.rglob("*") if path.is_file())
    return known + [str(path) for path in files if needle in path.read_bytes()]


def test_a_district_is_added_a_release_comes_and_a_student_is_forgotten_in_mid_night(
    cluster: Cluster, redis: Servers, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        night = Night(cluster, stack, later=LATE)
        marked = {}
        for name in night.names:
            rows = night.emulator.sites[name].district.rows[994]
            marked[name] = next(row.person for row in rows if not row.tag)
            marked[name].last = f"{NAME}{name}"
        began = time.time()
        instance = night.start(ask, monkeypatch)
        data = Path(night.control.variables["AERIES_DATA_DIR"])
        analyst = Analyst(data / "published" / "aeries.duckdb")
        reading = threading.Thread(target=analyst.read)
        reading.start()
        stack.callback(reading.join)
        stack.callback(analyst.ended.set)

        def whole() -> list[str]:
            ended = done(instance)
            return [one for one in night.names if {(job, one) for job in PULLS} <= ended]

        night.wait(whole, "the first district is pulled")
        night.add(LATE)
        newer = other_release(tmp_path / "newer")
        for host, log in [*((one, "celery") for one in night.workers), (night.control, "daemon"),
                          (night.control, "celery")]:  # fmt: skip
            # One after the other; the others go on.
            host.stop(log, seconds=120)
            host.variables["PYTHONPATH"] = str(newer)
            if log == "daemon":
                night.start_daemon()
            else:
                night.start_worker(host, "files" if host is night.control else "dagster")
        upgraded = time.time()
        forgotten = whole()[:2]
        for name in forgotten:
            told = night.control.run(
                [sys.executable, "-m", "aeries_pipeline.cli", "forget", name, "--student",
                 str(marked[name].id), "--yes", "--although-listed", "--reason", "asked"],
                "forget", seconds=120,
            )  # fmt: skip
            assert "nothing more is found" in told, told
        night.wait(lambda: done(instance) >= night.everything, "all districts are pulled")
        night.wait(lambda: analyst.publications, "a copy is published")
        night.end(instance)
        analyst.ended.set()
        reading.join()
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert [(one.job_name, one.tags) for one in failed] == []
        late = [one for host in night.workers for at, one in host.wires["districts"].seen
                if at > upgraded]  # fmt: skip
        assert LATE in late, "the other release pulled the district that was added"
        left = [
            one
            for name in forgotten
            for one in finds(night, Person(name, marked[name].id), marked[name].last.encode())
        ]
        assert left == []
        # The ledger says how many rows a pull had; who is forgotten is one of them no more.
        assert [one for one in analyst.wrong if not any(name in one for name in forgotten)] == []
        assert analyst.looks > 1
        found = report(night, ask, forgotten)
        assert found.trespassers == []
        assert set(found.wrong) == set(forgotten), "they alone have a student less"
        _logger.info(
            "%s districts, %s forgotten, %s looks at %s copies: %.0f s", len(night.names),
            len(forgotten), analyst.looks, len(analyst.publications), time.time() - began,
        )  # fmt: skip
