"""A list that is refused night after night ends by answers about single students."""

from __future__ import annotations

from typing import Any

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import PullRow
from aeries_pipeline_tests.conftest import MakeWorld, World


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(students=240, roster={"accounts": {"round_hours": 1e-7}})


def pull(world: World, school: int = 994) -> PullRow:
    session = world.session()
    try:
        return pull_resource(session, RESOURCES["students"], [school])[0].pull
    finally:
        session.close()


def rows_of(world: World) -> int:
    ((found,),) = world.warehouse.rows("SELECT count(*) FROM raw.students WHERE school = 994")
    return int(found)


def test_a_school_that_really_lost_its_students_is_believed_on_the_second_night(
    world: World,
) -> None:
    assert pull(world).status is Status.COMPLETE
    rows = world.site.district.rows[994]
    del rows[: len(rows) // 2]
    world.site.district.version += 1
    first = pull(world)
    assert (first.status, first.code) == (Status.REFUSED, "shrunken")
    second = pull(world)
    assert second.status is Status.COMPLETE
    assert "asked for one by one are as this list has them" in (second.accept_shrunken_reason or "")
    assert rows_of(world) == len(rows)


@pytest.mark.parametrize("kind", ["half"])
def test_a_short_list_stays_refused_however_often_it_comes(world: World, kind: str) -> None:
    before = pull(world)
    world.faults({"kind": kind, "path": "schools/994/students$"})
    assert pull(world).code == "shrunken"
    for _ in range(3):
        found: Any = pull(world)
        assert (found.status, found.code) == (Status.REFUSED, "shrunken")
        assert "asked for one by one" in found.reason
        assert "are otherwise than this list has them" in found.reason
    assert rows_of(world) == before.rows
    said = world.warehouse.rows("SELECT max(reason) FROM meta.pulls WHERE status = 'refused'")
    assert "otherwise than this list" in said[0][0]


def test_where_nobody_is_found_alone_nothing_is_believed(world: World) -> None:
    pull(world)
    rows = world.site.district.rows[994]
    del rows[: len(rows) // 2]
    world.site.district.version += 1
    world.faults({"kind": "status", "status": 404, "path": r"students/\d+$"})
    assert [pull(world).code for _ in range(3)] == ["shrunken"] * 3
