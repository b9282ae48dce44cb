"""Raw assets in real Dagster runs: what the UI will show."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import dagster as dg
import duckdb
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from dagster_shared.serdes import serialize_value

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.site import XELLO_GRANT
from aeries_pipeline.ingest.checks import QUESTIONS, questions_for
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.resources import OPENING_TAG, WarehouseResource
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import pull_job, pull_job_of
from aeries_pipeline.orchestration.automation.notices import failures_of
from aeries_pipeline.orchestration.automation.staleness import build_staleness_sensor
from aeries_pipeline.orchestration.partitions import build_partitions
from aeries_pipeline.stores.outcomes import Mode, now
from aeries_pipeline_tests.conftest import CERTIFICATE, World, roster_entry, write_roster

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as opened:
        yield opened


def run(
    world: World,
    instance: dg.DagsterInstance,
    *names: str,
    keys: list[str] | None = None,
    announced: bool = False,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a pull job, or what the UI runs when one clicks on Materialize: with its checks."""
    keys = keys or [f"eagle-usd/{school}" for school in world.schools]
    tags = dict(tags or {})
    if len(keys) > 1:
        tags |= {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
    job = pull_job_of(Grain.SCHOOL if "/" in keys[0] else Grain.DISTRICT, names)
    defs = build_defs(world.settings)
    assets = [dg.AssetKey(["raw", name]) for name in names]
    made = pull_job(defs, job, assets)
    if announced:
        made = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(assets))
    return made.execute_in_process(
        instance=instance,
        run_config=QUIET,
        partition_key=keys[0] if len(keys) == 1 else None,
        tags=tags,
        raise_on_error=False,
    )  # fmt: skip


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    found = {}
    for event in events:
        one = event.step_materialization_data.materialization
        assert one.partition not in found, "one materialization for each partition"
        found[one.partition] = one
    return found


def verdicts(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], tuple[bool, str]]:
    return {
        (one.check_name, one.partition): (one.passed, one.description or "")
        for one in result.get_asset_check_evaluations()
    }


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data.description


def test_every_resource_is_an_asset_that_explains_itself(world: World) -> None:
    graph = build_defs(world.settings).resolve_asset_graph()
    keys = {key for key in graph.materializable_asset_keys if key.path[0] == "raw"}
    assert {tuple(key.path) for key in keys} == {("raw", name) for name in RESOURCES}
    for key in keys:
        node = graph.get(key)
        resource = RESOURCES[key.path[-1]]
        assert node.group_name == "raw"
        assert node.kinds == {"python", "duckdb"}
        assert node.owners == ["team:data-engineering"]
        assert f"/api/v5/{resource.path}" in node.description
        columns = node.metadata["dagster/column_schema"].columns
        assert {field.name for field in resource.main.stored} <= {one.name for one in columns}
        assert {check.name for check in node.check_keys} == set(questions_for(resource))
    assert set(QUESTIONS) == {q for r in RESOURCES.values() for q in questions_for(r)}


def test_a_district_is_one_run_over_the_range_of_its_schools(
    world: World, instance: dg.DagsterInstance
) -> None:
    result = run(world, instance, "students", "classes")
    assert result.success
    events = result.get_asset_materialization_events()
    pairs = {(e.asset_key.path[-1], e.partition) for e in events}
    expected = {(n, f"eagle-usd/{s}") for n in ("students", "classes") for s in world.schools}
    assert pairs == expected
    assert len(events) == len(expected)
    order = [event.step_key for event in result.all_events if event.is_step_start]
    assert order == ["raw__students", "raw__classes"]


