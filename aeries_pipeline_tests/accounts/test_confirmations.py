"""Students are asked for alone before an account ends or is taken up again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.ask import asking, confirm
from aeries_pipeline.accounts.checks import CONFIRMED, confirmation_answers
from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.accounts.confirmations import shared
from aeries_pipeline.accounts.review import Wish, say
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import create_raw
from aeries_pipeline.districts.errors import PermanentError, StoppedError, TransientError
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline_tests.accounts.builders import Ward
from aeries_pipeline_tests.accounts.test_compute import everyone, many
from aeries_pipeline_tests.conftest import FAST, MakeWorld, World

HERE = [{"StudentID": 1, "SchoolCode": 991, "InactiveStatusCode": ""}]
NOT_ONE = [one for one in everyone() if one["StudentID"] != 1]


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    made = Ward(tmp_path)
    made.night(0, everyone())
    return made


def asked(ward: Ward) -> list[tuple[Any, ...]]:
    return ward.warehouse.rows(
        "SELECT student_id, purpose, said, active_at, open FROM core.confirmations ORDER BY ALL"
    )


def test_on_an_ordinary_night_nobody_is_asked_for(ward: Ward) -> None:
    ward.night(1, everyone())
    assert ward.requests == []
    assert ward.confirmed.due == 0


def test_a_leaver_is_asked_for_at_every_school_and_another_one_for_comparison(ward: Ward) -> None:
    left = [*NOT_ONE, *many(1, 1, InactiveStatusCode="I", NextSchoolCode=993)]
    ward.night(1, left)
    assert ward.requests == [], "one round is no evidence, so nothing is to be confirmed"
    assert ward.night(2, left).applied == {"deactivate": 1}
    assert ward.requests == [(991, 1), (993, 1), (992, 1), (991, 2)]
    assert (ward.confirmed.agreed, ward.confirmed.requests) == (1, 4)
    assert asked(ward) == [(1, "leaving", "gone", None, False)]
    assert confirmation_answers("eagle-usd", ward.confirmed)[0].passed


def test_a_list_that_lacks_a_child_who_is_there_is_contradicted(ward: Ward) -> None:
    ward.says[991, 1] = HERE
    ward.night(1, NOT_ONE)
    computed = ward.night(2, NOT_ONE)
    assert (computed.applied, computed.waiting) == ({}, {"list_contradicted": 1})
    assert ward.confirmed.contradicted == {991: 1}
    (answer,) = confirmation_answers("eagle-usd", ward.confirmed)
    assert (answer.name, answer.passed, answer.serious) == (CONFIRMED, False, True)
    assert "1 at school 991" in answer.text
    marked = ward.warehouse.rows(
        "SELECT school, contradicted FROM meta.pulls WHERE pull_id = 'night-2' ORDER BY school"
    )
    assert marked == [(991, 1), (992, None), (993, None)]
    # The list proves nobody's absence, however long it lacks the child.
    for number in (3, 4, 5, 6):
        computed = ward.night(number, [one for one in NOT_ONE if one["StudentID"] != 2])
        assert computed.applied == {}
        assert computed.picture.lacking == {991}
    assert ward.accounts()[1] == ("active", 991)
    # A whole list agrees again; a later leaving is believed after its rounds.
    del ward.says[991, 1]
    assert ward.night(7, everyone()).picture.lacking == frozenset()
    assert ward.night(8, NOT_ONE).applied == {}
    assert ward.night(9, NOT_ONE).applied == {"deactivate": 1}


def test_a_child_who_leaves_while_a_list_is_contradicted_is_asked_for_anew(ward: Ward) -> None:
    ward.says[991, 1] = HERE
    ward.night(1, NOT_ONE)
    ward.night(2, NOT_ONE)
    del ward.says[991, 1]
    found = [dict(ward.night(number, NOT_ONE).applied) for number in (3, 4, 5)]
    assert found == [{}, {"deactivate": 1}, {}]


def test_a_child_at_another_school_whose_list_lacks_it_keeps_the_account(ward: Ward) -> None:
    """The old school says that it left, the new one's list is short."""
    left = [*NOT_ONE, *many(1, 1, InactiveStatusCode="I")]
    ward.says[993, 1] = [{"StudentID": 1, "SchoolCode": 993, "InactiveStatusCode": " "}]
    ward.night(1, left)
    assert ward.night(2, left).waiting == {"list_contradicted": 1}
    assert ward.accounts()[1] == ("active", 991)
    assert ward.night(3, left).picture.lacking == {993}
    assert ward.night(4, [*left, *many(1, 1, 993)]).applied == {"transfer": 1}


