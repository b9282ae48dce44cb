from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.stores.judge import Compared, Facts, Safeguards, Status, judge

BOUNDS = Safeguards()


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        (Facts(rows=100, quarantined=0, records=100), Status.COMPLETE, ""),
        (Facts(rows=0, quarantined=0, records=0), Status.COMPLETE, ""),
        (Facts(rows=0, quarantined=0, records=0, may_be_empty=False), Status.REFUSED, "empty"),
        (Facts(0, 0, 0, previous_rows=0, may_be_empty=False), Status.COMPLETE, ""),
        (Facts(rows=0, quarantined=0, records=0, previous_rows=3), Status.REFUSED, "empty"),
        (Facts(rows=79, quarantined=0, records=79, previous_rows=100), Status.REFUSED, "shrunken"),
        (Facts(rows=81, quarantined=0, records=81, previous_rows=100), Status.COMPLETE, ""),
        (Facts(rows=2, quarantined=0, records=2, previous_rows=10), Status.COMPLETE, ""),
        (Facts(rows=95, quarantined=6, records=101), Status.REFUSED, "too_many_bad_rows"),
        (Facts(rows=0, quarantined=0, records=0, previous_rows=1), Status.REFUSED, "empty"),
        (Facts(rows=80, quarantined=0, records=80, previous_rows=100), Status.COMPLETE, ""),
        (Facts(rows=79, quarantined=0, records=79, previous_rows=99), Status.REFUSED, "shrunken"),
        (Facts(rows=2, quarantined=2, records=4), Status.COMPLETE, ""),
        (Facts(rows=95, quarantined=5, records=100), Status.COMPLETE, ""),
        (Facts(rows=94, quarantined=5, records=99), Status.REFUSED, "too_many_bad_rows"),
        (Facts(rows=96, quarantined=5, records=101), Status.COMPLETE, ""),
        (
            Facts(rows=9, quarantined=0, records=9, missing=("Grade",)),
            Status.REFUSED,
            "missing_field",
        ),
    ],
)
def test_what_may_replace_the_last_good_rows(facts: Facts, status: Status, code: str) -> None:
    verdict = judge(facts, BOUNDS)
    assert (verdict.status, verdict.code) == (status, code)
    assert bool(verdict.reason) == (status is not Status.COMPLETE)


def test_a_person_may_accept_fewer_rows_but_not_missing_fields() -> None:
    fewer = Facts(rows=1, quarantined=0, records=1, previous_rows=1000, may_be_empty=False)
    assert judge(fewer, BOUNDS, accept_shrunken=True).status is Status.COMPLETE
    lacking = Facts(rows=9, quarantined=0, records=9, missing=("Grade",))
    assert judge(lacking, BOUNDS, accept_shrunken=True).status is Status.REFUSED


@given(
    rows=st.integers(0, 5000),
    quarantined=st.integers(0, 5000),
    previous=st.none() | st.integers(0, 5000),
)
def test_a_complete_pull_never_loses_more_than_the_bound(
    rows: int, quarantined: int, previous: int | None
) -> None:
    facts = Facts(rows, quarantined, rows + quarantined, previous_rows=previous)
    if judge(facts, BOUNDS).status is Status.COMPLETE:
        lost = (previous or 0) - rows
        assert lost < BOUNDS.min_drop_rows or lost <= BOUNDS.max_drop * (previous or 0)
        assert not (previous and not rows)


@given(rows=st.integers(1, 5000), previous=st.integers(0, 5000))
def test_more_rows_than_before_are_never_refused(rows: int, previous: int) -> None:
    facts = Facts(rows=previous + rows, quarantined=0, records=0, previous_rows=previous)
    assert judge(facts, BOUNDS).status is Status.COMPLETE


STEADY = Compared(own=100, own_before=100, coded=30, coded_before=30, known=60)


