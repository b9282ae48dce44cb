"""Ids that a spreadsheet has taken for numbers: one course is proposed, or none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.course_requests.lost_zeros import meant_course, without_zeros
from aeries_pipeline.course_requests.model import Reason
from aeries_pipeline.course_requests.sentences import what_to_do


@pytest.mark.parametrize(
    ("stated", "courses", "meant"),
    [
        ("315", ["0315", "0608"], "0315"),
        ("315", ["0315", "00315"], ""),
        ("3.00E+05", ["3E5", "0315"], "3E5"),
        ("3E+05", ["3E5", "0315"], "3E5"),
        ("3E+05", ["3E5", "03E5"], ""),
        ("3.00E+05", ["3E5", "300000"], ""),
        ("300000", ["3E5"], "3E5"),
        ("3E5", ["300000"], "300000"),
        ("1E+100", ["100E98", "1E0"], "100E98"),
        # What is shown is rounded.
        ("1.23E+05", ["123456"], "123456"),
        ("1.23E+05", ["123456", "123000"], ""),
        ("1.2E+01", ["0012"], "0012"),
        ("3.15", ["0315", "3"], ""),
        ("E7", ["E7", "7"], ""),
        ("\u00b2", ["0002"], ""),
        ("", ["0000"], ""),
    ],
)
def test_which_course_is_meant(stated: str, courses: list[str], meant: str) -> None:
    assert meant_course(stated, without_zeros(courses)) == meant


NUMERIC = st.from_regex(r"[0-9]{1,6}|[0-9]{1,3}[Ee][0-9]{1,2}", fullmatch=True)


@given(st.lists(NUMERIC | st.sampled_from(["E7", "ART1"]), unique=True, max_size=8), st.data())
def test_what_is_proposed_is_the_only_course_that_is_shown_so(
    courses: list[str], data: st.DataObject
) -> None:
    numbers = {one: Decimal(one) for one in courses if one not in {"E7", "ART1"}}
    typed = data.draw(st.sampled_from(sorted(numbers)) if numbers else NUMERIC)
    places = data.draw(st.integers(0, 5))
    shown = f"{Decimal(typed):.{places}E}"
    fits = [one for one, number in numbers.items() if f"{number:.{places}E}" == shown]
    assert meant_course(shown, without_zeros(courses)) == (fits[0] if len(fits) == 1 else "")


def test_what_is_said_of_it() -> None:
    assert what_to_do(Reason.COURSE_UNKNOWN, "0315").endswith("Only course 0315 has these digits.")
    assert what_to_do(Reason.NUMBER_IN_CELL, "300000").endswith(
        "Only course 300000 is this number to a spreadsheet."
    )
    assert what_to_do(Reason.COURSE_UNKNOWN, "3E5").endswith("3E5 is this number to a spreadsheet.")
