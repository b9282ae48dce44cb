"""A night on many machines: control host, workers, districts, and what must hold after it.

Control host and workers are network namespaces with disks of their own; Postgres, Redis,
S3 and the districts' servers are real and each machine has its own wires to them.
``CLUSTER_DISTRICTS``, ``CLUSTER_HOSTS`` and ``CLUSTER_LATENCY`` ask for more by hand;
``CLUSTER_PATIENCE`` is how many seconds a night may take; with ``CLUSTER_CORE_EACH`` each
machine has one of the cores, so that two of them are twice as much as one.
"""

import os
import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.faults import Fault
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse, table_exists
from aeries_pipeline.stores.store import LocalHomes, Store
from aeries_pipeline_tests.cluster.conftest import Ask, Cluster
from aeries_pipeline_tests.cluster.hosts import Host
from aeries_pipeline_tests.cluster.servers import program, wait_until
from aeries_pipeline_tests.conftest import CERTIFICATE, FAST, roster_entry, write_roster
from aeries_pipeline_tests.processes.test_kill import assert_whole

REPOSITORY = Path(__file__).parents[2]
DISTRICTS = int(os.environ.get("CLUSTER_DISTRICTS", "10"))
HOSTS = int(os.environ.get("CLUSTER_HOSTS", "2"))
PATIENCE = float(os.environ.get("CLUSTER_PATIENCE", "240"))
CORE_EACH = bool(os.environ.get("CLUSTER_CORE_EACH"))
LATENCY = float(os.environ.get("CLUSTER_LATENCY", "0.1"))
WORKSPACE = """\
load_from:
  - python_module:
      module_name: aeries_pipeline.definitions
      location_name: aeries_pipeline
"""
SHUT = "shut-usd"
PULLS = ("pull_district", "pull_schools")
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


class Night:
    """The districts, the control host and the workers."""

    def __init__(self, cluster: Cluster, stack: ExitStack, later: str = "") -> None:
        """Serve the districts, of which one may come into the roster later."""
        self.cluster, self.stack = cluster, stack
        self.names = [f"d{one}-usd" for one in range(DISTRICTS)]
        self.emulator = Emulator(
            {
                name: make_site(Shape(seed=place, schools=2, students=60), certificate=CERTIFICATE)
                for place, name in enumerate([*self.names, SHUT, *([later] if later else [])])
            }
        )
        self.emulator.faults.replace([Fault(kind="latency", seconds=LATENCY)])
        url = stack.enter_context(serving(self.emulator))
        self.port = int(url.rsplit(":", 1)[1])
        self.roster = cluster.folder / "districts.yaml"
        self.url = url
        self.write_roster(self.names)
        self.control = self.host("control")
        self.workers = [self.host(f"worker-{one}") for one in range(HOSTS)]

    def write_roster(self, names: list[str]) -> None:
        entries = [self._entry(self.url, name) for name in names]
        tomorrow = f"{datetime.now(UTC) + timedelta(hours=30):%A}s only from 1:00 a.m. - 2:00 a.m."
        entries.append(self._entry(self.url, SHUT) | {"pull_window": tomorrow})
        write_roster(self.roster, entries, publish={"minutes": 0})

    def add(self, name: str) -> None:
        """Put one more district into the roster of the control host, as a person would."""
        self.names.append(name)
        self.write_roster(self.names)
        self.give_roster()

    def give_roster(self) -> None:
        there = Path(self.control.variables["AERIES_DISTRICTS"])
        fresh = there.with_suffix(".new")
        fresh.write_text(self.roster.read_text())
        fresh.replace(there)

    def _entry(self, url: str, name: str) -> dict[str, object]:
        codes = [school.code for school in self.emulator.sites[name].district.real_schools()]
        return roster_entry(
            url, codes, id=name, url=f"{url}/{name}/SecurityForAPI.aspx", name=name,
            pull_window="any time", timezone="Etc/UTC",
        )  # fmt: skip

    def host(self, name: str) -> Host:
        servers = self.cluster.servers
        ports = {
            "postgres": servers.postgres_port,
            "s3": servers.s3_port,
            "redis": servers.redis_port,
            "districts": self.port,
        }
        variables = self.cluster.variables(name) | {
            "DAGSTER_POSTGRES_URL": self.cluster.database.replace(
                "postgresql://", "postgresql+psycopg2://"
            ),
            "AERIES_BROKER_URL": servers.redis,
            "TEST_AERIES_CERT": CERTIFICATE,
            "PYTHONPATH": str(REPOSITORY),
        }
        host = Host(name, self.cluster.folder / name, ports, variables)
        self.stack.callback(host.end)
        home = host.folder / "home"
        (home / "dagster.yaml").write_text(
            (REPOSITORY / "deploy" / "dagster.yaml")
            .read_text()
            .replace("max_concurrent_runs: 12", f"max_concurrent_runs: {2 * HOSTS}")
        )
        (home / "workspace.yaml").write_text(WORKSPACE)
        return host

    def start(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
        for name in ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "AERIES_BROKER_URL"):
            monkeypatch.setenv(name, self.control.variables[name])
        monkeypatch.setenv("AERIES_DISTRICTS", str(self.roster))
        # The control host alone is given the roster; the workers get it with their runs.
        self.give_roster()
        with dg.DagsterInstance.get() as instance:
            # Its tables are made once, before several processes look for them.
            instance.get_runs_count()
            instance.all_asset_keys()
        Store(Path(self.cluster.variables("here")["AERIES_DATA_DIR"])).districts()
        ask(HISTORY)
        self.start_daemon()
        for worker in self.workers:
            self.start_worker(worker, "dagster")
        self.start_worker(self.control, "files")
        self._until = time.monotonic() + PATIENCE
        return self.stack.enter_context(dg.DagsterInstance.get())

    def wait(self, found: Callable[[], object], what: str) -> None:
        """Wait for something as long as a night may take."""
        try:
            wait_until(found, self._until - time.monotonic(), what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.words()}") from None

    @property
    def everything(self) -> set[tuple[str, str]]:
        """The pulls that the night owes."""
        return {(job, name) for job in PULLS for name in self.names}

    def end(self, instance: dg.DagsterInstance) -> None:
        """Hand out nothing more, let what goes on come to its end, and switch off."""
        self.control.kill("daemon")
        self.wait(lambda: not under_way(instance), "what follows from the pulls has ended")
        for host in (self.control, *self.workers):
            host.kill()

    def start_daemon(self) -> None:
        workspace = str(self.control.folder / "home" / "workspace.yaml")
        self.control.start(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", workspace], "daemon"
        )

    def start_worker(self, worker: Host, queue: str) -> None:
        core = self.workers.index(worker) % (os.cpu_count() or 1) if worker in self.workers else 0
        alone = ["taskset", "-c", str(core)] if CORE_EACH else []
        worker.start(
            [*alone, program("celery") or "", "-A", "aeries_pipeline.orchestration.cluster.worker",
             "worker", "-Q", queue, "-c", "2", "-n", f"{worker.name}@%h", "--without-gossip",
             "--without-mingle"],
            "celery",
        )  # fmt: skip

    def words(self) -> str:
        return "\n".join(one.words() for one in [self.control, *self.workers])[-9000:]


def runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [one for one in instance.get_runs() if one.job_name in PULLS]


def under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that go on, or that a worker may still begin."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses))
    return [
        one.dagster_run
        for one in records
        # A daemon that is killed in mid-launch leaves one that nobody was given; monitoring
        # fails it after its start timeout, and it is run again.
        if one.dagster_run.status is dg.DagsterRunStatus.STARTED
        or time.time() - one.update_timestamp.timestamp() < 30
    ]


def done(instance: dg.DagsterInstance) -> set[tuple[str, str]]:
    return {(one.job_name, one.tags["aeries/district"]) for one in runs(instance) if one.is_success}


def content(warehouse: Warehouse) -> dict[str, object]:
    """Count and hash of every raw table, without what differs from pull to pull."""
    found: dict[str, object] = {}
    with warehouse.open() as connection:
        for name in RESOURCES:
            if table_exists(connection, "raw", name):
                found[name] = connection.execute(
                    "SELECT count(*), sum(hash(t)::HUGEINT) FROM (SELECT * EXCLUDE (_pull_id, "
                    f"_pulled_at) FROM raw.{quoted(name)}) AS t"
                ).fetchone()
    return found


def reference(night: Night, name: str, folder: Path) -> dict[str, object]:
    """The same of a pull that one machine makes alone."""
    district = load_roster(night.roster).get(name)
    settings = Settings(night.roster, folder / name)
    warehouse = Store(settings.data, LocalHomes(settings.data)).warehouse(name)
    with Session(district, settings, warehouse, FAST) as session:
        for resource in RESOURCES.values():
            if district.wants(resource):
                pull_resource(session, resource, session.district.schools)
    return content(warehouse)


HISTORY = """
CREATE TABLE public.holders (name text, host text, at timestamptz);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.holders
    VALUES (NEW.name, CASE WHEN NEW.holder = '' THEN '' ELSE NEW.host END, clock_timestamp());
    RETURN NEW;
END $$;
CREATE TRIGGER note_first AFTER INSERT ON aeries.leases
    FOR EACH ROW EXECUTE FUNCTION public.note();
CREATE TRIGGER note AFTER UPDATE ON aeries.leases FOR EACH ROW
    WHEN (OLD.fence <> NEW.fence OR OLD.holder <> NEW.holder) EXECUTE FUNCTION public.note();
"""
"""Whoever had a lease, and since when."""


def trespassers(hosts: list[Host], ask: Ask) -> list[str]:
    """Requests of a machine to a district that another one, or none, had the lease of."""
    history: dict[str, list[tuple[float, str]]] = {}
    query = "SELECT name, host, extract(epoch FROM at)::float8 FROM public.holders ORDER BY at"
    for name, host, at in ask(query):
        history.setdefault(str(name), []).append((float(str(at)), str(host)))
    found = []
    for host in hosts:
        for at, district in host.wires["districts"].seen:
            holders = [one for since, one in history[f"district/{district}"] if since <= at]
            if not holders or holders[-1] != host.name:
                found.append(f"{host.name} asked {district} at {at}, which {holders[-1:]} had")
    return found


@dataclass
class Report:
    """What a night on many machines has come to."""

    wrong: list[str]
    trespassers: list[str]
    seen: set[str]
    districts: list[str]


def report(night: Night, ask: Ask, changed: Collection[str] = ()) -> Report:
    """Compare what is stored with pulls that one machine makes alone.

    Args:
        night: Which has ended.
        ask: Its Postgres.
        changed: Districts that have lost rows since they were pulled, as is right.
    """
    store = Store(Path(night.cluster.variables("here")["AERIES_DATA_DIR"]))
    wrong = []
    for name in night.names:
        if name not in changed:
            assert assert_whole(store.warehouse(name)) > 0
        alone = reference(night, name, night.cluster.folder / "alone")
        if content(store.warehouse(name)) != alone:
            wrong.append(name)
    return Report(
        wrong,
        trespassers(night.workers, ask),
        {name for host in night.workers for _, name in host.wires["districts"].seen},
        store.districts(),
    )
