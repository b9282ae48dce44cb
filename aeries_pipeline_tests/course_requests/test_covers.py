"""What becomes of wishes that change: files that replace, late ones, whole exports, and answers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aeries_pipeline.course_requests.checks import NONE_WAITS, STILL_NAMED, answers
from aeries_pipeline.course_requests.compute import Computed, compute
from aeries_pipeline.course_requests.holds import Answer, NoSuchFileError, answer
from aeries_pipeline.course_requests.inbox import drop_in, inbox_of, take_all
from aeries_pipeline.course_requests.intake import Taken, take
from aeries_pipeline.course_requests.report import taken_report
from aeries_pipeline.course_requests.sss.deliver import Export, export
from aeries_pipeline.course_requests.statement import Covers, stated_moment
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline_tests.course_requests.sss.test_golden import DISTRICT, MOMENT, stock


class Office:
    """A district to which files are handed in, one a week."""

    def __init__(self, folder: Path, district: District = DISTRICT) -> None:
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.out = folder / "out"
        self.district = district
        self.week = 0
        stock(self.warehouse)

    @property
    def now(self) -> datetime:
        return MOMENT + timedelta(days=7 * self.week)

    def hand_in(self, *lines: str, name: str = "planner.csv", **how: Covers) -> Taken:
        self.week += 1
        text = "\n".join(["StudentID,CourseID,Priority,Alternate For", *lines, ""])
        return take(self.warehouse, self.district, name, text.encode(), self.now, **how)

    def settle(self) -> tuple[Computed, Export]:
        computed = compute(self.warehouse, self.district, moment=self.now)
        return computed, export(self.warehouse, self.district, 994, self.out, moment=self.now)

    def run(self, sql: str) -> None:
        with self.warehouse.open() as connection:
            connection.execute(sql)

    def states(self) -> Counter[tuple[str, str]]:
        return Counter(self.warehouse.rows("SELECT course_id, state FROM core.course_requests"))

    def answer(self, file: Taken, said: Answer) -> None:
        answer(self.warehouse, self.district, file.file_id, said, "registrar", self.now)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def table(found: Export, name: str) -> list[dict[str, str]]:
    text = (found.folder / name).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def numbers(found: Export, name: str = "SSS.csv") -> list[tuple[str, str]]:
    return [(row["CN"], row["SQ"]) for row in table(found, name)]


def test_a_wish_that_is_withdrawn_before_the_export_is_in_no_file(office: Office) -> None:
    office.hand_in("99400001,0608", "99400001,0001")
    office.hand_in("99400001,0608", "99400001,0630")
    computed, found = office.settle()
    assert office.states() == {
        ("0608", "repeated"): 1, ("0608", "exported"): 1, ("0001", "withdrawn"): 1,
        ("0630", "exported"): 1,
    }  # fmt: skip
    assert [course for course, _sq in numbers(found)] == ["0608", "0630"]
    assert not (found.folder / "withdrawals.csv").exists()
    assert computed.reasons == {}


def test_a_wish_that_is_withdrawn_after_the_export_is_to_be_taken_out(office: Office) -> None:
    office.hand_in("99400001,0608", "99400001,0001", "99400004,0001")
    first = office.settle()[1]
    office.hand_in("99400001,0608", "99400001,0630")
    _computed, found = office.settle()
    assert numbers(first) == [("0608", "1001"), ("0001", "1002"), ("0001", "1001")]
    assert numbers(found) == [("0630", "1003")], (
        "the number of what was withdrawn is not given again"
    )
    assert table(found, "withdrawals.csv") == [
        {"SC": "994", "SN": "1", "StudentID": "99400001", "Table": "SSS", "SQ": "1002",
         "CN": "0001", "Title": "Art & Craft", "In files since": "2027-02-10"}
    ]  # fmt: skip
    assert ("0001", "1002") not in numbers(found, "whole/SSS.csv")
    assert ("0001", "1001") in numbers(found, "whole/SSS.csv"), "nothing was said of the other one"
    # It stays in the list; nothing is written for its sake again.
    assert not office.settle()[1].is_new


def test_a_request_that_comes_back_gets_its_own_number_back(office: Office) -> None:
    office.hand_in("99400001,0608", "99400001,0001")
    office.settle()
    office.hand_in("99400001,0608")
    assert len(table(office.settle()[1], "withdrawals.csv")) == 1
    office.hand_in("99400001,0001", "99400001,0608,1")
    _computed, found = office.settle()
    assert numbers(found) == [("0001", "1002")], "it was taken out meanwhile, so it is given again"
    assert not (found.folder / "withdrawals.csv").exists()
    assert office.states()["0001", "exported"] == 1
    # Back before anybody was told to take it out: nothing to do.
    office.hand_in("99400001,0608")
    compute(office.warehouse, office.district, moment=office.now)
    office.hand_in("99400001,0608", "99400001,0001", "99400001,0630")
    assert numbers(office.settle()[1]) == [("0630", "1003")]


def test_what_a_pull_shows_as_gone_is_no_longer_listed(office: Office) -> None:
    office.hand_in("99400001,0608", "99400001,0001")
    office.settle()
    office.run("INSERT INTO raw.course_requests SELECT district, school, student_id, "
               "sequence_number, course_id, '', '' FROM core.course_request_exports")  # fmt: skip
    office.hand_in("99400001,0608")
    assert len(table(office.settle()[1], "withdrawals.csv")) == 1
    pulled = f"UPDATE meta.pulls SET started_at = TIMESTAMP '{office.now + timedelta(days=1)}'"
    office.run(pulled)
    assert not office.settle()[1].is_new, "a pull shows that it is still there"
    office.run("DELETE FROM raw.course_requests WHERE \"CourseID\" = '0001'")
    found = office.settle()[1]
    assert found.is_new
    assert not (found.folder / "withdrawals.csv").exists()


def test_changed_alternates_and_priorities_are_followed(office: Office) -> None:
    office.hand_in("99400001,0608,1", "99400001,0630,1,0608", "99400001,0001,2,0608")
    first = office.settle()[1]
    assert [(row["CN"], row["SRT"]) for row in table(first, "ACR.csv")] == [
        ("0630", "1.0"), ("0001", "2.0"),
    ]  # fmt: skip
    office.hand_in("99400001,0608,3", "99400001,0630,1,any")
    found = office.settle()[1]
    assert [(row["CN"], row["SQ"]) for row in table(found, "ACR.csv")] == [("0630", "1003")]
    assert [(row["Table"], row["CN"], row["SQ"]) for row in table(found, "withdrawals.csv")] == [
        ("ACR", "0630", "1001"), ("ACR", "0001", "1002"),
    ]  # fmt: skip
    assert not office.settle()[1].is_new
    rows = office.warehouse.rows(
        "SELECT priority FROM core.course_requests WHERE course_id = '0608' AND state = 'exported'"
    )
    assert rows == [(3.0,)]


def test_a_late_older_file_changes_nothing(office: Office) -> None:
    office.hand_in("99400001,0608", "99400004,0630", name="planner-2027-02-09.csv")
    office.hand_in("99400001,0001", "99400004,0630", "99400002,0630", name="planner-2027-02-01.csv")
    office.settle()
    assert office.states() == {
        ("0608", "exported"): 1, ("0630", "exported"): 2, ("0630", "repeated"): 1,
        ("0001", "withdrawn"): 1,
    }  # fmt: skip


def test_additions_add(office: Office) -> None:
    office.hand_in("99400001,0608")
    office.hand_in("99400001,0001", covers=Covers.ADDITIONS)
    office.settle()
    assert office.states() == {("0608", "exported"): 1, ("0001", "exported"): 1}
    office.hand_in("99400001,0001")
    office.settle()
    assert office.states()["0608", "withdrawn"] == 1


def test_a_line_that_cannot_be_read_withdraws_nothing_of_its_student(office: Office) -> None:
    office.hand_in("99400001,0608", "99400001,0001")
    office.settle()
    office.hand_in("99400001,0608", "99400001,English 9 Honors")
    office.settle()
    assert office.states()["0001", "exported"] == 1, "it may be what could not be read"


def test_lost_zeros_are_proposed_withdraw_nothing_and_are_accepted_by_a_setting(
    office: Office,
) -> None:
    office.hand_in("99400001,0608", "99400001,0001")
    office.settle()
    office.hand_in("99400001,608", "99400001,0630")
    found = office.settle()[1]
    assert office.states() == {
        ("0608", "exported"): 1, ("608", "rejected"): 1, ("0630", "exported"): 1,
        ("0001", "withdrawn"): 1,
    }  # fmt: skip
    (reject,) = table(found, "rejects.csv")
    assert reject["What to do"].endswith("Only course 0608 has these digits.")
    settled = office.district.course_requests.model_copy(update={"restore_zeros": True})
    office.district = office.district.model_copy(update={"course_requests": settled})
    computed, found = office.settle()
    assert office.states()["0608", "repeated"] == 1
    assert computed.reasons == {}
    rows = office.warehouse.rows(
        "SELECT stated_course, course_id FROM core.course_requests WHERE stated_course = '608'"
    )
    assert rows == [("608", "0608")]


def test_a_number_of_a_spreadsheet_withdraws_nothing_and_its_only_course_is_proposed(
    office: Office,
) -> None:
    with office.warehouse.open() as connection:
        connection.execute(
            "INSERT INTO raw.courses SELECT * REPLACE ('3E5' AS \"ID\") FROM raw.courses "
            "WHERE \"ID\" = '0608'"
        )
    office.hand_in("99400001,3E5", "99400001,0001")
    office.settle()
    settled = office.district.course_requests.model_copy(update={"restore_zeros": True})
    office.district = office.district.model_copy(update={"course_requests": settled})
    office.hand_in("99400001,3.00E+05", "99400001,0630")
    found = office.settle()[1]
    assert office.states() == {
        ("3E5", "exported"): 1, ("3.00E+05", "rejected"): 1, ("0630", "exported"): 1,
        ("0001", "exported"): 1,
    }  # fmt: skip
    (reject,) = table(found, "rejects.csv")
    assert reject["What to do"].endswith("Only course 3E5 is this number to a spreadsheet.")
    office.hand_in("99400001,300000", "99400001,0630")
    office.settle()
    assert office.states()["300000", "rejected"] == 1, "no setting takes it for 3E5"
    assert office.states()["3E5", "exported"] == 1


def strict(office: Office) -> None:
    settled = office.district.course_requests.model_copy(update={"min_vanishing": 2})
    office.district = office.district.model_copy(update={"course_requests": settled})


def test_a_file_of_which_much_vanishes_waits_for_a_person(office: Office) -> None:
    strict(office)
    office.hand_in("99400001,0608", "99400001,0001", "99400001,0630", "99400004,0001")
    office.settle()
    held = office.hand_in("99400001,0608")
    computed, found = office.settle()
    assert computed.waiting == {held.file_id: "it would take away 2 of 3 requests"}
    assert office.states()["0608", "held"] == 1
    told = taken_report(office.warehouse, office.district, "planner.csv", held)
    assert "a person has to accept it: it would take away 2 of 3 requests." in told
    assert not (found.folder / "withdrawals.csv").exists()
    (verdict,) = [one for one in answers("eagle-usd", [], computed) if one.name == NONE_WAITS]
    assert (verdict.passed, verdict.serious) == (False, True)
    assert f"requests answer eagle-usd {held.file_id} accept, or refuse" in verdict.text
    office.answer(held, Answer.ACCEPT)
    computed, found = office.settle()
    assert computed.waiting == {}
    assert len(table(found, "withdrawals.csv")) == 2
    with pytest.raises(NoSuchFileError, match="waits for such an answer"):
        office.answer(held, Answer.REFUSE)


def test_a_file_that_is_refused_changes_nothing(office: Office) -> None:
    strict(office)
    office.hand_in("99400001,0608", "99400001,0001", "99400001,0630")
    office.settle()
    held = office.hand_in("99400001,E7")
    office.settle()
    office.answer(held, Answer.REFUSE)
    office.settle()
    assert office.states() == {
        ("0608", "exported"): 1, ("0001", "exported"): 1, ("0630", "exported"): 1,
        ("E7", "withdrawn"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("covers", [Covers.DISTRICT, Covers.SCHOOL])
def test_a_student_whom_a_whole_export_no_longer_names_is_a_question(
    office: Office, covers: Covers
) -> None:
    office.hand_in(
        "99400001,0608", "99400002,0630", "99400004,0001", "99400004,0630", covers=covers
    )
    office.settle()
    office.hand_in("99400005,0001", covers=Covers.STUDENTS)
    whole = office.hand_in("99400001,0608", "99400002,0630", covers=covers)
    computed, found = office.settle()
    assert computed.left_out == {whole.file_id: 1}
    assert {row["Code"] for row in table(found, "rejects.csv")} == {"student_left_out"}
    assert not (found.folder / "withdrawals.csv").exists(), "nobody has answered"
    (verdict,) = [one for one in answers("eagle-usd", [], computed) if one.name == STILL_NAMED]
    assert "no longer names 1 student with requests" in verdict.text
    office.answer(whole, Answer.KEEP)
    computed, found = office.settle()
    assert computed.left_out == {}
    assert ("0001", "1001") in numbers(found, "whole/SSS.csv")
    office.answer(whole, Answer.WITHDRAW)
    computed, found = office.settle()
    assert [row["CN"] for row in table(found, "withdrawals.csv")] == ["0001", "0630"]


def test_a_whole_export_without_many_students_is_held(office: Office) -> None:
    strict(office)
    students = ("99400001", "99400002", "99400004")
    office.hand_in(*(f"{one},0630" for one in students), covers=Covers.DISTRICT)
    office.settle()
    office.hand_in("99400001,0630", "99400001,0001", covers=Covers.DISTRICT)
    assert list(office.settle()[0].waiting.values()) == ["it would take away 2 of 3 students"]


def test_a_file_of_no_single_school_cannot_cover_one(office: Office) -> None:
    office.hand_in("99300008,0608", "5,0608", covers=Covers.SCHOOL)
    (reason,) = office.settle()[0].waiting.values()
    assert reason.startswith("it is to cover a school, and no school has more than half")


def test_the_same_content_after_a_newer_one_is_asked_about(office: Office) -> None:
    first = office.hand_in("99400001,0608")
    assert office.hand_in("99400001,0608").status == "known"
    office.settle()
    office.hand_in("99400001,0001")
    office.settle()
    again = office.hand_in("99400001,0608")
    assert again.status == "taken"
    assert again.file_id == f"{first.file_id}-2"
    computed, _found = office.settle()
    assert "byte for byte" in computed.waiting[again.file_id]
    assert office.hand_in("99400001,0608").status == "known", "asked once"
    office.answer(again, Answer.ACCEPT)
    found = office.settle()[1]
    assert numbers(found) == [("0608", "1001")]
    assert [row["CN"] for row in table(found, "withdrawals.csv")] == ["0001"]


def test_lines_that_a_grown_file_no_longer_holds_are_withdrawn(office: Office) -> None:
    text = "CourseID,StudentID\r\n0608,99400004\r\n0001,99400001"
    take(office.warehouse, DISTRICT, "a.csv", text.encode(), office.now)
    compute(office.warehouse, DISTRICT, moment=office.now)
    whole = f"{text}2\r\n0630,99400004\r\n"
    take(office.warehouse, DISTRICT, "a.csv", whole.encode(), office.now + timedelta(hours=1))
    # 994000012 is another student than 99400001, who never asked.
    compute(office.warehouse, DISTRICT, moment=office.now)
    rows = office.warehouse.rows(
        "SELECT student_id, course_id, state FROM core.course_requests ORDER BY ALL"
    )
    assert rows == [
        (99400001, "0001", "withdrawn"), (99400004, "0608", "ready"),
        (99400004, "0608", "repeated"), (99400004, "0630", "ready"),
        (994000012, "0001", "rejected"),
    ]  # fmt: skip


def test_the_command_line_says_what_a_file_covers(tmp_path: Path) -> None:
    office = Office(tmp_path)
    place = inbox_of(tmp_path / "inbox", "eagle-usd")
    source = tmp_path / "planner.csv"
    source.write_text("StudentID,CourseID\n99400001,0608\n", encoding="utf-8")
    drop_in(place, source, Covers.DISTRICT)
    list(take_all(office.warehouse, DISTRICT, place, datetime.now(UTC)))
    rows = office.warehouse.rows("SELECT covers FROM core.course_request_files")
    assert rows == [("district",)]
    assert [one.name for one in place.iterdir() if one.name.endswith(".covers")] == []


ZONE = ZoneInfo("America/Los_Angeles")
ARRIVAL = datetime(2027, 2, 10, 20, 0)


@pytest.mark.parametrize(
    ("name", "remarks", "moment"),
    [
        ("planner.csv", [], None),
        ("planner-2027-02-03.csv", [], datetime(2027, 2, 4, 7, 59, 59)),
        ("planner_20270203.csv", [], datetime(2027, 2, 4, 7, 59, 59)),
        ("planner 2027-02-03 1405.csv", [], datetime(2027, 2, 3, 22, 5)),
        ("20270203T140501-planner.csv", [], datetime(2027, 2, 3, 22, 5, 1)),
        # On the day itself the arrival tells more; what is to come is not believed.
        ("planner-2027-02-10.csv", [], None),
        ("planner-2027-02-11.csv", [], None),
        ("planner-2027-02-10 2305.csv", [], None),
        # A school year is no date.
        ("requests 2027-2028.csv", [], None),
        ("planner-20271399.csv", [], None),
        ("p.csv", ["Exported 2/3/2027 2:05 PM by the office"], datetime(2027, 2, 3, 22, 5)),
        ("planner-2027-02-05.csv", ["Generated 2027-02-03 14:05"], datetime(2027, 2, 3, 22, 5)),
        ("p.csv", ["Due on 2/3/2027"], None),
    ],
)
def test_when_a_file_says_it_was_exported(
    name: str, remarks: list[str], moment: datetime | None
) -> None:
    assert stated_moment(name, remarks, ZONE, ARRIVAL) == moment


def test_only_where_it_is_switched_on_the_script_deletes_what_was_withdrawn(
    office: Office,
) -> None:
    office.hand_in("99400001,0608", "99400001,0001")
    office.settle()
    office.hand_in("99400001,0608", "99400001,0630")
    off = office.settle()[1]
    assert "DELETE" not in (off.folder / "sss.sql").read_text(encoding="utf-8")
    settled = office.district.course_requests.model_copy(update={"withdrawals_in_script": True})
    office.district = office.district.model_copy(update={"course_requests": settled})
    office.hand_in("99400001,0630")
    on = office.settle()[1]
    script = (on.folder / "sss.sql").read_text(encoding="utf-8")
    assert "(994, 1, 99400001, 1002, '0001', 'SSS', 2)" in script
    assert "(994, 1, 99400001, 1001, '0608', 'SSS', 1)" in script
    assert "DELETE" not in (on.folder / "whole" / "sss.sql").read_text(encoding="utf-8")
