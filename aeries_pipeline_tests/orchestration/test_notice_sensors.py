"""The sensors that tell people, on real runs of a real instance and by a real daemon."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from aeries_pipeline.operations.notices.deliver import NotDeliveredError
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.notices import build_notice_sensors
from aeries_pipeline.orchestration.automation.staleness import build_staleness_sensor
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.conftest import CERTIFICATE, World, roster_entry, write_roster
from aeries_pipeline_tests.operations.notices.listeners import Hook, mail_server, webhook
from aeries_pipeline_tests.orchestration.test_pull_sensor import a_daemon
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET, run
from aeries_pipeline_tests.processes.test_command_line import call


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as opened:
        yield opened


@pytest.fixture
def hook(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with webhook() as made:
        monkeypatch.setenv("TEST_WEBHOOK", made.url)
        settle(world, [{"kind": "slack", "webhook_env": "TEST_WEBHOOK", "ui": "http://ui"}])
        yield made


def settle(world: World, notifications: list[dict[str, Any]], **changes: Any) -> None:
    entry = roster_entry(world.url, world.schools, **changes)
    write_roster(world.settings.roster, [entry], notifications=notifications)


def notify(world: World, instance: dg.DagsterInstance, done: dg.ExecuteInProcessResult) -> Any:
    """Evaluate the sensor that Dagster would evaluate for a run that ended."""
    failed, checked = build_notice_sensors(world.settings)
    ended = done.get_run_success_event() if done.success else done.get_run_failure_event()
    sensor = checked if done.success else failed
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=done.dagster_run,
        dagster_event=ended,
    )
    return sensor(context if done.success else context.for_run_failure())


def texts(hook: Hook) -> list[str]:
    return [one["text"] for one in hook.got]


def test_a_failed_run_is_told_with_our_sentences_and_a_link(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    world.faults({"kind": "empty", "path": "schools/993/students$"})
    done = run(world, instance, "students")
    assert not done.success
    notify(world, instance, done)
    (text,) = texts(hook)
    assert text.startswith("*A run failed: eagle-usd*")
    assert "students: 2 schools loaded, 1 not" in text
    assert "rows_did_not_collapse" in text, "the check that failed is named, too"
    assert f"<http://ui/runs/{done.run_id}|Open the run>" in text
    assert CERTIFICATE not in text


def test_a_run_that_went_well_is_not_told(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    told = notify(world, instance, run(world, instance, "terms"))
    assert "nothing failed" in str(told)
    assert hook.got == []


def test_held_changes_are_told_although_the_run_succeeded(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    slack = [{"kind": "slack", "webhook_env": "TEST_WEBHOOK"}]
    settle(world, slack, accounts={"leaving_rounds": 1})
    run(world, instance, "students")
    accounts(world, instance)
    for row in [row for row in world.site.district.active() if row.school == 994][:20]:
        row.tag = "I"
    world.site.district.version += 1
    # The other schools' lists must have been read after the one that says so.
    for _round in range(2):
        run(world, instance, "students")
        done = accounts(world, instance)
    assert done.success
    notify(world, instance, done)
    (text,) = texts(hook)
    assert text.startswith("*A check failed: eagle-usd*")
    assert "core/accounts eagle-usd, no_change_is_held: " in text


def accounts(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build_defs(world.settings).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        run_config=QUIET,
        partition_key="eagle-usd",
        asset_selection=[dg.AssetKey(["core", name]) for name in ("accounts", "account_changes")],
        raise_on_error=False,
    )


def test_an_exception_that_is_not_ours_is_not_quoted(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    @dg.op
    def quoting() -> None:
        raise ValueError("Could not convert 'Marker Lastname'")

    @dg.job
    def careless() -> None:
        quoting()

    done = careless.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)
    notify(world, instance, done)
    (text,) = texts(hook)
    assert "quoting ended with" in text
    assert "Marker" not in text


def test_old_data_is_told_without_any_run(
    world: World, instance: dg.DagsterInstance, hook: Hook
) -> None:
    run(world, instance, "terms")
    with world.warehouse.open() as connection:
        old = [now() - timedelta(days=9)]
        connection.execute("UPDATE meta.pulls SET finished_at = ? WHERE school = 994", old)
    sensor = build_staleness_sensor(world.settings)
    told = sensor(dg.build_sensor_context(instance=instance))
    (text,) = texts(hook)
    assert "raw/terms eagle-usd/994, data_is_fresh" in text
    sensor(dg.build_sensor_context(instance=instance, cursor=told.cursor))
    assert len(hook.got) == 1, "told once"


def test_old_data_is_recorded_even_where_nobody_can_be_told(
    world: World, instance: dg.DagsterInstance
) -> None:
    settle(world, [{"kind": "slack", "webhook_env": "NOT_SET_ANYWHERE"}])
    run(world, instance, "terms")
    with world.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET finished_at = ?", [now() - timedelta(days=9)])
    sensor = build_staleness_sensor(world.settings)
    told = sensor(dg.build_sensor_context(instance=instance))
    names = [(event.check_name, event.partition) for event in told.asset_events]
    old = [("data_is_fresh", f"eagle-usd/{school}") for school in world.schools]
    assert sorted(names, key=str) == sorted([*old, ("published_copy_is_current", None)], key=str)


def test_a_channel_that_does_not_work_shows_in_the_tick(
    world: World, instance: dg.DagsterInstance
) -> None:
    settle(world, [{"kind": "slack", "webhook_env": "NOT_SET_ANYWHERE"}])
    world.faults({"kind": "html"})
    done = run(world, instance, "terms")
    with pytest.raises(NotDeliveredError, match=r"slack .* NOT_SET_ANYWHERE is not set"):
        notify(world, instance, done)


def test_without_notifications_nothing_is_sent_and_it_is_said(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.faults({"kind": "html"})
    assert "no notifications" in str(notify(world, instance, run(world, instance, "terms")))


def test_the_command_sends_a_test_message(world: World, hook: Hook) -> None:
    sent = call(world, "notify")
    assert (sent.exit_code, sent.output.strip()) == (0, "slack (TEST_WEBHOOK): delivered")
    assert "A test message" in texts(hook)[0]
    settle(world, [])
    none = call(world, "notify")
    assert none.exit_code == 1
    assert "has no notifications" in none.output


@pytest.mark.long
def test_a_real_daemon_tells_of_a_school_that_failed(
    make_world, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(students=60)
    world.faults({"kind": "html", "path": "schools/993/terms"})
    with webhook() as hook, mail_server() as post:
        monkeypatch.setenv("TEST_WEBHOOK", hook.url)
        mail = {"kind": "email", "to": ["duty@example.org"], "sender": "p@example.org"}
        mail |= {"host": "127.0.0.1", "port": post.port, "security": "none"}
        settle(world, [{"kind": "teams", "webhook_env": "TEST_WEBHOOK"}, mail])
        with a_daemon(world):
            for _ in range(100):
                time.sleep(2)
                if hook.got and post.got:
                    break
        assert "school 993" in json.dumps(hook.got)
        assert "school 993" in post.got[0].get_content()
