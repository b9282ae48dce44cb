"""Reads a district's list of students whose families do not want them shared.

Strict: a list is read completely or refused completely, with one sentence that
names a line but not its content. Nothing in such a list may be guessed, because
a student who is on it and is missed would be shared.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

HEADING = "StudentID"
_HEADINGS = {"studentid", "permanentid", "permid"}
_ID = re.compile(r"[0-9]{1,18}")
_MEGABYTES = 20
_DELIMITERS = ",;\t|"


class UnreadableListError(RuntimeError):
    """The list cannot be used; the message is a part of a sentence, for people."""


def read_list(path: Path) -> frozenset[int]:
    """Return the StudentIDs of a file.

    Args:
        path: A CSV file with a column ``StudentID``, or one with an id on each line.

    Raises:
        UnreadableListError: If it is not there, or anything of it cannot be read.
    """
    try:
        if path.stat().st_size > _MEGABYTES * 2**20:
            raise UnreadableListError(f"is larger than {_MEGABYTES} megabytes")
        content = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableListError("does not exist") from None
    except OSError as error:
        raise UnreadableListError(f"cannot be opened ({error.strerror})") from None
    try:
        return ids_in(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UnreadableListError("is no text in UTF-8; save it as CSV (UTF-8)") from None


def ids_in(text: str) -> frozenset[int]:
    """Return the StudentIDs of the text of a list. Pure.

    Raises:
        UnreadableListError: If anything of it cannot be read.
    """
    if not text.strip():
        raise UnreadableListError(
            f"is empty; a list of nobody has the heading {HEADING} and nothing below it"
        )
    if "\x00" in text:
        raise UnreadableListError("is no text; save it as CSV (UTF-8)")
    first = text.lstrip("\r\n").splitlines()[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: set[int] = set()
    place: int | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if place is None:
                place, is_heading = _place_of(cells)
                if is_heading:
                    continue
            cell = cells[place].strip() if place < len(cells) else ""
            if not _ID.fullmatch(cell) or not int(cell):
                raise UnreadableListError(
                    f"has no StudentID that can be read in line {reader.line_num}"
                )
            found.add(int(cell))
    except csv.Error:
        raise UnreadableListError(f"is no CSV file from line {reader.line_num} on") from None
    return frozenset(found)


def _place_of(cells: list[str]) -> tuple[int, bool]:
    """Return the column of the ids, and whether these cells are its heading."""
    names = [re.sub(r"[\s_-]", "", cell).casefold() for cell in cells]
    places = [place for place, name in enumerate(names) if name in _HEADINGS]
    if len(places) == 1:
        return places[0], True
    if not places and len(cells) == 1 and _ID.fullmatch(cells[0].strip()):
        return 0, False
    raise UnreadableListError(f"has no column {HEADING}, or more than one")
