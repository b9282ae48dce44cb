"""What a single row proves: which number carried the account, when it begins, what it lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aeries_pipeline.accounts.decide import decide
from aeries_pipeline.accounts.model import Kind, Standing, State
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.catalog.blank import WHITE, is_blank, trimmed
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import PullRow
from aeries_pipeline.stores.report import record
from aeries_pipeline_tests.accounts.builders import (
    POLICY,
    YEAR,
    Ward,
    account,
    night,
    picture,
    row,
    student,
)

ACTIVE, GONE = Standing.ACTIVE, Standing.INACTIVE
TODAY = date(2026, 10, 2)
DATED = replace(POLICY, today=TODAY)
LATER = TODAY + timedelta(days=3)


def proven(said: Any, known: Any = None) -> str:
    """Return why an account is deactivated after two nights with the same rows."""
    one = known or account()
    for number in (1, 2):
        decision = decide(one, said, picture(number), POLICY)
        one = decision.account
    return decision.changes[0].code if decision.changes else decision.waiting


def test_only_the_row_that_carried_the_account_proves_a_leaving() -> None:
    assert proven([row(991, GONE, student_number=70)]) == "inactive_status"
    # An older row of the same school was inactive all along.
    assert proven([row(991, GONE, student_number=12)]) == "absent"
    # Of an account of an older release it is not known which row it followed.
    assert proven([row(991, GONE)], account(student_number=None)) == "absent"


def test_a_row_in_the_inactive_school_from_before_the_account_proves_nothing() -> None:
    began = night(0).date()
    assert proven([row(999, GONE, left=began)]) == "in_inactive_school"
    assert proven([row(999, GONE)]) == "in_inactive_school"
    assert proven([row(999, GONE, left=began - timedelta(days=400))]) == "absent"


def test_an_account_follows_a_new_number_without_a_change() -> None:
    rows = [row(student_number=71), row(991, GONE, student_number=70)]
    decision = decide(account(), rows, picture(), POLICY)
    assert decision.changes == ()
    assert decision.account.student_number == 71
    moved = decide(account(), [row(992, student_number=5)], picture(), POLICY)
    assert moved.account.student_number == 70
    assert moved.changes[0].after.student_number == 5


def test_a_row_that_begins_later_makes_no_account_yet() -> None:
    ahead = row(992, entered=LATER)
    waits = decide(None, [ahead], picture(), DATED)
    assert (waits.changes, waits.waiting) == ((), "enters_later")
    gone = account(state=State.INACTIVE)
    assert decide(gone, [ahead], picture(), DATED).waiting == "enters_later"
    on_the_day = replace(POLICY, today=LATER)
    (change,) = decide(None, [ahead], picture(), on_the_day).changes
    assert (change.kind, change.to_school) == (Kind.CREATE, 992)


def test_a_new_child_gets_the_account_where_it_is_now() -> None:
    rows = [row(991), row(992, entered=LATER)]
    (change,) = decide(None, rows, picture(), DATED).changes
    assert (change.to_school, change.after.other_schools) == (991, (992,))


def test_a_row_that_begins_later_takes_nobodys_account() -> None:
    rows = [row(991, program="2"), row(992, entered=LATER)]
    policy = replace(DATED, secondary_programs=frozenset({"2"}))
    assert decide(account(), rows, picture(), policy).changes[0].kind is Kind.UPDATE
    # Who is nowhere else keeps the account.
    (change,) = decide(account(), [row(992, entered=LATER)], picture(), DATED).changes
    assert change.kind is Kind.TRANSFER
    # A year ahead is a typing error.
    far = row(992, entered=TODAY + timedelta(days=3650))
    assert decide(None, [far], picture(), DATED).changes[0].kind is Kind.CREATE


@pytest.mark.parametrize(
    ("name", "empty"), [("grade", None), ("first_name", ""), ("last_name", "")]
)
def test_what_xello_requires_stays_where_aeries_has_it_no_more(name: str, empty: Any) -> None:
    assert decide(account(), [row(**{name: empty})], picture(), POLICY).changes == ()
    (change,) = decide(None, [row(**{name: empty})], picture(), POLICY).changes
    assert getattr(change.after, name) == empty


def test_an_id_without_birth_date_and_state_id_that_has_two_other_names_is_held() -> None:
    other = {"first_name": "Bo", "last_name": "Chu"}
    bare = account(birthdate=None, state_student_id=None)
    for known, shown in (
        (bare, row(**other)),
        (bare, row(birthdate=None, state_student_id=None, **other)),
        (account(), row(birthdate=None, state_student_id=None, **other)),
    ):
        (change,) = decide(known, [shown], picture(), POLICY).changes
        assert "another person" in change.doubt
    for known, shown in (
        (account(), row(**other)),
        (bare, row(first_name="Bo", birthdate=None, state_student_id=None)),
        (bare, row()),
    ):
        assert all(not one.doubt for one in decide(known, [shown], picture(), POLICY).changes)


def test_an_unreadable_row_elsewhere_does_not_freeze_an_account() -> None:
    seen = replace(picture(), unreadable=frozenset({7}))
    known = account(other_schools=(993,))
    (change,) = decide(known, [row(grade=10)], seen, POLICY).changes
    assert change.changed_fields == ("grade",)
    assert change.after.other_schools == (993,)
    # The row that cannot be read may be that of the account.
    elsewhere = decide(known, [row(992)], seen, POLICY)
    assert (elsewhere.changes, elsewhere.waiting) == ((), "row_unreadable")


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\t\u2007 ", "\u200b", "\ufeff", "\u3000"])
def test_every_white_space_is_blank_in_python_and_in_sql(tmp_path: Path, blank: str) -> None:
    assert POLICY.standing(blank, 991) is Standing.ACTIVE
    assert POLICY.standing(f"{blank}I{blank}", 991) is Standing.INACTIVE
    with Ward(tmp_path).warehouse.open() as connection:
        found = connection.execute(
            f"SELECT {is_blank('$code')}, {trimmed('$coded')}, {is_blank('NULL')}",
            {"code": blank, "coded": f"{blank}I{blank}"},
        ).fetchone()
    assert found == (True, "I", True)


def test_no_white_space_of_python_is_missing() -> None:
    assert all(chr(n).isspace() <= (chr(n) in WHITE) for n in range(0x110000))


def test_a_school_that_is_read_alone_deactivates_nobody_who_moved(tmp_path: Path) -> None:
    """The other school's older list cannot know of the child."""
    ward = Ward(tmp_path)
    others = [{"StudentID": s, "school": 991 + s % 3} for s in range(10, 40)]
    here = {"StudentID": 7, "school": 991}
    ward.night(0, [here, *others])
    for hours in (24, 37, 50, 63):
        with ward.warehouse.open() as connection:
            connection.execute(
                "UPDATE raw.students SET \"InactiveStatusCode\" = 'T', _pulled_at = ? "
                'WHERE "StudentID" = 7', [night(hours / 24)],
            )  # fmt: skip
        started = night(hours / 24)
        record(
            ward.warehouse,
            [
                PullRow(
                    f"alone-{hours}", "eagle-usd", 991, "students", Status.COMPLETE, started,
                    started + timedelta(minutes=1), database_year=YEAR,
                )
            ],
        )  # fmt: skip
        ward.moment = started + timedelta(hours=1)
        assert ward.compute().applied == {}
        assert ward.accounts()[7] == ("active", 991)
    moved = [{**here, "InactiveStatusCode": "T"}, {"StudentID": 7, "school": 992}]
    assert ward.night(4, [*moved, *others]).applied == {"transfer": 1}


