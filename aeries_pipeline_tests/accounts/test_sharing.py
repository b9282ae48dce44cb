"""Who is left out of what a district shares: what must hold of any rows and any list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aeries_pipeline.accounts.decide import NOT_SHARED, REASONS, decide
from aeries_pipeline.accounts.model import Kind, State, apply_all
from aeries_pipeline.accounts.opt_outs import UnreadableListError, ids_in, read_list
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.accounts.sharing import (
    CHOSEN,
    Cause,
    LeftOut,
    ShareRow,
    blank_fields,
    causes_of,
    judged,
    not_to_be_shared,
    still_out,
    takes,
)
from aeries_pipeline.districts.share import ShareSettings
from aeries_pipeline_tests.accounts.builders import account, picture
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


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (ShareRow(7, 991, 9), None),
        (ShareRow(7, 991, 12), None),
        (ShareRow(7, 991, 8), Cause.GRADE),
        (ShareRow(7, 991, 13), Cause.GRADE),
        (ShareRow(7, 991, None), Cause.GRADE),
        (ShareRow(7, 992, 9), Cause.SCHOOL),
        (ShareRow(7, 992, 8), Cause.SCHOOL),
        (ShareRow(7, 991, 9, None, ("N",)), Cause.FIELD),
        (ShareRow(7, 991, 9, None, ("Y",)), None),
        (ShareRow(7, 991, 9, 5, ("Y",)), Cause.OPTED_OUT),
        (ShareRow(7, 991, 9, 6, ("Y",)), None),
    ],
)  # fmt: skip
def test_each_rule_has_its_bound_and_its_cause(row: ShareRow, cause: Cause | None) -> None:
    share = ShareSettings.model_validate(
        {"schools": [991], "grades": (9, 12), "fields": {"RecordsReleaseCode": {"never": ["N"]}}}
    )
    expected = {5: Cause.OPTED_OUT} | ({7: cause} if cause else {})
    assert causes_of([row], share, {5}) == expected
    assert takes(share, row.school, row.grade) == (
        row.school == 991 and (row.grade is None or 9 <= row.grade <= 12)
    )
    assert takes(None, row.school, row.grade)


def test_a_rule_that_is_not_given_leaves_nobody_out() -> None:
    grades = ShareSettings.model_validate({"grades": (9, 12)})
    schools = ShareSettings.model_validate({"schools": [991]})
    rows = [ShareRow(1, 991, 3), ShareRow(2, 992, 10)]
    assert causes_of(rows, grades, ()) == {1: Cause.GRADE}
    assert causes_of(rows, schools, ()) == {2: Cause.SCHOOL}


def test_of_two_rows_that_are_not_shared_the_grade_is_named() -> None:
    share = ShareSettings.model_validate({"schools": [991], "grades": (9, 12)})
    rows = [ShareRow(1, 991, 3), ShareRow(1, 992, 10)]
    assert causes_of(rows, share, ()) == causes_of(rows[::-1], share, ()) == {1: Cause.GRADE}


def test_a_row_with_fewer_codes_than_conditions_is_no_row() -> None:
    share = ShareSettings.model_validate(
        {"fields": {"RecordsReleaseCode": {"never": ["N"]}, "Gender": {"only": ["X"]}}}
    )
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        causes_of([ShareRow(1, 991, 9, None, ("Y",))], share, ())
    assert causes_of([ShareRow(1, 991, 9, None, None)], share, ()) == {}, (
        "only the account is known"
    )


def test_who_is_left_out_is_counted_by_cause_and_never_beyond_those_who_are_here() -> None:
    found = LeftOut(
        {1: Cause.OPTED_OUT, 2: Cause.OPTED_OUT, 3: Cause.OPTED_OUT, 4: Cause.GRADE},
        unknown=2, listed=3,
    )  # fmt: skip
    assert found.students_by_cause() == {"opted_out": 1, "grade": 1}
    assert found.counted([2, 4, 9]) == {"opted_out": 1, "grade": 1}
    assert LeftOut({1: Cause.OPTED_OUT}, unknown=1, listed=1).students_by_cause() == {}
    assert not found.doubted
    assert LeftOut({1: Cause.IN_DOUBT}).doubted


def test_why_a_set_may_not_go_out_names_numbers_and_causes() -> None:
    assert not_to_be_shared(LeftOut(), {}) == ""
    said = not_to_be_shared(LeftOut(trouble="the list is gone"), {"opted_out": 2, "grade": 1})
    assert said == (
        "the list is gone; 3 students in it are left out of what the district shares (2 on the "
        "list of those who opted out, 1 of a grade that is not shared, or of none that is known), "
        "and their accounts have not ended yet; approve that where it is held"
    )


def test_the_end_of_an_account_that_is_not_shared_says_whose_it_was_and_why() -> None:
    known = account(student_id=7, school=992)
    decision = decide(known, [], picture(), Policy(schools=(991, 992)), left_out=True)
    (change,) = decision.changes
    assert decision.account == known
    assert change.after == replace(known, state=State.INACTIVE)
    assert change.from_school == 992
    assert change.to_school is None
    assert change.pull_ids == picture().pull_ids
    assert change.reason == REASONS[NOT_SHARED]
    ended = replace(known, state=State.INACTIVE)
    again = decide(ended, [], picture(), Policy(schools=(991, 992)), left_out=True)
    assert again.changes == ()
    assert again.account == ended


def test_by_the_dozen_the_sentence_has_the_bound_in_percent() -> None:
    before = dict.fromkeys(range(20), Cause.OPTED_OUT)
    verdict = judged(before, {}, 0.2, 5)
    assert verdict.trouble == (
        "20 of 20 students who were left out by their families' choice would be shared again, more "
        "than the larger of 5 and 20%; they stay left out. Compare the list and the field with the "
        "district"
    )
    assert set(verdict.causes.values()) == {Cause.IN_DOUBT}
    # Left out by grade from now on, by choice until now: the choice is gone all the same.
    assert judged(before, dict.fromkeys(range(20), Cause.GRADE), 0.2, 5).doubted
    assert not judged(before, dict.fromkeys(range(20), Cause.FIELD), 0.2, 5).doubted


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
