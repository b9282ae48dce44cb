"""The decision for one student, one test for each row of the table in docs/accounts.md."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from aeries_pipeline.accounts.decide import decide
from aeries_pipeline.accounts.model import Kind, Standing, State
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline_tests.accounts.builders import (
    POLICY,
    SCHOOLS,
    account,
    night,
    picture,
    row,
)

ACTIVE, AWAITED, GONE = Standing.ACTIVE, Standing.PRE_ENROLLED, Standing.INACTIVE


AT_ONCE = replace(POLICY, leaving_rounds=1)


def kinds(decision) -> list[str]:
    return [str(change.kind) for change in decision.changes]


def test_an_active_row_without_an_account_creates_one() -> None:
    decision = decide(None, [row()], picture(), POLICY)
    (change,) = decision.changes
    assert change.kind is Kind.CREATE
    assert (change.from_school, change.to_school) == (None, 991)
    assert change.effective_at == date(2026, 8, 20)
    assert change.pull_ids == ("night-1",)
    assert change.after.profile() == account().profile()


def test_a_new_student_with_two_active_rows_belongs_where_he_entered_last() -> None:
    rows = [row(991), row(992, entered=date(2026, 9, 30))]
    (change,) = decide(None, rows, picture(), POLICY).changes
    assert change.to_school == 992
    assert change.after.other_schools == (991,)


def test_a_pre_enrolled_row_alone_creates_only_where_the_district_wants_it() -> None:
    rows = [row(992, AWAITED, grade=8)]
    assert decide(None, rows, picture(), POLICY).changes == ()
    wanted = replace(POLICY, pre_enrolled_accounts=True)
    (change,) = decide(None, rows, picture(), wanted).changes
    assert (change.kind, change.to_school, change.code) == (Kind.CREATE, 992, "pre_enrolled_row")


def test_two_pre_enrolled_rows_alone_make_one_account_and_then_no_change() -> None:
    """The second one is next year's school, and no second enrolment."""
    policy = replace(POLICY, pre_enrolled_accounts=True)
    rows = [row(993, AWAITED), row(992, AWAITED)]
    (change,) = decide(None, rows, picture(), policy).changes
    assert (change.to_school, change.after.next_school) == (992, 993)
    assert change.after.other_schools == ()
    assert decide(change.after, rows, picture(), policy).changes == ()


def test_inactive_rows_alone_create_nothing() -> None:
    assert decide(None, [row(991, GONE), row(999, GONE)], picture(), POLICY).changes == ()


def test_nothing_changes_while_account_and_row_agree() -> None:
    decision = decide(account(), [row()], picture(), POLICY)
    assert decision.changes == ()
    assert decision.account == account(last_seen_at=row().pulled_at)


def test_active_elsewhere_only_is_a_transfer() -> None:
    rows = [row(991, GONE), row(992, entered=date(2026, 10, 1))]
    (change,) = decide(account(), rows, picture(), POLICY).changes
    assert (change.kind, change.from_school, change.to_school) == (Kind.TRANSFER, 991, 992)
    assert change.effective_at == date(2026, 10, 1)


def test_a_second_enrolment_keeps_the_school_and_is_noted() -> None:
    rows = [row(991), row(992, entered=date(2026, 9, 30))]
    (change,) = decide(account(), rows, picture(), POLICY).changes
    assert change.kind is Kind.UPDATE
    assert change.changed_fields == ("other_schools",)
    assert change.after.school == 991


def test_a_program_that_the_district_calls_secondary_comes_second() -> None:
    policy = replace(POLICY, secondary_programs=frozenset({"2"}))
    rows = [row(991, program="2"), row(992)]
    assert kinds(decide(account(), rows, picture(), policy)) == ["transfer", "update"]
    alone = [row(991, program="2")]
    assert decide(account(), alone, picture(), policy).changes == ()


def test_a_row_that_is_no_longer_active_waits_for_a_second_round() -> None:
    first = decide(account(), [row(991, GONE)], picture(1), POLICY)
    assert (first.changes, first.waiting) == ((), "left_too_briefly")
    again = decide(first.account, [row(991, GONE)], picture(1), POLICY)
    assert again.account == first.account, "the same pulls count once"
    second = decide(first.account, [row(991, GONE, night_of=2)], picture(2), POLICY)
    assert kinds(second) == ["deactivate"]


