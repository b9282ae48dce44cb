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
        (Facts(rows=2, quarantined=2, records=4), Status.COMPLETE, ""),
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
        ({"own": 30, "own_before": 30, "elsewhere": 745}, "other_school"),
        ({"own": 81}, ""),
        ({"own": 79, "elsewhere": 4}, "shrunken"),
        ({"own": 200}, ""),
        ({"own": 201}, "grown"),
        ({"own": 60, "own_before": 20}, ""),
        ({"own": 5000, "own_before": 0}, ""),
        ({"coded": 0}, "codes_vanished"),
        ({"coded": 0, "coded_before": 4}, ""),
        ({"lower": 31}, "lower_grades"),
        ({"lower": 30}, ""),
        ({"known": 4, "lower": 4}, ""),
        ({"earlier": 31}, "earlier_entries"),
        ({"back": 7}, ""),
        ({"back": 8}, "older_list"),
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
