"""Nothing waits in silence: students who wait for long, schools that are left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aeries_pipeline.accounts.checks import answers
from aeries_pipeline.accounts.waits import EXPECTED, Wait, late_among, long_waits, waits_of
from aeries_pipeline.cli.accounts import show_waiting
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.status.page import markdown
from aeries_pipeline.operations.status.read import read_status
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.versions import SCHEMA_VERSION
from aeries_pipeline_tests.accounts.builders import Ward, night
from aeries_pipeline_tests.accounts.test_compute import everyone, many
from aeries_pipeline_tests.conftest import roster_entry, write_roster

MOMENT = night(20)
CODES = ("absent_too_briefly", "not_confirmed", *sorted(EXPECTED))
IDS = st.integers(1, 6)
TIMES = st.integers(0, 20).map(lambda days: MOMENT - timedelta(days=days))


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def verdict(computed, name: str):
    return next(one for one in answers("eagle-usd", computed, ()) if one.name == name)


@given(
    st.dictionaries(IDS, st.sampled_from(CODES)),
    st.lists(st.tuples(IDS, TIMES)),
    st.dictionaries(IDS, TIMES),
)
def test_a_wait_begins_once_and_lasts_until_it_ends(waiting, held, before) -> None:
    found = {one.student_id: one for one in waits_of(waiting, held, before, MOMENT)}
    unexpected = {student for student, code in waiting.items() if code not in EXPECTED}
    assert set(found) == unexpected | {student for student, _ in held}
    for student, one in found.items():
        starts = [MOMENT, before.get(student, MOMENT), *(at for who, at in held if who == student)]
        assert one.since == min(starts)
        assert one.code == (waiting[student] if student in unexpected else "held")


@given(st.lists(st.builds(Wait, IDS, st.sampled_from(CODES), TIMES)), st.integers(1, 20))
def test_late_is_longer_than_the_limit_and_the_longest_comes_first(waits, days) -> None:
    late = late_among(waits, MOMENT, days)
    assert sorted(late, key=repr) == sorted(
        (one for one in waits if MOMENT - one.since > timedelta(days=days)), key=repr
    )
    assert [one.since for one in late] == sorted(one.since for one in late)


def test_who_waits_for_long_is_counted_and_only_the_review_names_them(ward: Ward) -> None:
    ward.night(0, everyone())
    rest = everyone()[1:]
    for number in range(1, 11):
        # School 993 fails night after night: whether student 1 has left cannot be known.
        computed = ward.night(number, rest, failed=[993])
        assert computed.waiting == {"district_incomplete": 1}
        late = number - 1 > ward.district.stale_after_days
        answer = verdict(computed, "nobody_waits_for_long")
        assert answer.passed is not late
        assert answer.numbers == {"students": int(late)}
    assert "1 district_incomplete" in answer.text
    assert "accounts review eagle-usd" in answer.text
    (wait,) = long_waits(ward.warehouse, ward.district, ward.moment)
    assert (wait.student_id, wait.code) == (1, "district_incomplete")
    assert wait.since.date() == night(1).date()
    assert ward.accounts()[1] == ("active", 991), "a wait changes nothing"
    computed = ward.night(11, everyone())
    assert verdict(computed, "nobody_waits_for_long").passed
    assert ward.warehouse.rows("SELECT * FROM core.account_waiting") == []


def test_a_held_change_is_a_wait_since_it_was_proposed(ward: Ward) -> None:
    ward.night(0, everyone())
    left = [*everyone()[20:], *many(1, 20, InactiveStatusCode="I")]
    ward.rounds(1, left)
    computed = ward.night(11, left)
    assert {one.code for one in computed.long_waits} == {"held"}
    assert [one.student_id for one in computed.long_waits] == list(range(1, 21))
    assert "20 held" in verdict(computed, "nobody_waits_for_long").text


def test_who_enters_later_is_not_late(ward: Ward) -> None:
    later = many(9, 1, SchoolEnterDate=datetime(2027, 1, 10))
    ward.night(0, [*everyone()[10:], *later])
    computed = ward.night(30, [*everyone()[10:], *later])
    assert computed.waiting == {"enters_later": 1}
    assert computed.long_waits == []


def test_a_school_left_out_says_so_everywhere_with_the_day(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.night(0, everyone())
    gone = [*many(1, 40), *many(101, 40, 992), *many(201, 20, 993, InactiveStatusCode="I")]
    for number in (1, 2, 3):
        computed = ward.night(number, gone)
        answer = verdict(computed, "every_school_was_read")
        assert not answer.passed
        assert answer.serious, "an error, so that a notice goes out"
        assert "school 993: none of its rows is active, with 20 active accounts" in answer.text
        assert (
            f"left out since {ward.district.day_of(night(1) + timedelta(hours=1))}" in answer.text
        )
    settings = Settings(tmp_path / "districts.yaml", tmp_path)
    write_roster(settings.roster, [roster_entry("http://127.0.0.1:9/aeries", [991, 992, 993])])
    one = read_status(Store(tmp_path), load_roster(settings.roster), datetime.now(UTC))[0]
    (said,) = one.left_out
    assert "school 993: none of its rows is active" in said
    assert "left out since 2026-10-02" in said
    assert one.needs_a_person
    assert "left out since 2026-10-02" in markdown([one], datetime.now(UTC))
    computed = ward.night(4, everyone())
    assert verdict(computed, "every_school_was_read").passed
    assert not read_status(Store(tmp_path), load_roster(settings.roster), datetime.now(UTC))[
        0
    ].left_out
    computed = ward.night(5, everyone(), failed=[993])
    answer = verdict(computed, "every_school_was_read")
    assert "left out since 2026-10-06" in answer.text, "it was read in between"
    assert not answer.serious


def test_the_review_names_students_with_why_and_since_when(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "districts.yaml", tmp_path)
    write_roster(settings.roster, [roster_entry("http://127.0.0.1:9/aeries", [991, 992, 993])])
    ward = Ward(tmp_path)
    ward.night(0, everyone())
    ward.night(1, everyone()[1:], failed=[993])
    console = Console(record=True, width=400)
    show_waiting(settings, "eagle-usd", console)
    said = console.export_text()
    assert "school 993: " in said
    assert "nobody's leaving is believed before it is read again" in said
    assert "student 1 of school 991, waiting since 2026-10-02, longer than stale_after_days" in said
    assert "gone from their school while another school could not be read" in said
    assert "nothing waits" not in said


def test_a_warehouse_without_the_table_of_waits_gets_it(ward: Ward) -> None:
    ward.night(0, everyone())
    with ward.warehouse.open() as connection:
        connection.execute("DROP TABLE core.account_waiting")
        connection.execute(f"DELETE FROM meta.schema_version WHERE version >= {SCHEMA_VERSION}")
        connection.execute("INSERT INTO meta.schema_version VALUES (3, now()::TIMESTAMP)")
    computed = ward.night(1, everyone()[1:], failed=[993])
    assert computed.waiting == {"district_incomplete": 1}
    (wait,) = long_waits(ward.warehouse, ward.district, ward.moment + timedelta(days=9))
    assert wait.student_id == 1
