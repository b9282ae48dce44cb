"""Which schools of Aeries' own list are pulled, and why the others are not. Pure.

Left out by rule, not by a list: the district's own code 0, retired codes, codes
kept out of state reporting, codes without terms, and the school that holds
inactive students. A person may leave out more, by the roster's ``exclude_schools``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aeries_pipeline.districts.school_codes import is_in


def teaching_schools(
    rows: Sequence[Mapping[str, Any]],
    inactive_school: int,
    excluded: Sequence[tuple[int, int]] = (),
) -> list[int]:
    """Return the codes of schools that teach, in ascending order.

    Args:
        rows: Rows of the resource ``schools``.
        inactive_school: Code of the school for inactive students.
        excluded: Ranges of codes that a person has left out.
    """
    return sorted(
        int(row["SchoolCode"])
        for row in rows
        if not why_left_out(row, inactive_school) and not is_in(excluded, int(row["SchoolCode"]))
    )


def why_left_out(row: Mapping[str, Any], inactive_school: int) -> str:
    """Return why the rules leave a school out; empty for one that teaches."""
    if row["SchoolCode"] == 0:
        return "the code of the district itself"
    if row["SchoolCode"] == inactive_school:
        return "it holds inactive students"
    if str(row.get("InactiveStatusCode") or "").strip():
        return "inactive in Aeries"
    if row.get("DoNotReport"):
        return "kept out of state reporting"
    return "" if _has_terms(row.get("Terms")) else "it has no terms"


def _has_terms(value: object) -> bool:
    return bool(json.loads(value)) if isinstance(value, str) else bool(value)
