"""One list of a file: where its header is, and which lines belong to it. Pure.

Counselors put a title above the header and a total below the list, and leave out cells
at the end of a line. If a line is neither certainly part of the list nor certainly not,
the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aeries_pipeline.words import counted

HEADER_WITHIN = 20
"""The header is among so many lines that are not blank."""
FORMULA = "\x00formula"
"""Stands for a cell that holds a formula; no cell of a text can hold it."""
AGAIN = "; export it again and put it into the inbox once more"
_LONGEST_ID = 6
"""No course has a longer one, so a longer cell that names a column is none."""
Line = tuple[int, Sequence[str]]

KEPT_TEXT = re.compile(r'^="([^"]*)"$')
"""A formula that only keeps zeros."""
_RUNS = re.compile(r"^[=+@]|^-(?![\d.]+$)")
_FOOTER = re.compile(
    r"(grand |sub)?totals?\b|(row|record|line|request|student)?s? ?count\b|(number of )?"
    r"(records|rows|lines|requests|students)\b|\d[\d,]* (rows?|records?|lines?|requests?|students?)"
    r"\b|(printed|generated|exported|created|produced|run) |page \d|end of |as of |source:|note:"
    r"|[-=*_]{3,}$",
    re.IGNORECASE,
)


class UnreadableFileError(Exception):
    """The file as a whole cannot be used.

    Attributes:
        code: Stable, for machines.
    """

    def __init__(self, code: str, text: str) -> None:
        """Keep code and sentence; the sentence holds no value of the file."""
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Headline:
    """What a line would be, taken as a header.

    Attributes:
        student: Place of the column that names the student; None if there is none.
        courses: Places of the columns that name courses.
    """

    student: int | None = None
    courses: tuple[int, ...] = ()

    @property
    def is_header(self) -> bool:
        """Whether a list of requests can follow below it."""
        return self.student is not None and bool(self.courses)

    @property
    def needed(self) -> int:
        """As many cells must a line have, or it has lost one that counts."""
        return 1 + max(self.student or 0, min(self.courses, default=0))


Look = Callable[[Sequence[str]], Headline]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of a list as text.

    Attributes:
        header: The line that names the columns.
        rows: The lines below that are not blank, with their numbers.
        form: How it was read, such as ``UTF-8, comma``.
        name: Name of the sheet; empty in a text.
        remarks: What stands above the header and below the list.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    form: str
    name: str = ""
    remarks: tuple[str, ...] = ()


def text_cell(cell: str) -> str:
    """Return a cell's text.

    A formula that only keeps zeros is what it keeps, and so is the apostrophe
    with which a spreadsheet marks text.
    """
    cell = cell.strip().strip("\ufeff")
    if kept := KEPT_TEXT.match(cell):
        return kept[1].strip()
    if cell.startswith("'"):
        return cell[1:].strip()
    return FORMULA if _RUNS.match(cell) else cell


def find_header(lines: Iterable[Line], look: Look) -> tuple[int, Headline] | None:
    """Return line and meaning of the first line that can be a header, None without one."""
    seen = 0
    for number, cells in lines:
        found = look(cells)
        if found.is_header:
            return number, found
        seen += any(cells)
        if seen >= HEADER_WITHIN:
            break
    return None


def sheet_of(
    lines: Iterable[Line], form: str, look: Look, *, is_ended: bool = True, name: str = ""
) -> Sheet:
    """Return a list from its lines.

    Args:
        lines: All lines with their numbers.
        form: How they were read.
        look: Tells what a line would be as a header.
        is_ended: Whether the last line is certainly complete.
        name: Name of the sheet.

    Raises:
        UnreadableFileError: If a line has lost cells or has too many, or there is none.
    """
    filled = [(number, list(cells)) for number, cells in lines if any(cells)]
    if not filled:
        raise UnreadableFileError("empty", "the file has no line below its header" + AGAIN)
    found = find_header(filled, look)
    at = next((n for n, line in enumerate(filled) if found and line[0] == found[0]), 0)
    header = _trimmed(filled[at][1], 0)
    if sum(look(part).is_header for part in _parts(header)) > 1:
        raise _second_table(filled[at][0], "beside the first")
    meaning = found[1] if found else Headline()
    rows = [(number, _trimmed(cells, len(header))) for number, cells in filled[at + 1 :]]
    remarks = [" ".join(filter(None, cells)) for _number, cells in filled[:at]]
    below = 0
    while rows and _is_footer(rows[-1][1], meaning):
        remarks.append(" ".join(rows.pop()[1]))
        below += 1
    rows, between = _one_table(rows, header, meaning, look)
    remarks += between
    if not rows:
        raise UnreadableFileError("empty", "the file has no line below its header" + AGAIN)
    _check_cells(rows, len(header), meaning, is_ended=is_ended or bool(below))
    told = [form]
    if at:
        told.append(f"{_lines(at)} above the header not read")
    if below:
        told.append(f"{_lines(below)} below the list not read")
    if between:
        told.append(f"{_lines(len(between))} between parts of the list not read")
    padded = tuple((number, (*cells, *[""] * (len(header) - len(cells)))) for number, cells in rows)
    return Sheet(tuple(header), padded, "; ".join(told), name, tuple(remarks))


def _one_table(
    rows: Sequence[tuple[int, list[str]]], header: Sequence[str], meaning: Headline, look: Look
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Leave out where the header stands again, with the total and the title above it.

    Returns:
        The lines of the list, and the text of those that were left out.

    Raises:
        UnreadableFileError: If another header stands there: its columns would be misread.
    """
    kept: list[tuple[int, list[str]]] = []
    left: list[str] = []
    first = _words(header)
    for number, cells in rows:
        if not _is_headline(cells, meaning, look):
            kept.append((number, cells))
            continue
        if _words(cells) != first:
            raise _second_table(number, "with other columns than the first")
        while kept and _is_footer(kept[-1][1], meaning):
            left.append(" ".join(kept.pop()[1]))
        left.append(" ".join(cells))
    return kept, left


