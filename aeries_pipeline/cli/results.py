"""Rows of a query, for a person or for another program.

Knows nothing of the database: columns and rows in, text out. If a terminal is too narrow
for a table, each record becomes a block; nothing is cut off without saying so.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

Format = Literal["table", "record", "csv", "json", "markdown", "parquet"]
TEXT_FORMATS = ("table", "record", "csv", "json", "markdown")
_GAP = 3
"""Characters that a column of a table takes beside its text."""

Rows = Sequence[Sequence[Any]]


def text_of(value: object) -> str:
    """Return a value as people write it; nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\n"
} | {0x2028: "\\u2028", 0x2029: "\\u2029"}


def _visible(value: object) -> list[str]:
    """Return the lines of a value; what a terminal would obey is shown instead."""
    return text_of(value).translate(_CONTROLS).split("\n")


def fits(columns: Sequence[str], rows: Rows, width: int) -> bool:
    """Tell whether a table of these rows fits a terminal, each row on one line."""
    wanted = 1
    for place, column in enumerate(columns):
        lines = (line for row in rows for line in _visible(row[place]))
        wanted += _GAP + max(map(cell_len, (column, *lines)))
    return wanted <= width


def show(columns: Sequence[str], rows: Rows, shape: Format | None, console: Console) -> None:
    """Print rows for a person.

    Args:
        columns: Their names.
        rows: Their values.
        shape: How; None for a table where it fits the terminal, else for records.
        console: Where to.
    """
    if shape is None:
        shape = "table" if not rows or fits(columns, rows, console.width) else "record"
    if shape == "table":
        console.print(_table(columns, rows, console.width), soft_wrap=not console.is_terminal)
    else:
        console.print(as_text(columns, rows, shape), end="", soft_wrap=True)


def as_text(columns: Sequence[str], rows: Rows, shape: Format) -> str:
    """Return rows as records, CSV, JSON or Markdown, with a line end."""
    if shape == "record":
        return _records(columns, rows)
    if shape == "markdown":
        return _markdown(columns, rows)
    if shape == "json":
        lines = ",\n".join(
            json.dumps(dict(zip(columns, map(_json, row), strict=True)), default=str)
            for row in rows
        )
        return f"[\n{lines}\n]\n"
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    # Python quotes no carriage return where lines do not end in one.
    careful = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in (columns, *rows):
        cells = [text_of(value) for value in row]
        (careful if any("\r" in cell for cell in cells) else writer).writerow(cells)
    return stream.getvalue()


def _json(value: object) -> object:
    """Return a value that JSON has; a number stays one, and what is none becomes null."""
    if isinstance(value, Decimal):
        value = float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(columns: Sequence[str], rows: Rows, width: int) -> Table:
    """Return a table of the columns that fit, with a line that names the others."""
    shown = len(columns)
    while shown > 1 and not fits(columns[:shown], [row[:shown] for row in rows], width):
        shown -= 1
    table = Table(box=box.ROUNDED, show_lines=False)
    for column in columns[:shown]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("\n".join(_visible(value)) for value in row[:shown]))
    if shown < len(columns):
        table.caption = (
            f"{len(columns) - shown} columns are not shown: {', '.join(columns[shown:])}; "
            "--format record shows them"
        )
        table.caption_justify = "left"
    return table


def _records(columns: Sequence[str], rows: Rows) -> str:
    width = max(map(cell_len, columns), default=0)
    blocks = []
    for number, row in enumerate(rows, 1):
        lines = [f"- {number} -"]
        for column, value in zip(columns, row, strict=True):
            first, *rest = _visible(value)
            lines.append(f"{column}{' ' * (width - cell_len(column))}  {first}".rstrip())
            lines += [f"{'':{width}}  {line}" for line in rest]
        blocks.append("\n".join(lines))
    return "\n".join(blocks) + ("\n" if blocks else "")


def _markdown(columns: Sequence[str], rows: Rows) -> str:
    def line(cells: Sequence[str]) -> str:
        safe = (cell.replace("|", "\\|").replace("\n", "<br>") for cell in cells)
        return f"| {' | '.join(safe)} |\n"

    head = line(columns) + line(["---"] * len(columns))
    return head + "".join(line([text_of(value) for value in row]) for row in rows)
