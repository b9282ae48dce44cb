"""``sss.sql`` parsed as T-SQL and run in a real SQL engine on tables shaped like Aeries'."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import sqlfluff
import sqlglot
from sqlglot import exp

from aeries_pipeline.course_requests.sss.plan import Plan, make_plan
from aeries_pipeline.course_requests.sss.script import sss_sql, text
from aeries_pipeline.course_requests.sss.withdrawals import Withdrawal
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


def results(
    connection: duckdb.DuckDBPyConnection, sql: str, *, dry: bool = False
) -> list[list[dict[str, object]]]:
    """Run the script statement by statement; return its results."""
    told = []
    for statement in parsed(sql):
        if isinstance(statement, exp.Set | exp.Declare):
            continue
        if isinstance(statement, exp.IfBlock):
            assert statement.this.sql("tsql") == "@DryRun = 1"
            connection.execute("ROLLBACK" if dry else "COMMIT")
            continue
        cursor = connection.execute(statement.sql("duckdb"))
        if isinstance(statement, exp.Select):
            names = [column[0] for column in cursor.description]
            told.append([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    return told


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, object]:
    """Run the script; return the one row of counts that is its last result."""
    (counts,) = results(connection, sql)[-1]
    return counts


def content(connection: duckdb.DuckDBPyConnection) -> list[list[tuple[object, ...]]]:
    return [
        connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
        for table in ("SSS", "ACR", "ACA")
    ]


def test_the_script_is_one_serializable_transaction_of_inserts() -> None:
    sql = script(make_plan(FOUR, {}, 1001))
    statements = parsed(sql)
    kinds = [type(one).__name__ for one in statements]
    assert kinds[:5] == ["Set", "Set", "Set", "Declare", "Transaction"]
    assert kinds[-1] == "IfBlock"
    assert kinds.count("Transaction") == 1
    assert sql.endswith("IF @DryRun = 1 ROLLBACK TRANSACTION;\nELSE COMMIT TRANSACTION;\n")
    assert "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;" in sql
    # Wherever a number is looked up the rows stay locked until the end.
    for looked_up in ("MAX(SQ) AS SQ", "k.SQ = w.SQ"):
        assert looked_up in sql
    assert sql.count("WITH (UPDLOCK, HOLDLOCK)") == sql.count("MAX(") - 1 + sql.count("k.SQ =")
    assert not {"Update", "Delete", "Merge", "TruncateTable", "Alter"} & set(kinds)
    assert statements[0].sql("tsql").startswith("SET XACT_ABORT")
    written = {one.this.find(exp.Table).name for one in statements if isinstance(one, exp.Insert)}
    assert written == {
        "requests", "before", "alternates", "alternates_before", "SSS", "ACR", "ACA",
    }  # fmt: skip


def test_run_twice_it_gives_the_same(aeries: duckdb.DuckDBPyConnection) -> None:
    sql = script(make_plan(FOUR, {}, 1001))
    assert run(aeries, sql) == {
        "requests": 3, "requests_there_before": 0, "requests_inserted": 3,
        "requests_not_inserted": 0, "alternates": 2, "alternates_there_before": 0,
        "alternates_inserted": 2, "alternates_not_inserted": 0,
    }  # fmt: skip
    first = content(aeries)
    requests, alternates, links = first
    assert [row[:6] for row in requests] == [
        (994, 1, 1001, "0001", 0, 0), (994, 2, 1001, "0315", 0, 0), (994, 2, 1002, "0608", 0, 0),
    ]  # fmt: skip
    assert alternates == [(994, 2, 1001, "E7", 1.0, False), (994, 2, 1002, "0630", 2.0, False)]
    assert links == [(994, 2, 1002, 1002, False)]
    again = run(aeries, sql)
    assert (again["requests_there_before"], again["requests_inserted"]) == (3, 0)
    assert content(aeries) == first


def test_a_dry_run_counts_and_changes_nothing(aeries: duckdb.DuckDBPyConnection) -> None:
    before = content(aeries)
    ((counts,),) = results(aeries, script(make_plan(FOUR, {}, 1001)), dry=True)
    assert counts["requests_inserted"] == 3
    assert content(aeries) == before


def test_a_script_that_stops_halfway_leaves_nothing(aeries: duckdb.DuckDBPyConnection) -> None:
    before = content(aeries)
    statements = parsed(script(make_plan(FOUR, {}, 1001)))
    for statement in statements[:-3]:
        if not isinstance(statement, exp.Set | exp.Declare):
            aeries.execute(statement.sql("duckdb"))
    assert content(aeries) != before
    aeries.execute("ROLLBACK")  # what XACT_ABORT and a lost connection do
    assert content(aeries) == before


def test_numbers_follow_the_highest_deleted_rows_included(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    aeries.execute(
        "INSERT INTO SSS (SC, SN, SQ, CN, SE, TN, DEL) VALUES (994, 2, 1002, '0608', 0, 0, true)"
    )
    run(aeries, script(make_plan(FOUR, {}, 1001)))
    rows = aeries.execute("SELECT SQ, CN, DEL FROM SSS WHERE SN = 2 ORDER BY SQ").fetchall()
    assert rows == [(1001, "0315", False), (1002, "0608", True), (1003, "0608", False)]


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
    assert (told["requests_inserted"], told["requests_not_inserted"]) == (1, 4)
    assert [row[:4] for row in content(aeries)[0]] == [(994, 1, 1002, "0315")]


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
    assert sorted(numbers) == [(1, 1650, 650), (2, 1650, 650)]


def test_nothing_in_a_value_ends_it(aeries: duckdb.DuckDBPyConnection) -> None:
    assert text("a'b") == "'a''b'"
    assert text("ñ") == "N'ñ'"
    assert text("a\r\nb") == "'ab'"
    run(aeries, script(make_plan([wanted(2, 1, "x');--")], {}, 1001)))
    assert content(aeries)[0] == []


def test_an_empty_plan_is_still_a_script(aeries: duckdb.DuckDBPyConnection) -> None:
    assert run(aeries, script(make_plan([], {}, 1001)))["requests"] == 0


def withdrawal(
    number: int, student: int, sequence: int, course: str, kind: str = "request"
) -> Withdrawal:
    moment = datetime(2027, 2, 3)
    return Withdrawal(student, number, kind, sequence, course, "file", 2, moment, is_new=True)


GONE = [
    withdrawal(2, 99400002, 1001, "0315"),
    withdrawal(2, 99400002, 1002, "0608"),
    withdrawal(2, 99400002, 1003, "0001"),
    withdrawal(2, 99400002, 1004, "0630"),
    withdrawal(2, 99400002, 1005, "0001"),
    withdrawal(1, 99400001, 1001, "0315"),
    withdrawal(4, 99400004, 1001, "0315"),
    withdrawal(2, 99400002, 1001, "E7", "alternate"),
]


def deleting(withdrawals: list[Withdrawal]) -> str:
    return sss_sql(
        make_plan([wanted(2, 1, "0608")], {}, 1002), 994, district="eagle-usd", year="2027-2028",
        section_staff=False, aca_columns=ACA, withdrawals=withdrawals,
    )  # fmt: skip


def test_withdrawals_delete_exactly_what_was_given_and_is_untouched(
    aeries: duckdb.DuckDBPyConnection,
) -> None:
    aeries.execute(
        """
        INSERT INTO SSS (SC, SN, SQ, CN, SE, TN, RT, "AT", AC, PL, DEL) VALUES
            (994, 2, 1001, '0315', 0, 0, '', '', '', '', false),
            (994, 2, 1002, '0608', 3002, 0, '', '', '', '', false),
            (994, 2, 1003, '0001', 0, 0, '*', '', '', '', false),
            (994, 2, 1004, '0630', 0, 0, '', '', '', 'L', false),
            (994, 2, 1005, '0777', 0, 0, '', '', '', '', false),
            (994, 2, 1006, '0315', 0, 0, '', '', '', '', true),
            (994, 1, 7, '0315', 0, 0, '', '', '', '', false),
            (994, 4, 1001, '0315', 0, 0, '', '', '', '', false);
        INSERT INTO ACR VALUES (994, 2, 1001, 'E7', 1, false), (994, 2, 1002, 'E7', 2, false);
        INSERT INTO ACA VALUES (994, 2, 1002, 1001, false), (994, 2, 1002, 1002, false);
        """
    )
    before = content(aeries)
    sql = deleting(GONE)
    left, (counts,) = results(aeries, sql, dry=True)
    assert content(aeries) == before
    assert results(aeries, sql) == [left, [counts]]
    gone = [row for row in before[0] if row not in content(aeries)[0]]
    assert [row[:4] for row in gone] == [(994, 2, 1001, "0315")], "the others are not ours to touch"
    assert [row[2] for row in content(aeries)[1]] == [1002]
    assert content(aeries)[2] == [(994, 2, 1002, 1002, False)]
    # The alternate was entered twice; the row that this pipeline did not give stays.
    assert [(row["SN"], row["LeftIn"], row["SQ"]) for row in left] == [
        (1, "SSS", 1001), (2, "ACR", 1001), (2, "SSS", 1002), (2, "SSS", 1003), (2, "SSS", 1004),
        (2, "SSS", 1005), (4, "SSS", 1001),
    ]  # fmt: skip
    assert (counts["withdrawn_deleted"], counts["withdrawn_left"]) == (1, 7)
    assert counts["requests_inserted"] == 1
    again = results(aeries, sql)[-1][0]
    assert (again["withdrawn_deleted"], again["requests_inserted"]) == (0, 0)


def unparsable(node: object) -> bool:
    if isinstance(node, dict):
        return any(key == "unparsable" or unparsable(value) for key, value in node.items())
    return isinstance(node, list | tuple) and any(unparsable(one) for one in node)


GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    "sql",
    [
        script(make_plan(FOUR, {}, 1001)),
        script(make_plan(FOUR, {}, 1001), (), staff=True),
        script(make_plan([], {}, 1001)),
        deleting(GONE),
        script(make_plan([wanted(2, 1, "x');--")], {}, 1001)),
        (GOLDEN / "sss.sql").read_text(encoding="utf-8"),
        (GOLDEN / "whole" / "sss.sql").read_text(encoding="utf-8"),
    ],
    ids=["all", "staff", "empty", "withdrawals", "quoted", "golden", "golden-whole"],
)
def test_two_parsers_accept_the_script(sql: str) -> None:
    assert parsed(sql)
    assert not unparsable(sqlfluff.parse(sql, dialect="tsql"))
