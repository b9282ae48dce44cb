"""The check counts the status codes of each school, and says what they mean where it may."""

from __future__ import annotations

from collections import Counter

import pytest

from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.operations.onboarding.findings import Finding, Verdict
from aeries_pipeline.operations.onboarding.status_codes import judged
from aeries_pipeline_tests.conftest import MakeWorld, World
from aeries_pipeline_tests.operations.onboarding.test_check import run

POLICY = Policy(schools=frozenset({994}), ignored_codes=frozenset({"T"}))


def codes(findings: list[Finding]) -> dict[str, Finding]:
    return {one.step: one for one in findings if one.step.startswith("status codes")}


def counted(world: World, school: int) -> Counter[str]:
    return Counter(row.tag.strip() for row in world.site.district.rows[school])


def test_each_school_has_its_codes_counted_with_their_meaning(world: World) -> None:
    found = codes(run(world.district))
    assert set(found) == {f"status codes {school}" for school in world.schools}
    for school in world.schools:
        one, counts = found[f"status codes {school}"], counted(world, school)
        assert one.verdict is Verdict.PASSED
        assert one.text.startswith(f"{counts.total()} rows: {counts['']} blank (active), ")
        if counts["N"]:
            assert f"{counts['N']} N (No show, inactive)" in one.text
        if counts["*"]:
            assert f"{counts['*']} * (Pre-enrolled, waits for next year)" in one.text
    asked = [visit.path for visit in world.emulator.log if "codes/" in visit.path]
    assert len(asked) == 1


@pytest.mark.parametrize("status", [403, 404, 500])
def test_where_the_meanings_are_not_granted_the_codes_stand_alone(
    world: World, status: int
) -> None:
    world.faults({"kind": "status", "status": status, "path": "codes/STU/TG$"})
    findings = run(world.district)
    assert [one for one in findings if one.verdict is not Verdict.PASSED] == []
    (text,) = {one.text for one in codes(findings).values() if "994" in one.step}
    assert "Pre-enrolled" not in text
    assert f"{counted(world, 994)['']} blank (active)" in text


def test_a_school_without_a_single_code_is_asked_about(make_world: MakeWorld) -> None:
    world = make_world(schools=1, students=250)
    for row in world.site.district.rows[world.schools[0]]:
        row.tag = " "
    world.site.district.version += 1
    (one,) = codes(run(world.district)).values()
    assert one.verdict is Verdict.WARNED
    assert "not one has a code, so the accounts of a first load wait for a person" in one.text
    assert "Please let the certificate read that field" in one.ask


@pytest.mark.parametrize(
    ("counts", "verdict", "text"),
    [
        ({"": 200}, Verdict.PASSED, "200 rows: 200 blank (active)"),
        ({"": 201}, Verdict.WARNED, "201 rows: 201 blank (active); not one has a code"),
        ({"": 201, "I": 1}, Verdict.PASSED, "202 rows: 201 blank (active), 1 I (inactive)"),
        ({}, Verdict.PASSED, "0 rows: none"),
        ({"T": 2, "": 1}, Verdict.PASSED, "3 rows: 2 T (Transfer, not read), 1 blank (active)"),
    ],
)
def test_what_the_codes_of_a_school_say(counts, verdict: Verdict, text: str) -> None:
    found = judged(994, counts, {"T": "Transfer"}, POLICY)
    assert found.verdict is verdict
    assert found.text.startswith(text)