def _second_table(line: int, how: str) -> UnreadableFileError:
    return UnreadableFileError(
        "second_table",
        f"line {line}: another table begins there, {how}; put its lines below those of the first, "
        "in the same columns, or each table into a file of its own, and hand it in once more",
    )


def _parts(header: Sequence[str]) -> list[list[str]]:
    """Return the names of each table of several that stand side by side, a blank column between."""
    parts: list[list[str]] = [[]]
    for name in header:
        if name:
            parts[-1].append(name)
        elif parts[-1]:
            parts.append([])
    return parts


def _words(cells: Sequence[str]) -> list[str]:
    found = ["".join(cell.lower().split()) for cell in cells]
    while found and not found[-1]:
        found.pop()
    return found


def _is_headline(cells: Sequence[str], meaning: Headline, look: Look) -> bool:
    """Tell whether a line of a list names columns, and no student and course."""
    if meaning.student is None or len(cells) <= meaning.student:
        return False
    student = cells[meaning.student]
    if student.isdigit():
        return False
    named = look([student])
    return (
        named.student is not None
        or bool(named.courses)
        or look(cells).is_header
        or any(len(cell) > _LONGEST_ID and look([cell]).student is not None for cell in cells)
    )


def _lines(number: int) -> str:
    return f"{number} line{'' if number == 1 else 's'}"


def _trimmed(cells: Sequence[str], width: int) -> list[str]:
    """Return cells without blank ones beyond the header; spreadsheets append them at will."""
    found = list(cells)
    while len(found) > width and not found[-1]:
        found.pop()
    return found


def _is_footer(cells: Sequence[str], meaning: Headline) -> bool:
    """Tell whether a line below the list is a total or a remark and nobody's request."""
    said = [cell for cell in cells if cell]
    if len(said) > 2 or not said:
        return False
    if _FOOTER.match(said[0]):
        return True
    # A remark of several words in a single cell that could not hold a request.
    return len(said) == 1 and len(cells) < meaning.needed and " " in said[0]


def _check_cells(
    rows: Sequence[tuple[int, Sequence[str]]], width: int, meaning: Headline, *, is_ended: bool
) -> None:
    needed = meaning.needed if meaning.is_header else 0
    for number, cells in rows:
        if needed <= len(cells) <= width:
            continue
        raise _wrong_cells(number, len(cells), width)
    # The last line of a text that breaks off is shorter than any other.
    number, last = rows[-1]
    others = min((len(cells) for _number, cells in rows[:-1]), default=width)
    if not is_ended and len(last) < others:
        raise _wrong_cells(number, len(last), width)


def _wrong_cells(line: int, cells: int, width: int) -> UnreadableFileError:
    return UnreadableFileError(
        "cells",
        f"line {line} has {counted(cells, 'cell')} and the header has {width}; the file breaks off "
        "there, or a cell holds the delimiter without quotation marks; correct that line or "
        "export the file again, and put it into the inbox once more",
    )
