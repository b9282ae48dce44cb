"""Loading landed files into a real DuckDB file."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.emulator.from_samples import sample_of
from aeries_pipeline.stores.connection import (
    Warehouse,
    WarehouseBusyError,
    WarehouseUnusableError,
)
from aeries_pipeline.stores.judge import Safeguards, Status
from aeries_pipeline.stores.load import load
from aeries_pipeline.stores.memory import MEMORY_VARIABLE
from aeries_pipeline.stores.outcomes import Fetched, Loaded, Mode, PullRow, now
from aeries_pipeline.stores.tables import Landed

STUDENT = sample_of("students")[0]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "data" / "warehouse.duckdb")


class Loader:
    """Lands pages of rows and loads them, pull after pull."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.folder = folder
        self.pulls = 0

    def fetched(
        self, name: str, pages: list[Any], school: int | None = 994, **draft: Any
    ) -> Fetched:
        self.pulls += 1
        school = school if RESOURCES[name].grain is Grain.SCHOOL else None
        paths = []
        for number, page in enumerate(pages):
            path = self.folder / f"{name}-{school}-{self.pulls}-{number}.json"
            text = page if isinstance(page, str) else json.dumps(page)
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        pull_id, moment = f"pull-{self.pulls}", now()
        landed = Landed("eagle-usd", school, pull_id, moment, tuple(paths))
        row = PullRow(pull_id, "eagle-usd", school, name, Status.FAILED, moment, moment)
        return Fetched(landed, replace(row, **draft))

    def __call__(self, name: str, *pages: Any, school: int | None = 994, **draft: Any) -> Loaded:
        one = self.fetched(name, list(pages), school, **draft)
        return load(self.warehouse, RESOURCES[name], [one], Safeguards())[0]


@pytest.fixture
def loader(warehouse: Warehouse, tmp_path: Path) -> Loader:
    return Loader(warehouse, tmp_path)


