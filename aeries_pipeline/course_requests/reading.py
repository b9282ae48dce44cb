"""From the bytes of a file to its cells: encodings, delimiters, workbooks.

Nothing here knows what a column means. A file that cannot be read is refused
as a whole, with one sentence and without any of its values.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from defusedxml.common import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

DELIMITERS = {",": "comma", "|": "pipe", "\t": "tab"}
MAX_CELL = 10_000
MAX_LINE = 100_000
MAX_UNPACKED = 500 * 2**20
FORMULA = "\x00formula"
"""Stands for a cell that holds a formula; no cell of a text can hold it."""

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_KEPT_TEXT = re.compile(r'^="([^"]*)"$')
_RUNS = re.compile(r"^[=+@]|^-(?![\d.]+$)")
_AGAIN = "; export it again and put it into the inbox once more"


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
class Sheet:
    """The cells of a file as text.

    Attributes:
        header: First line.
        rows: The others that are not blank, with the number of their line.
        form: How it was read, such as ``UTF-8, comma``.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    form: str


def read_sheet(content: bytes, max_bytes: int) -> Sheet:
    """Read a delimited text or an XLSX workbook, whatever its name says.

    Args:
        content: The whole file.
        max_bytes: A larger file is no list of requests.

    Raises:
        UnreadableFileError: With one sentence: what is wrong, what to do next.
    """
    if len(content) > max_bytes:
        raise UnreadableFileError(
            "too_large",
            f"the file has {len(content) / 2**20:.0f} MB, more than the {max_bytes / 2**20:.0f} MB "
            "that a list of course requests can have; check that it is the right file",
        )
    if not content.strip(b"\x00 \t\r\n"):
        raise UnreadableFileError("empty", "the file is empty" + _AGAIN)
    if content.startswith(_OLD_EXCEL):
        raise UnreadableFileError(
            "old_excel", "the file is an old Excel workbook (.xls); save it as .xlsx or CSV"
        )
    if content.startswith(_ZIP):
        return _sheet(_workbook(content), "XLSX")
    text, encoding = decode(content)
    delimiter = delimiter_of(text)
    return _sheet(_lines(text, delimiter), f"{encoding}, {DELIMITERS[delimiter]}")


def decode(content: bytes) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    Raises:
        UnreadableFileError: If it is no text, or in an encoding not known here.
    """
    text, name = _decoded(content)
    if _CONTROL.search(text):
        raise _binary()
    return text, name


def _binary() -> UnreadableFileError:
    text = "the file is not a text file; export it as CSV or XLSX"
    return UnreadableFileError("binary", text)


def _decoded(content: bytes) -> tuple[str, str]:
    for mark, codec, name in (
        (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    ):
        if content.startswith(mark):
            return _strictly(content, codec, name), name
    # ASCII in UTF-16 has a zero in every second byte, and nowhere else.
    for start, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = content[start:2000:2], content[1 - start : 2000 : 2]
        if zeros.count(0) > 0.9 * len(zeros) and others.count(0) < 0.1 * len(others):
            return _strictly(content, codec, "UTF-16"), "UTF-16"
    if _CONTROL_BYTES.search(content):
        raise _binary()
    try:
        return content.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return _strictly(content, "cp1252", "Windows-1252"), "Windows-1252"


def _strictly(content: bytes, codec: str, name: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        raise UnreadableFileError(
            "encoding",
            f"the file looks like {name} and is not, or breaks off; save it as CSV UTF-8",
        ) from None


def delimiter_of(text: str) -> str:
    """Return the delimiter of a text: the one that cuts its first line most often.

    Raises:
        UnreadableFileError: If none of the known ones does.
    """
    first = text.lstrip("\r\n").split("\n", 1)[0]
    if len(first) > MAX_LINE:
        raise _too_long("line")
    counts = {one: first.count(one) for one in DELIMITERS}
    best = max(counts, key=lambda one: counts[one])
    if counts[best]:
        return best
    other = " It seems to be cut by semicolons." if ";" in first else ""
    raise UnreadableFileError(
        "delimiter",
        "the first line is not cut into columns by comma, pipe or tab."
        f"{other} Save the file with commas",
    )


def _too_long(what: str) -> UnreadableFileError:
    limit = MAX_LINE if what == "line" else MAX_CELL
    return UnreadableFileError(
        "too_long",
        f"a {what} is longer than {limit:,} characters, so this is no list of course requests or "
        "a quotation mark is missing; export it again",
    )


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, Sequence[str]]]:
    for line in io.StringIO(text):
        if len(line) > MAX_LINE:
            raise _too_long("line")
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, [_text_cell(cell) for cell in cells]
    except csv.Error as error:
        if "field limit" in str(error):
            raise _too_long("cell") from None
        raise UnreadableFileError(
            "quotes",
            f"line {reader.line_num}: a quotation mark is missing or too many, or the file breaks "
            "off there" + _AGAIN,
        ) from None


def _text_cell(cell: str) -> str:
    """Return a cell's text; a formula that only keeps zeros is what it keeps."""
    cell = cell.strip().strip("\ufeff")
    if kept := _KEPT_TEXT.match(cell):
        return kept[1].strip()
    return FORMULA if _RUNS.match(cell) else cell


def _workbook(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_UNPACKED:
            raise UnreadableFileError(
                "too_large", "the workbook unpacks to more than 500 MB; save it as CSV"
            )
        book = load_workbook(io.BytesIO(content), read_only=True)
        sheet = book.worksheets[0]
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            yield number, [_excel_cell(cell) for cell in cells]
    except (
        zipfile.BadZipFile,
        InvalidFileException,
        DefusedXmlException,
        KeyError,
        ValueError,
        IndexError,
        SyntaxError,
        EOFError,
        OSError,
    ) as error:
        raise UnreadableFileError(
            "workbook",
            f"the workbook cannot be opened ({type(error).__name__}); it is damaged or was not "
            "completely copied" + _AGAIN,
        ) from None


def _excel_cell(cell: Any) -> str:  # noqa: ANN401 - openpyxl has several classes of cells
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        kept = _KEPT_TEXT.match(str(value))
        return kept[1].strip() if kept else FORMULA
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return _with_zeros(value, str(cell.number_format or ""))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _text_cell(str(value))


def _with_zeros(value: int, number_format: str) -> str:
    """Return a number as the sheet shows it: a format such as ``0000`` keeps zeros."""
    return str(value).zfill(len(number_format)) if re.fullmatch("0+", number_format) else str(value)


def _sheet(lines: Iterable[tuple[int, Sequence[str]]], form: str) -> Sheet:
    header: tuple[str, ...] | None = None
    rows = []
    for number, cells in lines:
        trimmed = list(cells)
        if header is not None:
            # Spreadsheets append blank cells at will.
            while len(trimmed) > len(header) and not trimmed[-1]:
                trimmed.pop()
        if not any(trimmed):
            continue
        if header is None:
            while trimmed and not trimmed[-1]:
                trimmed.pop()
            header = tuple(trimmed)
            continue
        if form == "XLSX":
            trimmed += [""] * (len(header) - len(trimmed))
        if len(trimmed) != len(header):
            raise UnreadableFileError(
                "cells",
                f"line {number} has {len(trimmed)} cells and the header has {len(header)}; the "
                "file breaks off there, or a cell holds the delimiter without quotation marks"
                + _AGAIN,
            )
        rows.append((number, tuple(trimmed)))
    if header is None or not rows:
        raise UnreadableFileError("empty", "the file has no line below its header" + _AGAIN)
    return Sheet(header, tuple(rows), form)
