"""Splits a text into lines of cells: which delimiter, and what quotation marks enclose. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from aeries_pipeline.course_requests.sheets import (
    AGAIN,
    HEADER_WITHIN,
    Line,
    Look,
    UnreadableFileError,
    find_header,
    text_cell,
)

DELIMITERS = {",": "comma", "|": "pipe", "\t": "tab", ";": "semicolon"}
MAX_CELL = 10_000
MAX_LINE = 100_000
_STATED = re.compile(r'\A"?sep=([,;|\t])"?[ \t]*(?=\r|\n)', re.IGNORECASE)
"""The first line with which spreadsheets tell each other the delimiter."""


def cut(text: str, look: Look) -> tuple[Iterator[Line], str]:
    """Return the lines of a text as cells with their numbers, and the delimiter's name.

    Args:
        text: The decoded file.
        look: Tells what a line would be as a header.

    Raises:
        UnreadableFileError: If no known delimiter cuts it; the iterator raises
            it where a quotation mark or a line has no end.
    """
    text = text.lstrip("\ufeff")
    stated = _STATED.match(text)
    if stated:
        # The line stays as a blank one, so that the others keep their numbers.
        text = text[stated.end() :]
    delimiter = stated[1] if stated else delimiter_of(text, look)
    return _lines(text, delimiter), DELIMITERS[delimiter]


def delimiter_of(text: str, look: Look) -> str:
    """Return the delimiter of a text: the one by which it has a header.

    Where none gives one, it is the one that cuts the first line most often.

    Raises:
        UnreadableFileError: If none of the known ones does.
    """
    first = text.lstrip("\r\n").split("\n", 1)[0]
    if len(first) > MAX_LINE:
        raise _too_long("line")
    start = "".join(islice(io.StringIO(text), 2 * HEADER_WITHIN))[: 2 * MAX_LINE]
    for one in DELIMITERS:
        reader = csv.reader(io.StringIO(start, newline=""), delimiter=one)
        try:
            lines = [(reader.line_num, [text_cell(cell) for cell in cells]) for cells in reader]
        except csv.Error:
            continue
        if find_header(lines, look):
            return one
    counts = {one: first.count(one) for one in DELIMITERS}
    best = max(counts, key=lambda one: counts[one])
    if counts[best]:
        return best
    raise UnreadableFileError(
        "delimiter",
        "the first line is not cut into columns by comma, semicolon, pipe or tab; save the file "
        "as CSV with commas",
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
            yield reader.line_num, [text_cell(cell) for cell in cells]
    except csv.Error as error:
        if "field limit" in str(error):
            raise _too_long("cell") from None
        raise UnreadableFileError(
            "quotes",
            f"line {reader.line_num}: a quotation mark is missing or too many, or the file breaks "
            "off there" + AGAIN,
        ) from None
