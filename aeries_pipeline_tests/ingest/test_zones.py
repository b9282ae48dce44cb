"""The server's time zone and the roster's, before anything is pulled."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.operations.onboarding.findings import Verdict
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline_tests.conftest import FAST, MakeWorld, World
from aeries_pipeline_tests.operations.onboarding.test_check import run as check
from aeries_pipeline_tests.orchestration.test_raw_assets import run

NIGHT = datetime(2026, 12, 2, 6, 30, tzinfo=UTC)
AT_NIGHT = replace(FAST, clock=lambda: NIGHT)
"""Half past midnight in Chicago, half past ten in the evening in Los Angeles."""
WINDOW = "12am to 4am"


@pytest.fixture
def abroad(make_world: MakeWorld) -> World:
    """A district whose roster names Chicago and whose server names Los Angeles."""
    return make_world(roster={"timezone": "America/Chicago", "pull_window": WINDOW})


def test_a_server_of_another_zone_is_asked_for_nothing_but_its_name(abroad: World) -> None:
    with abroad.session(AT_NIGHT) as session:
        results = pull_resource(session, RESOURCES["students"], abroad.schools)
        with pytest.raises(ConfigurationError, match="server_timezone") as refusal:
            session.preflight()
    assert "another time zone than America/Chicago in the roster" in str(refusal.value)
    assert {(one.pull.status, one.pull.code) for one in results} == {("failed", "server_zone")}
    assert [visit.path for visit in abroad.emulator.log] == ["api/v5/systeminfo"]


def test_a_person_can_say_that_the_server_stands_elsewhere(abroad: World) -> None:
    abroad.write_roster(
        timezone="America/Chicago", pull_window=WINDOW, server_timezone="America/Los_Angeles"
    )
    with abroad.session(AT_NIGHT) as session:
        (*results,) = pull_resource(session, RESOURCES["terms"], abroad.schools)
    assert {str(one.pull.status) for one in results} == {"complete"}
    assert session.warnings == []


@pytest.mark.parametrize("reason", [None, "a person is on the telephone"])
def test_where_no_hour_is_forbidden_a_sentence_is_enough_and_comes_once(
    abroad: World, reason: str | None
) -> None:
    abroad.write_roster(timezone="America/Chicago", pull_window=WINDOW if reason else "any time")
    told = []
    for _ in range(3):
        with abroad.session(replace(AT_NIGHT, outside_window=reason)) as session:
            results = pull_resource(session, RESOURCES["terms"], abroad.schools)
            told += session.warnings
        assert {str(one.pull.status) for one in results} == {"complete"}
    (sentence,) = told
    assert "another time zone than America/Chicago" in sentence


def test_a_name_that_is_not_known_is_told_once_and_pulled(make_world: MakeWorld) -> None:
    world = make_world(switches=Switches(time_zone="Ruritania Standard Time"))
    said = []
    with open_instance(world.settings) as instance:
        for _ in range(2):
            result = run(world, instance, "terms")
            assert result.success
            said.append(told(instance, result.run_id))
    assert [len(one) for one in said] == [1, 0]
    assert "not known here" in said[0][0]
    assert "Ruritania" not in said[0][0], "what a server says is not repeated"
    zones = world.warehouse.rows("SELECT DISTINCT server_zone FROM meta.pulls")
    assert zones == [("Ruritania Standard Time",)]


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return the warnings of a run that speak of a time zone."""
    entries = instance.all_logs(run_id)
    return [one.user_message for one in entries if "time zone" in (one.user_message or "")]


def test_check_asks_the_district_where_the_zones_differ(world: World) -> None:
    findings = {one.step: one for one in check(world.district)}
    assert findings["time zone"].verdict is Verdict.PASSED
    world.write_roster(timezone="America/Chicago")
    found = {one.step: one for one in check(world.district)}["time zone"]
    assert found.verdict is Verdict.FAILED
    assert "America/Chicago" in found.text
    assert "Which one do you mean?" in found.ask
    world.write_roster(timezone="America/Chicago", server_timezone="America/Los_Angeles")
    findings = {one.step: one for one in check(world.district)}
    assert findings["time zone"].verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("", Verdict.PASSED), ("UTC", Verdict.PASSED), ("Ruritania", Verdict.WARNED)],
)
def test_check_asks_once_for_a_name_that_is_not_known(
    make_world: MakeWorld, name: str, verdict: Verdict
) -> None:
    world = make_world(switches=Switches(time_zone=name))
    found = {one.step: one for one in check(world.district)}["time zone"]
    assert found.verdict is verdict
