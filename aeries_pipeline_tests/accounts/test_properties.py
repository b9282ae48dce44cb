"""What must hold for any student, any rows and any pulls."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.decide import decide
from aeries_pipeline.accounts.evidence import Picture
from aeries_pipeline.accounts.model import (
    Account,
    Kind,
    Standing,
    State,
    StudentRow,
    apply_all,
)
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline_tests.accounts.builders import POLICY, SCHOOLS, account, night, picture, row

MOMENT = night(9)
LATER = date(2026, 10, 20)


@st.composite
def student_rows(draw: st.DrawFn, night_of: int = 1) -> list[StudentRow]:
    one = st.builds(
        row,
        st.sampled_from([*SCHOOLS, 999]),
        st.sampled_from(Standing),
        night_of=st.just(night_of),
        student_number=st.integers(1, 3),
        entered=st.sampled_from([None, date(2026, 8, 20), date(2026, 9, 30), LATER]),
        left=st.sampled_from([None, date(2026, 9, 30)]),
        program=st.sampled_from(["", "2"]),
        next_school=st.sampled_from([0, 991, 992, 999]),
        next_grade=st.sampled_from([10, 13]),
        grade=st.none() | st.integers(8, 10),
        first_name=st.sampled_from(["", "Ana"]),
        last_name=st.sampled_from(["Lopez", "Garcia"]),
        email=st.sampled_from([None, "ana@example.org"]),
        birthdate=st.sampled_from([None, date(2012, 3, 4), date(2011, 1, 1)]),
        state_student_id=st.sampled_from([None, "0123456789", "9999999999"]),
    )
    rows = draw(st.lists(one, max_size=4, unique_by=lambda r: (r.school, r.student_number)))
    return [
        replace(r, standing=Standing.INACTIVE)
        if r.school == 999 and r.standing is Standing.ACTIVE
        else r
        for r in rows
    ]


accounts = st.none() | st.builds(
    account,
    st.sampled_from([*SCHOOLS, 990]),
    st.sampled_from(State),
    grade=st.integers(8, 10),
    next_school=st.sampled_from([None, 992]),
    other_schools=st.sampled_from([(), (993,)]),
    missing_since=st.sampled_from([None, night(0)]),
    absent_rounds=st.integers(0, 1),
    student_number=st.none() | st.integers(1, 3),
)
pictures = st.builds(
    picture,
    st.just(1),
    failed=st.sets(st.sampled_from(SCHOOLS)),
    older=st.dictionaries(st.sampled_from(SCHOOLS), st.just(0)),
)
policies = st.builds(
    Policy,
    schools=st.just(frozenset(SCHOOLS)),
    absent_rounds=st.integers(1, 3),
    secondary_programs=st.sampled_from([frozenset(), frozenset({"2"})]),
    pre_enrolled_accounts=st.booleans(),
    additions_only=st.booleans(),
    today=st.sampled_from([date.max, date(2026, 10, 2)]),
)


def after(
    before: Account | None, rows: list[StudentRow], seen: Picture, policy: Policy
) -> Account | None:
    decision = decide(before, rows, seen, policy)
    known = {7: decision.account} if decision.account else {}
    return apply_all(known, decision.changes, MOMENT).get(7)


@given(accounts, student_rows(), pictures, policies)
def test_the_same_evidence_twice_changes_nothing_the_second_time(
    before, rows, seen, policy
) -> None:
    once = after(before, rows, seen, policy)
    decision = decide(once, rows, seen, policy)
    assert decision.changes == ()
    assert decision.account == once


@given(accounts, student_rows(), pictures, policies, st.randoms())
def test_the_order_of_rows_does_not_matter(before, rows, seen, policy, random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (decide(before, some, seen, policy) for some in (rows, shuffled))
    assert one == other
    assert [c.fingerprint() for c in one.changes] == [c.fingerprint() for c in other.changes]


@given(accounts, student_rows(), pictures, policies, st.randoms())
def test_changes_give_the_same_account_in_whatever_order_they_come(
    before, rows, seen, policy, random
) -> None:
    decision = decide(before, rows, seen, policy)
    shuffled = list(decision.changes)
    random.shuffle(shuffled)
    known = {7: decision.account} if decision.account else {}
    assert apply_all(known, shuffled, MOMENT) == apply_all(known, decision.changes, MOMENT)


@given(accounts, student_rows(), pictures, policies)
def test_nobody_is_deactivated_without_complete_pulls_of_every_school(
    before, rows, seen, policy
) -> None:
    for change in decide(before, rows, seen, policy).changes:
        if change.kind is Kind.DEACTIVATE:
            assert seen.is_whole
            assert set(change.pull_ids) == {pull.pull_id for pull in seen.pulls.values()}
            shown = [r for r in rows if r.school in seen.pulls]
            assert not [r for r in shown if r.standing is Standing.ACTIVE]
            assert (
                change.code != "absent"
                or decide(before, rows, seen, policy).account.absent_rounds >= policy.absent_rounds
            )


@given(accounts, student_rows(), policies, st.sets(st.sampled_from(SCHOOLS), min_size=1))
def test_a_failed_school_causes_no_event_of_its_own(before, rows, policy, failed) -> None:
    """Neither its rows nor the want of them matter."""
    seen = picture(failed=failed)
    others = [r for r in rows if r.school not in failed]
    decision = decide(before, rows, seen, policy)
    assert decision == decide(before, others, seen, policy)
    if before and before.is_active and before.school in failed:
        assert decision.changes == ()
        assert decision.account == before
    for change in decision.changes:
        assert change.to_school not in failed


@given(student_rows(), pictures)
def test_who_is_active_in_a_whole_picture_has_an_account_there(rows, seen) -> None:
    result = after(None, rows, seen, POLICY)
    active = {r.school for r in rows if r.standing is Standing.ACTIVE and r.school in seen.pulls}
    assert (result is not None) == bool(active)
    if result:
        assert result.is_active
        assert {result.school, *result.other_schools} == active


@given(accounts, student_rows(), policies)
def test_after_enough_complete_nights_the_account_is_where_the_rows_are(
    before, rows, policy
) -> None:
    policy = replace(policy, additions_only=False, pre_enrolled_accounts=False, today=LATER)
    now = before
    for number in range(1, policy.absent_rounds + 2):
        tonight = [replace(r, pulled_at=night(number)) for r in rows]
        now = after(now, tonight, picture(number), policy)
    active = {r.school for r in rows if r.standing is Standing.ACTIVE and r.school in SCHOOLS}
    if now is None:
        assert not active
    else:
        assert now.is_active == bool(active)
        assert not active or now.school in active
