"""The lists of a workbook: which sheets count, and what a cell shows.

Every visible sheet with requests is read, because counselors keep one for each grade. A
visible table that is not certainly something else refuses the file; a hidden sheet is
never read.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from aeries_pipeline.course_requests.sheets import (
    AGAIN,
    FORMULA,
    KEPT_TEXT,
    Line,
    Look,
    Sheet,
    UnreadableFileError,
    find_header,
    sheet_of,
    text_cell,
)

MAX_UNPACKED = 500 * 2**20
MAX_ROWS = 1_048_576
_BROKEN = (
    zipfile.BadZipFile, InvalidFileException, DefusedXmlException, KeyError, ValueError, IndexError,
    SyntaxError, EOFError, OSError, TypeError, AttributeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tab:
    """One sheet of a workbook.

    Attributes:
        number: Its place, from 1.
        name: Its name.
        is_visible: Whether people see it.
        lines: All of its lines.
    """

    number: int
    name: str
    is_visible: bool
    lines: Sequence[Line]


def open_workbook(content: bytes, look: Look) -> list[Sheet]:
    """Return the lists of an XLSX workbook.

    Raises:
        UnreadableFileError: If it is damaged, or a sheet is doubtful.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_UNPACKED:
            raise UnreadableFileError(
                "too_large", "the workbook unpacks to more than 500 MB; save it as CSV"
            )
        book = load_workbook(io.BytesIO(content), read_only=True)
        tabs = [
            _Tab(number, sheet.title, sheet.sheet_state == "visible", list(_rows(sheet)))
            for number, sheet in enumerate(book.worksheets, start=1)
        ]
    except _BROKEN as error:
        raise _damaged(error) from None
    return _lists(tabs, "XLSX", look)


def open_old_workbook(content: bytes, look: Look) -> list[Sheet]:
    """Return the lists of a workbook of Excel 97 to 2003.

    Raises:
        UnreadableFileError: If it is damaged or locked, or a sheet is doubtful.
    """
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        tabs = [
            _Tab(
                number,
                one.name,
                one.visible is SheetVisibleEnum.Visible,
                [
                    (row, [_shown(cell) for cell in cells])
                    for row, cells in enumerate(
                        book.get_sheet_by_name(one.name).to_python(skip_empty_area=False), start=1
                    )
                ],
            )
            for number, one in enumerate(book.sheets_metadata, start=1)
            if one.typ is SheetTypeEnum.WorkSheet
        ]
    except (CalamineError, *_BROKEN) as error:
        raise _damaged(error) from None
    return _lists(tabs, "XLS", look)


def _damaged(error: Exception) -> UnreadableFileError:
    return UnreadableFileError(
        "workbook",
        f"the workbook cannot be opened ({type(error).__name__}); it is damaged, locked by a "
        "password or was not completely copied" + AGAIN,
    )


def _rows(sheet: Any) -> Iterator[Line]:  # noqa: ANN401 - openpyxl has several classes of sheets
    # What a sheet states as its size is a hint that programs leave behind wrong.
    sheet.reset_dimensions()
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > MAX_ROWS:
            break
        yield number, [_excel_cell(cell) for cell in cells]


def _excel_cell(cell: Any) -> str:  # noqa: ANN401 - openpyxl has several classes of cells
    value = cell.value
    if value is not None and cell.data_type == "f":
        kept = KEPT_TEXT.match(str(value))
        return kept[1].strip() if kept else FORMULA
    return _shown(value, str(cell.number_format or "") if value is not None else "")


def _shown(value: object, number_format: str = "") -> str:
    """Return a value as the sheet shows it: a format such as ``0000`` keeps zeros."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        is_padded = re.fullmatch("0+", number_format)
        return str(value).zfill(len(number_format)) if is_padded else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return text_cell(str(value))


def _lists(tabs: Sequence[_Tab], form: str, look: Look) -> list[Sheet]:
    filled = [tab for tab in tabs if any(any(cells) for _number, cells in tab.lines)]
    seen = [tab for tab in filled if tab.is_visible]
    lists = [tab for tab in seen if find_header(tab.lines, look)]
    if not lists:
        if any(find_header(tab.lines, look) for tab in filled):
            raise UnreadableFileError(
                "hidden_sheet",
                "the requests are on a hidden sheet; unhide it, look whether it is the right one, "
                "save the workbook and put it into the inbox once more",
            )
        # What is missing is told by whoever looks at its header.
        return [sheet_of(seen[0].lines if seen else [], form, look)]
    beside = [tab for tab in seen if tab not in lists]
    for tab in beside:
        _refuse_doubtful(tab, look)
    return _named(lists, _told(form, lists, beside, filled), look)


def _told(form: str, lists: Sequence[_Tab], beside: Sequence[_Tab], filled: Sequence[_Tab]) -> str:
    told = [form if len(lists) == 1 else f"{form}, {len(lists)} sheets"]
    hidden = [tab for tab in filled if not tab.is_visible]
    if hidden:
        told.append(f"not read, since hidden: sheet {_numbers(hidden)}")
    if beside:
        told.append(f"not read, since without requests: sheet {_numbers(beside)}")
    return "; ".join(told)


def _numbers(tabs: Iterable[_Tab]) -> str:
    return ", ".join(str(tab.number) for tab in tabs)


def _refuse_doubtful(tab: _Tab, look: Look) -> None:
    """Refuse a visible table that may be requests; a page of text or a catalogue is none."""
    tables = [cells for _number, cells in tab.lines if sum(map(bool, cells)) > 1]
    is_catalogue = any(look(c).courses and look(c).student is None for c in tables[:20])
    if tables and not is_catalogue:
        raise UnreadableFileError(
            "sheet_doubtful",
            f"sheet {tab.number} has a table without the columns StudentID and CourseID, beside "
            "sheets that have both; correct its header, or hide the sheet if it holds no requests",
        )


def _named(lists: Sequence[_Tab], form: str, look: Look) -> list[Sheet]:
    found = []
    for tab in lists:
        try:
            sheet = sheet_of(tab.lines, "", look, name=tab.name if len(lists) > 1 else "")
        except UnreadableFileError as error:
            if error.code == "empty" and len(lists) > 1:
                # A grade of which nobody has asked for anything as yet.
                continue
            where = f"sheet {tab.number}: " if len(lists) > 1 else ""
            raise UnreadableFileError(error.code, f"{where}{error}") from None
        found.append(replace(sheet, form=form + sheet.form))
    if not found:
        raise UnreadableFileError("empty", "the workbook has no line below its headers" + AGAIN)
    return found
