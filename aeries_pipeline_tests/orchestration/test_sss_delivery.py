"""Finished folders of course requests reach the district, each whole and once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from aeries_pipeline.cli.requests import run_requests
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.sss_delivery import SSS_DELIVERY
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.course_requests.test_pipeline import courses, lines, put, sophomores
from aeries_pipeline_tests.orchestration.test_raw_assets import failure_of
from aeries_pipeline_tests.orchestration.test_request_assets import pull, two_requests


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as opened:
        yield opened


@pytest.fixture
def share(world: World, tmp_path: Path) -> Path:
    (tmp_path / "share").mkdir()
    target = {"to": "folder", "folder": "share", "retry_for": "0 s"}
    world.write_roster(course_requests={"delivery": target})
    return tmp_path / "share"


def deliver(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    runs = run_requests(build_defs(world.settings), instance, world.district)
    assert len(runs) == 3
    return runs[-1]


def test_each_schools_newest_folder_arrives_once(
    world: World, instance: dg.DagsterInstance, share: Path
) -> None:
    pull(world, instance)
    two_requests(world)
    result = deliver(world, instance)
    assert result.success
    (folder,) = (share / "994").iterdir()
    made = world.settings.out / "eagle-usd" / "sss" / "994" / folder.name
    ours = {one.relative_to(made): one.read_bytes() for one in made.rglob("*") if one.is_file()}
    theirs = {
        one.relative_to(folder): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }
    assert theirs == ours
    assert Path("whole/SSS.csv") in theirs
    rows = world.warehouse.dicts("SELECT * FROM meta.sent")
    (row,) = [one for one in rows if one["set_name"] == f"994/{folder.name}"]
    assert (row["kind"], row["outcome"], row["due_at"]) == ("course_requests", "arrived", None)
    assert json.loads(row["files"])[-1]["name"] == f"994/{folder.name}/manifest.json"
    assert deliver(world, instance).success
    assert len(world.warehouse.rows("SELECT 1 FROM meta.sent")) == len(rows)
    pairs = [(row.person.id, courses(world)[1]) for row in sophomores(world)[2:4]]
    put(world, lines(pairs), "more.csv")
    assert deliver(world, instance).success
    assert len(list((share / "994").iterdir())) == 2


def test_a_receiver_that_is_away_is_a_sentence_and_the_files_stay(
    world: World, instance: dg.DagsterInstance, share: Path
) -> None:
    pull(world, instance)
    two_requests(world)
    share.rmdir()
    result = deliver(world, instance)
    assert not result.success
    assert "eagle-usd: the files of course requests of 994/" in failure_of(result)
    share.mkdir()
    result = deliver(world, instance)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == SSS_DELIVERY
    assert event.step_materialization_data.materialization.metadata["sent"].value >= 1
