"""The analysts' copy as assets: when it is made, what is recorded, and its lineage."""

from collections.abc import Iterator

import dagster as dg
import duckdb
import pytest

from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.published import CURRENT, PUBLISHED
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import PUBLISH
from aeries_pipeline.orchestration.automation.publishing import build_publish_sensor
from aeries_pipeline.orchestration.automation.staleness import build_staleness_sensor
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.analytics.publishing.test_publish import pull_all
from aeries_pipeline_tests.conftest import CERTIFICATE, MakeWorld, World
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET
from aeries_pipeline_tests.processes.test_command_line import call


@pytest.fixture
def pulled(make_world: MakeWorld) -> World:
    world = make_world(schools=1, students=40)
    for rows in world.site.district.rows.values():
        for row in rows:
            row.person.last = "Zzyzxmarker"
    pull_all(world)
    return world


@pytest.fixture
def instance(pulled: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(pulled.settings) as opened:
        yield opened


def run(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build_defs(world.settings).resolve_job_def(PUBLISH)
    return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    sensor = build_publish_sensor(world.settings)
    return sensor(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_a_change_starts_one_copy_and_a_quiet_warehouse_none(
    pulled: World, instance: dg.DagsterInstance
) -> None:
    first = tick(pulled, instance, None)
    assert len(first.run_requests) == 1
    again = tick(pulled, instance, first.cursor)
    keys = [one.run_requests[0].run_key.rpartition("/")[0] for one in (first, again)]
    assert keys[0] == keys[1], "asked for once, but for a further try after a while"
    assert run(pulled, instance).success
    quiet = tick(pulled, instance, first.cursor)
    assert not quiet.run_requests
    assert quiet.skip_reason.skip_message == "nothing has changed since the last copy"
    assert tick(pulled, instance, quiet.cursor).cursor is None, "without opening the warehouse"
    with pulled.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET finished_at = ?", [now()])
    waits = tick(pulled, instance, quiet.cursor)
    assert not waits.run_requests
    assert "the next copy is made from" in waits.skip_reason.skip_message
    pulled.write_roster(analysts={"access": "counts"})
    assert len(tick(pulled, instance, waits.cursor).run_requests) == 1, "this does not wait"


def test_a_run_under_way_is_not_joined_by_another(
    pulled: World, instance: dg.DagsterInstance
) -> None:
    job = build_defs(pulled.settings).resolve_job_def(PUBLISH)
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    found = tick(pulled, instance, None)
    assert found.skip_reason.skip_message == "a copy is being made"


def test_a_publication_records_counts_and_charts_and_nobodys_values(
    pulled: World, instance: dg.DagsterInstance
) -> None:
    result = run(pulled, instance)
    events = {
        one.asset_key: one.step_materialization_data.materialization.metadata
        for one in result.get_asset_materialization_events()
    }
    shown = events[PUBLISHED]
    assert shown["dagster/row_count"].value > 40
    assert shown["districts"].value == 1
    assert "█" in shown["rows_by_table"].value
    now_there = events[dg.AssetKey(["analytics", "students_now"])]
    with duckdb.connect(str(pulled.settings.published / "aeries.duckdb"), read_only=True) as copy:
        students = copy.execute("SELECT count(*) FROM analytics.students_now").fetchone()[0]
    assert now_there["dagster/row_count"].value == students
    text = str(events)
    assert "Zzyzxmarker" not in text
    assert CERTIFICATE not in text
    (verdict,) = result.get_asset_check_evaluations()
    assert (verdict.check_name, verdict.passed) == (CURRENT, True)


def test_a_copy_that_does_not_come_is_told_by_the_staleness_sensor(
    pulled: World, instance: dg.DagsterInstance
) -> None:
    sensor = build_staleness_sensor(pulled.settings)

    def verdicts(cursor: str | None) -> tuple[list[bool], str]:
        told = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
        return [one.passed for one in told.asset_events if one.check_name == CURRENT], told.cursor

    found, cursor = verdicts(None)
    assert found == [], "a copy may take an hour"
    with pulled.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET finished_at = finished_at - INTERVAL 3 HOUR")
        connection.execute("UPDATE core.account_changes SET recorded_at = '2020-01-01'")
        connection.execute("UPDATE meta.account_batches SET computed_at = '2020-01-01'")
    found, cursor = verdicts(cursor)
    assert found == [False]
    found, cursor = verdicts(cursor)
    assert found == [], "told once"
    assert run(pulled, instance).success
    assert verdicts(cursor)[0] == [True]


def test_a_failed_publication_is_a_sentence(pulled: World, instance: dg.DagsterInstance) -> None:
    with pulled.warehouse.open() as connection:
        connection.execute("ALTER TABLE raw.students ALTER \"Grade\" TYPE VARCHAR USING 'none'")
    result = run(pulled, instance)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "the analysts' copy could not be made" in failure.step_failure_data.error.message


def test_every_analysts_column_leads_back_to_aeries(pulled: World) -> None:
    graph = build_defs(pulled.settings).resolve_asset_graph()

    def sources(key: dg.AssetKey, column: str, seen: frozenset[tuple[object, str]]) -> set[str]:
        if key == dg.AssetKey(["source", "aeries_sites"]):
            return {column}
        lineage = graph.get(key).metadata.get("dagster/column_lineage")
        deps = getattr(lineage, "value", lineage).deps_by_column.get(column, []) if lineage else []
        found = set()
        for dep in deps:
            if (dep.asset_key, dep.column_name) not in seen:
                assert dep.asset_key in graph.get(key).parent_keys | {key}, (key, dep)
                further = seen | {(dep.asset_key, dep.column_name)}
                found |= sources(dep.asset_key, dep.column_name, further)
        return found

    behind = dg.AssetKey(["analytics", "credits_by_subject"])
    told = {"CreditsCompleted", "HIS.CC"}
    # Where a course counts depends on its areas and limit, what is required, and the takes before.
    rules = {f"CRS.{one}" for one in ("S1", "S2", "S3", "MC")}
    rules |= {f"REQ.{one}" for one in ("CD", "C1", "C2", "C3", "C4")}
    rules |= {f"HIS.{one}" for one in ("CN", "RT", "SQ", "TE", "YR")} | {"STU.GR", "STU.ID"}
    assert sources(behind, "credits_completed", frozenset()) == told | rules
    assert "STU.GR" in sources(behind, "grade", frozenset())
    track = dg.AssetKey(["analytics", "on_track"])
    assert sources(track, "gpa", frozenset()) == {"STU.GP"}


def test_every_asset_leads_to_its_code_and_its_page(pulled: World) -> None:
    from pathlib import Path

    graph = build_defs(pulled.settings).resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        metadata = graph.get(key).metadata
        code = metadata["dagster/code_references"]
        (reference,) = getattr(code, "value", code).code_references
        assert Path(reference.file_path).is_file(), key
        assert Path(metadata["docs"].value).is_file(), key
        assert graph.get(key).owners, key
        assert graph.get(key).kinds, key
        assert graph.get(key).description, key


def test_the_command_publishes_and_the_query_reads_the_copy(pulled: World) -> None:
    missing = call(pulled, "sql", "--published", "SELECT 1")
    assert missing.exit_code == 1
    assert "run: aeries-pipeline publish" in missing.output
    done = call(pulled, "publish")
    assert done.exit_code == 0, done.output
    assert "aeries.duckdb" in done.output
    asked = call(pulled, "sql", "--published", "SELECT count(*) FROM analytics.students_now")
    assert asked.exit_code == 0
    written = call(pulled, "sql", "--published", "DROP VIEW analytics.students_now")
    assert written.exit_code == 2
    both = call(pulled, "sql", "SELECT count(*) FROM analytics.students_now")
    assert both.output == asked.output
