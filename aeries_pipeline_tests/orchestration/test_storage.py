"""Dagster's events in our SQLite storage: the same files, the same answers."""

import inspect
import multiprocessing
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.run_queue import DistrictRunCoordinator
from aeries_pipeline.orchestration.automation.storage import QuickSqliteEventLogStorage
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.orchestration.test_raw_assets import run

KEY = dg.AssetKey(["raw", "students"])


def entry(run_id: str, number: int) -> EventLogEntry:
    materialization = dg.AssetMaterialization(KEY, partition=f"p{number}")
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_OBSERVATION.value,
        job_name="job",
        event_specific_data=dg._core.events.AssetObservationData(
            dg.AssetObservation(KEY, partition=materialization.partition)
        ),
    )
    return EventLogEntry(
        error_info=None, level=10, user_message="", run_id=run_id, timestamp=float(number),
        step_key=None, job_name="job", dagster_event=event,
    )  # fmt: skip


def partitions(storage: SqliteEventLogStorage) -> list[str | None]:
    found = storage.fetch_observations(KEY, limit=10_000)
    return sorted(record.event_log_entry.asset_observation.partition for record in found.records)


def test_dagsters_own_storage_reads_what_ours_wrote(world: World) -> None:
    with open_instance(world.settings) as instance:
        result = run(world, instance, "students")
        assert result.success
        mine = [event.message for event in instance.all_logs(result.run_id)]
        folder = Path(instance.event_log_storage._base_dir)
    theirs = SqliteEventLogStorage(str(folder))
    assert [event.message for event in theirs.get_logs_for_run(result.run_id)] == mine
    assert theirs.get_materialized_partitions(KEY) == {f"eagle-usd/{n}" for n in world.schools}
    theirs.dispose()


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    storage = QuickSqliteEventLogStorage(str(tmp_path))
    storage.store_event_batch([entry("one", number) for number in range(3)])
    broken = [*(entry("one", number) for number in range(3, 6)), object()]
    with pytest.raises(Exception, match="object"):
        storage.store_event_batch(broken)
    assert partitions(storage) == ["p0", "p1", "p2"]
    assert len(storage.get_logs_for_run("one")) == 3
    storage.store_event_batch([entry("one", 9), entry("two", 10)])
    assert partitions(storage) == ["p0", "p1", "p10", "p2", "p9"]
    assert len(storage.get_logs_for_run("two")) == 1
    storage.dispose()


def _write(folder: str, name: str, number: int) -> None:
    storage = QuickSqliteEventLogStorage(folder)
    for place in range(number):
        storage.store_event(entry(name, place))
    storage.dispose()


def test_processes_write_side_by_side_and_lose_nothing(tmp_path: Path) -> None:
    QuickSqliteEventLogStorage(str(tmp_path)).dispose()
    spawn = multiprocessing.get_context("spawn")
    names = ["a", "b", "c"]
    writers = [spawn.Process(target=_write, args=(str(tmp_path), name, 60)) for name in names]
    for one in writers:
        one.start()
    for one in writers:
        one.join(120)
        assert one.exitcode == 0
    storage = QuickSqliteEventLogStorage(str(tmp_path))
    assert len(partitions(storage)) == 180
    assert [len(storage.get_logs_for_run(name)) for name in names] == [60, 60, 60]
    storage.dispose()


def test_many_runs_keep_few_files_open(tmp_path: Path) -> None:
    storage = QuickSqliteEventLogStorage(str(tmp_path))
    for number in range(30):
        storage.store_event(entry(f"run-{number}", number))
    assert len(storage._engines) <= 8
    assert len(storage.get_logs_for_run("run-0")) == 1
    storage.dispose()


def test_a_home_of_an_earlier_version_goes_on_with_its_files(world: World) -> None:
    home = world.settings.dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        before = run(world, instance, "terms").run_id
    with open_instance(world.settings) as instance:
        assert isinstance(instance.event_log_storage, QuickSqliteEventLogStorage)
        assert isinstance(instance.run_coordinator, DistrictRunCoordinator)
        assert instance.get_run_by_id(before).is_success
        assert instance.get_materialized_partitions(dg.AssetKey(["raw", "terms"]))


def test_classes_of_ours_are_named_anew_when_another_release_named_them(world: World) -> None:
    home = world.settings.dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(
        "telemetry:\n  enabled: false\n"
        "storage:\n  custom:\n    module: aeries_pipeline.gone.storage\n"
        "    class: Gone\n    config: {base_dir: elsewhere}\n"
        "run_coordinator:\n  module: aeries_pipeline.gone.run_queue\n  class: Gone\n"
    )
    with open_instance(world.settings) as instance:
        assert isinstance(instance.event_log_storage, QuickSqliteEventLogStorage)
        assert isinstance(instance.run_coordinator, DistrictRunCoordinator)
        assert not instance.telemetry_enabled


