import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.stores.judge import Facts, Safeguards, Status, judge

BOUNDS = Safeguards()


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        (Facts(rows=100, quarantined=0, records=100), Status.COMPLETE, ""),
        (Facts(rows=0, quarantined=0, records=0), Status.COMPLETE, ""),
        (Facts(rows=0, quarantined=0, records=0, may_be_empty=False), Status.REFUSED, "empty"),
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
