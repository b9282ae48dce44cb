"""What accounts may conclude from nights in which only changed students were read."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from aeries_pipeline.accounts.ask import asking, confirm
from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.outcomes import Mode
from aeries_pipeline_tests.accounts.test_days import active, approve_everything, assert_truth
from aeries_pipeline_tests.conftest import FAST, World

BY_FEED = {
    "incremental": {"whole": [], "kilobytes_per_request": 0.001},
    # These nights follow each other within a second.
    "accounts": {"round_hours": 1e-7},
}


def night(world: World, *, full: bool = False) -> tuple[Computed, set[Mode]]:
    world.site.clock_offset += 86_400
    with world.session(replace(FAST, full=full)) as session:
        found = pull_resource(session, RESOURCES["students"], world.schools)
        confirm(world.warehouse, world.district, lambda: asking(session))
    return compute(world.warehouse, world.district), {one.pull.mode for one in found}


def test_students_are_read_whole_unless_somebody_decides_otherwise(world: World) -> None:
    night(world)
    world.site.touch(0.1)
    assert Mode.CHANGES not in night(world)[1]


def test_a_night_of_changes_brings_the_new_and_deactivates_nobody(make_world) -> None:
    world = make_world(roster=BY_FEED)
    night(world)
    before = active(world)
    while set(world.site.district.truth()) >= set(before):
        world.site.advance(1)
    computed, modes = night(world)
    assert Mode.CHANGES in modes, "and whole where a record is gone"
    assert "deactivate" not in computed.applied
    now = active(world)
    assert set(now) >= set(before) | set(world.site.district.truth())
    for _ in range(3):
        computed, _modes = night(world, full=True)
        approve_everything(world)
    assert_truth(world)


def test_a_row_that_vanished_is_not_counted_missing_twice_on_one_list(make_world) -> None:
    world = make_world(roster=BY_FEED)
    night(world)
    row = world.site.district.rows[world.schools[0]].pop(2)
    world.site.district.version += 1
    night(world, full=True)
    assert row.person.id in active(world), "one round of absence is too few"
    for _ in range(4):
        assert night(world)[1] == {Mode.CHANGES}
        assert row.person.id in active(world), "a night of changes is no round"
    night(world, full=True)
    assert row.person.id not in active(world)


def live_through(world: World, seed: int, days: int) -> None:
    rng = random.Random(seed)
    night(world)
    before = active(world)
    for _ in range(days):
        world.site.advance(rng.choice([0, 1, 1, 2]))
        school = rng.choice(world.schools)
        if rng.random() < 0.3:
            path = f"schools/{school}/students"
            world.faults({"kind": rng.choice(["html", "half", "empty"]), "path": path})
        night(world, full=rng.random() < 0.3)
        world.faults()
        lost = set(before) - set(active(world))
        assert lost <= set(before) - set(world.site.district.truth()), "only who really left"
        before = active(world)
    for _ in range(3):
        night(world, full=True)
        approve_everything(world)
    assert_truth(world)


def test_a_sequence_of_such_days_ends_in_the_truth(make_world) -> None:
    live_through(make_world(roster=BY_FEED), seed=1, days=5)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 7))
def test_many_sequences_of_such_days_end_in_the_truth(make_world, seed: int) -> None:
    live_through(make_world(schools=4, students=300, roster=BY_FEED), seed, days=10)
