"""Deliveries as Dagster runs: what the UI shows, when they run, and whether they came in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from aeries_pipeline.cli.accounts import compute_accounts
from aeries_pipeline.cli.common import console
from aeries_pipeline.cli.deliver import run_delivery
from aeries_pipeline.cli.sync import Request, sync_district
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.xello_delivery import IN_TIME, XELLO_DELIVERY
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.staleness import build_staleness_sensor
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.conftest import MakeWorld
from aeries_pipeline_tests.deliveries.sets import MARKER, NAMES, Outgoing, received
from aeries_pipeline_tests.orchestration.test_raw_assets import failure_of, verdicts

SHARE = {"to": "folder", "folder": "share", "retry_for": "0 s"}


@pytest.fixture
def outgoing(tmp_path: Path) -> Outgoing:
    (tmp_path / "share").mkdir()
    return Outgoing(tmp_path, SHARE)


@pytest.fixture
def settings(outgoing: Outgoing) -> Settings:
    return Settings(outgoing.roster, outgoing.data)


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as opened:
        yield opened


def name_of(days: float) -> str:
    return f"{now() - timedelta(days=days):%Y%m%dT%H%M%SZ}"


def run(
    outgoing: Outgoing, instance: dg.DagsterInstance, again: str = ""
) -> dg.ExecuteInProcessResult:
    defs = build_defs(Settings(outgoing.roster, outgoing.data))
    return run_delivery(defs, instance, outgoing.district, again=again)


def test_a_delivery_is_a_materialization_with_its_proof(
    outgoing: Outgoing, settings: Settings, instance: dg.DagsterInstance
) -> None:
    content = outgoing.make_set(name_of(0))
    result = run(outgoing, instance)
    assert result.success
    assert received(outgoing.root / "share") == content
    (event,) = result.get_asset_materialization_events()
    assert (event.asset_key, event.partition) == (XELLO_DELIVERY, "eagle-usd")
    shown = event.step_materialization_data.materialization.metadata
    assert shown["is_new"].value is True
    assert all(name in shown["files"].value for name in NAMES)
    passed, text = verdicts(result)[IN_TIME, "eagle-usd"]
    assert passed, text
    assert MARKER not in repr(list(result.all_events))
    (row,) = outgoing.rows()
    assert row["run_id"] == result.run_id
    assert run(outgoing, instance).success
    assert len(outgoing.rows()) == 1, "nothing is sent twice"
    assert run(outgoing, instance, "kim").success
    assert [one["asked_by"] for one in outgoing.rows()] == [None, "kim"]


def test_what_comes_too_late_fails_the_check_and_not_the_run(
    outgoing: Outgoing, settings: Settings, instance: dg.DagsterInstance
) -> None:
    outgoing.make_set(name_of(2))
    result = run(outgoing, instance)
    assert result.success
    passed, text = verdicts(result)[IN_TIME, "eagle-usd"]
    assert not passed
    assert "after they were due" in text


def test_a_failure_is_a_sentence_and_has_a_verdict(
    outgoing: Outgoing, settings: Settings, instance: dg.DagsterInstance
) -> None:
    outgoing.make_set(name_of(0))
    (outgoing.root / "share").rmdir()
    result = run(outgoing, instance)
    assert not result.success
    assert "mount the share" in failure_of(result)
    passed, text = verdicts(result)[IN_TIME, "eagle-usd"]
    assert passed, "it is not due yet"
    assert "have not arrived yet; they are due" in text


def test_what_is_due_and_has_not_come_is_noticed_without_a_run(
    outgoing: Outgoing, settings: Settings, instance: dg.DagsterInstance
) -> None:
    outgoing.make_set(name_of(2))
    outgoing.warehouse.rows("SELECT 1")
    sensor = build_staleness_sensor(settings)

    def tick(cursor: str | None = None):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            return sensor.evaluate_tick(context)

    first = tick()
    (event,) = [one for one in first.asset_events if one.check_name == IN_TIME]
    assert not event.passed
    assert "run aeries-pipeline deliver eagle-usd" in event.description
    again = tick(first.cursor)
    assert [one for one in again.asset_events if one.check_name == IN_TIME] == []


def test_only_districts_that_deliver_have_a_partition(
    outgoing: Outgoing, settings: Settings
) -> None:
    node = build_defs(settings).resolve_asset_graph().get(XELLO_DELIVERY)
    assert node.partitions_def.get_partition_keys() == ["eagle-usd"]
    assert node.automation_condition is not None
    outgoing.settle(None)
    node = build_defs(settings).resolve_asset_graph().get(XELLO_DELIVERY)
    assert node.partitions_def.get_partition_keys() == []


def test_a_sync_ends_with_the_delivery_and_files_start_one(
    make_world: MakeWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world(roster={"delivery": SHARE})
    (tmp_path / "share").mkdir()
    assert sync_district(world.settings, Request("eagle-usd"), console)
    assert sorted(received(tmp_path / "share")) == sorted(NAMES)
    said = capsys.readouterr().out
    assert sync_district(world.settings, Request("eagle-usd"), console), (
        "a deadline that lies ahead is no clock that was ahead"
    )
    assert "files for Xello: delivered to folder share" in said
    defs = build_defs(world.settings)
    with open_instance(world.settings) as instance:
        selection = dg.AssetSelection.groups("deliveries")
        first = dg.evaluate_automation_conditions(
            defs, instance, asset_selection=selection, cursor=None
        )
        assert compute_accounts(defs, instance, "eagle-usd").success
        found = dg.evaluate_automation_conditions(
            defs, instance, asset_selection=selection, cursor=first.cursor
        )
        assert found.get_requested_partitions(XELLO_DELIVERY) == {"eagle-usd"}
