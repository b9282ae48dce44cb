from dataclasses import replace
from types import ModuleType

import pandas as pd
import pytest

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.registry import (
    FIRST,
    OPTIONAL,
    RESOURCES,
    in_pull_order,
    registry,
    resource_in,
)
from aeries_pipeline.catalog.schemas import arrow_type, faults, schema_of
from aeries_pipeline.catalog.tables import columns_of
from aeries_pipeline.emulator.from_samples import SAMPLES, sample_of

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


def test_the_xello_grant_is_always_pulled_and_the_rest_where_granted() -> None:
    assert set(RESOURCES) - OPTIONAL == ALWAYS
    assert set(RESOURCES) == {path.stem for path in SAMPLES.glob("*.json")}


def test_a_module_of_the_catalogue_defines_its_resource_or_is_a_named_helper() -> None:
    def module(name: str, **values: object) -> ModuleType:
        found = ModuleType(f"catalog.{name}")
        vars(found).update(values)
        return found

    students = RESOURCES["students"]
    assert resource_in(module("students", STUDENTS=students, AGAIN=students)) is students
    for wrong in (
        module("students"),
        module("pupils", STUDENTS=students),
        module("students", STUDENTS=students, GPAS=RESOURCES["gpas"]),
    ):
        with pytest.raises(ValueError, match="must define the one resource"):
            resource_in(wrong)


def test_what_a_pull_takes_first_comes_first_and_the_rest_by_name() -> None:
    assert in_pull_order([*reversed(FIRST), "zebras", "apples"]) == (*FIRST, "apples", "zebras")
    with pytest.raises(ValueError, match="no module for: students"):
        in_pull_order(set(FIRST) - {"students"})


@pytest.mark.parametrize("name", RESOURCES)
def test_the_field_table_is_whole(name: str) -> None:
    resource = RESOURCES[name]
    stated = {field.name for field in resource.fields}
    assert {key for row in sample_of(name) for key in row} <= stated
    for table in resource.tables:
        if table.nested:
            inner = {key for row in sample_of(name) for one in row[table.nested] for key in one}
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
    with pytest.raises(ValueError, match="array 'Scores' of 'students' is not in its fields"):
        registry([replace(students, nested="Scores")])
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