def test_an_account_of_an_older_release_learns_which_row_it_follows(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    rows = [
        student(0, StudentID=1, StudentNumber=11),
        student(0, StudentID=1, StudentNumber=10, InactiveStatusCode="I"),
        student(0, StudentID=2, StudentNumber=20),
    ]
    ward.night(0, rows)
    with ward.warehouse.open() as connection:
        connection.execute("UPDATE core.accounts SET student_number = NULL")
    assert ward.night(1, rows).applied == {}
    numbers = "SELECT student_id, student_number FROM core.accounts ORDER BY ALL"
    assert ward.warehouse.rows(numbers) == [(1, 11), (2, 20)]


def test_a_page_that_skips_the_active_row_is_no_proof_by_the_older_one(tmp_path: Path) -> None:
    ward = Ward(tmp_path, safeguards={"min_deactivated": 99})
    older = {"StudentID": 1, "StudentNumber": 10, "InactiveStatusCode": "I"}
    others = [{"StudentID": s} for s in range(10, 40)]
    ward.night(0, [{"StudentID": 1, "StudentNumber": 11}, older, *others])
    computed = ward.night(1, [older, *others])
    assert computed.waiting == {"absent_too_briefly": 1}


def test_a_policy_knows_the_districts_day(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    first = night(0).date()
    rows = [{"StudentID": 1}, {"StudentID": 2, "SchoolEnterDate": datetime(2026, 10, 3)}]
    assert first < date(2026, 10, 3)
    assert ward.night(0, rows).waiting == {"enters_later": 1}
    assert ward.night(2, rows).applied == {"create": 1}
    assert Policy(frozenset()).today == date.max