def verdict_of(**changes: int) -> str:
    seen = replace(STEADY, **changes)
    facts = Facts(seen.own + seen.elsewhere, 0, 0, previous_rows=seen.own_before, compared=seen)
    return judge(facts, BOUNDS).code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ""),
        ({"elsewhere": 4}, ""),
        ({"elsewhere": 5}, ""),
        ({"elsewhere": 6}, "other_school"),
        ({"own": 95, "elsewhere": 5}, ""),
        ({"own": 94, "elsewhere": 5}, "other_school"),
        ({"own": 30, "own_before": 30, "elsewhere": 745}, "other_school"),
        ({"own": 81}, ""),
        ({"own": 79, "elsewhere": 4}, "shrunken"),
        ({"own": 200}, ""),
        ({"own": 201}, "grown"),
        ({"own": 100, "own_before": 50}, ""),
        ({"own": 99, "own_before": 49}, "grown"),
        ({"own": 60, "own_before": 20}, ""),
        ({"own": 5000, "own_before": 0}, ""),
        ({"coded": 0}, "codes_vanished"),
        ({"coded": 0, "coded_before": 4}, ""),
        ({"coded": 0, "coded_before": 5}, "codes_vanished"),
        ({"lower": 31}, "lower_grades"),
        ({"lower": 30}, ""),
        ({"known": 4, "lower": 4}, ""),
        ({"known": 5, "lower": 5}, "lower_grades"),
        ({"earlier": 31}, "earlier_entries"),
        ({"back": 7}, ""),
        ({"back": 8}, "older_list"),
        ({"back": 5, "coded_before": 19}, "older_list"),
        ({"back": 5, "coded_before": 20}, ""),
        ({"back": 30, "coded_before": 300}, ""),
    ],
)
def test_a_list_that_no_ordinary_night_brings_is_refused(changes: dict, code: str) -> None:
    assert verdict_of(**changes) == code


def test_a_person_may_accept_such_a_list_but_never_another_schools() -> None:
    for changes in ({"own": 201}, {"coded": 0}, {"lower": 31}, {"back": 8}):
        seen = replace(STEADY, **changes)
        facts = Facts(seen.own, 0, 0, previous_rows=100, compared=seen)
        assert judge(facts, BOUNDS, accept_shrunken=True).status is Status.COMPLETE
    facts = Facts(145, 0, 0, previous_rows=100, compared=replace(STEADY, elsewhere=45))
    assert judge(facts, BOUNDS, accept_shrunken=True).status is Status.REFUSED


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            Facts(9, 0, 9, missing=("Grade",)),
            "required field Grade not in the answer; ask the district whether the certificate "
            "hides fields or the Aeries version has changed",
        ),
        (Facts(9, 0, 9, missing=("Grade", "Sex")), "required fields Grade, Sex not in the answer"),
        (Facts(94, 6, 100), "6 of 100 rows are not valid, more than 5%"),
        (Facts(0, 0, 0, may_be_empty=False), "the answer holds no rows, which cannot be right; "),
        (Facts(0, 0, 0, previous_rows=3), "the answer is empty after 3 rows last time; "),
        (Facts(79, 0, 79, previous_rows=100), "79 rows after 100 last time, a loss of more than "),
        (
            Facts(145, 0, 0, compared=replace(STEADY, elsewhere=45)),
            "45 of 145 rows name another school, more than 5%: the server seems to have sent "
            "another school's list; the last good table stays, pull again later",
        ),
        (
            Facts(201, 0, 0, compared=replace(STEADY, own=201)),
            "201 rows after 100 last time, a growth of more than 100%; ",
        ),
        (
            Facts(100, 0, 0, compared=replace(STEADY, lower=31)),
            "31 of 60 students are a grade lower than last time: the list seems to be of another "
            "school year; ",
        ),
        (
            Facts(100, 0, 0, compared=replace(STEADY, earlier=31)),
            "31 of 60 students entered most of a year earlier than last time: the list seems",
        ),
        (
            Facts(100, 0, 0, compared=replace(STEADY, coded=0)),
            "none of 100 rows has a status code, after 30 last time; ",
        ),
        (
            Facts(100, 0, 0, compared=replace(STEADY, back=8)),
            "8 students who had a status code are active again: the list seems to be an older "
            "one; ",
        ),
    ],
)
def test_a_refusal_says_how_many_and_what_to_do(facts: Facts, said: str) -> None:
    assert judge(facts, BOUNDS).reason.startswith(said)
