"""Bounds on a whole batch."""

from dataclasses import replace

import pytest

from aeries_pipeline.accounts.decide import NOT_SHARED
from aeries_pipeline.accounts.model import Change, Kind
from aeries_pipeline.accounts.policy import Bounds
from aeries_pipeline.accounts.safeguards import ABSENT, Past, Ruling, rule, stop_reason
from aeries_pipeline_tests.accounts.builders import YEAR, account, picture

BOUNDS = Bounds()


def changes(kind: Kind, number: int, school: int = 991, first: int = 1) -> list[Change]:
    before = None if kind is Kind.CREATE else school
    after = None if kind is Kind.DEACTIVATE else school
    return [
        Change(student, kind, account(student_id=student), before, after)
        for student in range(first, first + number)
    ]


@pytest.mark.parametrize(
    ("number", "accounts", "held"),
    [(4, 10, 0), (5, 50, 0), (5, 49, 5), (10, 100, 0), (11, 100, 11), (100, 1000, 0)],
    ids=["too few to count", "a tenth", "more than a tenth", "ten", "eleven", "many and a tenth"],
)
def test_deactivations_are_held_above_a_tenth_and_from_five_on(number, accounts, held) -> None:
    batch = changes(Kind.DEACTIVATE, number)
    assert len(rule(batch, {991: accounts}, BOUNDS).held) == held


def test_one_schools_deactivations_hold_only_that_school() -> None:
    batch = changes(Kind.DEACTIVATE, 20) + changes(Kind.DEACTIVATE, 3, 992, first=100)
    ruling = rule(batch, {991: 100, 992: 900}, BOUNDS)
    assert sorted(ruling.held) == list(range(20))
    assert "20 deactivations of 100 active accounts in school 991, more than 10%" in ruling.held[0]


def test_a_district_may_exceed_its_bound_where_no_school_does() -> None:
    batch = [one for s in range(30) for one in changes(Kind.DEACTIVATE, 4, 900 + s, first=s * 10)]
    ruling = rule(batch, {900 + s: 35 for s in range(30)}, BOUNDS)
    assert len(ruling.held) == 120
    assert [trip.school for trip in ruling.trips] == [None]


def test_too_many_deactivations_hold_nothing_else() -> None:
    batch = (
        changes(Kind.DEACTIVATE, 50)
        + changes(Kind.CREATE, 10, first=1000)
        + changes(Kind.UPDATE, 10, first=2000)
    )
    ruling = rule(batch, {991: 100}, BOUNDS)
    assert {batch[place].kind for place in ruling.held} == {Kind.DEACTIVATE}


def test_updates_and_transfers_are_counted_by_student() -> None:
    both = changes(Kind.UPDATE, 70) + changes(Kind.TRANSFER, 70)
    assert not rule(both, {991: 100}, BOUNDS).held
    more = changes(Kind.UPDATE, 70) + changes(Kind.TRANSFER, 10, first=500)
    assert len(rule(more, {991: 100}, BOUNDS).held) == 80


def test_many_new_accounts_wait_but_a_first_pull_and_a_new_school_do_not() -> None:
    assert not rule(changes(Kind.CREATE, 1942), {}, BOUNDS).held
    assert not rule(changes(Kind.CREATE, 50, 992), {991: 1000}, BOUNDS).held
    assert len(rule(changes(Kind.CREATE, 21), {991: 100}, BOUNDS).held) == 21
    returning = changes(Kind.CREATE, 10) + changes(Kind.REACTIVATE, 11, first=100)
    assert len(rule(returning, {991: 100}, BOUNDS).held) == 21


def test_a_share_that_is_high_and_allowed_is_a_warning() -> None:
    ruling = rule(changes(Kind.DEACTIVATE, 6), {991: 100}, BOUNDS)
    assert not ruling.held
    assert ruling.warnings == (
        "6 deactivations of 100 active accounts in the district, more than 5%",
        "6 deactivations of 100 active accounts in school 991, more than 5%",
    )


