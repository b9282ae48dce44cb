"""Whether a finished set of files may still be sent, given who is shared now.

A set may be older than a family's decision: it may wait for a server, or be sent again.
So its content is checked again before anything leaves.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from aeries_pipeline.accounts.left_out import look
from aeries_pipeline.accounts.sharing import not_to_be_shared
from aeries_pipeline.accounts.xello.layout import ALL_LAYOUTS, DELIMITER
from aeries_pipeline.deliveries.parcels import XELLO, Parcel
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse

_KEYS = {"StudentID", "StudentId", "student_id"}
"""Columns that say of whom a line is."""


def why_not_sent(warehouse: Warehouse, district: District, parcel: Parcel) -> str:
    """Return why a set must not be sent, as part of a sentence; empty if it may be."""
    if parcel.kind != XELLO:
        return ""
    found = look(warehouse, district)
    if not found.causes and not found.trouble:
        return ""
    students: set[int] = set()
    for item in parcel.items:
        students |= students_in(item.path)
    return not_to_be_shared(found, found.counted(students))


def students_in(path: Path) -> set[int]:
    """Return the StudentIDs that a file of a set has in a column of them."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = _cells(file, is_ours=path.name in {one.file_name for one in ALL_LAYOUTS})
        names = next(lines, [])
        places = [place for place, name in enumerate(names) if name in _KEYS]
        return {
            int(cells[place])
            for cells in lines
            for place in places
            if place < len(cells) and cells[place].isdecimal()
        }


def _cells(lines: Iterator[str], *, is_ours: bool) -> Iterator[list[str]]:
    """Return the cells of each line; those of Xello's own files are never quoted."""
    if is_ours:
        return (line.rstrip("\n").split(DELIMITER) for line in lines)
    return csv.reader(lines)
