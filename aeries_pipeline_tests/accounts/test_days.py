"""The emulator's days, over real HTTP: whatever happens, the accounts end in its truth."""

from __future__ import annotations

import random
from datetime import date, datetime

import pytest

from aeries_pipeline.accounts.ask import asking, confirm
from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.accounts.review import Wish, say, waiting
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.emulator.days import ROLLOVER_DAY
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline_tests.conftest import World

FIRST_DAY = date(2027, 8, 19)
"""When the emulator's students enter after the rollover."""


def night(world: World, moment: datetime | None = None) -> Computed:
    session = world.session()
    try:
        pull_resource(session, RESOURCES["students"], world.schools)
        confirm(world.warehouse, world.district, lambda: asking(session), moment=moment)
    finally:
        session.close()
    return compute(world.warehouse, world.district, moment=moment)


def approve_everything(world: World, moment: datetime | None = None) -> None:
    for batch in dict.fromkeys(one.batch_id for one in waiting(world.warehouse, "eagle-usd")):
        say(world.warehouse, "eagle-usd", Wish(batch, "approve", "Kim", "compared with Aeries"))
    compute(world.warehouse, world.district, moment=moment)


def active(world: World) -> dict[int, int]:
    query = "SELECT student_id, school FROM core.accounts WHERE state = 'active'"
    return dict(world.warehouse.rows(query))


def assert_truth(world: World) -> None:
    truth = world.site.district.truth()
    accounts = active(world)
    assert set(accounts) == set(truth)
    assert all(school in truth[student] for student, school in accounts.items())
    told = world.warehouse.rows(
        "SELECT student_id, school, grade, first_name, last_name FROM core.accounts "
        "WHERE state = 'active'"
    )
    rows = {(r.person.id, r.school): r for r in world.site.district.active()}
    for student, school, *profile in told:
        row = rows[student, school]
        assert profile == [row.grade, row.person.first, row.person.last]
    several = dict(
        world.warehouse.rows("SELECT student_id, other_schools FROM core.accounts "
                             "WHERE state = 'active' AND len(other_schools) > 0")
    )  # fmt: skip
    assert {s: sorted({*others, accounts[s]}) for s, others in several.items()} == {
        student: sorted(schools) for student, schools in truth.items() if len(set(schools)) > 1
    }


def check_history(world: World) -> None:
    """Nobody is in two places at once, and the last place is that of the account."""
    rows = world.warehouse.rows(
        "SELECT student_id, school, valid_from, valid_to FROM core.account_history "
        "ORDER BY student_id, valid_from, valid_to NULLS LAST"
    )
    last: dict[int, tuple[int, object]] = {}
    for student, school, begins, ends in rows:
        if student in last:
            assert last[student][1] is not None
            assert last[student][1] <= begins
        last[student] = (school, ends)
    still_there = {student: school for student, (school, ends) in last.items() if ends is None}
    assert still_there == active(world)


def live_through(world: World, seed: int, days: int) -> None:
    """Days of all kinds: quiet, busy, with failed schools, skipped, and a lost answer."""
    rng = random.Random(seed)
    night(world)
    before = active(world)
    for _ in range(days):
        world.site.advance(rng.choice([0, 1, 1, 2, 5]))
        school = rng.choice(world.schools)
        kind = rng.choice(["none", "none", "none", "html", "half", "empty"])
        if kind != "none":
            world.faults({"kind": kind, "path": f"schools/{school}/students"})
        computed = night(world)
        world.faults()
        now = active(world)
        lost = set(before) - set(now)
        if kind != "none":
            assert not computed.applied.get("deactivate"), "a failed school deactivates nobody"
            assert {s for s, at in before.items() if at == school} <= set(now)
        assert lost <= set(before) - set(world.site.district.truth()), "only who really left"
        before = now
    # Absence needs two complete rounds; what was held is compared and approved.
    for _ in range(3):
        night(world)
        approve_everything(world)
    assert_truth(world)
    check_history(world)
    quiet = night(world)
    assert (dict(quiet.applied), dict(quiet.held), quiet.rejected) == ({}, {}, 0)


def test_a_sequence_of_days_ends_in_the_truth(world: World) -> None:
    live_through(world, seed=1, days=5)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_sequences_of_days_end_in_the_truth(make_world, seed: int) -> None:
    live_through(make_world(schools=4, students=300), seed, days=10)


def test_bad_values_deactivate_nobody(world: World) -> None:
    night(world)
    before = active(world)
    world.faults({"kind": "bad_value", "field": "Grade", "share": 0.02, "path": "students$"})
    for _ in range(3):
        computed = night(world)
        assert world.warehouse.rows("SELECT count(*) > 0 FROM quarantine.students") == [(True,)]
        assert computed.applied == {}
    assert active(world) == before
    world.faults()
    assert night(world).waiting == {}


def test_a_rollover_waits_for_a_person_and_ends_in_the_truth(world: World) -> None:
    night(world)
    world.site.advance(3)
    night(world)
    before = active(world)
    world.site.advance(ROLLOVER_DAY - world.site.district.day)
    assert world.site.start_year == 2027
    refused = night(world)
    assert refused.applied == {}, "the pull itself refuses a year that nobody expects"
    assert set(refused.picture.troubles) == set(world.schools)
    world.write_roster(database_year=2027)
    summer = datetime(2027, 8, 18, 19)
    held = night(world, summer)
    assert held.applied == {}
    assert held.held["update"] > 30
    assert "2027-2028" in held.stop
    assert active(world) == before, "nothing has happened yet"
    for _ in range(3):
        approve_everything(world, summer)
        last = night(world, summer)
    early = set(world.site.district.truth()) - set(active(world))
    entries = {row.person.id: row.entered for row in world.site.district.active()}
    assert early, "the new year brings children who were never there"
    assert {entries[one] for one in early} == {FIRST_DAY}, "they wait until they enter"
    assert not early & set(before)
    assert last.waiting == {"enters_later": len(early)}
    assert set(active(world)) <= set(world.site.district.truth())
    first_day = datetime(2027, 8, 19, 19)
    night(world, first_day)
    approve_everything(world, first_day)
    assert_truth(world)
    check_history(world)