@pytest.mark.parametrize(
    "error",
    [
        TransientError("http_503", "no"),
        StoppedError("outside_window", "closed"),
        PermanentError("not_json", "no"),
    ],
)
def test_a_request_that_fails_is_no_answer(ward: Ward, error: Exception) -> None:
    ward.says[992, 1] = error
    ward.night(1, NOT_ONE)
    for number in (2, 3):
        computed = ward.night(number, NOT_ONE)
        assert (computed.applied, computed.waiting) == ({}, {"not_confirmed": 1})
        (answer,) = confirmation_answers("eagle-usd", ward.confirmed)
        assert (answer.passed, answer.serious) == (False, False)
    del ward.says[992, 1]
    assert ward.night(4, NOT_ONE).applied == {"deactivate": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        [{"StudentID": 1, "SchoolCode": 991, "InactiveStatusCode": None}],
        [{"StudentID": 5, "SchoolCode": 991, "InactiveStatusCode": "I"}],
        [{"Anything": 1}],
    ],
)
def test_an_answer_that_cannot_be_read_is_none(ward: Ward, wrong: list[dict[str, Any]]) -> None:
    ward.says[991, 1] = wrong
    ward.night(1, NOT_ONE)
    assert ward.night(2, NOT_ONE).waiting == {"not_confirmed": 1}


def test_a_site_that_finds_nobody_alone_confirms_nothing(ward: Ward) -> None:
    for student in range(1, 41):
        ward.says[991, student] = []
    ward.night(1, NOT_ONE)
    assert ward.night(2, NOT_ONE).waiting == {"not_confirmed": 1}
    codes = ward.warehouse.rows("SELECT DISTINCT code FROM core.confirmations")
    assert codes == [("nobody_is_found",)]
    ward.roster["accounts"] = {"confirm_alone": False}
    assert ward.night(3, NOT_ONE).applied == {"deactivate": 1}


def test_a_child_at_a_school_that_is_not_in_the_roster_waits_for_a_person(ward: Ward) -> None:
    with ward.warehouse.open() as connection:
        connection.execute(create_raw(RESOURCES["schools"].main, "warehouse"))
        connection.execute(
            'INSERT INTO raw.schools (district, "SchoolCode", "LowGradeLevel", "HighGradeLevel") '
            "VALUES ('eagle-usd', 888, 9, 12), ('eagle-usd', 999, 0, 12), ('eagle-usd', 0, 0, 12)"
        )
    ward.says[888, 1] = [{"StudentID": 1, "SchoolCode": 888, "InactiveStatusCode": ""}]
    ward.night(1, NOT_ONE)
    computed = ward.night(2, NOT_ONE)
    assert computed.held == {"deactivate": 1}
    assert "now at school 888, which is not in the roster" in computed.open_holds[0].reason
    (code,) = ward.warehouse.rows("SELECT DISTINCT code FROM core.account_changes_now "
                                  "WHERE kind = 'deactivate'")  # fmt: skip
    assert code == ("left_for_unrostered_school",)
    assert ward.requests == [(991, 1), (888, 1)], "the first active row ends the asking"
    assert computed.picture.lacking == frozenset()
    say(ward.warehouse, "eagle-usd", Wish(computed.batch_id, "approve", "Kim", "a charter school"))
    assert ward.compute().applied == {"deactivate": 1}


