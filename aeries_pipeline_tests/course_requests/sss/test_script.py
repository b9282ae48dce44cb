"""``sss.sql`` parsed as T-SQL and run in a real SQL engine on tables shaped like Aeries'."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from aeries_pipeline.course_requests.sss.plan import Plan, make_plan
from aeries_pipeline.course_requests.sss.script import sss_sql, text
from aeries_pipeline_tests.course_requests.sss.test_plan import FOUR, wanted

TABLES = """
CREATE TABLE STU (SC SMALLINT, SN INTEGER, ID INTEGER, DEL BOOLEAN, PRIMARY KEY (SC, SN));
CREATE TABLE CRS (CN VARCHAR(6) PRIMARY KEY, DEL BOOLEAN);
CREATE TABLE SSS (SC SMALLINT, SN INTEGER, SQ SMALLINT, CN VARCHAR(6), SE SMALLINT, TN SMALLINT,
    PS INTEGER DEFAULT 0, RT VARCHAR DEFAULT '', "AT" VARCHAR DEFAULT '', AC VARCHAR DEFAULT '',
    PL VARCHAR DEFAULT '', DEL BOOLEAN NOT NULL, PRIMARY KEY (SC, SN, SQ));
CREATE TABLE ACR (SC SMALLINT, SN INTEGER, SQ SMALLINT, CN VARCHAR(6), SRT DOUBLE,
    DEL BOOLEAN NOT NULL, PRIMARY KEY (SC, SN, SQ));
CREATE TABLE ACA (SC SMALLINT, SN INTEGER, SQ SMALLINT, AQ SMALLINT, DEL BOOLEAN NOT NULL,
    PRIMARY KEY (SC, SN, SQ, AQ));
INSERT INTO STU VALUES (994, 1, 99400001, false), (994, 2, 99400002, false),
    (994, 3, 99400003, true), (994, 4, 77700004, false);
INSERT INTO CRS VALUES ('0315', false), ('0608', false), ('0001', false), ('0630', false),
    ('E7', false), ('0999', true);
