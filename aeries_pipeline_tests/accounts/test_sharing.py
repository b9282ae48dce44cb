"""Who is left out of what a district shares: what must hold of any rows and any list."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aeries_pipeline.accounts.decide import NOT_SHARED, decide
from aeries_pipeline.accounts.model import Kind, apply_all
from aeries_pipeline.accounts.opt_outs import UnreadableListError, ids_in, read_list
from aeries_pipeline.accounts.sharing import (
    CHOSEN,
    Cause,
    ShareRow,
    blank_fields,
    causes_of,
    judged,
    still_out,
)
from aeries_pipeline.districts.share import ShareSettings
from aeries_pipeline_tests.accounts.test_properties import (
    MOMENT,
    accounts,
    pictures,
    policies,
    student_rows,
)

CODES = ["", "Y", "n", "N "]
share_rows = st.builds(
    ShareRow,
    st.integers(1, 6),
    st.sampled_from([991, 992, 993]),
    st.none() | st.integers(7, 12),
    st.none() | st.integers(1, 6),
    st.none() | st.tuples(st.sampled_from(CODES)),
)
settings = st.fixed_dictionaries(
    {"fields": st.sampled_from([{"RecordsReleaseCode": {"never": ["N"]}},
                                {"RecordsReleaseCode": {"only": ["y"]}}])},
    optional={"schools": st.sampled_from([[991], [991, 993]]), "grades": st.just((9, 12))},
).map(ShareSettings.model_validate)  # fmt: skip
causes = st.dictionaries(st.integers(1, 60), st.sampled_from(Cause))


@given(st.lists(share_rows), settings, st.frozensets(st.integers(1, 9)), st.randoms())
def test_who_is_left_out_has_a_cause_and_who_is_not_has_none(rows, share, listed, random) -> None:
    found = causes_of(rows, share, listed)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert causes_of(shuffled, share, listed).keys() == found.keys()
    assert all(found[one] is Cause.OPTED_OUT for one in listed)
    for student in {row.student_id for row in rows} - found.keys():
        mine = [row for row in rows if row.student_id == student]
        condition = share.fields["RecordsReleaseCode"]
        assert all(condition.shares(row.codes[0]) for row in mine if row.codes is not None)
        assert not {row.former_id for row in mine} & listed
        assert any(
            (not share.schools or row.school in share.schools)
            and (share.grades is None or (row.grade or 0) >= 9)
            for row in mine
        )


@given(causes, causes, st.sampled_from([0, 0.2, 1]), st.integers(0, 10), st.sets(st.integers()))
def test_nobody_is_shared_again_by_the_dozen_or_in_one_night(
    before, now, most, least, ripe
) -> None:
    verdict = judged(before, now, most, least, ripe)
    chosen = {one for one, cause in before.items() if cause in CHOSEN}
    assert verdict.causes.keys() >= now.keys()
    again = chosen - verdict.causes.keys()
    assert len(again) <= max(least, most * len(chosen))
    assert again <= ripe
    # Who is left out by school or grade alone waits for nobody.
    waits = {
        one
        for one in verdict.shared_again
        if verdict.causes.get(one) in {Cause.NOT_YET, Cause.IN_DOUBT}
    }
    assert bool(verdict.trouble) == bool(waits)
    if len(verdict.shared_again) > max(least, most * len(chosen)):
        assert chosen <= verdict.causes.keys()
        assert judged(verdict.causes, now, most, least, ripe).causes.keys() == (
            verdict.causes.keys()
        )


@given(accounts, student_rows(), pictures, policies)
def test_who_is_left_out_has_no_account_afterwards_whatever_could_be_read(
    before, rows, seen, policy
) -> None:
    decision = decide(before, rows, seen, policy, left_out=True)
    assert {(one.kind, one.code) for one in decision.changes} <= {(Kind.DEACTIVATE, NOT_SHARED)}
    known = {7: decision.account} if decision.account else {}
    after = apply_all(known, decision.changes, MOMENT).get(7)
    assert after is None or not after.is_active


def test_a_field_that_said_no_counts_until_another_row_says_yes() -> None:
    before = {1: Cause.FIELD, 2: Cause.FIELD, 3: Cause.SCHOOL}
    assert still_out(before, {}, seen={2}) == {1: Cause.FIELD}


def test_a_field_that_is_blank_everywhere_cannot_be_read() -> None:
    share = ShareSettings(fields={"RecordsReleaseCode": {"never": ["N"]}})
    rows = [ShareRow(one, 991, 9, None, (" ",)) for one in range(200)]
    assert blank_fields(rows, share) == ["RecordsReleaseCode"]
    assert blank_fields([*rows, ShareRow(1, 991, 9, None, ("Y",))], share) == []
    assert blank_fields(rows[:199], share) == []


@given(st.frozensets(st.integers(1, 10**17)), st.sampled_from(",;\t|"), st.booleans())
def test_a_list_gives_back_the_ids_that_were_written(ids, delimiter, marked) -> None:
    lines = [delimiter.join(["Name", "Student ID", "Date"])]
    lines += [delimiter.join([f'"Lopez{delimiter} Ana"', f" {one} ", ""]) for one in ids]
    text = "\r\n".join([*lines, "", ""])
    assert ids_in(text) == ids
    content = text.encode("utf-8-sig" if marked else "utf-8")
    assert ids_in(content.decode("utf-8-sig")) == ids


def test_a_list_may_be_bare_numbers() -> None:
    assert ids_in("12\n34\n\n") == {12, 34}
    assert ids_in("StudentID\n") == frozenset()


@pytest.mark.parametrize(
    "text",
    ["", "\n \n", "Name\nAna\n", "StudentID\n12\nSecret\n", "StudentID,StudentID\n1,2\n",
     "StudentID,Name\n12,Ana\n,Secret\n", "StudentID\n12.0\n", "StudentID\n1E+05\n",
     "StudentID\n0\n", "StudentID\n-5\n", "12\nSecret\n", "12,Secret\n", 'StudentID\n"12\n',
     "StudentID\n12\x00\n", "<html>Secret</html>", "StudentID\n" + "9" * 19],
)  # fmt: skip
def test_a_list_with_anything_doubtful_is_refused_whole_and_says_nobody(text) -> None:
    with pytest.raises(UnreadableListError) as caught:
        ids_in(text)
    assert not any(word in str(caught.value) for word in ("Secret", "Ana", "12"))


def test_a_file_that_is_no_text_or_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableListError, match="does not exist"):
        read_list(tmp_path / "none.csv")
    (tmp_path / "list.csv").write_bytes("StudentID\n12\n".encode("utf-16"))
    with pytest.raises(UnreadableListError, match="save it as CSV"):
        read_list(tmp_path / "list.csv")
    with pytest.raises(UnreadableListError, match="cannot be opened"):
        read_list(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"fields": {"RecordsReleaseCod": {"only": ["Y"]}}}, {"fields": {"Grade": {"only": ["9"]}}},
     {"fields": {"RecordsReleaseCode": {}}}, {"grades": [12, 9]}, {"opted": "x"},
     {"fields": {"RecordsReleaseCode": {"only": ["Y"], "never": ["N"]}}}],
)  # fmt: skip
def test_a_rule_that_cannot_be_meant_is_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        ShareSettings.model_validate(wrong)