def students(count: int, **changes: Any) -> list[dict]:
    return [
        {**STUDENT, "StudentID": 1000 + n, "StudentNumber": n, **changes}
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize("name", RESOURCES)
def test_every_published_sample_loads_whole(loader: Loader, name: str) -> None:
    resource = RESOURCES[name]
    rows = sample_of(name)
    result = loader(name, rows)
    assert result.pull.status is Status.COMPLETE
    assert result.pull.quarantined == 0
    for table in resource.tables:
        expected = len(rows) if not table.nested else sum(len(row[table.nested]) for row in rows)
        found = loader.warehouse.dicts(f'FROM raw."{table.name}"')
        assert len(found) == expected
    flat = [
        {**{k: v for k, v in row.items() if k != resource.nested}, **inner}
        for row in rows
        for inner in (row[resource.nested] if resource.nested else [{}])
    ]
    loaded = loader.warehouse.dicts(f'FROM raw."{name}"')
    for source, stored in zip(flat, loaded, strict=True):
        for field in resource.main.stored:
            assert same(source.get(field.name), stored[field.name]), field.name


def same(source: Any, stored: Any) -> bool:
    if isinstance(stored, Decimal):
        return Decimal(str(source)) == stored
    if isinstance(stored, datetime):
        return datetime.fromisoformat(source) == stored
    if isinstance(source, list):
        return json.loads(stored) == source
    return source == stored and type(source) is type(stored)


def test_leading_zeros_blanks_and_the_year_one(loader: Loader) -> None:
    row = {
        **STUDENT,
        "HomeLanguageCode": "01",
        "InactiveStatusCode": " ",
        "StateStudentID": "0012345678",
        "SchoolLeaveDate": "0001-01-01T00:00:00",
        "EarlyWarningPoints": 0.1,
    }
    loader("students", [row])
    (found,) = loader.warehouse.dicts("FROM raw.students")
    assert found["HomeLanguageCode"] == "01"
    assert found["InactiveStatusCode"] == ""
    assert found["StateStudentID"] == "0012345678"
    assert found["SchoolLeaveDate"] is None
    assert found["EarlyWarningPoints"] == Decimal("0.1000")


def test_a_deep_sort_order_keeps_its_digits(loader: Loader) -> None:
    row = {**sample_of("alternate_course_requests")[0], "PrioritySortOrder": 1.0078125}
    loader("alternate_course_requests", [row])
    ((value,),) = loader.warehouse.rows(
        'SELECT "PrioritySortOrder" FROM raw.alternate_course_requests'
    )
    assert value == Decimal("1.0078125")


def test_the_old_spelling_of_a_field_is_read(loader: Loader) -> None:
    row = {key: value for key, value in STUDENT.items() if key != "EarlyWarningPoints"}
    result = loader("students", [{**row, "AtRiskPoints": "29.0000"}])
    assert result.pull.drift is None
    assert loader.warehouse.rows('SELECT "EarlyWarningPoints" FROM raw.students') == [
        (Decimal("29.0000"),)
    ]


def test_an_unknown_field_is_kept_and_reported(loader: Loader) -> None:
    result = loader("students", [{**STUDENT, "PronounCode": "T", "New": {"a": [1]}}])
    assert result.drift is not None
    assert result.drift.unknown == ["New", "PronounCode"]
    ((extra,),) = loader.warehouse.rows("SELECT _extra FROM raw.students")
    assert json.loads(extra) == {"New": {"a": [1]}, "PronounCode": "T"}


def test_an_unknown_field_inside_an_array_is_kept_and_reported(loader: Loader) -> None:
    row = sample_of("transcripts")[0]
    row["CourseGrades"] = [{**row["CourseGrades"][0], "Weight": 2}]
    result = loader("transcripts", [row])
    assert result.drift is not None
    assert result.drift.unknown == ["Weight"]
    ((extra,),) = loader.warehouse.rows("SELECT _extra FROM raw.transcripts")
    assert json.loads(extra) == {"Weight": 2}


def test_a_field_that_differs_in_case_alone_is_reported(loader: Loader) -> None:
    result = loader("students", [{**STUDENT, "studentid": 5}])
    assert result.pull.status is Status.COMPLETE
    assert result.drift is not None
    assert result.drift.unknown == ["studentid"]


def test_a_missing_optional_field_is_tolerated_and_reported(loader: Loader) -> None:
    row = {key: value for key, value in STUDENT.items() if key != "NetworkLoginID"}
    result = loader("students", [row])
    assert result.pull.status is Status.COMPLETE
    assert result.drift is not None
    assert result.drift.missing == ["NetworkLoginID"]
    assert loader.warehouse.rows('SELECT "NetworkLoginID" FROM raw.students') == [(None,)]


def test_a_missing_required_field_refuses_the_pull(loader: Loader) -> None:
    loader("students", students(3))
    rows = [
        {key: v for key, v in row.items() if key != "InactiveStatusCode"} for row in students(4)
    ]
    result = loader("students", rows)
    assert result.pull.status is Status.REFUSED
    assert "required field InactiveStatusCode not in the answer" in result.pull.reason
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(3,)]


def test_bad_rows_go_whole_to_quarantine_with_reasons(loader: Loader) -> None:
    rows = students(60)
    rows[3] |= {"Grade": "ninth", "Birthdate": "31/12/2010", "New": "x"}
    rows[5] |= {"StudentID": None}
    rows[6] |= {"Grade": 99}
    rows[7] |= {"CounselorNumber": 3.7}
    result = loader("students", rows)
    assert (result.pull.status, result.pull.rows, result.pull.quarantined) == ("complete", 56, 4)
    found = loader.warehouse.dicts("FROM quarantine.students ORDER BY reason")
    assert [row["reason"] for row in found] == [
        "CounselorNumber: not a whole number",
        "Grade: above the largest legal value",
        "Grade: not a whole number; Birthdate: not a date of 1900 to 2100",
        "StudentID: missing",
    ]
    record = json.loads(found[2]["record"])
    assert record["Grade"] == "ninth"
    assert record["LastName"] == STUDENT["LastName"]
    assert record["New"] == "x"


