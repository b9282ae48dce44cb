"""Which schools are pulled: the rules, what a person leaves out, and the first proposal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aeries_pipeline.cli.roster import sync_roster
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import RosterError, load_roster
from aeries_pipeline.districts.school_codes import code_ranges, is_in
from aeries_pipeline.ingest.listed_schools import teaching_schools, why_left_out
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call

TERMS = '[{"TermCode": "Y"}]'


@given(st.integers(1, 9999), st.lists(st.tuples(st.integers(1, 9999), st.integers(0, 99))))
def test_a_range_holds_both_its_ends(code: int, starts: list[tuple[int, int]]) -> None:
    written = [f"{first}-{min(first + more, 9999)}" for first, more in starts]
    ranges = code_ranges(written)
    assert is_in(ranges, code) == any(a <= code <= min(a + more, 9999) for a, more in starts)


@pytest.mark.parametrize("wrong", ["900", ["999-900"], ["nine"], [True], [1.5]])
def test_what_is_no_code_is_named_in_the_roster(world: World, wrong: object) -> None:
    world.write_roster(exclude_schools=wrong)
    with pytest.raises(RosterError, match=r"exclude_schools.*(code|codes)"):
        load_roster(world.settings.roster)


def test_a_school_is_pulled_or_left_out_and_not_both(world: World) -> None:
    world.write_roster(exclude_schools=["990-999"], schools=[994])
    with pytest.raises(RosterError, match="994 is in schools, too"):
        load_roster(world.settings.roster)


def test_each_rule_has_its_reason_and_a_person_may_leave_out_more() -> None:
    rows = [
        {"SchoolCode": 0, "Terms": TERMS},
        {"SchoolCode": 1, "Terms": TERMS},
        {"SchoolCode": 2, "Terms": "[]"},
        {"SchoolCode": 3, "Terms": TERMS, "DoNotReport": True},
        {"SchoolCode": 4, "Terms": TERMS, "InactiveStatusCode": "I"},
        {"SchoolCode": 905, "Terms": TERMS},
        {"SchoolCode": 999, "Terms": TERMS},
    ]
    reasons = {row["SchoolCode"]: why_left_out(row, 999) for row in rows}
    assert [code for code, why in reasons.items() if not why] == [1, 905]
    assert len({why for why in reasons.values() if why}) == 5, "each has its own"
    assert teaching_schools(rows, 999) == [1, 905]
    assert teaching_schools(rows, 999, [(900, 998)]) == [1]


def emptied(world: World) -> World:
    """Let school 992 teach and have no students, as a summer school in winter."""
    world.site.district.rows[992].clear()
    world.site.district.version += 1
    world.write_roster(schools=[])
    return world


def test_a_first_sync_proposes_asks_and_keeps_the_answer(world: World) -> None:
    emptied(world)
    before = world.settings.roster.read_text(encoding="utf-8")
    refused = call(world, "roster", "sync", "eagle-usd")
    assert refused.exit_code == 2
    assert "992  " in refused.output
    assert "it has no students; goes into exclude_schools" in refused.output
    assert "the code of the district itself" in refused.output
    assert "give --yes" in refused.output
    assert world.settings.roster.read_text(encoding="utf-8") == before
    assert call(world, "roster", "sync", "eagle-usd", "--yes").exit_code == 0
    district = load_roster(world.settings.roster).get("eagle-usd")
    assert district.schools == [993, 994]
    assert district.exclude_schools == [(992, 992)]
    assert "already has its 2 schools" in call(world, "roster", "sync", "eagle-usd").output
    assert call(world, "sync", "eagle-usd").exit_code == 0
    checks = call(world, "check", "eagle-usd").output
    assert "2 schools, as in Aeries" in checks, "what is left out for good is no drift"


@pytest.mark.parametrize(("said", "schools"), [("y\n", [993, 994]), ("n\n", [])])
def test_on_a_terminal_a_person_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, said: str, schools: list[int]
) -> None:
    emptied(world)
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    eyes = Console(file=io.StringIO(), force_terminal=True, width=80)
    sync_roster(world.settings, "eagle-usd", None, eyes)
    assert load_roster(world.settings.roster).get("eagle-usd").schools == schools


def test_where_no_school_has_a_student_nothing_is_written(world: World) -> None:
    emptied(world)
    for school in world.schools:
        world.site.district.rows[school].clear()
    world.site.district.version += 1
    with pytest.raises(ConfigurationError, match="no school that Aeries lists as teaching has"):
        sync_roster(world.settings, "eagle-usd", None, Console(file=io.StringIO()))


def test_students_that_may_not_be_read_leave_no_school_out(make_world) -> None:
    world = make_world(areas=frozenset())
    world.write_roster(schools=[])
    sync_roster(world.settings, "eagle-usd", None, Console(file=io.StringIO()))
    assert load_roster(world.settings.roster).get("eagle-usd").schools == world.schools
