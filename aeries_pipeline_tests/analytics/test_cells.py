"""Small cells: no shown number speaks of few children, and none can be reckoned back."""

from collections import defaultdict

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.analytics.cells import suppressed
from aeries_pipeline.analytics.registry import COUNTS, VIEWS
from aeries_pipeline.analytics.view import Column, Grain, Measure, View

CELLS = View(
    name="cells",
    title="Cells",
    query="SELECT 1",
    grain=Grain.COUNT,
    columns=(
        Column("school", "INTEGER", "School"),
        Column("grade", "INTEGER", "Grade"),
        Column("students", "BIGINT", "Students"),
        Column("behind", "BIGINT", "Of these, behind"),
        Column("suppressed", "BOOLEAN", "Whether anything is hidden"),
    ),
    measures=(Measure("students"), Measure("behind", of="students")),
    within=("school",),
)


def shown(rows: list[tuple[int, int, int, int]], least: int) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE cells (school INTEGER, grade INTEGER, students BIGINT, behind BIGINT, "
            "suppressed BOOLEAN)"
        )
        if rows:
            connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, false)", rows)
        query = suppressed(CELLS, "cells", least)
        return connection.execute(f"{query} ORDER BY school, grade").fetchall()


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    keys = draw(st.sets(st.tuples(st.integers(1, 3), st.integers(1, 6)), max_size=12))
    rows = []
    for school, grade in sorted(keys):
        students = draw(st.integers(0, 40))
        rows.append((school, grade, students, draw(st.integers(0, students))))
    return rows


@given(tables(), st.integers(2, 15))
def test_what_is_shown_never_speaks_of_few_children(
    rows: list[tuple[int, int, int, int]], least: int
) -> None:
    found = shown(rows, least)
    true = {(school, grade): (students, behind) for school, grade, students, behind in rows}
    assert len(found) == len(rows)
    for school, grade, students, behind, is_hidden in found:
        assert students in {None, true[school, grade][0]}
        assert behind in {None, true[school, grade][1]}
        assert is_hidden == (students is None or behind is None)
        if students is not None:
            assert students == 0 or students >= least
        if behind is not None:
            assert students is not None
            assert behind >= least
            assert students - behind >= least


@given(tables(), st.integers(2, 15))
def test_a_known_total_does_not_give_a_hidden_cell_away(
    rows: list[tuple[int, int, int, int]], least: int
) -> None:
    hidden = defaultdict(int)
    counted = defaultdict(int)
    for school, _grade, students, _behind, _suppressed in shown(rows, least):
        hidden[school] += students is None
        counted[school] += students != 0
    for school, number in hidden.items():
        assert number != 1 or counted[school] == 1, "one hidden cell among others can be reckoned"


def test_nothing_more_is_hidden_than_must_be() -> None:
    rows = [(1, 9, 30, 12), (1, 10, 30, 15), (1, 11, 40, 20), (2, 9, 4, 1), (2, 10, 25, 12)]
    assert shown([*rows, (2, 11, 50, 25)], 10) == [
        (1, 9, 30, 12, False),
        (1, 10, 30, 15, False),
        (1, 11, 40, 20, False),
        (2, 9, None, None, True),
        (2, 10, None, None, True),
        (2, 11, 50, 25, False),
    ]


@pytest.mark.parametrize("view", COUNTS, ids=lambda view: view.name)
def test_every_count_of_students_is_a_measure(view: View) -> None:
    counts = {one.name for one in view.columns if one.name.startswith("students")}
    assert counts == {one.name for one in view.measures}
    assert view.within
    assert "suppressed" in {one.name for one in view.columns}
    assert "student_id" not in {one.name for one in view.columns}


def test_names_stand_in_one_view_alone() -> None:
    named = {
        view.name
        for view in VIEWS.values()
        for one in view.columns
        if one.is_identifier and one.name != "student_id"
    }
    assert named == {"student_names"}


def test_a_view_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="names columns that it lacks"):
        View("x", "X", "SELECT 1", CELLS.columns, Grain.COUNT, (Measure("lost"),), ("school",))
    with pytest.raises(ValueError, match="measures belong to counts"):
        View("x", "X", "SELECT 1", CELLS.columns, Grain.STUDENT, (Measure("students"),))