@pytest.mark.parametrize(
    ("number", "accounts", "warned"),
    [(4, 41, False), (5, 99, True), (5, 100, False), (6, 119, True), (6, 120, False)],
)
def test_a_warning_begins_above_a_twentieth_and_at_five(number, accounts, warned) -> None:
    batch = changes(Kind.DEACTIVATE, number) + changes(Kind.DEACTIVATE, 1, 992, first=100)
    ruling = rule(batch, {991: accounts, 992: 5000}, BOUNDS)
    said = f"{number} deactivations of {accounts} active accounts in school 991, more than 5%"
    assert ruling.warnings == ((said,) if warned else ())


def test_a_school_that_is_held_has_no_warning_beside() -> None:
    batch = changes(Kind.DEACTIVATE, 20) + changes(Kind.DEACTIVATE, 6, 992, first=100)
    ruling = rule(batch, {991: 100, 992: 100, 993: 9000}, BOUNDS)
    assert [trip.school for trip in ruling.trips] == [991]
    assert ruling.warnings == (
        "6 deactivations of 100 active accounts in school 992, more than 5%",
    )


def test_updates_that_are_held_take_no_warning_of_deactivations_away() -> None:
    batch = changes(Kind.UPDATE, 90) + changes(Kind.DEACTIVATE, 6, first=500)
    ruling = rule(batch, {991: 100}, BOUNDS)
    assert {trip.group for trip in ruling.trips} == {"updates"}
    assert len(ruling.warnings) == 2


def test_a_stop_and_a_doubt_hold_whatever_the_numbers() -> None:
    batch = changes(Kind.CREATE, 1) + changes(Kind.UPDATE, 1, first=5)
    assert rule(batch, {991: 1000}, BOUNDS, "the year changed").held == {
        0: "the year changed",
        1: "the year changed",
    }
    doubted = [Change(7, Kind.UPDATE, account(), 991, 991, doubt="another person")]
    assert rule(doubted, {991: 1000}, BOUNDS).held == {0: "another person"}


def test_bounds_are_the_districts() -> None:
    none = Bounds(max_deactivated=0, min_changes=1)
    assert rule(changes(Kind.DEACTIVATE, 1), {991: 1000}, none).held
    anything = Bounds(max_deactivated=1, max_updated=1, max_created=1)
    assert not rule(changes(Kind.DEACTIVATE, 100), {991: 100}, anything).held


def test_a_new_school_year_and_a_district_without_active_rows_stop_everything() -> None:
    assert stop_reason(picture(), "", 10, 10) == ""
    assert stop_reason(picture(), YEAR, 10, 10) == ""
    assert "2027-2028" in stop_reason(picture(year="2027-2028"), YEAR, 10, 10)
    assert "no row of the district is active" in stop_reason(picture(), YEAR, 0, 10)


def test_a_school_without_active_rows_or_of_another_year_is_not_in_the_picture() -> None:
    from dataclasses import replace

    from aeries_pipeline.accounts.evidence import picture_of

    pulls = list(picture().pulls.values())
    odd = [replace(pulls[0], active_accounts=40), *pulls[1:]]
    assert "none of its rows is active" in picture_of(odd, [991, 992, 993], 5).troubles[991]
    mixed = [replace(pulls[0], database_year="2025-2026"), *pulls[1:]]
    assert set(picture_of(mixed, [991, 992, 993], 5).troubles) == {991}
    assert "never pulled" in picture_of(pulls[1:], [991, 992, 993], 5).troubles[991]


def absent(number: int, school: int = 991, first: int = 1) -> list[Change]:
    return [replace(one, code=ABSENT) for one in changes(Kind.DEACTIVATE, number, school, first)]


