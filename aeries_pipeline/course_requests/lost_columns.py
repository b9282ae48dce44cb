"""Columns that decide about wishes and that nobody would read: they refuse the file. Pure.

A list with dropped wishes among the others, or with further courses next to CourseID,
would create requests that nobody made, or silently lose some.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aeries_pipeline.course_requests.sheets import Sheet, UnreadableFileError

_STATES = re.compile(
    r"(?:request|course|wish)?(?:status|state|action|selected|approved|accepted|active|included?"
    r"|confirmed|counts|keep)"
)
_ENDED = re.compile(
    r"(?:is|was)?(?:deleted|dropped|removed|withdrawn|cancell?ed|declined|denied|rejected|inactive"
    r"|del|drop|remove|delete)"
)
_MORE_COURSES = re.compile(
    r"(?:alt(?:ernate|ernative)?|backup|second|other)(?:course|request|choice|class)?"
    r"(?:id|code|number|#)?|(?:alternate|alternative)s"
)
_GONE = (
    r"not.*|un\w+|drop\w*|delet\w*|remov\w*|withdr\w*|cancel\w*|den(?:y|ied)"
    r"|reject\w*|declin\w*|inactive|expired|old|superseded|replaced"
)
_NO = re.compile(rf"no|n|false|f|0|{_GONE}")
_YES = re.compile(rf"yes|y|true|t|1|x|\W*✓\W*|{_GONE}")


def refuse_lost_columns(
    sheet: Sheet, names: list[str], read: Collection[int], wishes: Collection[int]
) -> None:
    """Refuse a sheet of which a column says what the columns that are read do not.

    Args:
        sheet: The list.
        names: Its columns as they are compared.
        read: Places of the columns that are read.
        wishes: Places of columns that hold a wish each and are not read.

    Raises:
        UnreadableFileError: If there is such a column, with the line and what to do.
    """
    for place, name in enumerate(names):
        if place in read:
            continue
        words = _words(name) if place not in wishes else re.compile(".+")
        for number, row in sheet.rows:
            cell = row[place].strip().lower() if place < len(row) else ""
            if words is not None and cell and words.fullmatch(cell):
                raise UnreadableFileError(
                    "column_lost",
                    f"line {number}: a column beside the wishes says that some do not count, or "
                    "holds further courses, and would not be read; hand in the wishes that count "
                    "alone, and name columns of alternates Alternate 1, Alternate 2 beside Request "
                    "1, Request 2",
                )


def _words(name: str) -> re.Pattern[str] | None:
    """Return the cells that matter in a column; None if none does."""
    if _STATES.fullmatch(name):
        return _NO
    if _ENDED.fullmatch(name):
        return _YES
    return re.compile(".+") if _MORE_COURSES.fullmatch(name) else None