"""
ACA = ("SC", "SN", "SQ", "AQ")


@pytest.fixture
def aeries() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield connection


def script(plan: Plan, aca: tuple[str, ...] = ACA, *, staff: bool = False) -> str:
    return sss_sql(
        plan, 994, district="eagle-usd", year="2027-2028", section_staff=staff, aca_columns=aca
    )


def parsed(sql: str) -> list[exp.Expression]:
    found = sqlglot.parse(sql, read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    assert all(found)
    assert not [one for one in found if isinstance(one, exp.Command)], "not understood"
    return found


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    """Run the script statement by statement; return what its SELECT tells."""
    told: list[tuple[object, ...]] = []
    for statement in parsed(sql):
        if isinstance(statement, exp.Set):
            continue
        cursor = connection.execute(statement.sql("duckdb"))
        if isinstance(statement, exp.Select):
            told = cursor.fetchall()
    return told


def content(connection: duckdb.DuckDBPyConnection) -> list[list[tuple[object, ...]]]:
    return [
        connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
        for table in ("SSS", "ACR", "ACA")
    ]


def test_the_script_is_one_transaction_of_inserts() -> None:
    statements = parsed(script(make_plan(FOUR, {}, 1001)))
    kinds = [type(one).__name__ for one in statements]
    assert kinds[:3] == ["Set", "Set", "Transaction"]
    assert kinds[-1] == "Commit"
    assert kinds.count("Transaction") == kinds.count("Commit") == 1
    assert not {"Update", "Delete", "Merge", "TruncateTable", "Alter"} & set(kinds)
    assert statements[0].sql("tsql").startswith("SET XACT_ABORT")
    written = {one.this.find(exp.Table).name for one in statements if isinstance(one, exp.Insert)}
    assert written == {"requests", "alternates", "SSS", "ACR", "ACA"}


def test_run_twice_it_gives_the_same(aeries: duckdb.DuckDBPyConnection) -> None:
    sql = script(make_plan(FOUR, {}, 1001))
    assert run(aeries, sql) == []
    first = content(aeries)
    requests, alternates, links = first
    assert [row[:6] for row in requests] == [
        (994, 1, 1, "0001", 0, 0), (994, 2, 1, "0315", 0, 0), (994, 2, 2, "0608", 0, 0),
    ]  # fmt: skip
    assert alternates == [(994, 2, 1, "E7", 1.0, False), (994, 2, 2, "0630", 2.0, False)]
    assert links == [(994, 2, 2, 2, False)]
    assert run(aeries, sql) == []
    assert content(aeries) == first


def test_numbers_follow_the_highest_deleted_rows_included(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    aeries.execute(
        "INSERT INTO SSS (SC, SN, SQ, CN, SE, TN, DEL) VALUES (994, 2, 7, '0608', 0, 0, true)"
    )
    run(aeries, script(make_plan(FOUR, {}, 1001)))
    rows = aeries.execute("SELECT SQ, CN, DEL FROM SSS WHERE SN = 2 ORDER BY SQ").fetchall()
    assert rows == [(7, "0608", True), (8, "0315", False), (9, "0608", False)]


def test_what_is_there_locked_or_scheduled_is_not_touched(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    aeries.execute(
        """
        INSERT INTO SSS (SC, SN, SQ, CN, SE, TN, RT, "AT", AC, PL, DEL) VALUES
            (994, 2, 1, '0315', 3002, 5, '*', '', '', '', false),
            (994, 2, 2, '0777', 460, 0, '', 'X', '0608', 'L', false)
        """
    )
    before = content(aeries)[0]
    run(aeries, script(make_plan(FOUR, {}, 1001)))
    after = content(aeries)[0]
    assert [row for row in after if row[1] == 2] == before, "0608 was replaced by an alternate"


def test_a_student_or_course_that_is_gone_is_told_and_not_inserted(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    plan = make_plan(
        [
            wanted(2, 3, "0315"),  # the record was deleted
            wanted(3, 4, "0315"),  # the number is another person's by now
            wanted(4, 9, "0315"),  # no such record
            wanted(5, 1, "0999"),  # the course was deleted
            wanted(6, 1, "0315"),
        ],
        {}, 1001,
    )  # fmt: skip
    told = run(aeries, script(plan))
    assert told == [(994, 1, "0999"), (994, 3, "0315"), (994, 4, "0315"), (994, 9, "0315")]
    assert [row[:4] for row in content(aeries)[0]] == [(994, 1, 1, "0315")]


def test_section_staff_schools_get_the_other_column(aeries: duckdb.DuckDBPyConnection) -> None:
    sql = script(make_plan(FOUR[:3], {}, 1001), staff=True)
    assert "SE, PS, RT" in sql
    assert "TN" not in sql
    run(aeries, sql)
    assert len(content(aeries)[0]) == 3


def test_alternates_are_not_linked_where_the_columns_are_not_settled(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    sql = script(make_plan(FOUR, {}, 1001), ())
    assert "ACA" not in sql
    run(aeries, sql)
    assert [len(rows) for rows in content(aeries)] == [3, 2, 0]


def test_many_rows_are_cut_into_statements_that_sql_server_takes(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    aeries.execute("INSERT INTO CRS SELECT printf('X%05d', n), false FROM range(1, 1301) t(n)")
    plan = make_plan([wanted(n, 1 + n % 2, f"X{n:05}") for n in range(1, 1301)], {}, 1001)
    sql = script(plan)
    for statement in parsed(sql):
        values = statement.find(exp.Values)
        assert values is None or len(values.expressions) <= 1000
    run(aeries, sql)
    assert len(content(aeries)[0]) == 1300
    numbers = aeries.execute("SELECT SN, max(SQ), count(*) FROM SSS GROUP BY SN").fetchall()
    assert sorted(numbers) == [(1, 650, 650), (2, 650, 650)]


def test_nothing_in_a_value_ends_it(aeries: duckdb.DuckDBPyConnection) -> None:
    assert text("a'b") == "'a''b'"
    assert text("ñ") == "N'ñ'"
    assert text("a\r\nb") == "'ab'"
    run(aeries, script(make_plan([wanted(2, 1, "x');--")], {}, 1001)))
    assert content(aeries)[0] == []


def test_an_empty_plan_is_still_a_script(aeries: duckdb.DuckDBPyConnection) -> None:
    assert run(aeries, script(make_plan([], {}, 1001))) == []
