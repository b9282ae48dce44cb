"""What ``sql`` prints: for eyes at any width, for other programs, into files."""

import csv
import io
import json
import os
import pty
import select
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from aeries_pipeline.cli.results import as_text, fits, show
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call

PULLS = "SELECT * FROM meta.pulls ORDER BY school"
CELLS = st.one_of(st.none(), st.integers(), st.booleans(), st.text(max_size=60))


def shown(columns: list[str], rows: list[tuple[object, ...]], width: int) -> str:
    stream = io.StringIO()
    show(
        columns,
        rows,
        None,
        Console(file=stream, width=width, force_terminal=True, color_system=None),
    )
    return stream.getvalue()


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=5)
    ),
    st.integers(20, 120),
)
def test_whatever_the_width_each_value_is_shown_or_said_to_be_left_out(
    rows: list[tuple[object, ...]], width: int
) -> None:
    columns = [f"column_{number}" for number in range(len(rows[0]))]
    text = as_text(columns, rows, "record")
    assert text.count("column_0") >= len(rows)
    if fits(columns, rows, width):
        printed = shown(columns, rows, width)
        assert all(name in printed for name in columns)
        assert max(map(cell_len, printed.split("\n"))) <= width


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_csv_and_json_are_read_back(rows: list[tuple[object, ...]]) -> None:
    back = list(csv.reader(io.StringIO(as_text(["a", "b"], rows, "csv"), newline="")))
    assert back[0] == ["a", "b"]
    assert len(back) == len(rows) + 1
    assert json.loads(as_text(["a", "b"], rows, "json")) == [
        {"a": one, "b": other} for one, other in rows
    ]


def test_nothing_that_a_terminal_obeys_reaches_it() -> None:
    printed = shown(["name"], [("a\x1b[2Jb\x07\r",)], 80)
    assert "a\\x1b[2Jb\\x07\\x0d" in printed


def test_numbers_stay_numbers_and_what_is_none_is_null() -> None:
    row = (Decimal("1.50"), float("nan"), date(2026, 1, 2), [1, 2])
    text = as_text(["a", "b", "c", "d"], [row], "json")
    assert json.loads(text) == [{"a": 1.5, "b": None, "c": "2026-01-02", "d": [1, 2]}]


def test_markdown_keeps_its_columns() -> None:
    text = as_text(["a", "b"], [("x|y", "one\ntwo")], "markdown")
    assert text == "| a | b |\n| --- | --- |\n| x\\|y | one<br>two |\n"


def test_a_table_that_was_asked_for_says_which_columns_it_left_out() -> None:
    stream = io.StringIO()
    names = [f"a_long_column_{number}" for number in range(8)]
    console = Console(file=stream, width=60, force_terminal=True, color_system=None)
    show(names, [tuple(range(8))], "table", console)
    printed = " ".join(stream.getvalue().split())
    assert "columns are not shown:" in printed
    assert all(name in printed for name in names)
    assert max(map(cell_len, stream.getvalue().splitlines())) <= 60


def on_a_terminal(world: World, columns: int, *arguments: str) -> str:
    """Run a command on a pseudo-terminal and return what it shows."""
    leader, follower = pty.openpty()
    environment = {**os.environ, **world.variables, "COLUMNS": str(columns), "TERM": "dumb"}
    with subprocess.Popen(
        [sys.executable, "-m", "aeries_pipeline.cli", *arguments],
        stdin=follower, stdout=follower, stderr=follower, env=environment, close_fds=True,
    ) as process:  # fmt: skip
        os.close(follower)
        parts: list[bytes] = []
        while select.select([leader], [], [], 60)[0]:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
        process.wait(timeout=60)
    os.close(leader)
    return b"".join(parts).decode()


def test_answers_suit_the_terminal_the_next_program_and_a_file(
    world: World, tmp_path: Path
) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    text = on_a_terminal(world, 80, "sql", PULLS)
    assert text.count("- 1 -") == 1, "one record a block"
    assert "eagle-usd" in text
    assert "outside_window_reason" in text
    few = on_a_terminal(world, 80, "sql", "SELECT school, status FROM meta.pulls ORDER BY 1")
    assert "│ 994" in few, "a table where it fits"
    limited = on_a_terminal(world, 80, "sql", "--limit", "1", "SELECT 1 AS n UNION SELECT 2")
    assert "the first 1 row; --limit N shows more" in limited

    query = "SELECT resource, rows FROM meta.pulls ORDER BY resource"
    result = call(world, "sql", query)
    rows = world.warehouse.rows(query)
    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["resource", "rows"], *[[str(cell) for cell in row] for row in rows]
    ]  # fmt: skip
    short = call(world, "sql", "--format", "json", "--limit", "1", "SELECT unnest([1, 2]) AS n")
    assert json.loads(short.stdout) == [{"n": 1}]
    assert "the first 1 row" in short.stderr
    file = tmp_path / "rows.parquet"
    assert call(world, "sql", "--format", "parquet", "--output", str(file), query).exit_code == 0
    assert duckdb.sql(f"SELECT * FROM '{file}' ORDER BY resource").fetchall() == rows
    assert oct(file.stat().st_mode)[-3:] == "600"
    into = tmp_path / "rows.csv"
    assert call(world, "sql", "--output", str(into), query).exit_code == 0
    assert into.read_text(encoding="utf-8") == result.stdout

    for arguments, says in (
        (["--format", "parquet", "SELECT 1"], "--output FILE"),
        (["SELECT nonsense"], "nonsense"),
        (["DELETE FROM meta.pulls"], "read-only"),
    ):
        refused = call(world, "sql", *arguments)
        assert refused.exit_code == 2
        assert says in refused.stderr
        assert "Traceback" not in refused.output


def test_a_query_asks_and_does_nothing_else(world: World, tmp_path: Path) -> None:
    assert call(world, "sync", "eagle-usd", "--school", "994").exit_code == 0
    file = tmp_path / "out.csv"
    copy = f"COPY raw.students TO '{file}'"
    for query in (
        copy, f"SELECT 1; {copy}", f"EXPLAIN ANALYZE {copy}", f"explain (analyze) {copy}",
        f"/* EXPLAIN */ explain analyze {copy}", f"EXPORT DATABASE '{tmp_path / 'all'}'",
        "SET threads = 1", "INSTALL httpfs", "PRAGMA threads = 1", "USE memory", "CHECKPOINT",
        "CREATE TEMP TABLE t (a INTEGER)", "DELETE FROM raw.students", "", " ; ", "/* nothing */",
    ):  # fmt: skip
        done = call(world, "sql", query)
        assert done.exit_code == 2, (query, done.output)
        assert "Traceback" not in done.output
        assert ("is no question" in done.output) or ("there is no query" in done.output), query
    assert [one.name for one in tmp_path.rglob("*") if one.name in {"out.csv", "all"}] == []
    for query in (
        "FROM meta.pulls", "VALUES (1)", "SHOW TABLES", "DESCRIBE raw.students",
        "SUMMARIZE meta.pulls", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT 1",
        "SELECT 1; SELECT 2",
        "PIVOT (SELECT resource, rows FROM meta.pulls) ON resource USING sum(rows)",
    ):  # fmt: skip
        done = call(world, "sql", query)
        assert done.exit_code == 0, (query, done.output)
    nobody = call(world, "sql", "--published", "--district", "nobody", "SELECT 1")
    assert nobody.exit_code == 1
    assert "nobody: the analysts' copy has no file of this district" in nobody.output
