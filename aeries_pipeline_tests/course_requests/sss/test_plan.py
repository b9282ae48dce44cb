"""Sequence numbers, and the files byte for byte."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.sss.contents import Reject, harmless, import_files, rejects_csv
from aeries_pipeline.course_requests.sss.plan import (
    MAX_SEQUENCE,
    Numbers,
    NumbersUsedUpError,
    Wanted,
    make_plan,
)
from aeries_pipeline.course_requests.sss.preview import CourseLine, Preview, html


def wanted(line: int, student: int, course: str, **more: object) -> Wanted:
    return Wanted("file", line, 99400000 + student, student, course, **more)


FOUR = [
    wanted(2, 2, "0608", priority=2.0),
    wanted(3, 2, "0315", priority=1.0),
    wanted(4, 1, "0001"),
    wanted(5, 2, "0630", alternate_for="0608"),
    wanted(6, 2, "E7", alternate_for="*", priority=1.0),
]


def test_numbers_go_by_priority_above_those_taken() -> None:
    taken = {2: Numbers(requests=7, alternates=3, sort_order=17.5)}
    plan = make_plan(FOUR, taken, 1)
    shown = [(r.wanted.student_number, r.wanted.course_id, r.sequence) for r in plan.requests]
    assert shown == [(1, "0001", 1), (2, "0315", 8), (2, "0608", 9)]
    alternates = [(r.wanted.course_id, r.sequence, r.linked, r.sort_order) for r in plan.alternates]
    assert alternates == [("E7", 4, None, 18.0), ("0630", 5, 9, 19.0)]


def test_a_number_stays_and_new_ones_follow() -> None:
    first = make_plan(FOUR, {}, 1001)
    kept = [
        replace(row.wanted, is_new=False, given=row.sequence, sort_order=row.sort_order)
        for row in (*first.requests, *first.alternates)
    ]
    again = make_plan([*kept, wanted(9, 2, "0999", priority=1.0)], {}, 1001)
    before = {row.wanted.line: row.sequence for row in (*first.requests, *first.alternates)}
    after = {row.wanted.line: row.sequence for row in (*again.requests, *again.alternates)}
    assert after == {**before, 9: 1003}
    assert [row.wanted.line for row in again.new.requests] == [9]
    assert len(again.whole) == 6


def test_an_alternate_of_a_request_in_aeries_is_tied_to_its_number() -> None:
    taken = {2: Numbers(requests=5, by_course={"0608": 5})}
    plan = make_plan([wanted(2, 2, "0630", alternate_for="0608")], taken, 1001)
    assert [row.linked for row in plan.alternates] == [5]


def test_the_whole_leaves_out_what_aeries_shows() -> None:
    there = replace(FOUR[0], is_new=False, given=1001, is_present=True)
    plan = make_plan([there, *FOUR[1:]], {}, 1001)
    assert {row.wanted.line for row in plan.whole.requests} == {3, 4}


def test_used_up_numbers_are_refused_without_naming_anybody() -> None:
    taken = {2: Numbers(requests=MAX_SEQUENCE - 1)}
    with pytest.raises(NumbersUsedUpError) as caught:
        make_plan(FOUR, taken, 1)
    assert "994" not in str(caught.value)


WANTED = st.builds(
    wanted,
    st.integers(2, 10**6),
    st.integers(1, 4),
    st.sampled_from(["0315", "0608", "0001", "E7"]),
    alternate_for=st.sampled_from(["", "", "*", "0608"]),
    priority=st.none() | st.integers(1, 9).map(float),
)
LISTS = st.lists(WANTED, max_size=12, unique_by=lambda one: one.line)
NUMBERS = st.dictionaries(
    st.integers(1, 4), st.builds(Numbers, st.integers(0, 2000), st.integers(0, 2000))
)


@given(LISTS, NUMBERS, st.sampled_from([1, 1001]), LISTS)
def test_no_key_twice_none_lost_and_numbers_never_change(
    requests: list[Wanted], taken: dict[int, Numbers], first: int, later: list[Wanted]
) -> None:
    plan = make_plan(requests, taken, first)
    assert len(plan) == len(requests)
    for rows, highest in ((plan.requests, "requests"), (plan.alternates, "alternates")):
        keys = Counter((row.wanted.student_number, row.sequence) for row in rows)
        assert set(keys.values()) <= {1}
        for row in rows:
            known = taken.get(row.wanted.student_number, Numbers())
            assert row.sequence > getattr(known, highest)
            assert first <= row.sequence <= MAX_SEQUENCE
    kept = [
        replace(row.wanted, is_new=False, given=row.sequence, sort_order=row.sort_order)
        for row in (*plan.requests, *plan.alternates)
    ]
    lines = {one.line for one in requests}
    again = make_plan([*kept, *(one for one in later if one.line not in lines)], taken, first)
    numbers = {row.wanted.line: row.sequence for row in (*again.requests, *again.alternates)}
    assert {
        row.wanted.line: row.sequence for row in (*plan.requests, *plan.alternates)
    }.items() <= (numbers.items())


GOLDEN = {
    "SSS.csv": (
        "SC,SN,SQ,CN,SE,TN\r\n994,1,1001,0001,0,0\r\n994,2,1001,0315,0,0\r\n994,2,1002,0608,0,0\r\n"
    ),
    "ACR.csv": "SC,SN,SQ,CN,SRT\r\n994,2,1001,E7,1.0\r\n994,2,1002,0630,2.0\r\n",
    "ACA.csv": "SC,SN,SSS_SQ,ACR_SQ\r\n994,2,1002,1002\r\n",
}


def test_the_files_byte_for_byte() -> None:
    plan = make_plan(FOUR, {}, 1001)
    assert import_files(plan, 994, section_staff=False, aca_columns=[]) == GOLDEN
    staff = import_files(plan, 994, section_staff=True, aca_columns=["SC", "SN", "SQ", "AQ"])
    assert staff["SSS.csv"] == GOLDEN["SSS.csv"].replace("TN", "PS")
    assert staff["ACA.csv"].startswith("SC,SN,SQ,AQ\r\n")
    only = import_files(make_plan(FOUR[:3], {}, 1001), 994, section_staff=False, aca_columns=[])
    assert set(only) == {"SSS.csv"}


def test_rejects_are_harmless_in_a_spreadsheet() -> None:
    text = rejects_csv(
        [
            Reject("=cmd|' /C calc'!A0.csv", 2, "@SUM(1)", "+1", State.REJECTED,
                   Reason.STUDENT_UNREADABLE),
            Reject("a, b.csv", 3, "99400001", "0315", State.HELD, Reason.NO_ROW_AT_NEXT_SCHOOL),
        ]
    )  # fmt: skip
    assert text.startswith("\ufeffFile,Line,StudentID,CourseID,State,Code,What to do\r\n")
    first, second = list(csv.reader(io.StringIO(text)))[1:]
    assert first[0] == "'=cmd|' /C calc'!A0.csv"
    assert first[2:4] == ["'@SUM(1)", "'+1"]
    assert second[:6] == [
        "a, b.csv", "3", "99400001", "0315", "waiting", "no_row_at_next_school",
    ]  # fmt: skip


@given(st.text())
def test_no_cell_is_run(text: str) -> None:
    assert harmless(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert harmless(text).endswith(text)


def test_the_preview_escapes_and_counts() -> None:
    page = html(
        Preview(
            "school 994, <High>", "2027-2028",
            [
                CourseLine("0315", "English <10>", {9: 2, 10: 30}, 3, seats=30),
                CourseLine("0608", "Biology", {9: 1}, 0, seats=36),
            ],
            {State.READY: 1, State.HELD: 2}, {Reason.NO_ROW_AT_NEXT_SCHOOL: 2},
            since="20270201T000000Z", files={"SSS.csv": 3},
        )
    )  # fmt: skip
    assert "<High>" not in page
    assert "<10>" not in page
    assert '<tr class="full"><td>0315</td><td>English &lt;10&gt;</td>' in page
    assert "new since 20270201T000000Z" in page
    assert '<td class="n">32</td><td class="n">3</td><td class="n">30</td>' in page
    assert "1 request: ready for the next files" in page
    assert "2: The student changes schools" in page
    assert "<script" not in page