def test_a_status_that_was_typed_wrongly_and_is_mended_changes_nothing() -> None:
    first = decide(account(), [row(991, GONE)], picture(1), POLICY)
    mended = decide(first.account, [row(night_of=2)], picture(2), POLICY)
    assert mended.changes == ()
    wrong_again = decide(mended.account, [row(991, GONE, night_of=3)], picture(3), POLICY)
    assert wrong_again.waiting == "left_too_briefly"


def test_two_pulls_within_the_hours_of_a_round_are_one_round() -> None:
    first = decide(account(), [], picture(1), POLICY)
    soon = picture(1.1)
    assert decide(first.account, [], soon, POLICY).account.absent_rounds == 1
    later = replace(POLICY, round_hours=2)
    assert kinds(decide(first.account, [], soon, later)) == ["deactivate"]


def test_a_row_that_is_no_longer_active_deactivates_at_once_where_one_round_is_enough() -> None:
    rows = [row(991, GONE, left=date(2026, 9, 30))]
    decision = decide(account(), rows, picture(), AT_ONCE)
    (change,) = decision.changes
    assert (change.kind, change.code) == (Kind.DEACTIVATE, "inactive_status")
    assert change.effective_at == date(2026, 9, 30)
    assert (change.from_school, change.to_school) == (991, None)


def test_a_leave_date_alone_changes_nothing() -> None:
    assert decide(account(), [row(left=date(2026, 6, 1))], picture(), POLICY).changes == ()


def test_a_copy_in_the_inactive_school_deactivates() -> None:
    gone = row(999, GONE, pulled_at=night(1) + timedelta(minutes=1))
    (change,) = decide(account(), [gone], picture(), AT_ONCE).changes
    assert (change.kind, change.code) == (Kind.DEACTIVATE, "in_inactive_school")


def test_absence_waits_for_as_many_complete_rounds_as_the_district_wants() -> None:
    first = decide(account(), [], picture(1), POLICY)
    assert (first.changes, first.waiting) == ((), "absent_too_briefly")
    assert first.account.absent_rounds == 1
    again = decide(first.account, [], picture(1), POLICY)
    assert again.account == first.account, "the same pulls count once"
    second = decide(first.account, [], picture(2), POLICY)
    (change,) = second.changes
    assert (change.kind, change.code) == (Kind.DEACTIVATE, "absent")
    assert change.after.missing_since == night(1) + timedelta(minutes=1)


def test_a_round_counts_only_when_every_school_was_pulled_again() -> None:
    first = decide(account(), [], picture(1), POLICY)
    second = decide(first.account, [], picture(2, older={993: 1}), POLICY)
    assert second.account.absent_rounds == 1
    assert second.changes == ()


def test_an_absent_student_who_is_seen_again_starts_anew() -> None:
    first = decide(account(), [], picture(1), POLICY)
    seen = decide(first.account, [row(night_of=2)], picture(2), POLICY)
    assert seen.account.missing_since is None
    assert seen.account.absent_rounds == 0
    assert decide(seen.account, [], picture(3), POLICY).waiting == "absent_too_briefly"


@pytest.mark.parametrize("rows", [[], [row(991, GONE)], [row(992)]])
def test_nothing_happens_at_a_school_that_was_not_pulled(rows) -> None:
    decision = decide(account(), rows, picture(failed=[991]), POLICY)
    assert decision.changes == ()
    assert decision.account == account()
    assert decision.waiting == "school_not_pulled"


@pytest.mark.parametrize("rows", [[], [row(991, GONE)], [row(999, GONE)]])
def test_nobody_is_deactivated_while_another_school_was_not_pulled(rows) -> None:
    now = account()
    for number in (1, 2, 3):
        decision = decide(now, rows, picture(number, failed=[993]), POLICY)
        assert decision.changes == ()
        assert decision.waiting == "district_incomplete"
        now = decision.account


def test_rows_of_a_school_that_was_not_pulled_prove_nothing() -> None:
    rows = [row(991), row(993)]
    assert decide(account(), rows, picture(failed=[993]), POLICY).changes == ()


