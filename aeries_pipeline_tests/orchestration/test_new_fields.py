"""A field that a server begins to send is told once, and listed from then on."""

from __future__ import annotations

import dagster as dg
import pytest

from aeries_pipeline.ingest.checks import SCHEMA
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.stores.field_history import State, field_states
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.orchestration.test_raw_assets import run
from aeries_pipeline_tests.processes.test_command_line import call

FAULT = {"kind": "add_field", "field": "PronounCode", "path": "schools/994/students"}
PART = "eagle-usd/994"


def verdict(world: World, instance: dg.DagsterInstance) -> tuple[bool, str]:
    """Pull the students after something has changed there; return the verdict on 994's fields."""
    world.site.district.rows[994][0].person.first += "a"
    world.site.district.version += 1
    result = run(world, instance, "students")
    (found,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == SCHEMA and one.partition == PART
    ]
    return found.passed, found.description or ""


@pytest.mark.parametrize("whole", [True, False])
def test_a_new_field_fails_the_check_of_one_night(world: World, whole: bool) -> None:
    world.write_roster(incremental={"whole": ["students"]} if whole else {})
    with open_instance(world.settings) as instance:
        assert verdict(world, instance) == (True, "as the reference says")
        world.faults(FAULT)
        assert verdict(world, instance) == (False, "new fields, kept in _extra: PronounCode")
        for _night in range(2):
            assert verdict(world, instance) == (
                True,
                "fields told of before, kept in _extra: PronounCode",
            )
        (one,) = field_states(world.warehouse, "eagle-usd")
        assert (one.resource, one.field, one.state, one.schools) == (
            "students", "PronounCode", State.NEW, 1,
        )  # fmt: skip
        day = world.district.day_of(one.since)
        assert f"new since {day}" in call(world, "fields", "eagle-usd").output
        world.faults()
        assert verdict(world, instance) == (True, "as the reference says")
    (one,) = field_states(world.warehouse, "eagle-usd")
    assert one.state is State.GONE
    assert "gone, last seen" in call(world, "fields", "eagle-usd").output


def test_a_field_that_a_site_does_not_send_is_listed(world: World) -> None:
    assert "every field is as the catalogue says" in call(world, "fields", "eagle-usd").output
    world.faults({"kind": "drop_field", "field": "NetworkLoginID", "path": "schools/994/students"})
    with open_instance(world.settings) as instance:
        assert run(world, instance, "students").success
    (one,) = field_states(world.warehouse, "eagle-usd")
    assert (one.field, one.state, one.schools) == ("NetworkLoginID", State.NOT_SENT, 1)


def test_schools_are_counted_each_by_itself(world: World) -> None:
    def found() -> dict[str, tuple[State, int]]:
        states = field_states(world.warehouse, "eagle-usd")
        return {one.field: (one.state, one.schools) for one in states}

    with open_instance(world.settings) as instance:
        world.faults(
            {"kind": "drop_field", "field": "NetworkLoginID", "path": "schools/99[24]/students"},
            {"kind": "add_field", "field": "PronounCode", "path": "schools/993/students"},
        )
        assert run(world, instance, "students").success
        assert found() == {"NetworkLoginID": (State.NOT_SENT, 2), "PronounCode": (State.NEW, 1)}
        world.faults({"kind": "add_field", "field": "PronounCode", "path": "schools/99[23]"})
        assert run(world, instance, "students").success
        assert found() == {"PronounCode": (State.NEW, 2)}
