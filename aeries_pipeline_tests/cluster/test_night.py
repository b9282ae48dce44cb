"""A night of many districts on machines of which one dies in the middle.

Control host and workers are network namespaces with disks of their own; Postgres, Redis,
S3 and the districts' servers are real and each machine has its own wires to them.
``CLUSTER_DISTRICTS``, ``CLUSTER_HOSTS``, ``CLUSTER_LATENCY`` and ``CLUSTER_PATIENCE`` ask for more
by hand. ``CLUSTER_TROUBLES`` lists what else goes wrong, with three workers or more: ``cut``,
``postgres``, ``daemon``, ``objects``, ``redis``.
"""

import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
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
from aeries_pipeline_tests.cluster.conftest import Ask, Cluster, need
from aeries_pipeline_tests.cluster.hosts import Host, may_isolate
from aeries_pipeline_tests.cluster.servers import ALL, Servers, program, wait_until
from aeries_pipeline_tests.conftest import CERTIFICATE, FAST, roster_entry, write_roster
from aeries_pipeline_tests.processes.test_kill import assert_whole

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[2]
DISTRICTS = int(os.environ.get("CLUSTER_DISTRICTS", "10"))
HOSTS = int(os.environ.get("CLUSTER_HOSTS", "2"))
LATENCY = float(os.environ.get("CLUSTER_LATENCY", "0.1"))
TROUBLES = os.environ.get("CLUSTER_TROUBLES", "").split()
PATIENCE = float(os.environ.get("CLUSTER_PATIENCE", "240"))
WORKSPACE = """\
load_from:
  - python_module:
      module_name: aeries_pipeline.definitions
      location_name: aeries_pipeline
"""
SHUT = "shut-usd"
PULLS = ("pull_district", "pull_schools")
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_logger = logging.getLogger(__name__)


@pytest.fixture
def redis(servers: Servers) -> Servers:
    need(ALL)
    if not may_isolate():
        pytest.fail("needs network namespaces (run as root)")
    if "redis" not in servers.running:
        servers.start_redis()
    return servers


class Night:
    """The districts, the control host and the workers."""

    def __init__(self, cluster: Cluster, stack: ExitStack) -> None:
        self.cluster, self.stack = cluster, stack
        self.names = [f"d{one}-usd" for one in range(DISTRICTS)]
        self.emulator = Emulator(
            {
                name: make_site(Shape(seed=place, schools=2, students=60), certificate=CERTIFICATE)
                for place, name in enumerate([*self.names, SHUT])
            }
        )
        self.emulator.faults.replace([Fault(kind="latency", seconds=LATENCY)])
        url = stack.enter_context(serving(self.emulator))
        self.port = int(url.rsplit(":", 1)[1])
        self.roster = cluster.folder / "districts.yaml"
        entries = [self._entry(url, name) for name in self.names]
        tomorrow = f"{datetime.now(UTC) + timedelta(hours=30):%A}s only from 1:00 a.m. - 2:00 a.m."
        entries.append(self._entry(url, SHUT) | {"pull_window": tomorrow})
        write_roster(self.roster, entries)
        self.control = self.host("control")
        self.workers = [self.host(f"worker-{one}") for one in range(HOSTS)]

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

    def start(self, ask: Ask) -> None:
        # The control host alone is given the roster; the workers get it with their runs.
        Path(self.control.variables["AERIES_DISTRICTS"]).write_text(self.roster.read_text())
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

    def start_daemon(self) -> None:
        workspace = str(self.control.folder / "home" / "workspace.yaml")
        self.control.start(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", workspace], "daemon"
        )

    def start_worker(self, worker: Host, queue: str) -> None:
        worker.start(
            [program("celery") or "", "-A", "aeries_pipeline.orchestration.cluster.worker",
             "worker", "-Q", queue, "-c", "2", "-n", f"{worker.name}@%h", "--without-gossip",
             "--without-mingle"],
            "celery",
        )  # fmt: skip

    def words(self) -> str:
        return "\n".join(one.words() for one in [self.control, *self.workers])[-9000:]


def runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [one for one in instance.get_runs() if one.job_name in PULLS]


