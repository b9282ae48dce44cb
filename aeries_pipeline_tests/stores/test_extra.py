"""``_extra`` of a row holds what its own record brought, whatever was read beside it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Safeguards, Status
from aeries_pipeline.stores.load import load
from aeries_pipeline.stores.tables import good_table
from aeries_pipeline_tests.stores.test_load import Loader
from aeries_pipeline_tests.stores.test_staging import Look, counted, landed, numbered, stage

STUDENTS = RESOURCES["students"]
NAMES = ["Pronoun", "pronoun", "Lock er", 'Bus "7"', "Rte.'1'", "Ünïon", "z{}"]
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(
    [1.5, "", 'a"b\\', "é,{", [], {}, [None, {"x": None}]]
)  # fmt: skip


@st.composite
def pages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Students of one school, whose site knows some properties that the catalogue does not."""
    spelled = {name.lower(): name for name in draw(st.lists(st.sampled_from(NAMES)))}
    rows = []
    for number in range(draw(st.integers(1, 4))):
        extras = draw(
            st.dictionaries(st.sampled_from(sorted(spelled.values())), VALUES)
            if spelled
            else st.just({})
        )
        spoiled = {"Grade": "x"} if draw(st.integers(0, 5)) == 0 else {}
        rows.append(numbered(STUDENTS, number + 1) | spoiled | extras)
    return rows


@pytest.mark.parametrize("look", [counted, lambda *_: None])
@given(parts=st.lists(pages(), min_size=1, max_size=3))
@settings(max_examples=10)
def test_each_row_has_the_unknown_properties_of_its_own_record(
    look: Look, parts: list[list[dict[str, Any]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        stage(connection, STUDENTS, landed(Path(folder), STUDENTS, [[p] for p in parts], look))
        rows = connection.execute(
            f'SELECT _part, "StudentID", _extra FROM {good_table(STUDENTS.main)}'
        ).fetchall()
    came = {
        (part, row["StudentID"]): {
            name: value for name, value in row.items() if name in NAMES and value is not None
        }
        for part, rows_of_part in enumerate(parts)
        for row in rows_of_part
        if row["Grade"] != "x"
    }
    assert {(part, key): json.loads(extra or "{}") for part, key, extra in rows} == came


def test_a_school_gets_no_names_of_another_one_or_of_one_that_was_refused(tmp_path: Path) -> None:
    loader = Loader(Warehouse(tmp_path / "data" / "warehouse.duckdb"), tmp_path)

    def rows(school: int, **changes: Any) -> list[dict[str, Any]]:
        return [numbered(STUDENTS, n) | {"SchoolCode": school} | changes for n in (1, 2, 3)]

    batch = [
        loader.fetched("students", [rows(990, Pronoun="T")], 990),
        loader.fetched("students", [rows(991, BusRoute=7, Locked=None)], 991),
        loader.fetched("students", [rows(992, Refused="r", Grade="x")], 992),
        loader.fetched("students", [rows(993)], 993),
    ]
    results = load(loader.warehouse, STUDENTS, batch, Safeguards())
    assert [one.pull.status for one in results] == [
        Status.COMPLETE,
        Status.COMPLETE,
        Status.REFUSED,
        Status.COMPLETE,
    ]
    found = loader.warehouse.rows(
        'SELECT DISTINCT "SchoolCode", _extra FROM raw.students ORDER BY 1'
    )
    assert [(school, extra and json.loads(extra)) for school, extra in found] == [
        (990, {"Pronoun": "T"}),
        (991, {"BusRoute": 7}),
        (993, None),
    ]
    refused = loader.warehouse.rows("SELECT record FROM quarantine.students")
    assert all(json.loads(record)["Refused"] == "r" for (record,) in refused)
    assert not any({"Pronoun", "BusRoute"} & set(json.loads(record)) for (record,) in refused)