def test_a_queue_that_somebody_chose_is_kept(world: World) -> None:
    home = world.settings.dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("run_queue:\n  max_concurrent_runs: 2\n")
    with open_instance(world.settings) as instance:
        assert not isinstance(instance.run_coordinator, DistrictRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2


def _write_slowly(folder: str, name: str, number: int) -> None:
    storage = QuickSqliteEventLogStorage(folder)
    for _ in range(number):
        storage.store_event(entry(name, 0)._replace(timestamp=time.time()))
        time.sleep(0.3)
    time.sleep(3)  # The file stays open, as that of a run that goes on.
    storage.dispose()


def test_who_watches_a_run_of_another_process_gets_each_event_within_two_seconds(
    tmp_path: Path,
) -> None:
    storage = QuickSqliteEventLogStorage(str(tmp_path))
    late: list[float] = []
    cursors: list[str] = []

    def seen(event: EventLogEntry, cursor: str) -> None:
        late.append(time.time() - event.timestamp)
        cursors.append(cursor)

    storage.watch("one", None, seen)
    writer = multiprocessing.get_context("spawn").Process(
        target=_write_slowly, args=(str(tmp_path), "one", 8)
    )
    writer.start()
    until = time.monotonic() + 120
    while len(late) < 8 and time.monotonic() < until:
        time.sleep(0.1)
    went_on = writer.is_alive()
    writer.join(120)
    storage.end_watch("one", seen)
    storage.dispose()
    assert went_on, "the events came only when the file was closed"
    assert len(late) == 8
    assert len(set(cursors)) == 8, "each event once"
    assert max(late) < 2


ADDED = {"__init__", "_opened", "_engine_of", "_has_announced"}
OURS = {
    name
    for name, what in vars(QuickSqliteEventLogStorage).items()
    if inspect.isfunction(what) and name not in ADDED
}


def test_what_we_replace_is_still_a_method_of_dagsters_with_its_arguments() -> None:
    assert {
        "_connect", "_update_asset_check_evaluation", "delete_events", "dispose", "has_table",
        "store_event_batch", "watch", "wipe",
    } == OURS  # fmt: skip
    for name in OURS:
        mine = inspect.signature(getattr(QuickSqliteEventLogStorage, name)).parameters
        theirs = inspect.signature(getattr(SqliteEventLogStorage, name)).parameters
        assert len(mine) == len(theirs), name


def answers(storage: SqliteEventLogStorage) -> dict[str, object]:
    """What a storage says, by method."""
    check = dg.AssetCheckKey(KEY, "has_rows")
    kinds = {DagsterEventType.ASSET_OBSERVATION, DagsterEventType.ASSET_CHECK_EVALUATION}
    verdicts = storage.get_asset_check_execution_history(check, limit=10)
    info = storage.get_asset_check_partition_info([check])
    return {
        "get_logs_for_run": [str(one) for one in storage.get_logs_for_run("one")],
        "of_type": [str(one) for one in storage.get_logs_for_run("one", of_type=kinds)],
        "get_records_for_run": [
            one.storage_id for one in storage.get_records_for_run("one", limit=2).records
        ],
        "get_all_run_ids": sorted(storage.get_all_run_ids()),
        "get_stats_for_run": storage.get_stats_for_run("one"),
        "fetch_observations": partitions(storage),
        "has_asset_key": storage.has_asset_key(KEY),
        "all_asset_keys": storage.all_asset_keys(),
        "get_maximum_record_id": storage.get_maximum_record_id(),
        "get_asset_check_execution_history": [
            (one.run_id, one.partition, one.status, one.id) for one in verdicts
        ],
        "get_asset_check_partition_info": [
            (one.partition_key, one.latest_execution_status) for one in info
        ],
        "has_table": [storage.has_table(name) for name in ("event_logs", "nothing")],
    }


def verdict(run_id: str, number: int, *, passed: bool) -> EventLogEntry:
    found = AssetCheckEvaluation(
        asset_key=KEY, check_name="has_rows", passed=passed, metadata={}, partition=f"p{number}"
    )
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name="job",
        event_specific_data=found,
    )
    return entry(run_id, number)._replace(dagster_event=event)


def test_every_method_answers_as_dagsters_own_storage_does(tmp_path: Path) -> None:
    told: dict[type, list[dict[str, object]]] = {}
    for kind in (SqliteEventLogStorage, QuickSqliteEventLogStorage):
        storage = kind(str(tmp_path / kind.__name__))
        steps = told.setdefault(kind, [])
        storage.store_event_batch([entry("one", number) for number in range(3)])
        storage.store_event(entry("two", 7))
        steps.append(answers(storage))
        for number, passed in ((0, True), (1, False), (0, False)):
            storage.store_event(verdict("one", number, passed=passed))
        steps.append(answers(storage))
        storage.delete_events("two")
        steps.append(storage.get_logs_for_run("two"))
        steps.append(partitions(storage))
        storage.wipe()
        steps.append(partitions(storage))
        storage.store_event(entry("one", 4))
        steps.append(partitions(storage))
        storage.dispose()
    assert told[QuickSqliteEventLogStorage] == told[SqliteEventLogStorage]
