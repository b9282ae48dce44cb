"""The store of many machines: nothing is lost by a kill, a cut or the return of an old machine.

Real Postgres, a real S3 server, real processes. Where a moment in the middle of
a commit matters, the wire to the server is held there.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.ingest.session import DistrictBusyError
from aeries_pipeline.stores.across import Question, ask_each
from aeries_pipeline.stores.backup import take_backup
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.place import shared_place
from aeries_pipeline.stores.restore_many import restore_file
from aeries_pipeline.stores.shared.database import ClockError
from aeries_pipeline.stores.shared.homes import SharedHomes
from aeries_pipeline.stores.shared.leases import LEASE_SECONDS, UNUSED_SECONDS, LeaseLostError
from aeries_pipeline.stores.shared.objects import ObjectsError
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.cluster.conftest import Ask, Cluster
from aeries_pipeline_tests.cluster.proxy import Wire
from aeries_pipeline_tests.conftest import World

pytestmark = pytest.mark.cluster

NAME = "eagle-usd"
ROUNDS = int(os.environ.get("CLUSTER_KILLS", "6"))

INSERT = (
    "INSERT INTO meta.pulls (pull_id, district, resource, status, rows, finished_at) "
    "VALUES (?, 'eagle-usd', 'students', 'complete', ?, "
    "TIMESTAMP '2026-03-01' + to_seconds(?))"
)

WRITER = f"""
import sys, time
from aeries_pipeline.stores.place import data_directory
from aeries_pipeline.stores.store import Store
warehouse = Store(data_directory()).warehouse("eagle-usd")
number, stays, pause = int(sys.argv[1]), sys.argv[2] == "stays", float(sys.argv[3])
def write(number):
    with warehouse.open() as connection:
        connection.execute({INSERT!r}, [f"p{{number}}", number, number])
    print(number, flush=True)
def go():
    global number
    for number in range(number, number + int(sys.argv[4])):
        write(number)
        time.sleep(pause)
print("begin", flush=True)
try:
    if stays:
        with warehouse.staying_open():
            go()
    else:
        go()
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""


def writer(
    variables: dict[str, str], first: int, *, stays: bool = False, pause: float = 0, count: int = 1
) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(first), "stays" if stays else "", str(pause),
         str(count)],
        env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


