"""The worked questions of the analysts' page, with their results on the published copy.

A question whose result names students is shown without its result: whoever may
see it asks it on the copy themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from aeries_pipeline.web.documentation import DOCS

PAGE = "analysts.md"
SHOWN = 40
"""Rows of a result on the page."""

_SECTION = re.compile(r"^### (\d+)\. (.+?)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_SQL = re.compile(r"```sql\n(.*?)```", re.DOTALL)
_NAMES_A_STUDENT = re.compile(
    r"student_?(id|number)|state_student|first_?name|last_?name|birth|email|address|phone",
    re.IGNORECASE,
)
_MEMORY = "256MB"
_PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its first answer.

    Attributes:
        number: Its number on the page.
        title: The question.
        text: What is said of it, in Markdown.
        sql: The query.
        columns: Of the result; none where it is not shown.
        rows: The first of them.
        more: How many rows are left out.
        bars: Label and share of the longest bar, from 0 to 100, of each row; none where there is
            nothing to draw.
        note: Why there is no result.
    """

    number: int
    title: str
    text: str
    sql: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    more: int = 0
    bars: Sequence[tuple[str, float, str]] = ()
    note: str = ""


def questions(copy: Path, folder: Path = DOCS) -> list[Asked]:
    """Return the worked questions with their results.

    Args:
        copy: The analysts' copy.
        folder: Where the documentation is.
    """
    page = folder / PAGE
    if not page.is_file():
        return []
    found = []
    for number, title, body in _SECTION.findall(page.read_text(encoding="utf-8")):
        queries = _SQL.findall(body)
        if queries:
            text = body.partition("```")[0].strip()
            found.append(_answered(Asked(int(number), title, text, queries[0].strip()), copy))
    return found


def _answered(one: Asked, copy: Path) -> Asked:
    """Return a question with its result, or with the reason why it has none."""
    if not copy.is_file():
        return replace(one, note="There is no analysts' copy yet.")
    try:
        with duckdb.connect(str(copy), read_only=True, config={"memory_limit": _MEMORY}) as db:
            result = db.execute(one.sql)
            columns = [str(column[0]) for column in result.description or ()]
            if any(_NAMES_A_STUDENT.search(name) for name in columns):
                return replace(
                    one,
                    note="Its result names students; ask it on the copy where you may see them.",
                )
            rows = _told(result.fetchall())
    except duckdb.Error as error:
        return replace(one, note=f"It could not be asked just now ({type(error).__name__}).")
    return replace(
        one, columns=columns, rows=rows[:SHOWN], more=max(len(rows) - SHOWN, 0),
        bars=bars_of(columns, rows[:SHOWN]),
    )  # fmt: skip


def _told(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Return rows in which a column of days has no time of day."""
    told = [list(row) for row in rows]
    for place in range(len(told[0]) if told else 0):
        moments = [row[place] for row in told if row[place] is not None]
        if all(isinstance(one, datetime) and one.time() == time() for one in moments):
            for row in told:
                row[place] = row[place].date() if row[place] is not None else None
    return told


def bars_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[str, float, str]]:
    """Return a bar for each row: what stands before its first number, its length, and the number.

    A percentage is what was asked for where there is one, and is drawn as a part of 100.

    Args:
        columns: Names of the result's columns.
        rows: Its rows.
    """
    numeric = [
        place
        for place, name in enumerate(columns)
        if name not in {"school", "grade", "district"} and _is_number_column(rows, place)
    ]
    if not rows or not numeric:
        return []
    is_share = _PERCENT in columns
    place = list(columns).index(_PERCENT) if is_share else numeric[0]
    values = [float(row[place] or 0) for row in rows]
    longest = max([100.0, *values]) if is_share else max(values)
    if longest <= 0 or min(values) < 0:
        return []
    return [
        (
            ", ".join(str(cell) for cell in row[: numeric[0]] if cell is not None),
            round(value / longest * 100, 1),
            f"{value:,.10g} {columns[place].replace('_', ' ')}",
        )
        for row, value in zip(rows, values, strict=True)
    ]


def _is_number_column(rows: Sequence[Sequence[Any]], place: int) -> bool:
    found = [row[place] for row in rows if row[place] is not None]
    return bool(found) and all(
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in found
    )
