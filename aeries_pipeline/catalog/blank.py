"""What counts as a blank text, in Python and in SQL alike.

A blank status code means that a row is active, so white space must be the same characters
wherever a code is read. DuckDB's ``trim`` removes spaces only.
"""

from __future__ import annotations

from aeries_pipeline.catalog.tables import literal

_CODES = (
    *range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029,
    0x202F, 0x205F, 0x3000, 0xFEFF,
)  # fmt: skip
WHITE = "".join(map(chr, _CODES))
"""Every white-space character of Unicode, and two that are shown as nothing."""


def trimmed(expression: str) -> str:
    """Return SQL for a text without white space at its ends; NULL stays NULL."""
    return f"trim({expression}, {literal(WHITE)})"


def is_blank(expression: str) -> str:
    """Return SQL that is true of white space, of nothing and of NULL."""
    return f"trim(coalesce({expression}, ''), {literal(WHITE)}) = ''"