def test_an_old_pull_of_another_school_does_not_prove_that_a_student_left() -> None:
    rows = [row(991, GONE, night_of=4)]
    decision = decide(account(), rows, picture(4, older={992: 3}), AT_ONCE)
    assert (decision.changes, decision.waiting) == ((), "other_schools_older")
    later = decide(decision.account, rows, picture(5, older={991: 4}), AT_ONCE)
    assert kinds(later) == ["deactivate"]


def test_who_moves_while_the_lists_are_read_has_not_left() -> None:
    """Gone from 992, which is read late; not yet in 991, which was read before."""
    decision = decide(account(992), [row(992, GONE)], picture(1), AT_ONCE)
    assert (decision.changes, decision.waiting) == ((), "other_schools_older")
    arrived = [row(992, GONE, night_of=2), row(991, night_of=2)]
    assert kinds(decide(decision.account, arrived, picture(2), AT_ONCE)) == ["transfer"]


def test_a_pre_enrolled_row_is_next_years_school_and_no_transfer() -> None:
    rows = [row(991), row(992, AWAITED, entered=date(2027, 8, 19))]
    (change,) = decide(account(), rows, picture(), POLICY).changes
    assert change.kind is Kind.UPDATE
    assert change.changed_fields == ("next_school",)
    assert (change.after.school, change.after.next_school) == (991, 992)


@pytest.mark.parametrize(
    ("next_code", "next_grade", "expected"),
    [(0, 10, None), (991, 10, None), (999, 10, None), (992, 10, 992), (992, 13, None)],
    ids=["unset", "stays", "leaves", "moves", "senior"],
)
def test_next_years_school_from_the_row_itself(next_code, next_grade, expected) -> None:
    rows = [row(next_school=next_code, next_grade=next_grade)]
    (change,) = decide(None, rows, picture(), POLICY).changes
    assert change.after.next_school == expected


def test_a_senior_with_next_grade_13_stays_until_the_row_says_otherwise() -> None:
    assert (
        decide(account(grade=12), [row(grade=12, next_grade=13)], picture(), POLICY).changes == ()
    )


def test_somebody_with_a_place_next_year_stays_where_the_district_creates_such_accounts() -> None:
    policy = replace(POLICY, pre_enrolled_accounts=True)
    rows = [row(991, GONE), row(992, AWAITED)]
    (change,) = decide(account(), rows, picture(), policy).changes
    assert change.changed_fields == ("next_school",)
    assert kinds(decide(account(), rows, picture(), AT_ONCE)) == ["deactivate"]


def test_a_return_reactivates_and_transfers_where_the_school_is_another() -> None:
    gone = account(state=State.INACTIVE)
    assert kinds(decide(gone, [row()], picture(), POLICY)) == ["reactivate"]
    back = decide(gone, [row(992, grade=10)], picture(), POLICY)
    assert kinds(back) == ["reactivate", "transfer", "update"]


def test_an_inactive_account_ignores_rows_that_are_not_active() -> None:
    gone = account(state=State.INACTIVE)
    rows = [row(991, GONE), row(992, AWAITED), row(999, GONE)]
    assert decide(gone, rows, picture(), POLICY).changes == ()


def test_another_student_number_is_no_change() -> None:
    assert decide(account(), [row(student_number=4711)], picture(), POLICY).changes == ()


def test_an_update_names_the_fields_that_differ() -> None:
    rows = [row(last_name="Garcia", email=None, grade=10)]
    (change,) = decide(account(), rows, picture(), POLICY).changes
    assert change.changed_fields == ("grade", "last_name", "email")


@pytest.mark.parametrize("state", list(State))
def test_an_id_that_seems_to_be_another_persons_waits_for_a_person(state) -> None:
    rows = [row(first_name="Ben", last_name="Ortiz", birthdate=date(2011, 1, 1))]
    decision = decide(account(state=state), rows, picture(), POLICY)
    assert decision.changes
    assert all("another person" in change.doubt for change in decision.changes)