@pytest.mark.parametrize(("terms", "waits"), [('[{"TermCode": "Y"}]', True), ("[]", False)])
def test_leaving_for_a_teaching_school_beyond_the_roster_waits(
    ward: Ward, terms: str, waits: bool
) -> None:
    with ward.warehouse.open() as connection:
        connection.execute(create_raw(RESOURCES["schools"].main, "warehouse"))
        connection.execute(
            'INSERT INTO raw.schools (district, "SchoolCode", "LowGradeLevel", "HighGradeLevel", '
            "\"Terms\") VALUES ('eagle-usd', 888, 9, 12, ?), ('eagle-usd', 991, 9, 12, ?)",
            [terms, terms],
        )
    left = [*NOT_ONE, *many(1, 1, InactiveStatusCode="T", NextSchoolCode=888)]
    ward.night(1, left)
    computed = ward.night(2, left)
    assert (computed.held, computed.applied) == (
        ({"deactivate": 1}, {}) if waits else ({}, {"deactivate": 1})
    )
    assert ward.warehouse.rows(
        "SELECT code FROM core.account_changes_now WHERE kind = 'deactivate'"
    ) == [("left_for_unrostered_school",)]
    if waits:
        assert "roster sync" in computed.open_holds[0].reason


def test_of_more_than_are_asked_for_a_sample_is_and_the_rest_waits_for_a_person(ward: Ward) -> None:
    ward.roster["safeguards"] = {
        "max_asked": 5, "sample_asked": 3, "max_absent": 1.0, "max_deactivated": 1.0,
    }  # fmt: skip
    rest = everyone()[8:]
    ward.night(1, rest)
    computed = ward.night(2, rest)
    assert (ward.confirmed.due, ward.confirmed.asked) == (8, 3)
    assert computed.applied == {"deactivate": 3}
    assert computed.held == {"deactivate": 5}
    assert "8 deactivations in the district, more than the 5" in computed.open_holds[0].reason
    say(ward.warehouse, "eagle-usd", Wish(computed.batch_id, "approve", "Kim", "compared"))
    assert ward.compute().applied == {"deactivate": 5}


def test_who_returns_is_asked_for_and_an_older_list_takes_nobody_back(ward: Ward) -> None:
    ward.night(1, NOT_ONE)
    ward.night(2, NOT_ONE)
    assert ward.accounts()[1] == ("inactive", 991)
    ward.says[991, 1] = []
    older = [*everyone()[:2], *many(3, 1, Grade=8), *everyone()[3:]]
    computed = ward.night(3, older)
    assert (computed.applied, computed.waiting) == ({}, {"list_contradicted": 2})
    assert ward.confirmed.contradicted == {991: 1}
    del ward.says[991, 1]
    computed = ward.night(4, older)
    assert computed.applied == {"reactivate": 1, "update": 1}


def test_many_new_accounts_are_asked_for_and_one_who_is_not_there_stops_them(ward: Ward) -> None:
    few = [*everyone(), *many(301, 3)]
    assert ward.night(1, few).applied == {"create": 3}
    assert ward.requests == []
    ward.says[991, 402] = [{"StudentID": 402, "SchoolCode": 991, "InactiveStatusCode": "I"}]
    more = [*few, *many(401, 4), *many(501, 2, 992)]
    computed = ward.night(2, more)
    assert computed.applied == {"create": 2}
    assert computed.waiting == {"list_contradicted": 4}
    del ward.says[991, 402]
    assert ward.night(3, more).applied == {"create": 4}


def test_an_answer_of_an_earlier_night_confirms_nothing(ward: Ward) -> None:
    ward.says[992, 1] = TransientError("http_503", "no")
    ward.night(1, NOT_ONE)
    ward.night(2, NOT_ONE)
    del ward.says[992, 1]
    ward.confirm()
    ward.pulls(3, NOT_ONE)
    computed = compute(ward.warehouse, ward.district, moment=ward.moment + timedelta(minutes=1))
    assert (computed.applied, computed.waiting) == ({}, {"not_confirmed": 1})


def pulled(world: World) -> None:
    session = world.session()
    try:
        pull_resource(session, RESOURCES["students"], world.schools)
    finally:
        session.close()


