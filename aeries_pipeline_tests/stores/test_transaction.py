"""One transaction on the warehouse: all or nothing, and no value in a message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.transaction import insert_rows, writing

COLUMNS = (
    ("a", "VARCHAR"), ("b", "BIGINT"), ("c", "DOUBLE"), ("d", "DATE"), ("e", "TIMESTAMP"),
    ("f", "VARCHAR[]"), ("g", "BOOLEAN"),
)  # fmt: skip
ROWS = [
    ("x", 1, 0.5, date(2027, 2, 3), datetime(2027, 2, 3, 4), ["p", "q"], True),
    (None, None, None, None, None, [], None),
]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "warehouse.duckdb")
    with writing(made, "test") as connection:
        body = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
        connection.execute(f"CREATE TABLE core.kept ({body})")
        insert_rows(connection, "core.kept", COLUMNS, ROWS)
        insert_rows(connection, "core.kept", COLUMNS, [])
    return made


def test_rows_are_kept_as_they_are(warehouse: Warehouse) -> None:
    assert warehouse.rows("SELECT * FROM core.kept ORDER BY a NULLS LAST") == ROWS


def wrong_in_arrow(connection: duckdb.DuckDBPyConnection) -> None:
    insert_rows(connection, "core.kept", COLUMNS, [("x", "Marker", 0.5, None, None, [], None)])


def wrong_in_duckdb(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("INSERT INTO core.kept (b) SELECT 'Marker'")


def wrong_elsewhere(_connection: duckdb.DuckDBPyConnection) -> None:
    raise KeyError("elsewhere")


def delete_and(warehouse: Warehouse, wrong: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    with writing(warehouse, "eagle-usd, test", "try again") as connection:
        connection.execute("DELETE FROM core.kept")
        wrong(connection)


@pytest.mark.parametrize("wrong", [wrong_in_arrow, wrong_in_duckdb])
def test_a_database_error_undoes_everything_and_quotes_nothing(
    warehouse: Warehouse, wrong: Callable[[duckdb.DuckDBPyConnection], None]
) -> None:
    with pytest.raises(WarehouseUnusableError) as caught:
        delete_and(warehouse, wrong)
    told = str(caught.value)
    assert told.startswith("eagle-usd, test: the warehouse cannot be written (")
    assert told.endswith("nothing was changed; see docs/operating.md, then try again")
    assert "Marker" not in told
    assert caught.value.__cause__ is None
    assert len(warehouse.rows("SELECT * FROM core.kept")) == 2


def test_any_other_error_undoes_everything_and_passes(warehouse: Warehouse) -> None:
    with pytest.raises(KeyError):
        delete_and(warehouse, wrong_elsewhere)
    assert len(warehouse.rows("SELECT * FROM core.kept")) == 2


def test_a_file_that_could_not_be_opened_is_not_kept_open(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.rows("SELECT 1")

    def fail(*_: object) -> None:
        raise duckdb.IOException("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("aeries_pipeline.stores.connection.version_of", fail)
        with pytest.raises(duckdb.Error):
            warehouse.rows("SELECT 1")
    with duckdb.connect(str(warehouse.path)) as another:
        assert another.execute("SELECT 1").fetchall() == [(1,)]
    assert warehouse.rows("SELECT 1") == [(1,)]
