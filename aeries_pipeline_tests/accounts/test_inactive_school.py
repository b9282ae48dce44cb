"""Rows of the inactive school over HTTP, as the page on accounts says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aeries_pipeline.accounts.ask import asking, confirm
from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.emulator.district import INACTIVE_SCHOOL, Row
from aeries_pipeline_tests.accounts.test_confirmations import pulled
from aeries_pipeline_tests.conftest import World

HOME = 994


def night(world: World) -> dict[str, int]:
    """Live through one night: pull, ask for the students who seem to leave, decide."""
    pulled(world)
    compute(world.warehouse, world.district)
    session = world.session()
    try:
        confirm(world.warehouse, world.district, lambda: asking(session))
    finally:
        session.close()
    return dict(compute(world.warehouse, world.district).applied)


def closed(world: World, student: int) -> list[tuple[str]]:
    """Return why a student's account was closed."""
    return world.warehouse.rows(
        "SELECT code FROM core.account_changes WHERE kind = 'deactivate' AND student_id = ?",
        [student],
    )


def moved(world: World, days: int = 1) -> Row:
    """Take a student's row from its school, and return one of the inactive school.

    Args:
        world: Has the student.
        days: After how many days from today it ended.
    """
    district = world.site.district
    row = next(row for row in district.active() if row.school == HOME)
    district.rows[HOME].remove(row)
    gone = replace(
        row, school=INACTIVE_SCHOOL, left=datetime.now(UTC).date() + timedelta(days=days)
    )
    world.site.district.version += 1
    return gone


def accounts(world: World) -> set[int]:
    found = world.warehouse.rows("SELECT student_id FROM core.accounts WHERE state = 'active'")
    return {student for (student,) in found}


def asked_of_the_inactive_school(world: World) -> list[str]:
    return [
        visit.path
        for visit in world.emulator.log
        if f"schools/{INACTIVE_SCHOOL}/" in f"{visit.path}/".lower()
    ]


@pytest.mark.parametrize(("days", "code"), [(1, "in_inactive_school"), (-400, "absent")])
def test_a_row_of_the_inactive_school_in_another_school_s_list_is_evidence_of_leaving(
    world: World, days: int, code: str
) -> None:
    """Unless it ended before the account began: then it was there all along."""
    night(world)
    gone = moved(world, days)
    # The list of the school carries the row, as where a site looks for students by their id.
    world.site.district.rows[HOME].append(gone)
    student = gone.person.id
    nights = [night(world) for _ in range(2)]
    assert {"deactivate": 1} in nights
    assert closed(world, student) == [(code,)]
    assert student not in accounts(world)
    assert asked_of_the_inactive_school(world) == []


@pytest.mark.parametrize("nights", [1, 2])
def test_whose_row_was_moved_there_and_is_shown_by_no_list_is_absent_and_asked_for(
    world: World, nights: int
) -> None:
    night(world)
    rounds = world.district.accounts.absent_pulls
    gone = moved(world)
    world.site.district.rows[INACTIVE_SCHOOL].append(gone)
    student = gone.person.id
    for _ in range(rounds - nights):
        night(world)
    assert closed(world, student) == [], "an absence has to be seen in each of the rounds"
    for _ in range(nights):
        night(world)
    assert closed(world, student) == [("absent",)]
    assert any(f"students/{student}" in visit.path for visit in world.emulator.log)
    assert asked_of_the_inactive_school(world) == []


def test_nobody_gets_an_account_for_a_row_of_the_inactive_school(world: World) -> None:
    district = world.site.district
    former = {row.person.id for row in district.rows[INACTIVE_SCHOOL]} - set(district.truth())
    assert former, "the emulated district has former students"
    for row in district.rows[INACTIVE_SCHOOL]:
        district.rows[HOME].append(row)
    night(world)
    assert accounts(world) == set(district.truth())
    assert not accounts(world) & former
    assert asked_of_the_inactive_school(world) == []
