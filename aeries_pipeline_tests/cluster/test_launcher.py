"""What the launcher knows of a run, which roster a worker goes by, and the way to many machines."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from aeries_pipeline.operations.privacy.erase import looking_at
from aeries_pipeline.operations.privacy.person import Person, is_known
from aeries_pipeline.orchestration.automation.origin import PROCESS_TAG
from aeries_pipeline.orchestration.automation.pulse import begin_pulse, end_dead_runs, is_alive
from aeries_pipeline.orchestration.cluster.launcher import ClusterRunLauncher, give_roster
from aeries_pipeline.orchestration.cluster.worker import take_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.place import PlaceError
from aeries_pipeline_tests.cluster.conftest import Ask, Cluster
from aeries_pipeline_tests.conftest import CERTIFICATE, World

pytestmark = pytest.mark.cluster

LATE = "UPDATE aeries.pulses SET at = at - interval '41 seconds'"


@dg.op
def nothing() -> None: ...


@dg.job
def idle() -> None:
    nothing()


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED, tags=tags)


def test_a_run_is_dead_when_its_process_was_silent_for_forty_seconds(
    cluster: Cluster, ask: Ask, tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "districts.yaml", cluster.folder / "here")
    with dg.DagsterInstance.ephemeral() as instance:
        launcher = ClusterRunLauncher(default_queue="dagster", broker="redis://127.0.0.1:1/0")
        launcher.register_instance(instance)
        run = started(instance)

        def health() -> WorkerStatus:
            return launcher.check_run_worker_health(run).status

        assert health() is WorkerStatus.RUNNING, "it has only just begun"
        pulse = begin_pulse(settings, run.run_id)
        begin_pulse(settings, run.run_id).end()
        assert health() is WorkerStatus.RUNNING
        assert is_alive(settings, run.run_id), "one process has one pulse for a run"
        pulse.end()
        assert ask("SELECT * FROM aeries.pulses") == []
        begin_pulse(settings, run.run_id)
        ask(LATE)
        found = launcher.check_run_worker_health(run)
        assert found.status is WorkerStatus.FAILED
        assert "It was on here." in str(found.msg)
        assert launcher.get_run_worker_debug_info(run) == f"host here, process {os.getpid()}"
        assert end_dead_runs(instance, settings) == [run.run_id]
        assert ask("SELECT * FROM aeries.pulses") == []
        of_command = started(instance, **{PROCESS_TAG: "there 1 x"})
        assert launcher.check_run_worker_health(of_command).status is WorkerStatus.RUNNING


def test_a_worker_takes_the_newest_roster_and_is_never_older_than_a_run(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, worker = cluster.folder / "control.yaml", cluster.folder / "new" / "worker.yaml"
    for number, text in enumerate(["districts: []\n", "districts: []\n# more\n"], start=1):
        control.write_text(text)
        monkeypatch.setenv("AERIES_DISTRICTS", str(control))
        assert give_roster() == give_roster() == number
        monkeypatch.setenv("AERIES_DISTRICTS", str(worker))
        take_roster(number)
        assert worker.read_text() == text
    take_roster(1)
    assert worker.read_text().endswith("# more\n"), "an older run goes by the newest roster, too"
    with pytest.raises(PlaceError, match="launched with version 3 of the roster"):
        take_roster(3)


def test_the_way_to_many_machines_and_back_keeps_every_row_but_of_the_forgotten(
    cluster: Cluster, world: World, ask: Ask
) -> None:
    shared = cluster.variables("here") | world.variables
    alone = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AERIES_DATABASE", "AERIES_OBJECTS"))
    } | world.variables

    def command(environment: dict[str, str], *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "aeries_pipeline.cli", *words],
            env={**environment, "TEST_AERIES_CERT": CERTIFICATE},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    rows = "SELECT school, count(*), sum(hash(s)) FROM raw.students AS s GROUP BY 1 ORDER BY 1"
    query = ["sql", "--district", "eagle-usd", rows]
    command(alone, "sync", "eagle-usd")
    before = command(alone, *query)
    assert str(world.schools[0]) in before
    command(alone, "backup")
    there = {**os.environ, **shared}
    command(there, "restore", "--newest")
    assert command(there, *query) == before
    assert ask("SELECT district FROM aeries.districts") == [("eagle-usd",)]
    command(there, "sync", "eagle-usd")
    assert command(there, *query) == before
    (world.settings.data / "warehouses" / "eagle-usd.duckdb").unlink()
    gone = world.site.district.rows[994][0].person
    told = command(there, "forget", "eagle-usd", "--student", str(gone.id), "--reason", "asked",
                   "--yes", "--although-listed")  # fmt: skip
    assert "nothing more is found" in told
    fetched = world.settings.data.parent / "fetched.duckdb"
    cluster.servers.client().download_file(
        "aeries", f"{cluster.prefix}/warehouses/eagle-usd.duckdb", str(fetched)
    )
    with looking_at(fetched) as connection:
        assert connection.execute("SELECT count(*) FROM old.raw.students").fetchone() != (0,)
        assert not is_known(connection, "old", Person("eagle-usd", gone.id))
    before = command(there, *query)
    command(there, "backup")
    command(alone, "restore", "--newest")
    assert command(alone, *query) == before
