"""Computation on a real DuckDB file, night by night."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeries_pipeline.accounts import candidates
from aeries_pipeline.accounts.batch import Batch
from aeries_pipeline.accounts.checks import QUESTIONS, WAITING, answers
from aeries_pipeline.accounts.compute import _picture
from aeries_pipeline.accounts.decide import decide
from aeries_pipeline.accounts.model import ACCOUNT_FIELDS
from aeries_pipeline.accounts.policy import policy_of
from aeries_pipeline.accounts.review import Wish, say, students_of, waiting
from aeries_pipeline.accounts.tables import ACCOUNTS_COLUMNS, VIEWS
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline_tests.accounts.builders import SCHOOLS, Ward, night


def many(first: int, number: int, school: int = 991, **values: Any) -> list[dict[str, Any]]:
    return [{"school": school, "StudentID": s, **values} for s in range(first, first + number)]


def everyone() -> list[dict[str, Any]]:
    return many(1, 40) + many(101, 40, 992) + many(201, 20, 993)


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_a_first_night_creates_and_a_replay_is_silent(ward: Ward) -> None:
    first = ward.night(0, everyone())
    assert first.applied == {"create": 100}
    before = ward.warehouse.rows("SELECT * FROM core.accounts ORDER BY ALL")
    again = ward.compute()
    assert (again.applied, again.held, again.rejected) == ({}, {}, 0)
    assert ward.warehouse.rows("SELECT * FROM core.accounts ORDER BY ALL") == before
    assert len(ward.changes()) == 100


def test_an_account_says_all_that_it_should(ward: Ward) -> None:
    ward.night(0, many(5, 1, Grade=10, NextSchoolCode=992))
    (one,) = ward.warehouse.dicts("SELECT * FROM core.accounts")
    assert list(one) == [name for name, _ in ACCOUNTS_COLUMNS] == ["district", *ACCOUNT_FIELDS]
    assert one["state"] == "active"
    assert (one["school"], one["next_school"], one["grade"]) == (991, 992, 10)
    assert (one["first_name"], one["last_name"], one["gender"]) == ("First5", "Last5", "F")
    assert (str(one["birthdate"]), one["email"]) == ("2012-03-06", "s5@example.org")
    assert one["state_student_id"] == "0000000005"
    assert one["first_seen_at"] == one["last_seen_at"] == night(0) + timedelta(minutes=1)
    assert one["pull_id"] == "night-0"
    ward.night(1, many(5, 1, Grade=10, NextSchoolCode=992))
    (one,) = ward.warehouse.dicts("SELECT * FROM core.accounts")
    assert one["first_seen_at"] == night(0) + timedelta(minutes=1)
    assert one["last_seen_at"] == night(1) + timedelta(minutes=1)
    assert one["pull_id"] == "night-1"


def test_a_real_high_school_gets_its_current_students_and_nobody_else(ward: Ward) -> None:
    """The status codes of 2,785 rows, as captured from a real demo school."""
    codes = {
        "": 1942, "*": 497, "N": 113, "I": 105, "X": 75, "B": 27, "O": 9, "L": 5, "U": 3, "G": 3,
        "K": 3, "S": 1, "E": 1, "F": 1,
    }  # fmt: skip
    assert sum(codes.values()) == 2785
    rows, first = [], 1
    for code, number in codes.items():
        grade = {"Grade": 8, "NextGrade": 9, "NextSchoolCode": 999} if code == "*" else {}
        rows += many(first, number, InactiveStatusCode=code, **grade)
        first += number
    ward.roster["schools"] = [991]
    computed = ward.night(0, rows)
    assert computed.applied == {"create": 1942}
    assert Counter(ward.accounts().values()) == {("active", 991): 1942}
    assert {kind for _, kind, _ in ward.changes()} == {"create"}


def test_the_pre_enrolled_of_that_school_are_created_where_the_district_says_so(
    ward: Ward,
) -> None:
    ward.roster["accounts"] = {"pre_enrolled_accounts": True}
    ward.night(0, many(1, 3) + many(11, 2, InactiveStatusCode="*"))
    assert len(ward.accounts()) == 5


def test_leavers_transfers_and_returns(ward: Ward) -> None:
    ward.night(0, everyone())
    rows = [one for one in everyone() if one["StudentID"] not in {1, 2, 3}]
    leaver = many(1, 1, InactiveStatusCode="I", SchoolLeaveDate=datetime(2026, 9, 30))
    mover = [*many(2, 1, InactiveStatusCode="I"), *many(2, 1, 992)]
    computed = ward.night(1, [*rows, *leaver, *mover])
    assert computed.applied == {"transfer": 1}
    assert computed.waiting == {"absent_too_briefly": 1, "left_too_briefly": 1}
    assert ward.accounts()[1] == ("active", 991)
    assert ward.accounts()[2] == ("active", 992)
    assert ward.accounts()[3] == ("active", 991)
    computed = ward.night(2, [*rows, *leaver, *mover])
    assert computed.applied == {"deactivate": 2}
    assert ward.accounts()[1] == ("inactive", 991)
    assert ward.accounts()[3] == ("inactive", 991)
    computed = ward.night(3, [*rows, *mover, *many(1, 1, 993)])
    assert computed.applied == {"reactivate": 1, "transfer": 1}
    assert ward.accounts()[1] == ("active", 993)


def test_history_says_who_was_where_on_any_date(ward: Ward) -> None:
    ward.night(0, everyone())
    rest = [one for one in everyone() if one["StudentID"] != 2]
    moved = {"SchoolEnterDate": datetime(2026, 10, 2)}
    ward.night(1, [*rest, *many(2, 1, InactiveStatusCode="I"), *many(2, 1, 992, **moved)])
    gone = many(2, 1, 992, InactiveStatusCode="I", SchoolLeaveDate=datetime(2026, 10, 3), **moved)
    ward.rounds(2, [*rest, *many(2, 1, InactiveStatusCode="I"), *gone])
    back = {"SchoolEnterDate": datetime(2026, 10, 4)}
    ward.night(3, [*rest, *many(2, 1, 993, **back)])
    rows = ward.warehouse.rows(
        "SELECT school, CAST(valid_from AS VARCHAR), CAST(valid_to AS VARCHAR), began_with "
        "FROM core.account_history WHERE student_id = 2 ORDER BY valid_from"
    )
    assert rows == [
        (991, "2026-08-20", "2026-10-02", "create"),
        (992, "2026-10-02", "2026-10-03", "transfer"),
        (993, "2026-10-04", None, "transfer"),
    ]


def test_views_answer_their_questions(ward: Ward, tmp_path: Path) -> None:
    born = datetime(2012, 3, 3)  # like student 2, with another state id
    namesake = many(92, 1, FirstName="First2", LastName="Last2", Birthdate=born)
    ward.night(0, [*everyone(), *many(1, 1, 992), *many(90, 1), *many(90, 1, 993), *namesake])
    assert ward.warehouse.rows(
        "SELECT * FROM core.students_in_several_schools WHERE student_id = 1"
    ) == [("eagle-usd", 1, 991, [992])]
    enrolments = "SELECT count(*) FROM core.account_enrolments WHERE student_id = 1"
    assert ward.warehouse.rows(enrolments) == [(2,)]
    ward.night(1, everyone()[20:])
    ward.night(2, everyone()[20:])
    by_day = "SELECT kind, status, changes FROM core.account_changes_by_day ORDER BY ALL"
    assert ward.warehouse.rows(by_day) == [
        ("create", "applied", 102),
        ("deactivate", "held", 22),
    ]
    somebody = tmp_path / "opted-out.csv"
    somebody.write_text(f"StudentID\n{everyone()[-1]['StudentID']}\n", encoding="utf-8")
    ward.roster["share"] = {"opted_out": str(somebody)}
    ward.night(3, everyone()[20:])
    for view in VIEWS:
        assert {"district"} <= set(ward.warehouse.dicts(f"SELECT * FROM {view}")[0])


def test_a_school_that_fails_causes_no_change_and_holds_deactivations(ward: Ward) -> None:
    ward.night(0, everyone())
    gone = [one for one in everyone() if one["StudentID"] not in {1, 150}]
    for number in (1, 2, 3):
        computed = ward.night(number, [*gone, *many(1, 1, InactiveStatusCode="I")], failed=[992])
        assert computed.applied == {}
        assert "school 992" not in ward.accounts()
        assert computed.picture.troubles == {992: "a login page came"}
    assert computed.waiting == {"district_incomplete": 1}
    computed = ward.rounds(5, [*gone, *many(1, 1, InactiveStatusCode="I")])
    assert computed.applied == {"deactivate": 1}


def test_a_row_in_quarantine_is_no_leaving(ward: Ward) -> None:
    ward.night(0, everyone())
    rest = [one for one in everyone() if one["StudentID"] not in {1, 2, 150}]
    bad = [(991, '{"StudentID":1,"Grade":"nine"}')]
    for number in (1, 2, 3):
        computed = ward.night(number, [*rest, *many(2, 1)], bad=bad)
        assert computed.applied == {}
        assert computed.waiting == {"row_unreadable": 1}
    # A row that does not tell whose it is may be that of anybody who is missing there.
    bad = [(991, '{"StudentID":"?","Grade":9}')]
    for number in (4, 5, 6):
        computed = ward.night(number, rest, bad=bad)
        assert computed.applied == {}
        assert computed.waiting == {"row_unreadable": 2}
    # Nor does an id that is itself the mistake.
    for number, wrong in ((7, '"1.4"'), (8, "0"), (9, "-3")):
        computed = ward.night(number, rest, bad=[(991, f'{{"StudentID":{wrong},"Grade":9}}')])
        assert computed.applied == {}
        assert computed.waiting == {"row_unreadable": 2}
    # Once all can be read, the rounds are counted from then on.
    assert ward.night(10, rest).waiting == {"absent_too_briefly": 2}
    assert ward.night(11, rest).applied == {"deactivate": 2}


def test_a_row_under_another_school_than_the_one_asked_is_no_leaving(ward: Ward) -> None:
    ward.night(0, everyone())
    for number in (1, 2, 3):
        computed = ward.night(number, [*many(1, 1, SchoolCode=888), *everyone()[1:]])
        assert computed.applied == {}
        assert computed.waiting == {"row_unreadable": 1}


def held_ward(ward: Ward) -> str:
    """A district in which 20 deactivations of school 991 are held; returns the batch."""
    ward.night(0, everyone())
    rest = everyone()[20:]
    left = [*rest, *many(1, 20, InactiveStatusCode="I"), *many(301, 2)]
    assert ward.night(0.4, left).applied == {"create": 2}
    computed = ward.night(1, left)
    assert computed.held == {"deactivate": 20}
    assert computed.applied == {}
    return computed.batch_id


def test_too_many_deactivations_wait_once_and_do_not_hold_back_the_rest(ward: Ward) -> None:
    batch = held_ward(ward)
    (one,) = waiting(ward.warehouse, "eagle-usd")
    assert (one.batch_id, one.kind, one.school, one.changes) == (batch, "deactivate", 991, 20)
    assert "more than 10%" in one.reason
    again = ward.compute()
    assert again.held == {}
    assert len(again.open_holds) == 20
    verdict = {a.name: a for a in answers("eagle-usd", again, waiting(ward.warehouse, "eagle-usd"))}
    assert set(verdict) == set(QUESTIONS)
    assert not verdict["no_change_is_held"].passed
    assert verdict["no_change_is_held"].serious
    assert "aeries-pipeline accounts review eagle-usd" in verdict["no_change_is_held"].text
    assert sum(state == "active" for state, _ in ward.accounts().values()) == 102


def test_approving_lets_exactly_that_batch_pass_and_leaves_a_trail(ward: Ward) -> None:
    batch = held_ward(ward)
    assert say(ward.warehouse, "eagle-usd", Wish(batch, "approve", "Kim", "school closed")) == 20
    computed = ward.compute()
    assert computed.applied == {"deactivate": 20}
    assert computed.open_holds == []
    rows = ward.warehouse.rows(
        "SELECT DISTINCT batch_id, status, status_reason, decided_by FROM core.account_changes "
        "WHERE kind = 'deactivate' ORDER BY status"
    )
    assert rows[0] == (batch, "applied", "approved: school closed", "Kim")
    assert rows[1][1] == "held"
    audit = ward.warehouse.rows(
        "SELECT batch_id, action, decided_by, why, changes FROM meta.account_decisions"
    )
    assert audit == [(batch, "approve", "Kim", "school closed", 20)]
    # The approval is spent: the next twenty wait again.
    rest = everyone()[40:]
    gone = many(1, 40, InactiveStatusCode="I")
    computed = ward.rounds(3, [*rest, *gone, *many(301, 2)])
    assert computed.held == {"deactivate": 20}
    assert computed.batch_id != batch


def test_an_approval_may_name_a_school_and_a_kind(ward: Ward) -> None:
    ward.night(0, everyone())
    gone = many(1, 20, InactiveStatusCode="I") + many(101, 20, 992, InactiveStatusCode="I")
    computed = ward.rounds(1, [*gone, *many(21, 20), *many(121, 20, 992), *many(201, 20, 993)])
    assert computed.held == {"deactivate": 40}
    wish = Wish(computed.batch_id, "approve", "Kim", "yes", "deactivate", 992)
    assert say(ward.warehouse, "eagle-usd", wish) == 20
    assert ward.compute().applied == {"deactivate": 20}
    states = Counter(ward.accounts().values())
    assert states["inactive", 992] == 20
    assert states["inactive", 991] == 0


def test_rejecting_keeps_the_accounts_and_is_not_asked_again(ward: Ward) -> None:
    batch = held_ward(ward)
    say(ward.warehouse, "eagle-usd", Wish(batch, "reject", "Kim", "wrong codes in Aeries"))
    computed = ward.compute()
    assert (computed.applied, computed.rejected) == ({}, 20)
    rest = [*everyone()[20:], *many(1, 20, InactiveStatusCode="I"), *many(301, 2)]
    computed = ward.night(2, rest)
    assert (computed.applied, computed.held, list(computed.open_holds)) == ({}, {}, [])
    assert sum(state == "active" for state, _ in ward.accounts().values()) == 102
    # Back for a night, and gone again: that is another case.
    ward.night(3, [*everyone(), *many(301, 2)])
    assert ward.rounds(4, rest).held == {"deactivate": 20}


def test_what_the_pulls_no_longer_ask_for_is_withdrawn_even_if_approved(ward: Ward) -> None:
    batch = held_ward(ward)
    back = [*everyone()[10:], *many(1, 10, InactiveStatusCode="I"), *many(301, 2)]
    ward.pulls(2, back)
    say(ward.warehouse, "eagle-usd", Wish(batch, "approve", "Kim", "school closed"))
    computed = ward.compute()
    assert (computed.applied, computed.rejected) == ({"deactivate": 10}, 10)
    assert all(ward.accounts()[student][0] == "active" for student in range(11, 21))
    assert ward.changes("status = 'rejected'") == [
        (s, "deactivate", "rejected") for s in range(11, 21)
    ]


def test_a_held_change_stays_held_while_its_school_cannot_be_read(ward: Ward) -> None:
    held_ward(ward)
    computed = ward.night(2, everyone(), failed=[991])
    assert computed.rejected == 0
    assert len(computed.open_holds) == 20


@pytest.mark.parametrize(
    "wish",
    [
        Wish("no-such-batch", "approve", "Kim", "why"),
        Wish("", "approve", "Kim", "why"),
        Wish("BATCH", "approve", "Kim", " "),
        Wish("BATCH", "approve", "", "why"),
        Wish("BATCH", "approve", "Kim", "why", "create"),
        Wish("BATCH", "approve", "Kim", "why", None, 993),
    ],
)
def test_a_decision_about_nothing_or_without_a_reason_is_refused(ward: Ward, wish: Wish) -> None:
    from dataclasses import replace

    batch = held_ward(ward)
    with pytest.raises(ConfigurationError):
        say(
            ward.warehouse,
            "eagle-usd",
            replace(wish, batch_id=wish.batch_id.replace("BATCH", batch)),
        )
    assert ward.warehouse.rows("SELECT count(*) FROM meta.account_decisions") == [(0,)]


def grown() -> list[dict[str, Any]]:
    """The district after a rollover: everybody a grade up, 20 seniors gone, 10 new."""
    return [
        *many(21, 20, Grade=10, NextGrade=11), *many(101, 40, 992, Grade=10, NextGrade=11),
        *many(201, 20, 993, Grade=10, NextGrade=11), *many(401, 10),
    ]  # fmt: skip


def test_a_new_school_year_waits_as_a_whole_until_a_person_has_looked(ward: Ward) -> None:
    ward.night(0, everyone())
    computed = ward.night(1, grown(), year="2027-2028")
    assert computed.applied == {}
    assert computed.held == {"update": 80, "create": 10}
    assert "2027-2028" in computed.stop
    batch = computed.batch_id
    again = ward.night(2, grown(), year="2027-2028")
    assert (again.applied, again.held) == ({}, {"deactivate": 20})
    say(ward.warehouse, "eagle-usd", Wish(batch, "approve", "Kim", "rolled over on June 20"))
    computed = ward.compute()
    assert computed.applied == {"update": 80, "create": 10}
    assert computed.stop == ""
    # The leavers are too many for one night and were held in a batch of their own.
    assert {hold.kind for hold in computed.open_holds} == {"deactivate"}
    say(ward.warehouse, "eagle-usd", Wish(again.batch_id, "approve", "Kim", "seniors"))
    assert ward.compute().applied == {"deactivate": 20}
    assert ward.night(3, [*grown(), *many(501, 1)], year="2027-2028").applied == {"create": 1}


def test_additions_only_keeps_everything_but_new_accounts_for_later(ward: Ward) -> None:
    ward.night(0, everyone())
    ward.roster["accounts"] = {"additions_only": [{"first": "2026-10-02", "last": "2026-10-03"}]}
    changed = [*many(1, 20, Grade=10), *everyone()[20:], *many(301, 3)]
    computed = ward.night(1, changed)
    assert computed.applied == {"create": 3}
    assert computed.waiting == {"additions_only": 20}
    assert ward.night(3, changed).applied == {"update": 20}


def test_a_status_code_of_the_district_counts_as_it_says(ward: Ward) -> None:
    codes = {"active": ["H"], "ignored": ["T"]}
    ward.roster["accounts"] = {"status_codes": codes}
    ward.night(0, [*many(1, 2, InactiveStatusCode="H"), *many(11, 2, InactiveStatusCode="T")])
    assert ward.accounts() == {1: ("active", 991), 2: ("active", 991)}


def test_a_reused_id_waits_and_a_merged_one_names_its_successor(ward: Ward) -> None:
    ward.night(0, everyone())
    other = {"FirstName": "Zoe", "LastName": "Quist", "StateStudentID": "7777777777"}
    merged = many(
        500, 1, 992, OldStudentID=2, StateStudentID="0000000002", Birthdate=datetime(2012, 3, 3)
    )
    computed = ward.night(1, [*many(1, 1, **other), *many(3, 38), *everyone()[40:], *merged])
    assert computed.held == {"update": 1}
    assert computed.applied == {"create": 1}
    computed = ward.night(2, [*many(1, 1, **other), *many(3, 38), *everyone()[40:], *merged])
    assert computed.applied == {"deactivate": 1}
    related = ward.warehouse.rows(
        "SELECT student_id, kind, code, related_student_id FROM core.account_changes_now "
        "WHERE related_student_id IS NOT NULL ORDER BY ALL"
    )
    assert related == [(2, "deactivate", "merged", 500), (500, "create", "active_row", 2)]
    names = ward.warehouse.rows("SELECT first_name FROM core.accounts WHERE student_id = 1")
    assert names == [("First1",)], "nobody is given the account of another"


def test_a_former_id_that_is_by_chance_another_students_deactivates_nobody(ward: Ward) -> None:
    ward.night(0, everyone())
    stranger = many(500, 1, 992, OldStudentID=2, Birthdate=datetime(2010, 1, 1))
    computed = ward.night(1, [*many(1, 1), *many(3, 38), *everyone()[40:], *stranger])
    assert computed.applied == {"create": 1}
    assert computed.waiting == {"absent_too_briefly": 1}


def test_no_text_of_a_batch_holds_a_value_of_a_student(ward: Ward) -> None:
    held_ward(ward)
    rows = ward.warehouse.rows(
        "SELECT reason, status_reason, code, array_to_string(changed_fields, ' '), fingerprint "
        "FROM core.account_changes UNION ALL "
        "SELECT stop_reason, array_to_string(troubles, ' '), CAST(waiting AS VARCHAR), batch_id, "
        "run_id "
        "FROM meta.account_batches"
    )
    text = repr(rows)
    assert "First" not in text
    assert "Last" not in text
    assert "example.org" not in text
    assert len(students_of(ward.warehouse, "eagle-usd")) == 20


RAW = st.fixed_dictionaries(
    {
        "StudentID": st.integers(1, 5),
        "school": st.sampled_from(SCHOOLS),
        "InactiveStatusCode": st.sampled_from(["", "", "", "*", "I", "H", "T", " "]),
        "NextSchoolCode": st.sampled_from([0, 991, 992, 999]),
        "NextGrade": st.sampled_from([10, 13]),
        "StudentNumber": st.integers(1, 2),
        "SchoolEnterDate": st.sampled_from([None, datetime(2026, 8, 20), datetime(2026, 10, 3)]),
        "Grade": st.sampled_from([9, 10, None]),
        "LastName": st.sampled_from(["Lopez", "Garcia", " ", None]),
        "StudentEmailAddress": st.sampled_from(["", "a@example.org"]),
        "AttendanceProgramCodePrimary": st.sampled_from(["", "2"]),
        "OldStudentID": st.sampled_from([0, 0, 1, 2]),
        "Birthdate": st.sampled_from([None, datetime(2012, 3, 4)]),
    },
    optional={"SchoolCode": st.just(999)},
)
NIGHTS = st.lists(
    st.tuples(
        st.lists(RAW, max_size=8, unique_by=lambda r: (r["StudentID"], r["school"])),
        st.sets(st.sampled_from(SCHOOLS), max_size=1),
    ),
    min_size=2,
    max_size=4,
)
SETTINGS = st.fixed_dictionaries(
    {
        "pre_enrolled_accounts": st.booleans(),
        "secondary_programs": st.sampled_from([[], ["2"]]),
        "status_codes": st.sampled_from([{}, {"active": ["H"], "ignored": ["T"]}]),
    }
)


@given(NIGHTS, SETTINGS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_the_filter_never_sets_aside_a_student_about_whom_there_is_something_to_decide(
    nights, accounts
) -> None:
    with TemporaryDirectory() as folder:
        ward = Ward(Path(folder), accounts=accounts, safeguards={"min_deactivated": 99})
        for number, (rows, failed) in enumerate(nights):
            ward.pulls(number, rows, failed=failed)
            policy = policy_of(ward.district, ward.moment.date())
            if number:
                check_filter(ward, policy)
            ward.compute()
        again = ward.compute()
        assert (again.applied, again.held, again.rejected) == ({}, {}, 0)


def check_filter(ward: Ward, policy: Any) -> None:
    with ward.warehouse.open() as connection:
        batch = Batch(connection, ward.district, policy, ward.moment, None)
        counts = candidates.counts_by_school(connection, "eagle-usd", policy)
        seen = _picture(batch, *counts)
        candidates.find(connection, "eagle-usd", seen, policy)
        chosen = {s for (s,) in connection.execute("SELECT * FROM chosen").fetchall()}
        candidates.find(connection, "eagle-usd", seen, policy, also=range(1, 6))
        for student, case in candidates.cases(connection, "eagle-usd", policy).items():
            decision = decide(
                case.account, case.rows, seen, policy, candidates.merged_into(case, seen)
            )
            noted = decision.account
            quiet = not decision.changes and (
                noted == case.account
                or (
                    noted.missing_since == case.account.missing_since
                    and noted.absent_rounds == case.account.absent_rounds
                )
            )
            assert quiet or student in chosen
            assert decision.waiting in {"", *WAITING}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((name, "NULL") for name in (
            "FirstName", "LastName", "Gender", "Birthdate", "StudentEmailAddress", "StateStudentID",
            "NextSchoolCode", "NextGrade", "SchoolEnterDate", "SchoolLeaveDate",
            "AttendanceProgramCodePrimary", "OldStudentID", "Grade",
        )),
        *((name, f"'{day}'") for name in ("Birthdate", "SchoolEnterDate", "SchoolLeaveDate")
          for day in ("0001-01-01 (BC)", "10000-01-01", "9999-12-31")),
        ("InactiveStatusCode", "chr(160)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("known", [True, False])
def test_one_value_of_one_student_stops_nobody(
    ward: Ward, column: str, value: str, known: bool
) -> None:
    everybody = everyone()
    others = [row for row in everybody if row["StudentID"] != 7]
    ward.night(0, everybody if known else others)
    ward.night(1, [dict(row, Grade=11) if row["StudentID"] == 8 else row for row in everybody])
    with ward.warehouse.open() as connection:
        connection.execute(f'UPDATE raw.students SET "{column}" = {value} WHERE "StudentID" = 7')
        connection.execute("DELETE FROM core.account_changes WHERE student_id IN (7, 8)")
        connection.execute("UPDATE core.accounts SET grade = 3 WHERE student_id = 8")
        if not known:
            connection.execute("DELETE FROM core.accounts WHERE student_id = 7")
    outcome = ward.compute()
    assert not outcome.rejected
    assert "deactivate" not in outcome.applied
    active = ward.warehouse.rows("SELECT student_id FROM core.accounts WHERE state = 'active'")
    assert len(active) == 100
    grades = ward.warehouse.rows("SELECT grade FROM core.accounts WHERE student_id = 8")
    assert grades == [(11,)]
