"""Codes of schools as a roster lists them: single, or ranges such as 900-999. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RANGE = re.compile(r"\s*(\d{1,4})\s*-\s*(\d{1,4})\s*")


def code_ranges(value: object) -> list[tuple[int, int]]:
    """Return codes and ranges as pairs of a first and a last code, both inclusive.

    Args:
        value: A list of codes, and of texts such as ``900-999``.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(value, list):
        raise ValueError("write a list of codes and ranges, such as [90, 900-999]")  # noqa: TRY004
    return [_range(one) for one in value]


def _range(one: object) -> tuple[int, int]:
    if isinstance(one, int) and not isinstance(one, bool):
        return one, one
    found = _RANGE.fullmatch(one) if isinstance(one, str) else None
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError(f"'{one}' is neither a code nor a range such as 900-999")
    return int(found[1]), int(found[2])


def is_in(ranges: Sequence[tuple[int, int]], school: int) -> bool:
    """Tell whether a code is in one of the ranges."""
    return any(first <= school <= last for first, last in ranges)
