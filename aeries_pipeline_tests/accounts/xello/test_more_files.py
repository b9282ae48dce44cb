"""Family, Educator, EducatorStudent and StudentGroup: who is in them, and who stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.accounts.xello.deliver import Delivery, deliver
from aeries_pipeline.accounts.xello.kept import approve, not_made, standing
from aeries_pipeline.accounts.xello.layout import ALL_LAYOUTS, MORE
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.catalog.tables import create_raw
from aeries_pipeline.cli.main import main
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.operations.privacy.erase import erase_student
from aeries_pipeline.operations.privacy.person import Person
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import PullRow
from aeries_pipeline.stores.report import record
from aeries_pipeline_tests.accounts.builders import SCHOOLS, Ward, night
from aeries_pipeline_tests.accounts.xello.test_deliver import fill, lines, made, seat, stocked
from aeries_pipeline_tests.conftest import QUICK_ROUNDS, write_roster

ON = {
    "family": {},
    "educators": {},
    "educator_students": True,
    "student_groups": True,
}
STUDENTS = [
    {"StudentID": 1, "school": 991, "Grade": 9},
    {"StudentID": 2, "school": 992, "Grade": 8},
    {"StudentID": 3, "school": 993, "Grade": 0},
]


def put(
    ward: Ward,
    number: float,
    resource: str,
    tables: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    failed: Iterable[int] = (),
) -> None:
    """Put what a list says into its tables, and the pull of a night into the ledger."""
    one = RESOURCES[resource]
    schools: list[Any] = list(SCHOOLS) if one.grain is Grain.SCHOOL else [None]
    good = [code for code in schools if code not in failed]
    with ward.warehouse.open() as connection:
        for table in one.tables:
            connection.execute(create_raw(table, "warehouse"))
            connection.execute(
                f"DELETE FROM raw.{table.name} WHERE school IS NULL OR list_contains(?, school)",
                [good if good != [None] else []],
            )
            base = {"district": "eagle-usd", "_pull_id": "p", "_pulled_at": night(number)}
            rows = [
                {**base, **row} for row in tables.get(table.name, ()) if row.get("school") in good
            ]
            if rows:
                connection.register("made", pa.Table.from_pylist(rows))
                connection.execute(f"INSERT INTO raw.{table.name} BY NAME FROM made")
    record(
        ward.warehouse,
        [
            PullRow(
                f"night-{number}", "eagle-usd", school, resource,
                Status.COMPLETE if school in good else Status.NOT_GRANTED,
                night(number), night(number), reason="" if school in good else "not granted",
            )
            for school in schools
        ],
    )  # fmt: skip


def contact(student: int, number: int, school: int, **values: Any) -> dict[str, Any]:
    base = {
        "StudentID": student, "SequenceNumber": number, "school": school, "FirstName": "Alex",
        "LastName": f"Parent{student}", "EmailAddress": f"p{student}.{number}@example.net",
        "EducationalRightsHolder": "Y", "RedFlag": False, "CellPhone": "5551234567",
        "PortalAccountID": 0,
    }  # fmt: skip
    return {**base, **values}


CONTACTS = [
    contact(1, 1, 991, PortalAccountID=77),
    contact(1, 2, 991, EducationalRightsHolder="N"),
    contact(2, 1, 992),
    contact(3, 1, 993),
    contact(3, 2, 993, EmailAddress="nobody"),
    contact(9, 1, 991),
]


def staff(number: int, **values: Any) -> dict[str, Any]:
    base = {
        "ID": number, "FirstName": "Robin", "LastName": f"Teacher{number}",
        "EmailAddress": f"t{number}@example.org", "Title": "Teacher", "InactiveStatusCode": "",
        "LeaveDate": None, "PrimaryAeriesSchool": 991,
    }  # fmt: skip
    return {**base, **values}


STAFF = [staff(number) for number in range(11, 41)]
ACCESS = [{"ID": number, "SchoolCode": 991} for number in range(11, 41)] + [
    {"ID": 11, "SchoolCode": 992}
]
SECTIONS = [
    {"school": 991, "SchoolCode": 991, "SectionNumber": 7, "InactiveStatusCode": ""},
    {"school": 992, "SchoolCode": 992, "SectionNumber": 8, "InactiveStatusCode": ""},
]
TEACH = [
    {"school": 991, "SchoolCode": 991, "SectionNumber": 7, "StaffID": 12, "InactiveStatusCode": ""},
    {"school": 992, "SchoolCode": 992, "SectionNumber": 8, "StaffID": 11, "InactiveStatusCode": ""},
]


def lists(ward: Ward, number: float, **other: Any) -> None:
    """A night of good lists, but for what is given."""
    put(ward, number, "contacts", {"contacts": other.get("contacts", CONTACTS)})
    put(ward, number, "staff", {
        "staff": other.get("staff", STAFF), "staff_school_access": other.get("access", ACCESS),
    })  # fmt: skip
    put(ward, number, "sections", {
        "sections": SECTIONS, "section_staff": other.get("teach", TEACH),
    })  # fmt: skip
    ward.moment = night(number) + timedelta(hours=1)


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    ward = stocked(tmp_path)
    ward.roster["accounts"] = {"xello": ON}
    ward.roster["resources"] = ["contacts", "staff", "sections"]
    now = {"DateStarted": datetime(2026, 8, 20), "DateEnded": datetime(2026, 12, 19)}
    fill(ward, "classes", [
        seat(1, "ALG1", SectionNumber=7, **now),
        seat(1, "ALG1", SectionNumber=7, DateStarted=datetime(2026, 8, 20),
             DateEnded=datetime(2026, 9, 1)),
        seat(2, "M06", school=992, SectionNumber=8, **now),
        seat(5, "ALG1", SectionNumber=7, **now),
    ])  # fmt: skip
    lists(ward, 0)
    return ward


def rows(ward: Ward, name: str) -> list[str]:
    return lines(made(ward), f"{name}.txt")[1:-1]


def test_the_files_line_by_line(ward: Ward) -> None:
    delivery = made(ward)
    assert lines(delivery, "Family.txt") == [
        "FirstName|LastName|Email|StudentId|SourceParentId|Phone",
        "Alex|Parent1|p1.1@example.net|1|77|5551234567",
        "Alex|Parent2|p2.1@example.net|2||5551234567",
        "Alex|Parent3|p3.1@example.net|3||5551234567",
        "",
    ]
    educators = lines(delivery, "Educator.txt")
    assert educators[0] == (
        "FirstName|LastName|Email|SchoolCode|Permissions|EducatorSISId|JobTitle|DisplayName|"
        "UserClaim"
    )
    assert educators[1:3] == [
        "Robin|Teacher11|t11@example.org|991||11|Teacher||",
        "Robin|Teacher11|t11@example.org|992||11|Teacher||",
    ]
    assert len(educators) == 33
    assert lines(delivery, "EducatorStudent.txt") == [
        "EducatorEmail|StudentId", "t11@example.org|2", "t12@example.org|1", "",
    ]  # fmt: skip
    assert lines(delivery, "StudentGroup.txt") == [
        "GroupName|EducatorEmail|StudentId|SchoolCode",
        "Algebra I (991-7)-Robin Teacher12|t12@example.org|1|991",
        "Math 6 (992-8)-Robin Teacher11|t11@example.org|2|992",
        "",
    ]
    assert delivery.more.held == {}
    assert set(delivery.manifest["files"]) == {
        *(one.file_name for one in ALL_LAYOUTS), "account_changes.csv", "problems.csv",
    }  # fmt: skip
    assert not made(ward).is_new


def test_each_file_is_switched_on_by_itself(ward: Ward) -> None:
    ward.roster["accounts"] = {"xello": {"family": {}}}
    names = {path.stem for path in made(ward).folder.glob("*.txt")}
    assert names == {"School", "Student", "StudentCourses", "Family"}
    ward.roster["accounts"] = {}
    off = made(ward)
    assert off.is_new
    assert {path.stem for path in off.folder.glob("*.txt")} == {
        "School", "Student", "StudentCourses",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("xello", "resources", "said"),
    [
        ({"family": {}}, [], "accounts.xello.family: add contacts to resources"),
        ({"educator_students": True}, ["sections"], "go with educators"),
        ({"family": {"fields": {"Nothing": {"only": ["Y"]}}}}, ["contacts"], "unknown: Nothing"),
        ({"family": {"fields": {}}}, ["contacts"], "at least 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, xello, resources, said) -> None:
    with pytest.raises(ValidationError, match=said):
        Ward(tmp_path, accounts={"xello": xello}, resources=resources).district  # noqa: B018


def test_a_list_of_staff_that_lacks_three_rows_takes_nobody(ward: Ward) -> None:
    everybody = rows(ward, "Educator")
    for number in (1, 2):
        lists(ward, number, staff=STAFF[3:], access=ACCESS[3:-1])
        delivery = made(ward)
        assert lines(delivery, "Educator.txt")[1:-1] == everybody
    ((_why, people),) = delivery.more.held["Educator"].items()
    assert people == 4, "three people, one of them at two schools"
    assert rows(ward, "EducatorStudent") == ["t11@example.org|2", "t12@example.org|1"]
    assert approve(ward.warehouse, "eagle-usd", "Educator", "Ana", "they moved away") == 4
    assert len(rows(ward, "Educator")) == 27
    # A file without a line is not made, lest it end everything in Xello.
    why = (
        "nobody would be in it, because there are 2 teachers of sections and 27 educators, and no "
        "student of the files has a class today with one who is both"
    )
    assert made(ward).more.not_made == dict.fromkeys(("EducatorStudent", "StudentGroup"), why)


@pytest.mark.long
def test_who_is_kept_by_a_person_is_not_asked_about_at_once(ward: Ward) -> None:
    rows(ward, "Educator")
    for number in (1, 2):
        lists(ward, number, staff=STAFF[3:], access=ACCESS[3:-1])
        assert len(rows(ward, "Educator")) == 31
    assert approve(ward.warehouse, "eagle-usd", "Educator", "Ana", "it was cut", keeps=True) == 4
    assert made(ward).more.held == {}
    with pytest.raises(ConfigurationError, match="nothing of the file Educator waits"):
        approve(ward.warehouse, "eagle-usd", "Educator", "Ana", "again")


@pytest.mark.long
def test_a_teacher_with_a_code_leaves_and_the_classes_with_them(ward: Ward) -> None:
    rows(ward, "Educator")
    left = [STAFF[0] | {"InactiveStatusCode": "I"}, *STAFF[1:]]
    for number, staying in ((1, 31), (2, 29)):
        lists(ward, number, staff=left)
        assert len(rows(ward, "Educator")) == staying
    assert rows(ward, "EducatorStudent") == ["t12@example.org|1"]


@pytest.mark.long
def test_a_section_without_a_teacher_for_a_night_changes_nothing(ward: Ward) -> None:
    taught = rows(ward, "EducatorStudent")
    lists(ward, 1, teach=TEACH[:1])
    assert rows(ward, "EducatorStudent") == taught
    lists(ward, 2, teach=TEACH[:1])
    assert rows(ward, "EducatorStudent") == ["t12@example.org|1"]
    assert len(rows(ward, "Educator")) == 31, "the account stays"


def test_a_family_whose_rights_are_taken_back_is_out_at_once(ward: Ward) -> None:
    rows(ward, "Family")
    for values in ({"EducationalRightsHolder": "N"}, {"RedFlag": True}):
        lists(ward, 1, contacts=[CONTACTS[0] | values, *CONTACTS[1:]])
        assert [one.split("|")[3] for one in rows(ward, "Family")] == ["2", "3"]


@pytest.mark.parametrize("how", ["field hidden", "no rows"])
def test_a_list_of_contacts_that_says_nothing_takes_nobody(ward: Ward, how: str) -> None:
    families = rows(ward, "Family")
    hidden = {"EducationalRightsHolder": "", "EmailAddress": ""}
    contacts = [one | hidden for one in CONTACTS] if how == "field hidden" else []
    for number in (1, 2):
        lists(ward, number, contacts=contacts)
        delivery = made(ward)
        assert lines(delivery, "Family.txt")[1:-1] == families
    assert sum(delivery.more.held["Family"].values()) == 3


@pytest.mark.long
def test_a_school_without_permission_keeps_its_families(ward: Ward) -> None:
    families = rows(ward, "Family")
    for number in range(1, 4):
        lists(ward, number)
        put(ward, number + 0.1, "contacts", {"contacts": CONTACTS[2:]}, failed=[991])
        ward.moment = night(number) + timedelta(hours=5)
        assert rows(ward, "Family") == families


def test_no_file_is_made_before_every_list_has_come_once(tmp_path: Path) -> None:
    ward = stocked(tmp_path)
    ward.roster |= {"accounts": {"xello": ON}, "resources": ["contacts", "staff", "sections"]}
    blank = [{**one, "EducationalRightsHolder": ""} for one in CONTACTS]
    put(ward, 0, "contacts", {"contacts": blank}, failed=[993])
    put(ward, 0, "staff", {})
    delivery = made(ward)
    assert {path.stem for path in delivery.folder.glob("*.txt")} == {
        "School", "Student", "StudentCourses",
    }  # fmt: skip
    said = delivery.more.not_made
    assert said["Family"] == "the contacts of students of school 993 have never come"
    assert said["Educator"] == ("nobody would be in it, because there is no active member of staff")
    assert delivery.manifest["files_not_made"] == dict(said)
    # A field that the district does not fill keeps everybody out, and the file says so.
    put(ward, 1, "contacts", {"contacts": blank})
    why = "of 5 contacts of the students, EducationalRightsHolder has no code that counts in 5"
    assert f"because {why} (blank in 5 of these)" in made(ward).more.not_made["Family"]
    assert why in not_made(ward.warehouse, "eagle-usd")["Family"]
    put(ward, 2, "contacts", {"contacts": [{**one, "EmailAddress": ""} for one in CONTACTS]})
    why = "; 4 of 4 with the right codes have no e-mail address"
    assert made(ward).more.not_made["Family"].endswith(why)


def test_who_opted_out_is_in_none_of_the_files(ward: Ward, tmp_path: Path) -> None:
    rows(ward, "Family")
    (tmp_path / "out.csv").write_text("StudentID\n2\n", encoding="utf-8")
    ward.roster["share"] = {"opted_out": str(tmp_path / "out.csv")}
    ward.night(1, STUDENTS)
    delivery = made(ward)
    for name in ("Family", "EducatorStudent", "StudentGroup"):
        text = (delivery.folder / f"{name}.txt").read_text(encoding="utf-8")
        assert "p2.1@example.net" not in text
        assert "|2|" not in text
        assert not text.endswith("|2\n")


def test_who_is_forgotten_takes_the_family_out_of_what_is_kept(ward: Ward) -> None:
    rows(ward, "Family")
    erase_student(ward.warehouse.path, Person("eagle-usd", 1))
    kept = "SELECT file, count(*), bool_or(student_id = 1) FROM core.xello_members GROUP BY file"
    found = {file: (number, is_there) for file, number, is_there in ward.warehouse.rows(kept)}
    assert found == {"Family": (2, False), "Educator": (31, None), "SectionTeacher": (2, None)}


@pytest.mark.long
def test_a_child_who_moves_takes_the_family_along(ward: Ward) -> None:
    families = rows(ward, "Family")
    moved = [STUDENTS[0] | {"school": 993}, *STUDENTS[1:]]
    ward.rounds(1, moved)
    for number in (2, 3, 4):
        lists(ward, number)
        delivery = made(ward)
        assert sorted(lines(delivery, "Family.txt")[1:-1]) == sorted(families)
        assert delivery.more.held == {}


@pytest.mark.long
def test_bad_nights_of_a_real_server_take_nobody(make_world) -> None:
    relations = {"RelationshipToStudentCode": {"only": ["10", "11"]}}
    xello = {**ON, "family": {"fields": relations}}
    world = make_world(
        schools=2,
        students=40,
        roster={
            "resources": ["contacts", "staff", "sections"],
            "accounts": {**QUICK_ROUNDS, "xello": xello},
        },
    )
    wanted = ("schools", "courses", "students", "classes", "staff", "contacts", "sections")

    def night_of(*faults: dict[str, Any]) -> Delivery:
        world.faults(*faults)
        with world.session() as session:
            for name in wanted:
                pull_resource(session, RESOURCES[name], world.schools)
        compute(world.warehouse, world.district)
        return deliver(world.warehouse, world.district, world.settings.out)

    first = night_of()
    before = {one.name: lines(first, one.file_name) for one in MORE}
    assert {name: len(text) > 10 for name, text in before.items()} == dict.fromkeys(before, True)
    school = world.schools[0]
    for faults in (
        [
            {"kind": "empty", "path": f"schools/{school}/contacts"},
            {"kind": "half", "path": "staff"},
        ],
        [{"kind": "status", "status": 401, "path": f"schools/{school}/(contacts|sections)"}],
        [{"kind": "empty", "path": "sections"}, {"kind": "html", "path": "staff"}],
    ):
        found = night_of(*faults)
        assert found.more.held == {}
        assert {one.name: lines(found, one.file_name) for one in MORE} == before


@pytest.mark.long
def test_the_command_shows_counts_and_takes_a_persons_word(
    ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_roster(tmp_path / "districts.yaml", [{
        "id": "eagle-usd", "name": "Eagle", "url": "http://127.0.0.1:9/a",
        "certificate_env": "TEST_AERIES_CERT", **ward.roster,
    }])  # fmt: skip
    monkeypatch.setenv("AERIES_DISTRICTS", str(tmp_path / "districts.yaml"))
    monkeypatch.setenv("AERIES_DATA_DIR", str(tmp_path))

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["accounts", "files", "eagle-usd", *words])
        return done.exit_code, done.output

    assert "no file of people has been made yet" in call()[1]
    rows(ward, "Educator")
    code, text = call()
    assert code == 0
    assert "Educator: 31 educators, one for each of their schools, in it, 0 of them not" in text
    for number in (1, 2):
        lists(ward, number, staff=STAFF[3:], access=ACCESS[3:-1])
        rows(ward, "Educator")
    code, text = call()
    assert code == 1
    assert "--accept Educator" in text
    assert "Teacher11" not in text
    assert call("--accept", "Educator")[0] == 2, "a reason is wanted"
    assert call("--accept", "Educator", "--reason", "they left", "--by", "Ana")[0] == 0
    assert len(rows(ward, "Educator")) == 27
    assert standing(ward.warehouse, "eagle-usd")[0][:2] == ("Educator", 27)
    said = "SELECT action, kind, decided_by, changes FROM meta.account_decisions"
    assert ward.warehouse.rows(said) == [("approve_file", "Educator", "Ana", 4)]