@pytest.mark.parametrize(
    "corrected",
    [
        {"birthdate": date(2011, 1, 1)},
        {"state_student_id": "9999999999"},
        {"first_name": "Anna", "last_name": "Lopez-Garcia"},
        {"birthdate": date(2011, 1, 1), "last_name": "Garcia"},
        {"birthdate": None, "state_student_id": None, "first_name": "ANA", "last_name": "LOPEZ"},
    ],
)
def test_one_correction_at_a_time_is_no_other_person(corrected) -> None:
    decision = decide(account(), [row(**corrected)], picture(), POLICY)
    assert kinds(decision) == ["update"]
    assert not decision.changes[0].doubt


def test_a_merged_id_is_deactivated_and_names_its_successor() -> None:
    (change,) = decide(account(), [], picture(), AT_ONCE, merged_into=8).changes
    assert (change.kind, change.code, change.related_student_id) == (Kind.DEACTIVATE, "merged", 8)


def test_an_account_at_a_school_that_left_the_roster_waits_for_a_person() -> None:
    policy = Policy(schools=frozenset({992, 993}))
    at_991 = account()
    first = decide(at_991, [], picture(1, schools=[992, 993]), policy)
    second = decide(first.account, [], picture(2, schools=[992, 993]), policy)
    (change,) = second.changes
    assert change.kind is Kind.DEACTIVATE
    assert "no longer in the roster" in change.doubt
    moved = decide(at_991, [row(992)], picture(1, schools=[992, 993]), policy)
    assert kinds(moved) == ["transfer"]


def test_additions_only_lets_new_and_returning_students_through() -> None:
    policy = replace(POLICY, additions_only=True)
    assert kinds(decide(None, [row()], picture(), policy)) == ["create"]
    back = decide(account(state=State.INACTIVE), [row(992)], picture(), policy)
    assert kinds(back) == ["reactivate", "transfer"]
    for rows in ([row(grade=10)], [row(992)], [row(991, GONE)]):
        decision = decide(account(), rows, picture(), policy)
        assert (decision.changes, decision.waiting) == ((), "additions_only")


@pytest.mark.parametrize(
    ("code", "school", "expected"),
    [
        ("", 991, ACTIVE), (" ", 991, ACTIVE), ("\t", 991, ACTIVE), ("*", 991, AWAITED),
        ("N", 991, GONE), ("I", 991, GONE), ("Z", 991, GONE), ("", 999, GONE),
        ("A", 991, ACTIVE), ("P", 991, AWAITED), ("T", 991, None),
    ],
)  # fmt: skip
def test_status_codes_mean_what_the_district_says(code, school, expected) -> None:
    policy = Policy(
        schools=frozenset(SCHOOLS),
        active_codes=frozenset({"A"}),
        pre_enrolled_codes=frozenset({"*", "P"}),
        ignored_codes=frozenset({"T"}),
    )
    assert policy.standing(code, school) is expected


@pytest.mark.parametrize(
    ("row_of_leaving", "code", "asks"),
    [
        ({"next_school": 888}, "left_for_unrostered_school", True),
        ({"next_school": 777}, "left_for_unrostered_school", False),
        ({"next_school": 992}, "inactive_status", False),
        ({"next_school": 999}, "inactive_status", False),
        ({"next_school": 0}, "inactive_status", False),
        ({"next_school": 888, "school": 999, "night_of": 0}, "left_for_unrostered_school", True),
    ],
)
def test_leaving_for_a_school_beyond_the_roster_is_told_apart(row_of_leaving, code, asks) -> None:
    """School 888 teaches by Aeries' own list, school 777 does not."""
    seen = replace(picture(), unrostered=frozenset({888}))
    gone = row(**{"school": 991, "standing": GONE, **row_of_leaving})
    (change,) = decide(account(), [gone], seen, AT_ONCE).changes
    assert change.code == code
    assert ("school 888, which teaches by Aeries' own list" in change.doubt) is asks


def test_who_is_merely_missing_is_absent_wherever_the_next_school_is() -> None:
    """A far stricter bound counts the absent."""
    once = replace(AT_ONCE, absent_rounds=1)
    seen = replace(picture(), unrostered=frozenset({888}))
    (change,) = decide(account(next_school=888), [], seen, once).changes
    assert (change.code, change.doubt) == ("absent", "")