def test_over_http_a_leaver_is_asked_for_inside_the_window_and_not_outside(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    pulled(world)
    compute(world.warehouse, world.district)
    row = next(row for row in world.site.district.active() if row.school == 994)
    row.tag = "I"
    world.site.district.version += 1
    for _ in range(2):
        pulled(world)
        compute(world.warehouse, world.district)
    assert compute(world.warehouse, world.district).waiting == {"not_confirmed": 1}
    day = f"{datetime.now(UTC) + timedelta(days=2):%A}"
    world.write_roster(pull_window=f"{day} from 1 am to 2 am", timezone="UTC")
    closed = world.session(replace(FAST))
    sent = closed.client
    try:
        found = confirm(world.warehouse, world.district, lambda: asking(closed))
    finally:
        closed.close()
    assert "the pull window" in found.trouble
    assert found.requests == 0
    assert sent is not None
    world.write_roster()
    session = world.session()
    try:
        found = confirm(world.warehouse, world.district, lambda: asking(session))
    finally:
        session.close()
    assert (found.due, found.agreed, found.failed) == (1, 1, 0)
    assert compute(world.warehouse, world.district).applied == {"deactivate": 1}
    text = repr(world.warehouse.rows("SELECT * FROM core.confirmations"))
    assert row.person.last not in text


def test_a_child_more_each_night_is_held_and_what_a_person_approved_counts_no_more(
    ward: Ward,
) -> None:
    rest = everyone()
    held: list[int] = []
    for number in range(1, 8):
        rest = rest[1:]
        computed = ward.night(number, rest)
        held.append(sum(computed.held.values()))
    assert held == [0, 0, 0, 0, 1, 1, 1]
    waiting = {one.batch_id for one in computed.open_holds}
    for batch in waiting:
        say(ward.warehouse, "eagle-usd", Wish(batch, "approve", "Kim", "they have moved"))
    assert ward.compute().applied == {"deactivate": 3}
    over_a_month = [dict(ward.night(number, rest[1:]).applied) for number in (40, 41)]
    assert over_a_month == [{"deactivate": 1}, {"deactivate": 1}]


def test_an_ordinary_night_of_a_county_costs_fewer_than_a_hundred_requests(tmp_path: Path) -> None:
    """60 schools, of which each teaches three grades; 17 of 3,000 students leave, as in a year."""
    codes = list(range(101, 161))
    ward = Ward(tmp_path, schools=codes)
    with ward.warehouse.open() as connection:
        connection.execute(create_raw(RESOURCES["schools"].main, "warehouse"))
        connection.executemany(
            'INSERT INTO raw.schools (district, "SchoolCode", "LowGradeLevel", "HighGradeLevel", '
            "\"Terms\") VALUES ('eagle-usd', ?, ?, ?, '[1]')",
            [*((code, low := 3 * (code % 4), low + 2) for code in codes), (900, 0, 12)],
        )
    rows = [
        {"school": code, "StudentID": 1000 * code + number, "Grade": 3 * (code % 4)}
        for code in codes
        for number in range(50)
    ]
    ward.night(0, rows)
    gone = [{**one, "InactiveStatusCode": "I"} for one in rows[:: len(rows) // 16]][:17]
    left = {one["StudentID"] for one in gone}
    after = [*(one for one in rows if one["StudentID"] not in left), *gone]
    ward.night(1, after)
    computed = ward.night(2, after)
    assert computed.applied == {"deactivate": 17}
    assert ward.confirmed.asked == 17
    assert ward.confirmed.requests == 17 * 4 + 17 == 85
    asked = ward.warehouse.rows("SELECT asked FROM core.confirmations")
    assert all(900 in one for (one,) in asked), "no list is read of it, so it comes first"
    assert {len(one) for (one,) in asked} == {4}, "the school itself and the three likeliest"


@given(st.integers(1, 200), st.integers(0, 300), st.integers(1, 60))
def test_requests_are_shared_within_what_a_night_may_cost(worth, certain, students) -> None:
    each = shared(worth, certain, students)
    assert certain + each * students <= max(worth, certain)
    assert certain + (each + 1) * students > worth