def test_a_date_that_no_school_means_goes_to_quarantine(loader: Loader) -> None:
    years = ("0000", "1850", "1899", "2101", "9999", "10000")
    rows = students(200)
    for row, year in zip(rows, (*years, "0001", "1900", "2100"), strict=False):
        row["Birthdate"] = f"{year}-01-01T00:00:00"
    result = loader("students", rows)
    assert (result.pull.status, result.pull.quarantined) == ("complete", len(years))
    reasons = loader.warehouse.rows("SELECT DISTINCT reason FROM quarantine.students")
    assert reasons == [("Birthdate: not a date of 1900 to 2100",)]
    held = 'SELECT DISTINCT year("Birthdate") FROM raw.students ORDER BY ALL'
    assert loader.warehouse.rows(held) == [(1900,), (2003,), (2100,), (None,)]


def test_a_later_good_pull_empties_the_quarantine(loader: Loader) -> None:
    rows = students(60)
    rows[0] |= {"Grade": "x"}
    loader("students", rows)
    loader("students", students(60))
    assert loader.warehouse.rows("SELECT count(*) FROM quarantine.students") == [(0,)]
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(60,)]


def test_too_many_bad_rows_refuse_the_pull_and_can_be_read(loader: Loader) -> None:
    loader("students", students(60))
    rows = students(60)
    for row in rows[:10]:
        row["Grade"] = "x"
    result = loader("students", rows)
    assert (result.pull.status, result.pull.code) == ("refused", "too_many_bad_rows")
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(60,)]
    assert loader.warehouse.rows("SELECT count(*) FROM quarantine.students") == [(10,)]


@pytest.mark.parametrize(("count", "code"), [(0, "empty"), (40, "shrunken")])
def test_an_empty_or_shrunken_pull_keeps_the_last_good_table(
    loader: Loader, count: int, code: str
) -> None:
    loader("students", students(100))
    before = loader.warehouse.rows("SELECT DISTINCT _pull_id FROM raw.students")
    result = loader("students", students(count))
    assert (result.pull.status, result.pull.code) == ("refused", code)
    assert loader.warehouse.rows("SELECT DISTINCT _pull_id FROM raw.students") == before
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(100,)]


def test_a_person_can_accept_a_shrunken_pull(loader: Loader) -> None:
    loader("students", students(100))
    result = loader("students", students(10), accept_shrunken_reason="school closed")
    assert result.pull.status is Status.COMPLETE
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(10,)]


def test_a_row_on_two_pages_counts_once_and_the_later_state_wins(loader: Loader) -> None:
    first, second = students(3), students(5)[2:]
    second[0] = {**second[0], "LastName": "Renamed"}
    result = loader("students", first, second)
    assert (result.pull.rows, result.pull.duplicates, result.pull.quarantined) == (5, 1, 0)
    assert loader.warehouse.rows(
        'SELECT "LastName" FROM raw.students WHERE "StudentNumber" = 3'
    ) == [("Renamed",)]


def test_two_different_rows_with_a_documented_key_are_not_both_believed(loader: Loader) -> None:
    rows = students(3)
    rows[1] = {**rows[0], "LastName": "Other"}
    result = loader("students", rows)
    assert (result.pull.rows, result.pull.quarantined, result.pull.conflicts) == (2, 1, 1)
    assert loader.warehouse.rows("SELECT reason FROM quarantine.students") == [
        ("SchoolCode, StudentNumber: another row has the same key",)
    ]


def test_two_rows_with_an_inferred_key_both_stay(loader: Loader) -> None:
    # A class that was dropped and added again keeps its number before the year begins.
    row = sample_of("classes")[0]
    result = loader("classes", [row, {**row, "DateStarted": "2020-09-01T00:00:00"}, row])
    assert (result.pull.rows, result.pull.duplicates, result.pull.conflicts) == (2, 1, 1)


def test_programs_have_no_key_and_lose_no_row(loader: Loader) -> None:
    row = sample_of("programs")[0]
    assert loader("programs", [row, row, row]).pull.rows == 3