def said(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    process.wait(60)
    return lines


@pytest.fixture
def here(cluster: Cluster) -> Store:
    return store_of(cluster, "here")


def store_of(cluster: Cluster, host: str) -> Store:
    place = shared_place()
    assert place is not None
    data = cluster.folder / host
    return Store(data, SharedHomes(data, replace(place, host=host)))


def write(store: Store, number: int, warehouse: Warehouse | None = None) -> None:
    with (warehouse or store.warehouse(NAME)).open() as connection:
        connection.execute(INSERT, [f"p{number}", number, number])


def numbers(store: Store) -> list[int]:
    return [row for (row,) in store.warehouse(NAME).rows("SELECT rows FROM meta.pulls ORDER BY 1")]


def noted(ask: Ask) -> list[object]:
    return [row for (row,) in ask("SELECT rows FROM aeries.pulls ORDER BY 1")]


@pytest.fixture
def wire(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Wire]:
    to_database = getattr(request, "param", "s3") == "database"
    found = Wire(cluster.servers.postgres_port if to_database else cluster.servers.s3_port)
    yield found
    found.close()


def by_wire(cluster: Cluster, wire: Wire, host: str, *, database: bool) -> dict[str, str]:
    if database:
        return cluster.variables(host, database=cluster.through(wire.port))
    return cluster.variables(host, endpoint=f"http://127.0.0.1:{wire.port}")


def copies(cluster: Cluster) -> list[Path]:
    return [one for one in cluster.folder.rglob("*.duckdb") if "backups" not in one.parts]


def test_what_one_machine_writes_the_other_reads_and_the_ledger_follows(
    cluster: Cluster, here: Store, ask: Ask
) -> None:
    there = store_of(cluster, "there")
    assert here.districts() == []
    assert not here.has(NAME)
    write(here, 1)
    staying = there.warehouse(NAME)
    with staying.staying_open():
        write(there, 2, staying)
        write(there, 3, staying)
        assert noted(ask) == [1, 2, 3], "each use counts at its end, also where the file stays open"
        assert numbers(here) == [1, 2, 3], "whoever waits is given the file"
        write(there, 4, staying)
    assert numbers(here) == noted(ask) == [1, 2, 3, 4]
    assert there.districts() == [NAME]
    assert copies(cluster) == [], "no copy of students' data stays on a machine"
    ((generation, fence, etag),) = ask("SELECT generation, fence, etag FROM aeries.districts")
    head = cluster.servers.client().head_object(
        Bucket="aeries", Key=f"{cluster.prefix}/warehouses/{NAME}.duckdb"
    )
    assert head["ETag"].strip('"') == etag
    assert head["Metadata"]["generation"] == str(generation)
    assert head["Metadata"]["fence"] == str(fence)
    assert ask("SELECT resource, status FROM aeries.latest_pulls") == [("students", "complete")]


def test_a_question_to_all_is_answered_from_the_ledger_and_asked_once_for_each_state(
    cluster: Cluster, here: Store
) -> None:
    there = store_of(cluster, "there")
    asked: list[str] = []

    def count(connection: object, district: str) -> int:
        asked.append(district)
        return connection.execute("SELECT count(*) FROM meta.pulls").fetchone()[0]  # type: ignore[attr-defined]

    question = Question("how many", count)
    write(here, 1)
    with here.warehouse(NAME).locked():
        assert ask_each(there, question).by_district == {NAME: 1}, "a writer keeps nobody waiting"
    assert ask_each(here, question).by_district == {NAME: 1}
    assert asked == [NAME]
    write(here, 2)
    assert ask_each(there, question).by_district == {NAME: 2}
    assert copies(cluster) == []


def test_a_backup_put_back_replaces_the_object_and_its_pulls(
    cluster: Cluster, here: Store, ask: Ask
) -> None:
    write(here, 1)
    made = take_backup(here.warehouse(NAME), cluster.folder / "kept")
    write(here, 2)
    restore_file(here, made.path)
    assert numbers(store_of(cluster, "there")) == noted(ask) == [1]


@pytest.mark.parametrize("wire", ["database"], indirect=True)
def test_a_kill_between_object_and_ledger_is_completed_by_the_next(
    cluster: Cluster, here: Store, ask: Ask, wire: Wire
) -> None:
    write(here, 1)
    wire.hold_at(b"INSERT INTO aeries.districts")
    process = writer(by_wire(cluster, wire, "killed", database=True), 2)
    assert wire.held.wait(60)
    process.send_signal(signal.SIGKILL)
    assert said(process) == []
    assert noted(ask) == [1], "the ledger was not told"
    wire.close()
    # The dead machine's lease has to end by itself.
    assert numbers(here) == [1, 2], "the file is the authority"
    assert noted(ask) == [1, 2]
    ((fence,),) = ask("SELECT fence FROM aeries.districts")
    assert fence == ask("SELECT fence FROM aeries.leases WHERE name LIKE 'warehouse/%'")[0][0]


def test_a_kill_before_the_object_is_written_leaves_the_last_state(
    cluster: Cluster, here: Store, ask: Ask, wire: Wire
) -> None:
    write(here, 1)
    wire.hold_at(b"PUT /aeries/")
    process = writer(by_wire(cluster, wire, "killed", database=False), 2)
    assert wire.held.wait(60)
    process.send_signal(signal.SIGKILL)
    assert said(process) == []
    assert [one.name for one in copies(cluster)] == [f"{NAME}.duckdb"]
    assert numbers(here) == [1] == noted(ask)
    store_of(cluster, "killed")
    assert copies(cluster) == [], "the next process of that machine has deleted them"


def test_an_old_machine_that_comes_back_writes_nothing(
    cluster: Cluster, here: Store, ask: Ask, wire: Wire
) -> None:
    write(here, 1)
    wire.hold_at(b"PUT /aeries/")
    process = writer(by_wire(cluster, wire, "old", database=False), 2)
    assert wire.held.wait(60)
    process.send_signal(signal.SIGSTOP)
    # No commit of the new holder is needed: taking over alone must shut the old one out.
    with here.warehouse(NAME).locked():
        process.send_signal(signal.SIGCONT)
        wire.let_go()
        (line,) = said(process)
    assert line.startswith(LeaseLostError.__name__)
    assert "nothing of what was under way here was written" in line
    write(here, 3)
    assert numbers(store_of(cluster, "there")) == [1, 3] == noted(ask)


def test_an_answer_of_the_store_that_is_lost_on_its_way_is_no_failure(
    cluster: Cluster, here: Store, ask: Ask, wire: Wire
) -> None:
    write(here, 1)
    wire.lose_answer_to(b"PUT /aeries/")
    process = writer(by_wire(cluster, wire, "unlucky", database=False), 2)
    assert said(process) == ["2"]
    assert wire.held.is_set()
    assert numbers(here) == [1, 2] == noted(ask)


@pytest.mark.parametrize("wire", ["database"], indirect=True)
def test_a_machine_without_the_database_stops_asking_before_another_begins(
    cluster: Cluster, world: World, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERIES_DATA_DIR", str(world.settings.data))
    monkeypatch.setenv("AERIES_HOST", "cut-off")
    monkeypatch.setenv("AERIES_DATABASE_URL", cluster.through(wire.port))
    old = world.session()
    monkeypatch.setenv("AERIES_HOST", "other")
    monkeypatch.setenv("AERIES_DATABASE_URL", cluster.database)

    def go_on() -> AeriesError:
        while True:
            try:
                old.client.get("schools")
            except AeriesError as error:
                return error
            time.sleep(0.1)

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(go_on)
        with pytest.raises(DistrictBusyError, match="another process is pulling this district"):
            world.session()
        wire.cut()
        cut_at = time.time()
        while True:
            try:
                new = world.session()
                break
            except DistrictBusyError:
                time.sleep(0.2)
        began = time.time() - cut_at
        stopped = max(one.at for one in world.emulator.log) - cut_at
        assert stopped <= LEASE_SECONDS - UNUSED_SECONDS + 1
        assert began - stopped >= UNUSED_SECONDS - 1
        new.client.get("schools")
        asked = len(world.emulator.log)
        wire.mend()
        error = asking.result(60)
    assert isinstance(error, StoppedError)
    assert "another machine has taken over from this one (cut-off)" in str(error)
    assert len(world.emulator.log) == asked, "the old one has sent nothing since"
    old.close()
    new.client.get("schools")
    with pytest.raises(DistrictBusyError):
        world.session()


@pytest.mark.parametrize("wire", ["database"], indirect=True)
def test_after_an_outage_of_the_database_all_goes_on(
    cluster: Cluster, here: Store, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERIES_DATABASE_URL", cluster.through(wire.port))
    there = store_of(cluster, "there")
    right = there.right(NAME)
    write(there, 1)
    wire.cut()
    time.sleep(LEASE_SECONDS + 2)
    assert not right.holds()  # type: ignore[attr-defined]
    with pytest.raises(WarehouseUnusableError, match="shared database cannot be used from there"):
        write(there, 2)
    wire.mend()
    assert right.refusal() is None, "nobody else has taken it meanwhile"
    right.release()
    write(there, 3)
    assert numbers(here) == [1, 3]


def test_an_outage_of_the_object_store_leaves_the_last_state(
    cluster: Cluster, here: Store, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, 1)
    monkeypatch.setenv("AERIES_OBJECTS_ENDPOINT", f"http://127.0.0.1:{wire.port}")
    there = store_of(cluster, "there")
    staying = there.warehouse(NAME)
    with staying.staying_open():
        assert staying.rows("SELECT count(*) FROM meta.pulls") == [(1,)]
        wire.close()
        with pytest.raises(ObjectsError, match="the last state of each file stays"):
            write(there, 2, staying)
    assert numbers(here) == [1]
    assert copies(cluster) == []


def test_a_machine_with_another_time_is_refused(cluster: Cluster, ask: Ask) -> None:
    ask("CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$SELECT pg_catalog.clock_timestamp() + interval '47 seconds'$$")  # fmt: skip
    ask(f"ALTER DATABASE {cluster.prefix} SET search_path = public, pg_catalog")
    with pytest.raises(ClockError, match=r"here\) differs by 4[67] s from the database's"):
        write(store_of(cluster, "here"), 1)


def test_what_is_removed_is_gone_also_where_it_was_cut_off(
    cluster: Cluster, here: Store, ask: Ask, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, 1)
    code = (
        "from aeries_pipeline.stores.place import data_directory\n"
        "from aeries_pipeline.stores.store import Store\n"
        "Store(data_directory()).remove('eagle-usd')"
    )
    wire.hold_at(b"DELETE /aeries/")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **by_wire(cluster, wire, "killed", database=False)},
    )
    assert wire.held.wait(60)
    process.kill()
    process.wait()
    assert not here.has(NAME)
    write(here, 2)
    assert numbers(here) == [2] == noted(ask)
    here.remove(NAME)
    assert here.districts() == []
    assert noted(ask) == []


def test_a_lost_object_is_doubted_and_not_made_anew(cluster: Cluster, here: Store) -> None:
    write(here, 1)
    cluster.servers.client().delete_object(
        Bucket="aeries", Key=f"{cluster.prefix}/warehouses/{NAME}.duckdb"
    )
    with pytest.raises(ObjectsError, match="AERIES_OBJECTS names the right bucket"):
        write(here, 2)


def test_whatever_was_told_of_is_there_after_random_kills(
    cluster: Cluster, here: Store, ask: Ask
) -> None:
    draw = random.Random(20)
    told: list[int] = []
    next_one = 0
    for turn in range(ROUNDS):
        process = writer(
            cluster.variables(f"host-{turn % 2}"), next_one, stays=turn % 2 == 0, count=10_000
        )
        time.sleep(draw.uniform(0.2, 2.0))
        process.send_signal(signal.SIGKILL)
        lines = [int(one) for one in said(process)]
        told += lines
        next_one += 10_000
        # Let the dead one's lease end now; how it ends by itself is shown above.
        ask("UPDATE aeries.leases SET expires_at = clock_timestamp() WHERE holder <> ''")
    found = numbers(here)
    assert set(told) <= set(found)
    assert len(found) == len(set(found))
    assert noted(ask) == found
    # Of each writer at most the one row more that it was just about to tell of.
    assert len(set(found) - set(told)) <= ROUNDS
    assert len(told) > ROUNDS