def more_troubles(night: Night) -> None:
    """What else may befall the machines of a night, one after the other."""
    servers = night.cluster.servers
    for trouble in TROUBLES:
        _logger.info("trouble: %s", trouble)
        match trouble:
            case "cut":
                # A worker is without Postgres for longer than its leases last.
                night.workers[1].wires["postgres"].cut()
                time.sleep(90)
                night.workers[1].wires["postgres"].mend()
            case "postgres":
                servers.running["postgres"].end(signal.SIGKILL)
                time.sleep(5)
                servers.restart_postgres()
            case "daemon":
                night.control.kill("daemon")
                time.sleep(20)
                night.start_daemon()
            case "objects":
                night.workers[2].wires["s3"].cut()
                time.sleep(30)
                night.workers[2].wires["s3"].mend()
            case "redis":
                servers.running["redis"].end(signal.SIGKILL)
                servers.start_redis()
            case _:
                raise ValueError(trouble)
        time.sleep(15)


def under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    return list(instance.get_runs(dg.RunsFilter(statuses=statuses)))


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


def test_a_machine_dies_in_the_middle_and_nothing_is_lost_or_wrong(
    cluster: Cluster, redis: Servers, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        night = Night(cluster, stack)
        for name in ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "AERIES_BROKER_URL"):
            monkeypatch.setenv(name, night.control.variables[name])
        monkeypatch.setenv("AERIES_DISTRICTS", str(night.roster))
        began = time.time()
        night.start(ask)
        instance = stack.enter_context(dg.DagsterInstance.get())
        victim = night.workers[0]
        end = time.monotonic() + PATIENCE

        def wait(found: object, what: str) -> None:
            try:
                wait_until(found, end - time.monotonic(), what)  # type: ignore[arg-type]
            except AssertionError as error:
                raise AssertionError(f"{error}\n{night.words()}") from None

        wait(lambda: len(done(instance)) >= 2, "the first pulls are complete")
        first = time.time()
        asked = len(victim.wires["districts"].seen)
        wait(lambda: len(victim.wires["districts"].seen) > asked + 5, "the victim is at work")
        killed_at = victim.kill()
        beating = ask("SELECT run_id FROM aeries.pulses WHERE host = %s", victim.name)
        victims = {run_id for (run_id,) in beating}
        assert victims, "it was killed in the middle of runs"

        def declared() -> bool:
            return all(one.status in ENDED for one in runs(instance) if one.run_id in victims)

        wait(declared, "the dead runs are known as such")
        declared_after = time.time() - killed_at
        _logger.info("declared after %.1f s", declared_after)
        more_troubles(night)
        everything = {(job, name) for job in PULLS for name in night.names}
        wait(lambda: done(instance) >= everything, "all districts are pulled")
        ended = time.time()
        # Nothing more is handed out; what follows from the pulls and goes on comes to its end.
        night.control.kill("daemon")
        wait(lambda: not under_way(instance), "what follows from the pulls has ended")
        night.control.kill()
        for worker in night.workers:
            worker.kill()
        dead = [one for one in instance.get_runs() if one.run_id in victims]
        assert {one.status for one in dead} <= {
            dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
        }  # fmt: skip
        assert any(one.status is dg.DagsterRunStatus.FAILURE for one in dead)
        assert declared_after < 60
        seen = {name for host in night.workers for _, name in host.wires["districts"].seen}
        assert seen == set(night.names), "a district whose window is shut was asked nothing"
        store = Store(Path(cluster.variables("here")["AERIES_DATA_DIR"]))
        assert store.districts() == sorted(night.names)
        wrong = []
        for name in night.names:
            assert assert_whole(store.warehouse(name)) > 0
            if content(store.warehouse(name)) != reference(night, name, cluster.folder / "alone"):
                wrong.append(name)
        assert wrong == []
        assert trespassers(night.workers, ask) == []
        _logger.info(
            "%s districts on %s machines: first %.0f s, all %.0f s, everything %.0f s; dead runs "
            "%s failed after %.1f s",
            DISTRICTS, HOSTS, first - began, ended - began, time.time() - began, len(victims),
            declared_after,
        )  # fmt: skip