def test_a_partition_shows_its_numbers_and_no_values(
    world: World, instance: dg.DagsterInstance
) -> None:
    result = run(world, instance, "students", keys=["eagle-usd/994"])
    one = materialized(result)["eagle-usd/994"]
    shown = {name: value.value for name, value in one.metadata.items()}
    rows = len(world.site.district.rows[994])
    assert shown["dagster/partition_row_count"] == rows
    assert shown["quarantined"] == 0
    assert shown["database_year"] == "2026-2027"
    assert shown["seconds"] > 0
    everything = repr(one)
    assert CERTIFICATE not in everything
    for row in world.site.district.rows[994][:50]:
        assert str(row.person.id) not in everything


def test_one_school_that_fails_costs_only_itself(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert run(world, instance, "students").success
    world.faults({"kind": "html", "path": "schools/993/students"})
    result = run(world, instance, "students")
    assert not result.success
    assert set(materialized(result)) == {"eagle-usd/992", "eagle-usd/994"}
    message = failure_of(result)
    assert "students: 2 schools loaded, 1 not" in message
    assert "eagle-usd, school 993, students: a login page came instead of data" in message


def test_a_failed_run_names_every_school_that_did_not_come(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.faults(
        {"kind": "status", "status": 401, "path": "schools/992/gpas"},
        {"kind": "html", "path": "schools/993/gpas"},
    )
    result = run(world, instance, "gpas")
    assert not result.success
    (step,) = result.get_step_failure_events()
    said = str(step.step_failure_data.user_failure_data.description)
    assert "1 school loaded, 2 not" in said
    assert "eagle-usd, school 992, gpas: not granted to this certificate" in said
    assert "eagle-usd, school 993, gpas: a login page came instead of data" in said
    (line,) = failures_of(result.dagster_run, result.get_step_failure_events())
    assert "school 992" in line.text
    assert "school 993" in line.text


def test_each_schools_verdict_can_be_read_back(world: World, instance: dg.DagsterInstance) -> None:
    assert run(world, instance, "students").success
    world.faults({"kind": "half", "path": "schools/994/students"})
    result = run(world, instance, "students")
    found = verdicts(result)
    assert found["rows_did_not_collapse", "eagle-usd/993"][0]
    passed, text = found["rows_did_not_collapse", "eagle-usd/994"]
    assert not passed
    assert "the last good table stays" in text
    key = dg.AssetCheckKey(dg.AssetKey(["raw", "students"]), "rows_did_not_collapse")
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
    stored = {
        record.event.dagster_event.asset_check_evaluation_data.partition: record.status.value
        for record in reversed(history)
    }
    assert stored == {
        "eagle-usd/992": "SUCCEEDED",
        "eagle-usd/993": "SUCCEEDED",
        "eagle-usd/994": "FAILED",
    }


def test_a_healthy_pull_passes_every_check(world: World, instance: dg.DagsterInstance) -> None:
    run(world, instance, "courses", "schools", keys=["eagle-usd"])
    names = [n for n, r in RESOURCES.items() if r.grain == "school" and not r.optional]
    result = run(world, instance, *names)
    failed = {key: text for key, (passed, text) in verdicts(result).items() if not passed}
    assert failed == {}
    asked = {name for name, _partition in verdicts(result)}
    assert asked == set(QUESTIONS) - {"roster_matches_aeries"}


def test_a_missing_permission_is_a_failed_check_and_a_good_run(make_world) -> None:
    world = make_world(areas=XELLO_GRANT - {"Graduation Status"})
    with open_instance(world.settings) as instance:
        result = run(world, instance, "graduation_status")
    assert result.success
    assert materialized(result) == {}
    passed, text = verdicts(result)["permission_is_granted", "eagle-usd/994"]
    assert not passed
    assert "tick Read on 'Graduation Status' (Grade Reporting)" in text
    # The partition is missing, and its page tells a permission from a pull that never was.
    told = observed(result)["graduation_status", "eagle-usd/994"]
    assert told["state"] == "not granted"
    assert "tick Read on 'Graduation Status'" in str(told["reason"])


def observed(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dict[str, object]]:
    found = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION:
            one = event.asset_observation_data.asset_observation
            shown = {name: value.value for name, value in one.metadata.items()}
            found[one.asset_key.path[-1], one.partition] = shown
    return found


OPENING = {OPENING_TAG: "eagle-usd/2026-11-27"}


def test_a_school_that_is_as_it_was_costs_the_sensor_one_observation(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert run(world, instance, "gpas", "students", tags=OPENING).success
    before = len(world.emulator.log)
    result = run(world, instance, "gpas", "students", tags=OPENING)
    assert result.success
    assert len(world.emulator.log) > before
    parts = [f"eagle-usd/{school}" for school in world.schools]
    seen = observed(result)
    assert set(seen) == {("gpas", part) for part in parts}
    for shown in seen.values():
        assert shown["read"] == "unchanged"
        assert shown["dagster/partition_row_count"] > 0
        assert shown["bytes"] > 0
    # A student who is missing once more must reach the accounts, so these are news.
    assert set(materialized(result)) == set(parts)
    gpas = [e for e in result.all_events if e.step_key == "raw__gpas" and not e.is_engine_event]
    kinds = {event.event_type_value for event in gpas}
    assert "ASSET_CHECK_EVALUATION" not in kinds
    assert "ASSET_MATERIALIZATION" not in kinds


def test_what_a_person_asked_for_is_materialized_although_it_is_as_it_was(
    world: World, instance: dg.DagsterInstance
) -> None:
    first = run(world, instance, "gpas")
    again = run(world, instance, "gpas")
    versions = [
        {part: one.tags[DATA_VERSION_TAG] for part, one in materialized(result).items()}
        for result in (first, again)
    ]
    assert set(versions[0]) == {f"eagle-usd/{school}" for school in world.schools}
    assert versions[0] == versions[1], "nothing follows from it"
    assert {one.metadata["read"].value for one in materialized(again).values()} == {"unchanged"}
    assert set(verdicts(again)) == set(verdicts(first)), "and its verdicts are of today"
    repeated = OPENING | {"dagster/parent_run_id": first.run_id}
    of_a_night = materialized(run(world, instance, "gpas", tags=repeated))
    assert set(of_a_night) == set(versions[0]), "a night that is executed again by a person"
    world.site.touch(1.0)
    changed = materialized(run(world, instance, "classes"))
    later = materialized(run(world, instance, "classes"))
    for part, one in changed.items():
        assert later[part].tags == one.tags


def test_rows_that_came_before_a_kill_are_told_by_the_next_pull(
    world: World, instance: dg.DagsterInstance
) -> None:
    """A run may be killed after a swap and before its event; the next one finds all as before."""
    part = "eagle-usd/994"
    first = materialized(run(world, instance, "classes", keys=[part], tags=OPENING))
    world.site.touch(1.0)
    session = world.session()
    (loaded,) = pull_resource(session, RESOURCES["classes"], [994])
    session.close()
    assert loaded.pull.mode is not Mode.UNCHANGED
    told = materialized(run(world, instance, "classes", keys=[part], tags=OPENING))
    assert told[part].tags[DATA_VERSION_TAG] == loaded.pull.pull_id
    assert told[part].tags != first[part].tags
    later = run(world, instance, "classes", keys=[part], tags=OPENING)
    assert list(observed(later)) == [("classes", part)], "and by no other"


def test_no_run_says_that_an_output_is_missing(world: World, instance: dg.DagsterInstance) -> None:
    """As the UI starts it: with its checks, once with news and once without."""
    for keys in (["eagle-usd/994"], ["eagle-usd/994"], None):
        done = run(world, instance, "gpas", keys=keys, announced=True)
        assert done.success
        parts = set(materialized(done))
        assert parts == set(keys or [f"eagle-usd/{school}" for school in world.schools])
        answered = len(done.get_asset_check_evaluations())
        assert answered == len(parts) * len(questions_for(RESOURCES["gpas"]))
        said = [one.message for one in instance.all_logs(done.run_id)]
        assert not [text for text in said if "did not yield" in text]


def test_a_verdict_that_stood_is_corrected_without_new_rows(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert run(world, instance, "gpas", keys=["eagle-usd/994"], tags=OPENING).success
    world.faults({"kind": "html", "path": "schools/994/"})
    assert not run(world, instance, "gpas", keys=["eagle-usd/994"], tags=OPENING).success
    world.faults()
    result = run(world, instance, "gpas", keys=["eagle-usd/994"], tags=OPENING)
    assert {name for name, _ in verdicts(result)} == {"rows_did_not_collapse"}
    assert verdicts(result)["rows_did_not_collapse", "eagle-usd/994"][0]
    assert list(observed(result)) == [("gpas", "eagle-usd/994")]


def test_a_lost_event_log_is_filled_again_by_what_is_as_it_was(world: World, tmp_path) -> None:
    with open_instance(world.settings) as instance:
        assert run(world, instance, "gpas").success
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = run(world, instance, "gpas")
        assert set(materialized(result)) == {f"eagle-usd/{school}" for school in world.schools}
        assert len(verdicts(result)) == len(questions_for(RESOURCES["gpas"])) * len(world.schools)


def test_every_check_has_a_verdict_whatever_became_of_the_pull(make_world) -> None:
    # A check that is planned and not answered looks like a failed one in the UI.
    world = make_world(
        areas=XELLO_GRANT - {"Graduation Status"}, roster={"incremental": {"full_every_days": 0}}
    )
    names = ("students", "classes", "graduation_status")
    wanted = {(name, question) for name in names for question in questions_for(RESOURCES[name])}
    with open_instance(world.settings) as instance:
        for faults in ([], [{"kind": "html", "path": "schools/994/"}]):
            world.faults(*faults)
            result = run(world, instance, *names, announced=True)
            evaluations = result.get_asset_check_evaluations()
            for school in world.schools:
                told = [e for e in evaluations if e.partition == f"eagle-usd/{school}"]
                assert {(e.asset_key.path[-1], e.check_name) for e in told} == wanted
    failed = {(e.asset_key.path[-1], e.check_name) for e in evaluations if not e.passed}
    assert failed == {
        ("students", "rows_did_not_collapse"),
        ("classes", "rows_did_not_collapse"),
        ("graduation_status", "rows_did_not_collapse"),
        ("graduation_status", "data_is_fresh"),
        ("graduation_status", "permission_is_granted"),
    }
    assert "(last good table, " in next(
        e.description
        for e in evaluations
        if (e.check_name, e.partition) == ("natural_key_is_unique", "eagle-usd/994")
        and e.asset_key.path[-1] == "students"
    )


def test_references_that_lead_nowhere_are_counted(
    world: World, instance: dg.DagsterInstance
) -> None:
    run(world, instance, "courses", keys=["eagle-usd"])
    run(world, instance, "students", "classes")
    with world.warehouse.open() as connection:
        connection.execute('DELETE FROM raw.students WHERE school = 994 AND "Grade" < 12')
    result = run(world, instance, "classes", keys=["eagle-usd/994"])
    passed, text = verdicts(result)["references_lead_somewhere", "eagle-usd/994"]
    assert not passed
    assert "rows: StudentID not in students" in text


def test_the_roster_is_compared_with_aeries(world: World, instance: dg.DagsterInstance) -> None:
    world.write_roster(schools=[993, 994, 995])
    result = run(world, instance, "schools", keys=["eagle-usd"])
    passed, text = verdicts(result)["roster_matches_aeries", "eagle-usd"]
    assert not passed
    assert text == (
        "not in the roster: 992; in the roster, not teaching in Aeries: 995; "
        "run: aeries-pipeline roster sync eagle-usd"
    )


def test_a_wrong_certificate_fails_the_run_with_one_sentence(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_AERIES_CERT", "nobody-knows-this")
    result = run(world, instance, "students")
    assert "does not accept the certificate" in failure_of(result)
    monkeypatch.delenv("TEST_AERIES_CERT")
    result = run(world, instance, "students")
    assert "no certificate in the environment variable TEST_AERIES_CERT" in failure_of(result)


def test_a_run_over_two_districts_pulls_both(make_world) -> None:
    world = make_world()
    one = roster_entry(world.url, world.schools)
    two = {**one, "id": "falcon-usd", "certificate_env": "NOWHERE"}
    write_roster(world.settings.roster, [one, two])
    keys = [f"{d}/{s}" for d in ("eagle-usd", "falcon-usd") for s in world.schools]
    with open_instance(world.settings) as instance:
        result = run(world, instance, "terms", keys=keys)
    assert set(materialized(result)) == {f"eagle-usd/{s}" for s in world.schools}
    assert "falcon-usd: no certificate in the environment variable NOWHERE" in failure_of(result)


def test_the_districts_lock_is_free_after_a_run_that_failed(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.faults({"kind": "html"})
    assert not run(world, instance, "terms").success
    world.session().close()


def test_old_data_fails_a_check_without_any_pull(
    world: World, instance: dg.DagsterInstance
) -> None:
    run(world, instance, "terms")
    sensor = build_staleness_sensor(world.settings)
    context = dg.build_sensor_context(instance=instance)
    assert sensor(context).asset_events == []
    with world.warehouse.open() as connection:
        connection.execute(
            "UPDATE meta.pulls SET finished_at = ? WHERE school = 994", [now() - timedelta(days=9)]
        )
    told = sensor(context)
    (event,) = told.asset_events
    assert (event.check_name, event.partition, event.passed) == (
        "data_is_fresh",
        "eagle-usd/994",
        False,
    )
    assert "more than the 8 allowed" in event.description
    again = sensor(dg.build_sensor_context(instance=instance, cursor=told.cursor))
    assert again.asset_events == []


def test_the_instance_takes_its_configuration(instance: dg.DagsterInstance) -> None:
    limits = instance.get_concurrency_config().run_queue_config
    assert limits.tag_concurrency_limits[0]["key"] == "aeries/district"
    assert not instance.telemetry_enabled
    assert instance.run_retries_max_retries == 1
    assert not instance.run_retries_retry_on_asset_or_op_failure


def test_schools_lead_to_their_district(world: World) -> None:
    one = roster_entry(world.url, [994, 993])
    write_roster(world.settings.roster, [one, {**one, "id": "falcon-usd", "schools": [994]}])
    partitions = build_partitions(load_roster(world.settings.roster))
    assert partitions.schools.get_partition_keys() == [
        "eagle-usd/994",
        "eagle-usd/993",
        "falcon-usd/994",
    ]
    found = partitions.schools_of_district("students").get_downstream_partitions_for_partitions(
        partitions.schools.subset_with_partition_keys(["falcon-usd/994"]),
        partitions.schools,
        partitions.districts,
    )
    assert set(found.get_partition_keys()) == {"falcon-usd"}


def test_the_warehouse_resource_lets_go_of_the_file_when_its_user_fails(world: World) -> None:
    resource = WarehouseResource(database=str(world.settings.data))
    with pytest.raises(ValueError, match="name the district"), resource.get_connection():
        pass
    with pytest.raises(duckdb.Error), resource.get_connection("eagle-usd") as connection:
        connection.execute("SELECT nonsense")
    with resource.get_connection("eagle-usd") as connection:
        assert connection.execute("SELECT count(*) FROM meta.pulls").fetchone() == (0,)


def test_the_code_location_can_be_sent_to_the_ui(world: World) -> None:
    # Runs in this process never need this; the web server and the daemon do.
    snap = RepositorySnap.from_def(build_defs(world.settings).get_repository_def())
    assert "raw" in serialize_value(snap)
