"""Nobody wrongly leaves a file of people: the decision alone, and over many bad nights."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.accounts.safeguards import Past
from aeries_pipeline.accounts.xello.members import (
    File,
    Found,
    Key,
    Member,
    Outcome,
    Reading,
    Standing,
    decide,
)

EDUCATORS = File("Educator", "educators")
TEACHERS = File("SectionTeacher", "teachers of sections", absence_waits=False)
POLICY = Policy(schools=frozenset({991, 992, 993}))
START = datetime(2026, 10, 1, 20, 0)
HERE = Found(Standing.HERE, ("a",))
LEFT = Found(Standing.LEFT)
WITHDRAWN = Found(Standing.WITHDRAWN)


def night(number: float) -> datetime:
    return START + timedelta(days=number)


def crowd(number: int, school: int = 991) -> dict[Key, Member]:
    return {(str(one), school): Member(("a",), night(0)) for one in range(number)}


def run(
    before: Mapping[Key, Member],
    found: Mapping[Key, Found],
    number: float = 1,
    *,
    file: File = EDUCATORS,
    policy: Policy = POLICY,
    trouble: str = "",
    past: Past | None = None,
) -> Outcome:
    readings = {None: Reading(night(number), trouble)}
    return decide(file, before, found, readings, policy, night(number), past)


def here(before: Mapping[Key, Member]) -> dict[Key, Found]:
    return dict.fromkeys(before, HERE)


ONE = ("0", 991)


def test_who_is_missing_from_the_list_stays_until_a_person_has_looked() -> None:
    members: Mapping[Key, Member] = crowd(30)
    found = {key: HERE for key in members if key != ONE}
    for number in range(1, 20):
        outcome = run(members, found, number)
        members = outcome.members
        assert members[ONE].is_in
    assert "a person looks first" in members[ONE].held
    assert outcome.reasons == {members[ONE].held: 1}
    approved = {**members, ONE: replace(members[ONE], approved=True)}
    gone = run(approved, found, 20)
    assert ONE not in gone.members
    assert (gone.left, gone.approved) == ([], 1)
    back = run(approved, here(members), 20)
    assert back.members[ONE].seen == back.members[ONE], "an approval ends where nothing is asked"


def test_who_left_by_a_code_leaves_after_two_lists_that_say_so() -> None:
    members = crowd(30)
    first = run(members, {**here(members), ONE: LEFT}, 1)
    assert first.members[ONE].is_in
    again = run(first.members, {**here(members), ONE: LEFT}, 1.1)
    assert again.members[ONE].rounds == 1, "ten minutes later is the same night"
    mended = run(first.members, here(members), 2)
    assert mended.members[ONE].rounds == 0
    second = run(first.members, {**here(members), ONE: LEFT}, 2)
    assert ONE not in second.members
    assert second.left == [("left", 991)]


def test_a_word_that_is_taken_back_counts_at_once() -> None:
    members = crowd(30)
    assert ONE not in run(members, {**here(members), ONE: WITHDRAWN}).members


@pytest.mark.parametrize("how", ["trouble", "additions only", "no list"])
def test_without_a_good_list_nobody_leaves(how: str) -> None:
    members = {**crowd(30), ONE: Member(("a",), night(0), rounds=1, counted_at=night(0))}
    found = dict.fromkeys(members, WITHDRAWN)
    policy = replace(POLICY, additions_only=how == "additions only")
    if how == "no list":
        assert decide(EDUCATORS, members, found, {}, policy, night(1)).members == members
        return
    trouble = "a login page came" if how == "trouble" else ""
    assert run(members, found, trouble=trouble, policy=policy).members == members


@pytest.mark.parametrize(("number", "held"), [(4, 0), (6, 0), (7, 7), (60, 60)])
def test_more_than_the_bound_wait(number: int, held: int) -> None:
    members = crowd(60)
    found = {key: WITHDRAWN if int(key[0]) < number else HERE for key in members}
    outcome = run(members, found)
    assert sum(outcome.reasons.values()) == held
    assert len(outcome.members) == (60 if held else 60 - number)
    if held:
        assert "educators leaving of 60 in" in next(iter(outcome.reasons))


def test_what_no_night_exceeds_the_days_together_do() -> None:
    members = crowd(60)
    found = {key: WITHDRAWN if int(key[0]) < 4 else HERE for key in members}
    assert run(members, found, past=Past({991: 1})).left
    assert not run(members, found, past=Past({991: 3})).left


def test_new_ones_by_the_dozen_wait_and_a_first_file_does_not() -> None:
    members = crowd(20)
    many = {**here(members), **{(f"n{one}", 991): HERE for one in range(6)}}
    assert all(one.is_in for one in run({}, many).members.values())
    outcome = run(members, many)
    waiting = {key: one for key, one in outcome.members.items() if not one.is_in}
    assert len(waiting) == 6
    approved = {key: replace(one, approved=True) for key, one in waiting.items()}
    after = run({**outcome.members, **approved}, many, 2)
    assert all(one.is_in for one in after.members.values())
    gone = run(outcome.members, here(members), 2)
    assert set(gone.members) == set(members), "who waits and is gone again never came"


def test_changed_values_come_and_a_file_that_shifts_waits() -> None:
    members = crowd(20)
    changed = {**here(members), ONE: Found(Standing.HERE, ("b",))}
    assert run(members, changed).members[ONE].values == ("b",)
    shifted = dict.fromkeys(members, Found(Standing.HERE, ("b",)))
    assert {one.values for one in run(members, shifted).members.values()} == {("a",)}


def test_a_teacher_of_a_section_goes_after_two_lists_and_within_the_bounds() -> None:
    members = crowd(60)
    found = {key: HERE for key in members if key != ONE}
    first = run(members, found, file=TEACHERS)
    assert ONE in first.members
    assert ONE not in run(first.members, found, 2, file=TEACHERS).members


LACKS = {"three rows": slice(3), "no addresses": slice(None), "half": slice(None, None, 2)}
"""What a list lacks; a row without an address says nothing of its person."""


class Town:
    """A district whose people are known, and lists of them that are wrong."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.here = {(str(one), 991 + one % 3): "a" for one in range(self.rng.randint(4, 90))}
        self.coded: dict[Key, float] = {}
        self.members: Mapping[Key, Member] = {}
        self.faults: dict[str, int] = {}

    def live(self) -> None:
        """Somebody comes, and somebody leaves with a code."""
        if self.rng.random() < 0.3:
            self.here[f"n{self.rng.random()}", self.rng.choice([991, 992, 993])] = "a"
        if self.rng.random() < 0.2 and len(self.here) > 3:
            gone = self.rng.choice(sorted(self.here))
            del self.here[gone]
            self.coded[gone] = 0

    def listed(self, number: int) -> tuple[dict[Key, Found], dict[int | None, Reading]]:
        """Return what the night's lists show, with whatever is wrong about them."""
        found = dict.fromkeys(self.here, HERE) | dict.fromkeys(self.coded, LEFT)
        readings: dict[int | None, Reading] = {
            school: Reading(night(number)) for school in (991, 992, 993)
        }
        for kind in (*LACKS, "no permission", "an empty list", "a wrong code"):
            if not self.faults.get(kind) and self.rng.random() < 0.08:
                self.faults[kind] = 1 if kind == "a wrong code" else self.rng.randint(1, 6)
        some = sorted(self.here)
        for kind in [one for one, left in self.faults.items() if left]:
            self.faults[kind] -= 1
            if kind in LACKS:
                found = {key: one for key, one in found.items() if key not in some[LACKS[kind]]}
            elif kind == "a wrong code":
                # Typed wrongly for a day; on the day after others are.
                found |= dict.fromkeys(some[number % 4 :: 4][:2], LEFT)
            else:
                # The last good rows stay, and the newest try is known to be none.
                readings[992] = Reading(night(number - 1), kind)
        return found, readings


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_over_many_bad_nights_nobody_who_is_there_leaves(seed: int) -> None:
    town = Town(seed)
    for number in range(1, 26):
        town.live()
        found, readings = town.listed(number)
        outcome = decide(EDUCATORS, town.members, found, readings, POLICY, night(number))
        was_in = {key for key, one in town.members.items() if one.is_in}
        is_in = {key for key, one in outcome.members.items() if one.is_in}
        assert not (was_in - is_in) & set(town.here), "somebody who is there has left"
        town.members = outcome.members
    # Good nights at the end: whoever left with a code is gone, or held by a bound.
    for number in range(30, 33):
        found = dict.fromkeys(town.here, HERE) | dict.fromkeys(town.coded, LEFT)
        good: dict[int | None, Reading] = {None: Reading(night(number))}
        town.members = decide(
            EDUCATORS, town.members, found, good, POLICY, night(number)
        ).members  # fmt: skip
    late = [one for key, one in town.members.items() if key in town.coded and not one.held]
    assert late == []
    assert all(town.members[key].is_in or town.members[key].held for key in town.here), (
        "who is there is in the file, or waits to come"
    )
