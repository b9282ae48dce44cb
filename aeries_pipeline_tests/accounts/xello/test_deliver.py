"""What Xello gets: byte for byte, whole or not at all, and nothing shifted silently."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeries_pipeline.accounts.xello.contents import NothingToDeliverError
from aeries_pipeline.accounts.xello.deliver import Delivery, deliver
from aeries_pipeline.accounts.xello.layout import LAYOUTS, STUDENT, school_type
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import create_raw
from aeries_pipeline.stores import deliveries as module
from aeries_pipeline_tests.accounts.builders import Ward, night

SCHOOLS = [
    {"SchoolCode": 991, "Name": "Condor High School", "LowGradeLevel": 9, "HighGradeLevel": 12},
    {"SchoolCode": 992, "Name": "Osprey Middle School", "LowGradeLevel": 6, "HighGradeLevel": 8},
    {"SchoolCode": 993, "Name": "Heron Academy", "LowGradeLevel": 6, "HighGradeLevel": 12},
    {"SchoolCode": 999, "Name": "Inactive", "LowGradeLevel": -2, "HighGradeLevel": 18},
]
COURSES = [
    {"ID": "0315", "Title": "English 9", "CreditDefault": Decimal("10.0000"), "LowGrade": 9},
    {"ID": "ALG1", "Title": "Algebra I", "CreditDefault": Decimal("2.5000"), "LowGrade": 9},
    {"ID": "M06", "Title": "Math 6", "CreditDefault": Decimal("0"), "LowGrade": 6},
]


def fill(ward: Ward, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    base = {"district": "eagle-usd", "_pull_id": "night-0", "_pulled_at": night(0)}
    table = pa.Table.from_pylist([{**base, **row} for row in rows])
    with ward.warehouse.open() as connection:
        connection.execute(create_raw(RESOURCES[name].main, "warehouse"))
        connection.execute(f"DELETE FROM raw.{name}")
        connection.register("made", table)
        connection.execute(f"INSERT INTO raw.{name} BY NAME FROM made")


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return stocked(tmp_path)


def stocked(folder: Path) -> Ward:
    ward = Ward(folder)
    ward.night(
        0,
        [
            {"StudentID": 1, "school": 991, "Grade": 9},
            {"StudentID": 2, "school": 992, "Grade": 8, "NextSchoolCode": 991, "Gender": "X"},
            {"StudentID": 3, "school": 993, "Grade": 0, "Birthdate": None, "StateStudentID": ""},
            {"StudentID": 4, "school": 993, "Grade": -1},
            {"StudentID": 5, "school": 991, "InactiveStatusCode": "I"},
        ],
    )
    fill(ward, "schools", SCHOOLS)
    fill(ward, "courses", COURSES)
    done = datetime(2026, 6, 10)
    fill(
        ward,
        "transcripts",
        [
            line(1, 1, "0315", "B", "5.0000", 9, DateOfCompletion=done),
            line(1, 2, "0315", "F", "0.0000", 9),
            line(1, 3, "OUT", "A", "1.2500", 8, TranscriptCourseTitle="Taken elsewhere"),
            line(2, 1, "ALG1", "A", "2.5000", 8, school=992),
            line(2, 1, "ALG1", "A", "2.5000", 8, school=991),
            line(2, 2, "M06", "", "0.0000", 6, school=992),
            line(4, 1, "M06", "A", "1.0000", 6, school=993),
            line(5, 1, "0315", "A", "5.0000", 9),
        ],
    )
    later = {"DateStarted": datetime(2027, 1, 10), "DateEnded": datetime(2027, 6, 10)}
    fill(
        ward,
        "classes",
        [
            seat(1, "ALG1"), seat(1, "ALG1"), seat(1, "0315", **later),
            seat(1, "M06", DateEnded=datetime(2026, 9, 5)),
        ],
    )  # fmt: skip
    return ward


def line(
    student: int, number: int, course: str, mark: str, credits_: str, grade: int, **values: Any
) -> dict[str, Any]:
    base = {
        "school": 991, "StudentID": student, "SequenceNumber": number, "CourseID": course,
        "Mark": mark, "CreditCompleted": Decimal(credits_), "StudentGrade": grade,
        "TranscriptCourseTitle": "", "DateOfCompletion": None,
    }  # fmt: skip
    return {**base, **values}


def seat(student: int, course: str, **values: Any) -> dict[str, Any]:
    base = {
        "school": 991, "StudentID": student, "CourseID": course,
        "DateStarted": datetime(2026, 8, 20), "DateEnded": datetime(2026, 12, 19),
    }  # fmt: skip
    return {**base, **values}


def made(ward: Ward, **how: Any) -> Delivery:
    ward.moment += timedelta(seconds=5)
    out = ward.warehouse.path.parent / "out"
    return deliver(ward.warehouse, ward.district, out, moment=ward.moment, **how)


def lines(delivery: Delivery, name: str) -> list[str]:
    return (delivery.folder / name).read_bytes().decode("utf-8").split("\n")


def test_the_files_byte_for_byte(ward: Ward) -> None:
    delivery = made(ward)
    assert lines(delivery, "School.txt") == [
        "SchoolCode|Name|SchoolType",
        "991|Condor High School|1",
        "992|Osprey Middle School|2",
        "993|Heron Academy|3",
        "",
    ]
    assert lines(delivery, "Student.txt") == [
        "StudentID|FirstName|LastName|Gender|DateOfBirth|CurrentGrade|CurrentSchoolCode|"
        "PreRegSchoolCode|StateProvNumber|Email",
        "1|First1|Last1|F|2012-03-02|9|991||0000000001|s1@example.org",
        "2|First2|Last2|N|2012-03-03|8|992|991|0000000002|s2@example.org",
        "3|First3|Last3|F||0|993|||s3@example.org",
        "",
    ]
    assert lines(delivery, "StudentCourses.txt") == [
        "StudentID|CourseCode|CourseName|GradeLevel|GradeMark|CreditValue|DateCourseComplete|"
        "HSCourse",
        "1|0315|English 9|9|B|5|2026-06-10|",
        "1|0315|English 9|9|F|0||",
        "1|OUT|Taken elsewhere|8|A|1.25||0",
        "1|0315|English 9|9|0|10|2027-06-10|",
        "1|ALG1|Algebra I|9|0|2.5|2026-12-19|",
        "2|ALG1|Algebra I|8|A|2.5||1",
        "2|M06|Math 6|6|0|0||0",
        "",
    ]


def test_the_manifest_tells_counts_checksums_and_origins(ward: Ward) -> None:
    delivery = made(ward)
    manifest = json.loads((delivery.folder / "manifest.json").read_text(encoding="utf-8"))
    assert {name: one["rows"] for name, one in manifest["files"].items()} == {
        "School.txt": 3, "Student.txt": 3, "StudentCourses.txt": 7, "account_changes.csv": 3,
        "problems.csv": 0,
    }  # fmt: skip
    for name, one in manifest["files"].items():
        content = (delivery.folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert len(content) == one["bytes"]
        assert content.count(b"\n") == one["rows"] + 1
    assert manifest["accounts_outside_these_grades"] == 1
    assert manifest["pulls"]["accounts"] == ["night-0"]
    assert manifest["name"] == delivery.folder.name


def test_only_the_owner_can_read_a_delivery(ward: Ward) -> None:
    delivery = made(ward)
    assert stat.S_IMODE(delivery.folder.stat().st_mode) == 0o700
    for file in delivery.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_changes_since_the_last_delivery_and_no_others(ward: Ward) -> None:
    first = made(ward)
    assert [row["kind"] for row in changes(first)] == ["create"] * 3
    ward.rounds(
        1,
        [
            {"StudentID": 1, "school": 991, "Grade": 9, "InactiveStatusCode": "I"},
            {"StudentID": 2, "school": 993, "Grade": 8, "Gender": "X"},
            {"StudentID": 3, "school": 993, "Grade": 0, "Birthdate": None, "StateStudentID": ""},
        ],
    )
    second = made(ward)
    assert second.is_new
    names = ("kind", "student_id", "from_school", "to_school")
    assert [tuple(row[name] for name in names) for row in changes(second)] == [
        ("transfer", "2", "992", "993"),
        ("update", "2", "993", "993"),
        ("deactivate", "1", "991", ""),
    ]
    assert changes(second)[1]["changed_fields"] == "next_school"
    assert [line.split("|")[0] for line in lines(second, "Student.txt")[1:-1]] == ["2", "3"]


def changes(delivery: Delivery) -> list[dict[str, str]]:
    with (delivery.folder / "account_changes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_again_writes_nothing(ward: Ward) -> None:
    first = made(ward)
    again = made(ward)
    assert not again.is_new
    assert again.folder == first.folder
    assert [one.name for one in first.folder.parent.iterdir()] == [first.folder.name]


def test_old_deliveries_go(ward: Ward) -> None:
    ward.roster["accounts"] = {"deliveries_keep": 2}
    for number in range(3):
        ward.night(number + 1, [{"StudentID": 1, "school": 991, "Grade": 9 + number}])
        made(ward)
    folders = sorted(
        one.name for one in (ward.warehouse.path.parent / "out/eagle-usd/xello").iterdir()
    )
    assert len(folders) == 2


def awkward(ward: Ward, **values: Any) -> Delivery:
    student = {"StudentID": 1, "school": 991, "Grade": 9, **values}
    ward.night(1, [student, {"StudentID": 2, "school": 992, "Grade": 8}])
    return made(ward)


@pytest.mark.parametrize(
    ("values", "column", "problem", "action", "written"),
    [
        ({"LastName": "Lo|pez"}, "LastName", "delimiter", "made to fit", "Lo pez"),
        ({"LastName": "Lo\r\npez"}, "LastName", "line break", "made to fit", "Lo pez"),
        ({"FirstName": "A" * 101}, "FirstName", "longer than 100", "made to fit", "A" * 100),
        ({"StudentEmailAddress": "a|b@example.org"}, "Email", "delimiter", "left blank", ""),
        ({"StudentEmailAddress": "a" * 101}, "Email", "longer than 100", "left blank", ""),
        ({"StateStudentID": "1" * 21}, "StateProvNumber", "longer than 20", "left blank", ""),
        ({"NextSchoolCode": 885}, "PreRegSchoolCode", "not in the School file", "left blank", ""),
        ({"FirstName": ""}, "FirstName", "is blank in Aeries", "the last one stays", "First1"),
        ({"LastName": None}, "LastName", "is blank in Aeries", "the last one stays", "Last1"),
        ({"Grade": None}, "CurrentGrade", "is blank in Aeries", "the last one stays", "9"),
    ],
)
def test_a_value_that_does_not_fit_is_reported_and_the_student_stays(
    ward: Ward, values, column, problem, action, written
) -> None:
    delivery = awkward(ward, **values)
    ((file, named, found, done),) = delivery.problems
    assert (file, named, done) == ("Student", column, action)
    assert problem in found
    place = [one.name for one in STUDENT.columns].index(column)
    row = lines(delivery, "Student.txt")[1].split("|")
    assert row[0] == "1"
    assert len(row) == len(STUDENT.columns)
    assert row[place] == written
    report = (delivery.folder / "problems.csv").read_text(encoding="utf-8")
    assert f"Student,1,{column}," in report
    for value in values.values():
        assert str(value) not in report or len(str(value)) < 4


@pytest.mark.parametrize("name", ["|", "||", " |\r\n| "])
def test_a_name_of_delimiters_alone_is_missing_and_said_to_be(ward: Ward, name: str) -> None:
    delivery = awkward(ward, FirstName=name)
    assert list(delivery.problems) == [("Student", "FirstName", "is missing", "stays without it")]
    assert lines(delivery, "Student.txt")[1].startswith("1||Last1|")


def test_a_line_without_a_date_is_told_from_others_by_year_and_term(ward: Ward) -> None:
    fill(ward, "terms", [
        term("Fall", datetime(2026, 8, 20), datetime(2026, 12, 19)),
        term("Spring", datetime(2027, 1, 5), datetime(2027, 6, 10)),
        term("Leap", datetime(2028, 2, 1), datetime(2028, 2, 29)),
        term("Summer", datetime(2026, 7, 1), datetime(2026, 8, 1), school=992),
    ])  # fmt: skip
    same = {"SchoolYear": "2024-2025"}
    fill(ward, "classes", [seat(99, "M06")])
    fill(ward, "transcripts", [
        line(1, 1, "0315", "A", "5", 7, TermDescription="Fall", **same),
        line(1, 2, "0315", "A", "5", 7, TermDescription="spring ", **same),
        line(1, 3, "0315", "A", "5", 7, TermDescription="Leap", **same),
        line(1, 4, "0315", "A", "5", 7, TermDescription="Summer", **same),
        line(1, 5, "0315", "A", "5", 7, TermDescription=None, **same),
        line(1, 6, "0315", "A", "5", 9, TermDescription="Fall", SchoolYear="2026-2027"),
        line(1, 7, "0315", "A", "5", 9, TermDescription="Summer", SchoolYear="2026-2027"),
        line(1, 8, "0315", "A", "5", 9, TermDescription="Fall", SchoolYear="none"),
        line(1, 9, "0315", "A", "5", 7, TermDescription="Fall", **same,
             DateOfCompletion=datetime(2024, 11, 2)),
    ])  # fmt: skip
    dates = [one.split("|")[6] for one in lines(made(ward), "StudentCourses.txt")[1:-1]]
    assert dates == [
        "2024-12-19", "2025-06-10", "2025-02-28", "2025-07-01", "2025-07-01", "2026-12-19", "", "",
        "2024-11-02",
    ]  # fmt: skip


def term(name: str, start: datetime, end: datetime, school: int = 991) -> dict[str, Any]:
    return {"school": school, "TermCode": name[:1], "TermDescription": name, "StartDate": start,
            "EndDate": end}  # fmt: skip


def test_a_course_line_that_does_not_fit_is_left_out_and_reported(ward: Ward) -> None:
    bad = [
        line(1, 1, "0315", "B|", "5", 9),
        line(1, 2, "0315", "MARKED", "5", 9),
        line(1, 3, "OUT", "A", "5", 9, TranscriptCourseTitle="T" * 101),
        line(1, 4, "ALG1", "A", "5", 9),
    ]
    fill(ward, "transcripts", bad)
    fill(ward, "classes", [seat(99, "M06")])
    delivery = made(ward)
    written = lines(delivery, "StudentCourses.txt")[1:]
    assert written == [f"1|OUT|{'T' * 100}|9|A|5||", "1|ALG1|Algebra I|9|A|5||", ""]
    assert sum(delivery.problems.values()) == 3
    assert {action for *_, action in delivery.problems} == {"row left out", "made to fit"}


def test_a_title_of_the_catalogue_takes_a_course_from_nobody(ward: Ward) -> None:
    fill(ward, "courses", [
        {"ID": "0315 ", "Title": "English | Honors", "CreditDefault": 5, "LowGrade": 9},
        {"ID": "0608", "Title": "B" * 130, "CreditDefault": 5, "LowGrade": 9},
        {"ID": "0001", "Title": None, "CreditDefault": 5, "LowGrade": 9},
    ])  # fmt: skip
    fill(ward, "transcripts", [line(1, 1, "0315", "B", "5", 9, TranscriptCourseTitle=None)])
    fill(ward, "classes", [seat(1, "0315  "), seat(1, " 0608"), seat(1, "0001")])
    delivery = made(ward)
    named = [one.split("|")[1:3] for one in lines(delivery, "StudentCourses.txt")[1:-1]]
    assert named == [
        ["0315", "English   Honors"], ["0001", "0001"], ["0315", "English   Honors"],
        ["0608", "B" * 100],
    ]  # fmt: skip
    assert {action for *_, action in delivery.problems} == {"made to fit"}
    assert sum(delivery.problems.values()) == 3


def test_without_courses_there_are_still_students(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.night(0, [{"StudentID": 1, "school": 991}])
    fill(ward, "schools", SCHOOLS)
    delivery = made(ward)
    assert delivery.rows["Student"] == 1
    assert delivery.rows["StudentCourses"] == 0
    assert sorted(delivery.missing) == ["classes", "courses", "terms", "transcripts"]


def test_nothing_is_delivered_that_would_deactivate_everybody(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    with pytest.raises(NothingToDeliverError, match="991, 992, 993 were never pulled"):
        made(ward)
    ward.night(0, [{"StudentID": 1, "school": 991, "Grade": 16}])
    fill(ward, "schools", SCHOOLS)
    with pytest.raises(NothingToDeliverError, match="would deactivate everybody"):
        made(ward)


def test_an_account_at_a_school_that_aeries_does_not_list_stops_the_delivery(ward: Ward) -> None:
    fill(ward, "schools", SCHOOLS[1:])
    with pytest.raises(NothingToDeliverError, match=r"lacks school 991 \(1 account\)"):
        made(ward)


def test_a_delivery_that_fails_half_way_leaves_nothing(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(ward)
    ward.night(1, [{"StudentID": 1, "school": 991, "Grade": 10}])

    def full(_path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_checksum", full)
    with pytest.raises(OSError, match="No space left"):
        made(ward)
    assert [one.name for one in first.folder.parent.iterdir()] == [first.folder.name]


def test_what_a_killed_process_left_half_made_is_removed(ward: Ward) -> None:
    first = made(ward)
    left = first.folder.parent / ".making-abc"
    left.mkdir()
    (left / "Student.txt").write_text("half", encoding="utf-8")
    again = made(ward)
    assert not again.is_new
    assert [one.name for one in first.folder.parent.iterdir()] == [first.folder.name]


@pytest.mark.parametrize(("low", "high"), [(9, 12), (-2, 5), (6, 8), (6, 12), (-2, 18), (8, 9)])
def test_the_query_and_the_rule_agree_on_the_type_of_a_school(tmp_path: Path, low, high) -> None:
    ward = stocked(tmp_path)
    fill(
        ward,
        "schools",
        [{**SCHOOLS[0], "LowGradeLevel": low, "HighGradeLevel": high}, *SCHOOLS[1:]],
    )
    assert lines(made(ward), "School.txt")[1].split("|")[2] == str(school_type(low, high))


NASTY = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z", "Cc"]), max_size=120
)


@given(NASTY, NASTY, NASTY)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_whatever_shifts_a_column_or_loses_a_student(
    tmp_path_factory: pytest.TempPathFactory, first: str, last: str, email: str
) -> None:
    ward = Ward(tmp_path_factory.mktemp("ward"))
    name = {"FirstName": first, "LastName": last, "StudentEmailAddress": email}
    ward.night(0, [{"StudentID": 1, "school": 991, **name}, {"StudentID": 2, "school": 991}])
    fill(ward, "schools", SCHOOLS)
    delivery = made(ward)
    text = (delivery.folder / "Student.txt").read_bytes().decode("utf-8")
    rows = [row.split("|") for row in text.splitlines()]
    assert [row[0] for row in rows] == ["StudentID", "1", "2"]
    assert {len(row) for row in rows} == {len(STUDENT.columns)}
    widths = [column.width or 10 for column in STUDENT.columns]
    assert all(len(v) <= w for row in rows[1:] for v, w in zip(row, widths, strict=True))


def test_headers_are_xellos() -> None:
    assert [layout.file_name for layout in LAYOUTS] == [
        "School.txt", "Student.txt", "StudentCourses.txt",
    ]  # fmt: skip
    assert "Password" not in LAYOUTS[1].header