def test_one_object_an_array_and_an_empty_array_can_stand_side_by_side(loader: Loader) -> None:
    batch = [
        loader.fetched("students", [STUDENT], 990),
        loader.fetched("students", [students(3), []], 991),
        loader.fetched("students", [students(2)], 992),
    ]
    results = load(loader.warehouse, RESOURCES["students"], batch, Safeguards())
    assert [one.pull.rows for one in results] == [1, 3, 2]


def test_where_two_parsers_disagree_neither_is_believed(loader: Loader) -> None:
    loader("students", students(3))
    one = loader.fetched("students", [students(4)])
    one = replace(one, landed=replace(one.landed, records=5))
    (result,) = load(loader.warehouse, RESOURCES["students"], [one], Safeguards())
    assert (result.pull.status, result.pull.code) == ("failed", "miscounted")
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(3,)]


def test_a_damaged_file_costs_its_own_partition_alone(loader: Loader) -> None:
    batch = [
        loader.fetched("students", [students(3)], 990),
        loader.fetched("students", ['[{"StudentID": 1, '], 991),
        loader.fetched("students", [students(2)], 992),
    ]
    results = load(loader.warehouse, RESOURCES["students"], batch, Safeguards())
    assert [str(one.pull.status) for one in results] == ["complete", "failed", "complete"]
    assert "eagle-usd, school 991, students" in results[1].pull.reason
    assert loader.warehouse.rows(
        "SELECT school, count(*) FROM raw.students GROUP BY school ORDER BY school"
    ) == [(990, 3), (992, 2)]


