"""The quick way from files to rows is held to the careful one."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline.emulator.from_samples import sample_of
from aeries_pipeline.ingest.api.answer import Answer
from aeries_pipeline.ingest.page_schema import is_counted, joined, shape_of, wanted_of
from aeries_pipeline.stores.infer_schema import Shape
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.read import read
from aeries_pipeline.stores.tables import Landed, Staged, bad_table, good_table
from aeries_pipeline.stores.validate import validate

Look = Callable[[Resource, list[dict[str, Any]]], Shape | None]
NAMES = ["students", "classes", "transcripts", "graduation_status", "staff", "schools", "courses"]
COUNTED = [one.name for one in RESOURCES.values() if is_counted(one)]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.sampled_from([0.5, -1.25, 1e300, 12.0, 3.33333]),
    st.sampled_from(["", "  ", "01", "007", "true", "N", "9.5", "1e3", "x", "12 ", "é", 'a"b']),
    st.sampled_from(["0001-01-01T00:00:00", "2026-02-30T00:00:00", "2026-03-01"]),
    st.sampled_from([[], {}, [1], {"a": "b"}, [{"a": 1}]]),
)  # fmt: skip


def numbered(resource: Resource, number: int) -> dict[str, Any]:
    """Return the first published row under another key."""
    row = json.loads(json.dumps(sample_of(resource.name)[0]))
    for name in (set(resource.key) & set(row)) - {"SchoolCode"}:
        if isinstance(row[name], int):
            row[name] = number
        elif isinstance(row[name], str):
            row[name] = f"K{number}"
    return row


@st.composite
def spoiled(draw: st.DrawFn, row: dict[str, Any]) -> dict[str, Any]:
    """A row with a few values that are not what they should be."""
    row = dict(row)
    for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=2)):
        row[name] = draw(ODD)
    if draw(st.integers(0, 5)) == 0:
        row.pop(draw(st.sampled_from(sorted(row))))
    if draw(st.integers(0, 5)) == 0:
        row["SomethingNew"] = draw(ODD)
    return row


@st.composite
def elements(draw: st.DrawFn, resource: Resource) -> list[dict[str, Any]]:
    """Rows like the published ones, of which few or many are spoiled, and some come twice."""
    rows = []
    for number in range(draw(st.integers(0, 6))):
        row = numbered(resource, number)
        nested = row.get(resource.nested or "")
        if isinstance(nested, list):
            row[resource.nested] = [draw(spoiled(one)) for one in nested]
        rows.append(draw(spoiled(row)) if draw(st.booleans()) else row)
    return rows + draw(st.lists(st.sampled_from(rows), max_size=2) if rows else st.just([]))


def counted(resource: Resource, page: list[dict]) -> Shape | None:
    """Return the shape that the client would have found of a page."""
    return shape_of(resource, Answer(orjson.dumps(page), wanted=wanted_of(resource)))


def landed(
    folder: Path, resource: Resource, parts: list[list[list[dict]]], look: Look = counted
) -> list[Landed]:
    """Write the pages of each partition, with their shape by one way of looking at them."""
    found = []
    for place, pages in enumerate(parts):
        paths = []
        for number, page in enumerate(pages):
            path = folder / f"{place}-{number}.json"
            path.write_bytes(orjson.dumps(page))
            paths.append(path)
        school = 990 + place if resource.grain is Grain.SCHOOL else None
        records = sum(len(page) for page in pages)
        shape = joined([look(resource, page) for page in pages])
        found.append(Landed("d", school, "p", now(), tuple(paths), records, shape))
    return found


def stage(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    parts: list[Landed],
    *,
    quickly: bool = True,
    page_by_page: bool = False,
) -> Staged:
    """Read and validate a batch."""
    rows = read(connection, resource, parts, quickly=quickly, page_by_page=page_by_page)
    return validate(connection, rows)


def outcome(
    resource: Resource, parts: list[Landed], *, quickly: bool, page_by_page: bool = False
) -> dict[str, Any]:
    """Stage a batch and return all that comes out of it, in an order of its own."""
    with duckdb.connect() as connection:
        try:
            staged: Staged = stage(
                connection, resource, parts, quickly=quickly, page_by_page=page_by_page
            )
        except duckdb.Error:
            # An array that is none, say: the batch is taken apart, whichever way was tried.
            return {"cannot be read": True}
        found: dict[str, Any] = {"drift": staged.drift, "counts": staged.counts}
        found["records"] = {part: n for part, n in staged.records.items() if n}
        for table in resource.tables:
            columns = ", ".join(f'"{one.name}"' for one in table.stored)
            for kind, query in (
                ("good", f"SELECT _part, _extra, {columns} FROM {good_table(table)}"),
                ("bad", f"SELECT _part, reason, record FROM {bad_table(table)}"),
            ):
                rows = connection.execute(query).fetchall()
                found[f"{kind} {table.name}"] = sorted(rows, key=repr)
    return found


def hold(resource: Resource, parts: list[list[list[dict]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = landed(Path(folder), resource, parts)
        quick = outcome(resource, files, quickly=True)
        page_by_page = outcome(resource, files, quickly=True, page_by_page=True)
        careful = outcome(resource, files, quickly=False, page_by_page=True)
    assert quick == careful
    assert page_by_page == careful


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=12)
def test_the_quick_way_gives_what_the_careful_one_gives(name: str, data: st.DataObject) -> None:
    resource = RESOURCES[name]
    page = elements(resource)
    parts = data.draw(st.lists(st.lists(page, min_size=1, max_size=2), min_size=1, max_size=3))
    hold(resource, parts)


@pytest.mark.long
@pytest.mark.parametrize("name", COUNTED)
@given(data=st.data())
@settings(max_examples=40)
def test_the_quick_way_gives_what_the_careful_one_gives_for_all_that_is_counted(
    name: str, data: st.DataObject
) -> None:
    resource = RESOURCES[name]
    page = elements(resource)
    parts = data.draw(st.lists(st.lists(page, min_size=1, max_size=2), min_size=1, max_size=3))
    hold(resource, parts)


@pytest.mark.parametrize("name", COUNTED)
def test_a_clean_answer_takes_the_quick_way_and_is_not_looked_at(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object) -> None:
        raise AssertionError("looked at element by element although nothing is amiss")

    monkeypatch.setattr("aeries_pipeline.stores.read.survey_files", look)
    monkeypatch.setattr("aeries_pipeline.stores.validate._check_each_row", look)
    resource = RESOURCES[name]
    rows = sample_of(name)
    new = [{**row, "SomethingNew": number} for number, row in enumerate(rows)]
    for page in (rows, new) if resource.nested is None else (rows,):
        found = outcome(resource, landed(tmp_path, resource, [[page]]), quickly=True)
        assert len(found[f"good {name}"]) == found["counts"][name][0].rows > 0


@pytest.mark.parametrize(
    "change",
    [
        {"Grade": True},
        {"SomethingNew": 1},
        {"SomethingNew": None},
        {"SomethingNew": {"a": None}},
        {"LastName": ":n"},
        {"Grade": 9.5},
        {"Grade": ""},
    ],
)
def test_what_only_a_later_element_has_is_not_missed(change: dict[str, Any]) -> None:
    resource = RESOURCES["students"]
    rows = [numbered(resource, number) for number in range(3)]
    without = {name: value for name, value in rows[2].items() if name != "MiddleName"}
    hold(resource, [[[rows[0], rows[1] | change, without]], [[rows[0]]]])


def test_what_only_a_later_element_has_is_no_drift_beside_a_partition_that_has_it() -> None:
    courses = RESOURCES["courses"]
    whole, later, odd = (numbered(courses, number) for number in range(3))
    odd["SomethingNew"] = None
    del odd["AcademicWeight"]
    hold(courses, [[[whole]], [[odd, later]]])


def test_what_only_a_later_line_has_is_no_drift_beside_a_partition_that_has_it() -> None:
    transcripts = RESOURCES["transcripts"]
    student = numbered(transcripts, 1)
    later = student["CourseGrades"][0]
    odd = later | {"SequenceNumber": 77, "SomethingNew": None}
    del odd["Hours"]
    hold(transcripts, [[[student]], [[student | {"CourseGrades": [odd, later]}]]])


def test_a_page_of_empty_arrays_takes_nothing_from_the_page_before(tmp_path: Path) -> None:
    resource = RESOURCES["transcripts"]
    row = numbered(resource, 1)
    row["CourseGrades"] = [
        {name: value for name, value in one.items() if name != "Hours"}
        for one in row["CourseGrades"]
    ]
    empty = numbered(resource, 2) | {"CourseGrades": []}
    for pages in ([[row], [empty]], [[empty], [row]]):
        hold(resource, [pages])
        found = outcome(resource, landed(tmp_path, resource, [pages, [[row]]]), quickly=True)
        assert [found["drift"][part].missing for part in (0, 1)] == [["Hours"], ["Hours"]]
