"""What is answered from a sample has the keys, parts and pages of its district."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from aeries_pipeline.catalog.common import RECORDS, STUDENTS_PAGING
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.emulator.district import INACTIVE_SCHOOL, District, make_district
from aeries_pipeline.emulator.from_samples import Sample, paths_of, sample_of

YEAR = {"year": "2026"}


@pytest.fixture(scope="module")
def district() -> District:
    return make_district(seed=3, schools=3, students=60, year=2026)


def read(resource: Resource, district: District, elements: list[Any], **asked: str) -> Any:
    rows = district.rows.get(int(asked.get("school", 0)), [])
    found = Sample(resource, district, elements).answer({**YEAR, **asked}, rows)
    return [[json.loads(element) for element in piece] for piece in found]


def test_each_student_has_what_one_student_of_the_sample_has(district: District) -> None:
    published = sample_of("classes")
    pieces = read(RESOURCES["classes"], district, published, school="994")
    rows = [row for (row,) in pieces]
    people = {row.person.id for row in district.rows[994]}
    assert {row["StudentID"] for row in rows} == people
    assert {row["SchoolCode"] for row in rows} == {994}
    assert len(rows) == len(people) * len(published)
    keys = [tuple(row[name] for name in RESOURCES["classes"].key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["CourseID"] for row in rows} <= {course.id for course in district.courses}
    assert read(RESOURCES["classes"], district, published, school="994", year="2025") == []


def test_a_page_of_students_is_cut_between_students(district: District) -> None:
    of_lines = replace(RESOURCES["classes"], paging=STUDENTS_PAGING)
    pieces = read(of_lines, district, sample_of("classes"), school="994")
    assert [len({row["StudentID"] for row in piece}) for piece in pieces] == [1] * len(pieces)
    of_records = replace(RESOURCES["classes"], paging=RECORDS)
    assert len(read(of_records, district, sample_of("classes"), school="994")) == sum(
        map(len, pieces)
    )


def test_a_school_has_the_sample_under_its_own_code_and_a_pseudo_school_nothing(
    district: District,
) -> None:
    codes = RESOURCES["absence_codes"]
    rows = read(codes, district, sample_of("absence_codes"), school="993")
    assert {row["SchoolCode"] for (row,) in rows} == {993}
    assert read(codes, district, sample_of("absence_codes"), school=str(INACTIVE_SCHOOL)) == []
    numbered = replace(codes, key=("AbsenceCode",))
    both = [
        row["AbsenceCode"]
        for school in ("993", "994")
        for (row,) in read(numbered, district, sample_of("absence_codes"), school=school)
    ]
    assert len(set(both)) == len(both), "a key that does not name the school is the school's own"


def test_each_element_stands_in_one_part(district: District) -> None:
    codes = RESOURCES["codes"]
    named = {part: read(codes, district, sample_of("codes"), part=part) for part in codes.parts}
    assert named["STU/GR"]
    assert not any(rows for part, rows in named.items() if part != "STU/GR")
    silent = [{"Code": letter} for letter in "ABCDEFGHIJKLM"]
    dealt = [row for part in codes.parts for row in read(codes, district, silent, part=part)]
    assert sorted(row["Code"] for (row,) in dealt) == list("ABCDEFGHIJKLM")


def test_paths_are_those_of_the_catalogue() -> None:
    (listed, one) = paths_of(RESOURCES["contacts"])
    assert re.fullmatch(listed, "schools/994/contacts")
    assert re.fullmatch(one, "schools/994/contacts/7")["student"] == "7"  # type: ignore[index]
    (parts,) = paths_of(RESOURCES["codes"])
    assert re.fullmatch(parts, "codes/STU/GR")
    assert not re.fullmatch(parts, "codes/STU/XX")
