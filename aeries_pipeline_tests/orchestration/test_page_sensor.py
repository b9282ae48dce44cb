"""The operator's page is made when a run has ended, in a tick and not in a run."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.orchestration.assets.links import OPERATOR_VARIABLE
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.page_sensor import (
    HOUR,
    Told,
    build_page_sensor,
    is_due,
)
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call

NOW = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)


@given(st.integers(0, 20_000), st.integers(0, 500))
def test_a_page_of_a_few_districts_is_made_at_the_first_tick_after_a_run(
    letters: int, seconds: int
) -> None:
    told = Told(NOW, "one", letters if letters < 20_000 else 0)
    moment = NOW + timedelta(seconds=seconds)
    assert is_due(told, "two", moment)
    assert not is_due(told, "one", moment), "nothing has ended since"


@given(st.integers(0, 10_000_000), st.sampled_from(["one", "two"]))
def test_no_page_grows_older_than_it_may(letters: int, newest: str) -> None:
    told = Told(NOW, "one", letters)
    longest = max(HOUR, timedelta(minutes=letters / 20_000))
    assert is_due(told, newest, NOW + longest)
    assert is_due(None, newest, NOW)


def test_a_tick_makes_the_page_when_a_run_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPERATOR_VARIABLE, "http://127.0.0.1:3001/operator.html")
    page = world.settings.data / "operator.html"
    with open_instance(world.settings) as instance:
        first = _tick(world, instance, NOW, None)
        (event,) = first.asset_events
        assert "](http://127.0.0.1:3001/operator.html)" in event.metadata["whole_page"].value
        assert "never" in page.read_text(encoding="utf-8")
        quiet = _tick(world, instance, NOW + timedelta(minutes=1), first.cursor)
        assert quiet.asset_events == []
        assert "no run has ended" in quiet.skip_reason.skip_message
        assert call(world, "sync", "eagle-usd").exit_code == 0
        again = _tick(world, instance, NOW + timedelta(minutes=2), first.cursor)
        (event,) = again.asset_events
        assert event.metadata["failing_partitions"].value == 0
        assert "never pulled" not in event.metadata["page"].value


def _tick(
    world: World, instance: dg.DagsterInstance, moment: datetime, cursor: str | None
) -> dg.SensorResult:
    sensor = build_page_sensor(world.settings, lambda: moment)
    return sensor(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_a_sync_without_a_daemon_leaves_the_page(world: World) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    key = dg.AssetKey(["meta", "operator_page"])
    with open_instance(world.settings) as instance:
        event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["districts"].value == 1
    assert "Eagle" in (world.settings.data / "operator.html").read_text(encoding="utf-8")