@pytest.mark.parametrize(
    ("number", "past", "accounts", "held"),
    [(1, 9, 91, 0), (1, 10, 90, 1), (1, 3, 16, 0), (1, 4, 16, 1), (2, 100, 1000, 0)],
    ids=["a tenth", "more than a tenth", "too few to count", "five", "many and a tenth"],
)
def test_deactivations_of_many_days_count_together(number, past, accounts, held) -> None:
    ruling = rule(changes(Kind.DEACTIVATE, number), {991: accounts}, BOUNDS, past=Past({991: past}))
    assert len(ruling.held) == held
    if held:
        assert f"{number + past} deactivations in 30 days of {accounts + past}" in ruling.held[0]


@pytest.mark.parametrize(
    ("number", "past", "accounts", "held"),
    [(3, 0, 50, 0), (4, 0, 50, 4), (1, 2, 50, 0), (1, 3, 50, 1), (9, 11, 1000, 0), (1, 21, 999, 1)],
)  # fmt: skip
def test_who_is_merely_missing_has_a_stricter_bound(number, past, accounts, held) -> None:
    before = Past({991: past}, {991: past})
    batch = absent(number) + changes(Kind.DEACTIVATE, 1, first=500)
    ruling = rule(batch, {991: accounts}, BOUNDS, past=before)
    assert len(ruling.held) == held, "who left by a status code is not held for that"
    if held:
        assert "missing from every list in 30 days" in ruling.held[0]
        assert "more than the larger of 3 and 2%" in ruling.held[0]


def test_the_days_of_one_school_are_not_those_of_another() -> None:
    batch = changes(Kind.DEACTIVATE, 2) + changes(Kind.DEACTIVATE, 2, 992, first=100)
    before = Past({991: 4, 992: 40}, left_out={991: 1, 992: 2})
    ruling = rule(batch, {991: 200, 992: 300, 993: 1000}, BOUNDS, past=before)
    assert [(one.school, one.students, one.accounts) for one in ruling.trips] == [(992, 42, 342)]
    assert sorted(ruling.held) == [2, 3], "the other school, and the district, are within theirs"
    assert "42 deactivations in 30 days of 342 active accounts in school 992" in ruling.held[2]


def test_the_first_child_of_a_small_school_is_not_held_for_the_days_before() -> None:
    # One is more than a tenth of four, and too few to count.
    ruling = rule(changes(Kind.DEACTIVATE, 1), {991: 3}, BOUNDS, past=Past({991: 1}))
    assert ruling == Ruling()


def test_a_bound_of_the_districts_own_counts_from_the_first_change() -> None:
    strict = Bounds(max_absent=0, min_absent=0, min_changes=50)
    ruling = rule(absent(1), {991: 1000}, strict, past=Past({991: 1}, {991: 1}))
    assert len(ruling.held) == 0, "as many as are always allowed is none, so the least is as of all"
    ruling = rule(absent(1), {991: 1000}, replace(strict, min_changes=1),
                  past=Past({991: 1}, {991: 1}))  # fmt: skip
    assert len(ruling.held) == 1


def test_who_is_no_longer_shared_has_a_bound_of_its_own_and_counts_as_no_leaving() -> None:
    out = [replace(one, code=NOT_SHARED) for one in changes(Kind.DEACTIVATE, 6)]
    leaving = changes(Kind.DEACTIVATE, 4, first=100)
    ruling = rule([*out, *leaving], {991: 90}, BOUNDS, past=Past(left_out={991: 4}))
    assert sorted(ruling.held) == list(range(6)), "those who leave are not held for it"
    assert {(one.group, one.students, one.accounts) for one in ruling.trips} == {
        ("exclusions", 10, 94)
    }
    assert ruling.held[0] == (
        "10 students left out of what the district shares in 30 days of 94 active accounts in the "
        "district, more than the larger of 5 and 1%"
    )


def test_the_days_before_hold_nothing_by_themselves() -> None:
    ruling = rule(changes(Kind.CREATE, 1), {991: 100}, BOUNDS, past=Past({991: 50}, {991: 50}))
    assert ruling == Ruling()