def test_a_partition_that_fails_to_write_changes_nothing(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader("students", students(3))
    one = loader.fetched("students", [students(4)])
    with loader.warehouse.open() as connection:
        connection.execute("ALTER TABLE meta.pulls ALTER COLUMN seconds TYPE TIMESTAMP USING now()")
    with pytest.raises(WarehouseUnusableError, match="nothing was changed"):
        load(loader.warehouse, RESOURCES["students"], [one], Safeguards())
    assert loader.warehouse.rows("SELECT count(*) FROM raw.students") == [(3,)]
    assert loader.warehouse.rows("SELECT count(*) FROM meta.pulls") == [(1,)]


def test_a_column_that_the_catalogue_gains_is_added(loader: Loader) -> None:
    loader("students", students(2))
    with loader.warehouse.open() as connection:
        connection.execute('ALTER TABLE raw.students DROP COLUMN "NetworkLoginID"')
    loader("students", students(2, NetworkLoginID="x"))
    assert loader.warehouse.rows('SELECT DISTINCT "NetworkLoginID" FROM raw.students') == [("x",)]


def test_a_ledger_of_an_earlier_version_gains_its_columns(loader: Loader) -> None:
    loader("students", students(2))
    newer = ("mode", "server_time", "changed", "removed", "missed", "reader", "answers")
    with loader.warehouse.open() as connection:
        connection.execute("DROP TABLE meta.schema_version")
        for name in newer:
            connection.execute(f"ALTER TABLE meta.pulls DROP COLUMN {name}")
    loader("students", students(3), mode=Mode.FULL)
    (old, new) = loader.warehouse.dicts("FROM meta.pulls ORDER BY finished_at")
    assert [old[name] for name in newer] == [None] * len(newer)
    assert new["mode"] == "full"
    assert (old["rows"], new["rows"]) == (2, 3)


def test_the_sensitive_date_is_not_kept(loader: Loader) -> None:
    loader("students_extended", sample_of("students_extended"))
    columns = loader.warehouse.rows("SELECT column_name FROM (DESCRIBE raw.students_extended)")
    assert ("SafeSchoolsActViolationDate",) not in columns


def test_the_warehouse_is_private(loader: Loader) -> None:
    loader("students", students(1))
    assert loader.warehouse.path.stat().st_mode & 0o077 == 0
    assert loader.warehouse.path.parent.stat().st_mode & 0o077 == 0


def test_waiting_for_another_writer_ends_with_a_sentence(warehouse: Warehouse) -> None:
    impatient = Warehouse(warehouse.path, wait_seconds=0.1)
    with warehouse.open(), pytest.raises(WarehouseBusyError, match="in use by another process"):
        impatient.rows("SELECT 1")


def test_a_body_that_raises_releases_the_warehouse(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.Error):
        warehouse.rows("SELECT nonsense")
    assert warehouse.rows("SELECT 1") == [(1,)]


def the_list(count: int, **changes: Any) -> list[dict]:
    """A school's list of which every fourth row has a status code."""
    rows = students(count, **changes)
    return [row | {"InactiveStatusCode": "I" if row["StudentID"] % 4 == 0 else ""} for row in rows]


YEAR = {"database_year": "2026-2027"}


@pytest.mark.parametrize(
    ("later", "code"),
    [
        (lambda rows: rows, ""),
        (lambda rows: [row | {"Grade": row["Grade"] - 1} for row in rows], "lower_grades"),
        (
            lambda rows: [row | {"SchoolEnterDate": "2010-08-20T00:00:00"} for row in rows],
            "earlier_entries",
        ),
        (lambda rows: [row | {"InactiveStatusCode": ""} for row in rows], "codes_vanished"),
        (
            lambda rows: [row | ({"InactiveStatusCode": ""} if n % 3 else {})
                          for n, row in enumerate(rows)],
            "older_list",
        ),
        (lambda rows: [row | {"SchoolCode": 991} for row in rows], "other_school"),
        (lambda rows: rows + [row | {"SchoolCode": 999, "StudentNumber": 5000 + n}
                              for n, row in enumerate(rows[:30])], ""),
        (lambda rows: rows + [row | {"StudentID": 90_000 + n, "StudentNumber": 9000 + n}
                              for n, row in enumerate(rows + rows)], "grown"),
        (lambda rows: [row | {"InactiveStatusCode": None} for row in rows], "too_many_bad_rows"),
    ],
)  # fmt: skip
def test_a_list_of_another_day_year_or_school_leaves_the_last_good_one(
    loader: Loader, later: Any, code: str
) -> None:
    rows = the_list(80)
    assert loader("students", rows, **YEAR).pull.status is Status.COMPLETE
    before = loader.warehouse.rows("SELECT * EXCLUDE (_pull_id, _pulled_at) FROM raw.students "
                                   "ORDER BY ALL")  # fmt: skip
    second = loader("students", later(rows), **YEAR)
    assert second.pull.code == code
    after = loader.warehouse.rows("SELECT * EXCLUDE (_pull_id, _pulled_at) FROM raw.students "
                                  "ORDER BY ALL")  # fmt: skip
    assert (after == before) == (code != "" or later(rows) == rows)


def test_a_new_school_year_is_not_compared_with_the_old_one(loader: Loader) -> None:
    loader("students", the_list(80), **YEAR)
    turned = [row | {"InactiveStatusCode": ""} for row in the_list(80)]
    turned = [row | {"Grade": row["Grade"] - 1} for row in turned]
    second = loader("students", turned, database_year="2027-2028")
    assert second.pull.status is Status.COMPLETE


def test_answers_beyond_the_memory_are_told_and_cost_no_other_partition(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of 5 MB stand in memory together, so that no spilling helps."""
    monkeypatch.setenv(MEMORY_VARIABLE, "96MiB")
    large = [{**row, "Comment": "x" * 5_000_000} for row in students(40, SchoolCode=995)]
    batch = [loader.fetched("students", [students(5)]), loader.fetched("students", [large], 995)]
    small, beyond = load(loader.warehouse, RESOURCES["students"], batch, Safeguards())
    assert small.pull.status is Status.COMPLETE
    assert (beyond.pull.status, beyond.pull.code) == (Status.FAILED, "out_of_memory")
    assert beyond.pull.transient, "it is tried again"
    assert "DuckDB had 96 MiB of memory" in beyond.pull.reason
    assert MEMORY_VARIABLE in beyond.pull.reason
    monkeypatch.setenv(MEMORY_VARIABLE, "4GiB")
    (again,) = load(loader.warehouse, RESOURCES["students"], batch[1:], Safeguards())
    assert again.pull.status is Status.COMPLETE
