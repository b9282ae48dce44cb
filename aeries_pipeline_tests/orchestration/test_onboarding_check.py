"""The onboarding check as a Dagster asset check of each district."""

from collections.abc import Iterator

import dagster as dg
import pytest

from aeries_pipeline.ingest.session import take_district
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.onboarding import CAN_BE_PULLED, ONBOARDING
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import PULL_DISTRICT, PULL_SCHOOLS
from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET

NEVER_NOW = [{"opens": "03:00", "closes": "03:01", "days": ["sun"]}]


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as opened:
        yield opened


def run_check(world: World, instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    job = build_defs(world.settings).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[ONBOARDING],
        instance=instance,
        run_config=QUIET,
        partition_key="eagle-usd",
        tags={name.replace("__", "/"): value for name, value in tags.items()},
        raise_on_error=False,
    )


def recorded(world: World, instance: dg.DagsterInstance) -> tuple[bool, str, str, str]:
    """The newest verdict as the event log has it, with the asset's table and message."""
    key = dg.AssetCheckKey(ONBOARDING, CAN_BE_PULLED)
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    one = record.event.dagster_event.asset_check_evaluation_data
    assert one.partition == "eagle-usd"
    event = instance.get_latest_materialization_event(ONBOARDING)
    shown = {name: str(it.value) for name, it in event.asset_materialization.metadata.items()}
    assert CERTIFICATE not in f"{shown}{one.description}"
    return one.passed, one.description, shown["steps"], shown["to_send_to_the_district"]


def test_a_healthy_district_passes_and_nothing_is_pulled(
    world: World, instance: dg.DagsterInstance
) -> None:
    result = run_check(world, instance)
    assert result.success
    assert {one.asset_key for one in result.get_asset_materialization_events()} == {ONBOARDING}
    passed, text, steps, told = recorded(world, instance)
    assert passed
    assert text.startswith("all ")
    assert "| ok | TLS |" in steps
    assert "everything works" in told


def test_a_missing_permission_names_its_box_and_is_in_the_message(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.faults({"kind": "status", "status": 401, "path": "Transcript"})
    assert run_check(world, instance).success, "a check that fails is no failed run"
    passed, text, steps, told = recorded(world, instance)
    assert not passed
    assert text.startswith("transcripts: ")
    assert "| failed | transcripts |" in steps
    assert "1. " in told or "One thing is missing" in told


def test_outside_the_window_nothing_is_sent_unless_the_tag_gives_a_reason(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.write_roster(pull_window=NEVER_NOW)
    run_check(world, instance)
    passed, text, *_ = recorded(world, instance)
    assert not passed
    assert "is closed; it opens Sunday" in text
    assert not world.emulator.log
    run_check(world, instance, aeries__outside_window="agreed by telephone")
    assert recorded(world, instance)[0]
    assert world.emulator.log


def test_a_paused_district_is_not_asked(world: World, instance: dg.DagsterInstance) -> None:
    world.write_roster(paused=True)
    run_check(world, instance)
    passed, text, *_ = recorded(world, instance)
    assert not passed
    assert "paused in the roster" in text
    assert not world.emulator.log


def test_a_busy_district_fails_the_run_with_a_sentence(
    world: World, instance: dg.DagsterInstance
) -> None:
    with take_district("eagle-usd", world.settings):
        result = run_check(world, instance)
    (event,) = result.get_step_failure_events()
    said = event.step_failure_data.user_failure_data.description
    assert "another process is pulling this district" in said


def test_no_pull_brings_the_check_with_it(world: World) -> None:
    defs = build_defs(world.settings)
    for name in (PULL_DISTRICT, PULL_SCHOOLS):
        selected = defs.resolve_job_def(name).asset_layer.selected_asset_keys
        assert selected
        assert ONBOARDING not in selected
