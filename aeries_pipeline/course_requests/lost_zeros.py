"""Course ids that a spreadsheet took for numbers, and what they can mean. Pure.

A spreadsheet drops leading zeros, and reads ``3E5`` as 300000, which it may show as
3.00E+05.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

_NUMBER = re.compile(r"\d+(?:\.(\d+))?(?:(E)\+?\d{1,3})?", re.ASCII | re.IGNORECASE)
_MOST_DECIMALS = 5
"""Of six characters no number shows more."""


def meant_course(course_id: str, by_digits: Mapping[str, Sequence[str]]) -> str:
    """Return the one course that a changed id can mean; empty if there are none or several.

    Args:
        course_id: Unknown to the catalogue.
        by_digits: Courses of the catalogue, as ``without_zeros`` gives them.
    """
    match = _NUMBER.fullmatch(course_id)
    if not match or (match[1] and not match[2]):
        return ""
    # What is shown with an exponent is rounded, so every course that rounds to it can be meant.
    form = f".{len(match[1] or '')}E" if match[2] else "f"
    found = by_digits.get(format(Decimal(course_id), form), ())
    return found[0] if len(found) == 1 else ""


def without_zeros(courses: Iterable[str]) -> dict[str, list[str]]:
    """Return courses by the numbers that their ids are to a spreadsheet, however it shows one."""
    found: dict[str, list[str]] = {}
    for course in courses:
        match = _NUMBER.fullmatch(course)
        if not match or match[1]:
            continue
        number = Decimal(course)
        for form in ("f", *(f".{places}E" for places in range(_MOST_DECIMALS + 1))):
            found.setdefault(format(number, form), []).append(course)
    return found
