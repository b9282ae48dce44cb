import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.registry import OPTIONAL, RESOURCES, registry
from aeries_pipeline.catalog.schemas import arrow_type, faults, schema_of
from aeries_pipeline.catalog.tables import columns_of

SAMPLES = Path(__file__).parents[1] / "samples"
SAMPLE_OF = {
    "schools": "schools_994",
    "terms": "terms",
    "students": "students",
    "students_extended": "students_extended",
    "gpas": "gpas",
    "classes": "classes",
    "courses": "courses_one",
    "transcripts": "transcript",
    "graduation_requirements": "graduationrequirements",
    "graduation_status": "graduationstatussummary",
    "staff": "staff_994605",
    "sections": "sections_100",
    "contacts": "contacts",
    "programs": "programs",
    "enrollment": "enrollment_year_2020",
    "calendar": "calendar",
    "course_requests": "courserequests",
    "alternate_course_requests": "alternatecourserequests",
    "codes": "codes_student_grade",
    "absence_codes": "absencecodes",
}
ALWAYS = {
    "schools",
    "terms",
    "students",
    "students_extended",
    "gpas",
    "classes",
    "courses",
    "transcripts",
    "graduation_requirements",
    "graduation_status",
}


def sample(name: str) -> list[dict]:
    data = json.loads((SAMPLES / f"{SAMPLE_OF[name]}.json").read_text(encoding="utf-8"))
    return data if isinstance(data, list) else [data]


def test_the_xello_grant_is_always_pulled_and_the_rest_where_granted() -> None:
    assert set(RESOURCES) - OPTIONAL == ALWAYS
    assert set(RESOURCES) == set(SAMPLE_OF)


@pytest.mark.parametrize("name", RESOURCES)
def test_the_field_table_is_whole(name: str) -> None:
    resource = RESOURCES[name]
    stated = {field.name for field in resource.fields}
    assert {key for row in sample(name) for key in row} <= stated
    for table in resource.tables:
        if table.nested:
            inner = {key for row in sample(name) for one in row[table.nested] for key in one}
            known = {x for field in table.inner for x in (field.name, *field.aliases)}
            assert inner - {"StudentID", "SchoolCode"} <= known


@pytest.mark.parametrize("name", RESOURCES)
def test_names_are_unique_even_without_regard_to_case(name: str) -> None:
    for table in RESOURCES[name].tables:
        columns = [column.lower() for column, _ in columns_of(table)]
        assert len(columns) == len(set(columns))
        for field in table.fields:
            assert field.description


def test_codes_and_course_ids_are_text() -> None:
    for resource in RESOURCES.values():
        for field in resource.main.fields:
            if field.name == "CourseID" or field.name.endswith("StatusCode"):
                assert field.kind is Kind.TEXT, f"{resource.name}.{field.name}"


def test_a_resource_that_does_not_fit_is_refused_by_name() -> None:
    students = RESOURCES["students"]
    with pytest.raises(ValueError, match="'students' is defined twice"):
        registry([students, students])
    with pytest.raises(ValueError, match="key of table 'students'"):
        registry([replace(students, key=("Nonsense",))])
    with pytest.raises(ValueError, match="reference of 'gpas' leads nowhere"):
        registry([RESOURCES["gpas"]])


def frame_of(**values: object) -> pd.DataFrame:
    table = RESOURCES["students"].main
    row = {field.name: None for field in table.stored}
    row |= {"StudentID": 5, "SchoolCode": 994, "StudentNumber": 1, "Grade": 9}
    row |= {"InactiveStatusCode": ""} | values
    return pd.DataFrame(
        {
            field.name: pd.array([row[field.name]], dtype=pd.ArrowDtype(arrow_type(field)))
            for field in table.stored
        },
        index=[7],
    )


def test_pandera_gives_reasons_by_row_and_no_values() -> None:
    table = RESOURCES["students"].main
    assert faults(table, frame_of()) == {}
    bad = faults(table, frame_of(Grade=99, SchoolCode=None, LastName="Secretname"))
    assert sorted(bad[7]) == ["Grade: above the largest legal value", "SchoolCode: missing"]
    unread = faults(table, frame_of(InactiveStatusCode=None))
    assert unread[7] == ["InactiveStatusCode: missing"], "null may be a blank, or a code"


def test_a_frame_of_the_wrong_shape_is_a_mistake_of_the_program() -> None:
    table = RESOURCES["students"].main
    with pytest.raises(TypeError, match="does not fit its schema"):
        faults(table, frame_of().drop(columns=["Grade"]))
    assert list(schema_of(table).columns) == [field.name for field in table.stored]
