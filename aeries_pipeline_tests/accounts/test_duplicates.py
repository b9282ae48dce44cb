"""One child, one account: who waits, what a person says, and what becomes of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.checks import answers
from aeries_pipeline.accounts.duplicates import Pairs, Verdict, closed, closings
from aeries_pipeline.accounts.model import Decision, Kind, State
from aeries_pipeline.accounts.review import Wish, Word, pairs_of, say, say_of_pair
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.operations.privacy.erase import erase_student
from aeries_pipeline.operations.privacy.person import find_person
from aeries_pipeline.stores.versions import SCHEMA_VERSION
from aeries_pipeline_tests.accounts.builders import Ward, account
from aeries_pipeline_tests.accounts.test_compute import everyone, many

CHILD = {
    "StateStudentID": "0123456780", "LastName": "Núñez-Ray", "FirstName": "Ana María",
    "Birthdate": datetime(2012, 5, 6),
}  # fmt: skip


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    ward = Ward(tmp_path)
    ward.night(0, [*everyone(), *many(50, 1, **CHILD)])
    return ward


def verdict(ward: Ward, computed):
    name, pairs = "one_account_for_each_child", pairs_of(ward.warehouse, "eagle-usd")
    return next(one for one in answers("eagle-usd", computed, (), pairs) if one.name == name)


def speak(ward: Ward, what: Verdict, one: int, other: int) -> None:
    say_of_pair(ward.warehouse, "eagle-usd", Word(what, one, other, "Kim", "asked the school"))


def both(school: int = 992, **other: Any) -> list[dict[str, Any]]:
    """Everybody, the child, and the id 60 at another school."""
    return [*everyone(), *many(50, 1, **CHILD), *many(60, 1, school, **{**CHILD, **other})]


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ({"LastName": "Ray", "Birthdate": datetime(2012, 6, 5)}, "state id"),
        ({"StateStudentID": " 123456780 ", "FirstName": "Anna"}, "state id"),
        ({}, "state id"),
        ({"StateStudentID": ""}, "name and birth date"),
        (
            {"StateStudentID": None, "LastName": "nunez ray", "FirstName": "ANA  MARIA"},
            "name and birth date",
        ),
    ],
)
def test_an_id_that_may_be_a_child_with_an_account_waits(ward: Ward, other, alike) -> None:
    computed = ward.night(1, both(**other))
    assert (computed.applied, computed.held) == ({}, {"create": 1})
    assert 60 not in ward.accounts()
    (pair,) = pairs_of(ward.warehouse, "eagle-usd")
    assert (pair.student_id, pair.related_student_id, pair.waits) == (60, 50, True)
    assert (pair.school, pair.related_school, pair.alike) == (992, 991, alike)
    answer = verdict(ward, computed)
    assert not answer.passed
    assert answer.numbers == {"pairs": 1, "waiting": 1}
    said = f"{answer.text} {computed.open_holds[0].reason}"
    for value in ("0123456780", "123456780", "Ray", "Ana", "2012", "60", "50"):
        assert value not in said
    again = ward.night(2, both(**other))
    assert (again.applied, again.held, again.rejected) == ({}, {}, 0), "it is asked about once"


BLANK = ["", " ", "\u00a0", "0000000000", None, "9999999999", "null", "1234567890"]


@pytest.mark.parametrize("blank", BLANK)
def test_twins_and_made_up_state_ids_are_no_duplicates(ward: Ward, blank) -> None:
    twins = [
        *many(60, 1, **{**CHILD, "StateStudentID": blank, "FirstName": "Eva"}),
        *many(61, 1, **{**CHILD, "StateStudentID": blank, "FirstName": "Mia"}),
        *many(62, 2, StateStudentID=blank),
    ]
    computed = ward.night(1, [*everyone(), *many(50, 1, **CHILD), *twins])
    assert (computed.applied, computed.held) == ({"create": 4}, {})
    assert verdict(ward, computed).passed
    assert ward.warehouse.rows("FROM core.possible_duplicates") == []


def test_namesakes_with_two_state_ids_are_two_children_and_are_listed(ward: Ward) -> None:
    computed = ward.night(1, both(StateStudentID="0555555551"))
    assert computed.applied == {"create": 1}
    assert verdict(ward, computed).passed
    assert ward.warehouse.rows(
        "SELECT student_id, related_student_id, other_state_id, verdict "
        "FROM core.possible_duplicates"
    ) == [(50, 60, True, None)]


def test_what_is_typed_for_many_is_nobodys(ward: Ward) -> None:
    rows = [*everyone(), *many(60, 3, StateStudentID="4711"), *many(63, 1, StateStudentID="4711")]
    computed = ward.night(1, rows)
    assert (computed.applied.get("create"), computed.held) == (4, {})


def test_two_ids_of_a_first_load_are_asked_about_too(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    computed = ward.night(0, both())
    assert (computed.applied, computed.held) == ({"create": 101}, {"create": 1})
    assert ward.accounts()[50] == ("active", 991), "the lower id has the account meanwhile"


def test_the_same_child_goes_on_under_the_new_id_with_its_history(ward: Ward) -> None:
    ward.night(1, both())
    speak(ward, Verdict.SAME, 50, 60)
    computed = ward.compute()
    assert computed.applied == {"create": 1}
    computed = ward.compute()
    assert computed.applied == {"deactivate": 1}
    assert (ward.accounts()[50], ward.accounts()[60]) == (("inactive", 991), ("active", 992))
    (change,) = ward.warehouse.rows(
        "SELECT code, related_student_id, decided_by FROM core.account_changes_now "
        "WHERE student_id = 50 AND kind = 'deactivate'"
    )
    assert change == ("merged", 60, "Kim")
    history = ward.warehouse.rows(
        "SELECT student_id, school, valid_to IS NULL FROM core.account_history "
        "WHERE student_id IN (50, 60) ORDER BY valid_from, valid_to NULLS LAST"
    )
    assert {student for student, *_ in history} == {60}
    assert history[-1] == (60, 992, True)
    assert verdict(ward, computed).passed
    for number in (2, 3, 4):
        later = ward.night(number, both())
        assert (later.applied, later.held) == ({}, {}), "the old id stays closed"


def test_the_same_child_may_go_on_under_the_old_id(ward: Ward) -> None:
    ward.night(1, both())
    speak(ward, Verdict.SAME, 60, 50)
    computed = ward.compute()
    assert (computed.applied, computed.rejected) == ({}, 1)
    assert 60 not in ward.accounts()
    assert computed.open_holds == []
    assert ward.night(2, both()).held == {}


def test_two_children_both_have_accounts_and_are_not_asked_about_again(ward: Ward) -> None:
    ward.night(1, both())
    speak(ward, Verdict.DIFFERENT, 60, 50)
    computed = ward.compute()
    assert computed.applied == {"create": 1}
    assert verdict(ward, computed).passed
    (listed,) = ward.warehouse.rows("SELECT verdict, waits FROM core.possible_duplicates")
    assert listed == ("different", False)


def test_nobody_loses_an_account_while_the_new_id_waits(ward: Ward) -> None:
    """Aeries gives a child a new id and says that the old one has left."""
    rows = [*everyone(), *many(50, 1, InactiveStatusCode="I", **CHILD), *many(60, 1, **CHILD)]
    for number in range(1, 6):
        computed = ward.night(number, rows)
        assert computed.applied == {}
    assert computed.waiting == {"may_be_another_id": 1}
    assert ward.accounts()[50] == ("active", 991)
    batch = computed.open_holds[0].batch_id
    say(ward.warehouse, "eagle-usd", Wish(batch, "reject", "Kim", "a test record"))
    computed = ward.compute()
    assert computed.applied == {"deactivate": 1}, "the new id is nobody's, so the child has left"
    assert 60 not in ward.accounts()


def test_a_row_that_names_its_former_id_is_not_asked_about(ward: Ward) -> None:
    rows = [*everyone(), *many(60, 1, OldStudentID=50, **CHILD)]
    assert ward.night(1, rows).applied == {"create": 1}
    assert ward.night(2, rows).applied == {"deactivate": 1}


def test_a_closed_id_whose_other_account_has_ended_returns_by_a_persons_word(ward: Ward) -> None:
    ward.night(1, both())
    speak(ward, Verdict.SAME, 50, 60)
    ward.compute()
    ward.compute()
    gone = both(InactiveStatusCode="I")
    left = ward.rounds(4, gone)
    assert left.applied == {"deactivate": 1}
    assert ward.accounts()[60][0] == "inactive"
    computed = ward.night(5, gone)
    holds = computed.open_holds
    assert [(one.student_id, one.kind) for one in holds] == [(50, "reactivate")]
    assert "that account has ended" in holds[0].reason
    say(ward.warehouse, "eagle-usd", Wish(holds[0].batch_id, "approve", "Kim", "is here"))
    ward.compute()
    assert ward.accounts()[50] == ("active", 991)
    assert ward.night(6, gone).applied == {}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (Word(Verdict.SAME, 50, 50, "Kim", "x"), "two different StudentIDs"),
        (Word(Verdict.SAME, 50, 999, "Kim", "x"), "both StudentIDs need an account"),
        (Word(Verdict.DIFFERENT, 50, 60, "Kim", " "), "say who decides and why"),
    ],
)
def test_a_word_about_nobody_is_refused(ward: Ward, word: Word, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        say_of_pair(ward.warehouse, "eagle-usd", word)


IDS = st.integers(1, 5)


@given(
    st.lists(st.tuples(IDS, IDS, st.just("Kim")).filter(lambda said: said[0] != said[1])),
    st.dictionaries(IDS, st.booleans(), min_size=1),
)
def test_whatever_was_said_a_child_with_an_account_keeps_one(said, in_use) -> None:
    """Words may even run in a circle; the newest one counts."""
    pairs = Pairs(closings(said))
    if said:
        one, other, _who = said[-1]
        assert pairs.goes_on(one) == pairs.goes_on(other) != one
    active = {student for student, here in in_use.items() if here}
    decisions = {
        student: Decision(
            (), account(student_id=student, state=State.ACTIVE if here else State.INACTIVE)
        )
        for student, here in in_use.items()
    }
    found = closed(decisions, pairs, active)
    ended = {
        student
        for student, one in found.items()
        if any(change.kind is Kind.DEACTIVATE for change in one.changes)
    }
    assert ended <= active
    for student in ended:
        assert pairs.goes_on(student) in active - ended


def test_who_is_forgotten_is_in_no_pair_and_in_no_wait(ward: Ward) -> None:
    ward.night(1, both())
    speak(ward, Verdict.DIFFERENT, 60, 50)
    speak(ward, Verdict.DIFFERENT, 50, 1)
    path = ward.warehouse.path
    for student, left in ((60, [(50, 1)]), (1, [(50, None)])):
        with ward.warehouse.open() as connection:
            person = find_person(connection, "eagle-usd", student)
        assert erase_student(path, person) > 0
        pairs = ward.warehouse.rows(
            "SELECT student_id, related_student_id FROM meta.account_pairs ORDER BY ALL"
        )
        assert pairs == left
    assert ward.warehouse.rows("FROM core.account_waiting") == []
    computed = ward.night(2, [*everyone()[1:], *many(50, 1, **CHILD)])
    assert computed.held == {}


def test_a_warehouse_of_an_older_release_gets_the_table(ward: Ward) -> None:
    with ward.warehouse.open() as connection:
        connection.execute("DROP VIEW core.possible_duplicates")
        connection.execute("DROP TABLE meta.account_pairs")
        connection.execute(f"DELETE FROM meta.schema_version WHERE version >= {SCHEMA_VERSION}")
        connection.execute("INSERT INTO meta.schema_version VALUES (4, now()::TIMESTAMP)")
    assert ward.night(1, both()).held == {"create": 1}
    speak(ward, Verdict.DIFFERENT, 60, 50)
    assert ward.compute().applied == {"create": 1}
