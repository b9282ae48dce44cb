"""Accounts and Xello's files in real Dagster runs: what the UI shows, and when they run."""

from collections.abc import Iterator

import dagster as dg
import pytest

from aeries_pipeline.accounts.checks import CONFIRMATION_QUESTIONS, QUESTIONS
from aeries_pipeline.cli.accounts import compute_accounts
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.xello import QUESTIONS as FILE_QUESTIONS
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.orchestration.test_raw_assets import failure_of, run, verdicts

CONFIRMATIONS = dg.AssetKey(["core", "confirmations"])
ACCOUNTS = dg.AssetKey(["core", "accounts"])
CHANGES = dg.AssetKey(["core", "account_changes"])
FILES = dg.AssetKey(["out", "xello_files"])


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as opened:
        yield opened


def pull(world: World, instance: dg.DagsterInstance) -> None:
    assert run(world, instance, "schools", "courses", keys=["eagle-usd"]).success
    assert run(world, instance, "students", "classes", "transcripts").success


def follow(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return compute_accounts(build_defs(world.settings), instance, "eagle-usd")


def numbers(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, object]:
    (event,) = [
        event for event in result.get_asset_materialization_events() if event.asset_key == key
    ]
    assert event.partition == "eagle-usd"
    metadata = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def test_the_assets_explain_themselves(world: World) -> None:
    graph = build_defs(world.settings).resolve_asset_graph()
    assert graph.get(ACCOUNTS).parent_keys == {CONFIRMATIONS, dg.AssetKey(["raw", "students"])}
    for key in (CONFIRMATIONS, ACCOUNTS, CHANGES, FILES):
        node = graph.get(key)
        assert node.group_name == "accounts"
        assert node.owners == ["team:data-engineering"]
        assert node.description
        assert node.automation_condition is not None
        assert node.tags["aeries/personal"] == "yes"
    for key in (ACCOUNTS, CHANGES):
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert len(columns) >= 19
        assert all(column.description for column in columns)


def test_a_district_gets_its_accounts_and_files_in_one_run(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    result = follow(world, instance)
    assert result.success
    truth = world.site.district.truth()
    assert numbers(result, CHANGES)["create"] == len(truth)
    shown = numbers(result, CHANGES)
    graded = "SELECT count(*) FROM core.accounts WHERE grade BETWEEN 0 AND 12"
    assert (shown["next_delivery"],) == world.warehouse.rows(graded)[0], "nothing was delivered yet"
    assert f"| next | {shown['next_delivery']} | {'█' * 30} |" in shown["next_delivery_by_night"]
    assert "| 994 | create |" in shown["next_delivery_by_school"]
    again = follow(world, instance)
    assert numbers(again, CHANGES)["next_delivery"] == 0, "all of it was delivered"
    assert numbers(result, ACCOUNTS)["active_accounts"] == len(truth)
    assert numbers(result, ACCOUNTS)["database_year"] == "2026-2027"
    files = numbers(result, FILES)
    assert files["is_new"] is True
    assert files["Student_rows"] + files["accounts_outside_delivered_grades"] == len(truth)
    answered = verdicts(result)
    assert {name for name, _ in answered} == {
        *CONFIRMATION_QUESTIONS, *QUESTIONS, *FILE_QUESTIONS
    }  # fmt: skip
    assert {partition for _, partition in answered} == {"eagle-usd"}
    assert all(passed for passed, _ in answered.values())
    again = follow(world, instance)
    assert numbers(again, CHANGES)["create"] == 0
    assert numbers(again, FILES)["is_new"] is False


def test_held_changes_are_a_failed_check_that_says_what_to_do(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    follow(world, instance)
    leavers = [row for row in world.site.district.active() if row.school == 994][:20]
    for row in leavers:
        row.tag = "I"
    world.site.district.version += 1
    for _round in (1, 2):
        assert run(world, instance, "students").success
        result = follow(world, instance)
        assert result.success
    passed, text = verdicts(result)["no_change_is_held", "eagle-usd"]
    assert not passed
    assert "20 deactivations of " in text
    assert "school 994" in text
    assert "aeries-pipeline accounts review eagle-usd" in text
    (found,) = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "no_change_is_held"
    ]
    assert found.severity is dg.AssetCheckSeverity.ERROR
    asked = numbers(result, CONFIRMATIONS)
    assert (asked["students_asked_for"], asked["answers_agree"]) == (20, 20)
    assert numbers(result, CHANGES)["held_now"] == 20
    assert numbers(result, ACCOUNTS)["active_accounts"] == len(world.site.district.truth()) + 20
    everything = repr(list(result.all_events))
    for row in leavers:
        assert str(row.person.id) not in everything
        assert row.person.state_id not in everything
    assert CERTIFICATE not in everything


def test_a_school_that_fails_is_named_and_nothing_happens_to_its_students(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    follow(world, instance)
    world.site.advance(1)
    world.faults({"kind": "html", "path": "schools/994/students"})
    assert not run(world, instance, "students").success
    result = follow(world, instance)
    passed, text = verdicts(result)["every_school_was_read", "eagle-usd"]
    assert not passed
    assert "school 994: eagle-usd, school 994, students: a login page came" in text
    assert "nobody is deactivated meanwhile" in text
    assert numbers(result, CHANGES)["deactivate"] == 0


def test_before_any_pull_the_run_fails_with_a_sentence(
    world: World, instance: dg.DagsterInstance
) -> None:
    result = follow(world, instance)
    assert not result.success
    assert "pull the district first" in failure_of(result)


def test_accounts_without_schools_say_what_is_missing(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert run(world, instance, "students").success
    result = follow(world, instance)
    assert not result.success
    assert "for want of schools" in failure_of(result)
    assert numbers(result, ACCOUNTS)["active_accounts"] == len(world.site.district.truth())


def requested(
    world: World, instance: dg.DagsterInstance, cursor: object = None
) -> tuple[dict[str, set[str]], object]:
    defs = build_defs(world.settings)
    result = dg.evaluate_automation_conditions(
        defs=defs, instance=instance, cursor=cursor,
        asset_selection=dg.AssetSelection.groups("accounts"),
    )  # fmt: skip
    found = {
        key.path[-1]: set(result.get_requested_partitions(key))
        for key in (ACCOUNTS, CHANGES, FILES)
    }
    return found, result.cursor


def test_automation_computes_a_district_when_its_schools_have_come_and_not_again(
    world: World, instance: dg.DagsterInstance
) -> None:
    nothing: set[str] = set()
    found, cursor = requested(world, instance)
    assert set().union(*found.values()) == nothing, "nothing was pulled yet"
    # One school fails for good: the others' students must not wait for it.
    world.faults({"kind": "html", "path": "schools/994/"})
    run(world, instance, "students")
    found, cursor = requested(world, instance, cursor)
    assert found["accounts"] == found["account_changes"] == {"eagle-usd"}
    follow(world, instance)
    _, cursor = requested(world, instance, cursor)
    found, cursor = requested(world, instance, cursor)
    assert set().union(*found.values()) == nothing, "what was handled is not asked for again"
    world.faults()
    run(world, instance, "students", keys=["eagle-usd/994"])
    found, cursor = requested(world, instance, cursor)
    assert found["accounts"] == {"eagle-usd"}


def test_what_came_as_it_was_starts_nothing_and_what_changed_does(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    _, cursor = requested(world, instance)
    follow(world, instance)
    for _ in range(2):
        found, cursor = requested(world, instance, cursor)
    assert found["xello_files"] == set()
    run(world, instance, "classes")
    found, cursor = requested(world, instance, cursor)
    assert found["xello_files"] == set(), "materialized by hand, and as it was"
    world.site.touch(1.0)
    run(world, instance, "classes")
    found, cursor = requested(world, instance, cursor)
    assert found["xello_files"] == {"eagle-usd"}
