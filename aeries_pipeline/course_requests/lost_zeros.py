"""Course ids that a spreadsheet has taken the leading zeros from, and what they can mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def meant_course(course_id: str, by_digits: Mapping[str, Sequence[str]]) -> str:
    """Return the one course that an id without its zeros can mean; empty where none or several.

    Args:
        course_id: Unknown to the catalogue.
        by_digits: Courses of the catalogue by their ids without leading zeros.
    """
    if not course_id.isdigit():
        return ""
    found = by_digits.get(course_id.lstrip("0"), ())
    return found[0] if len(found) == 1 else ""


def without_zeros(courses: Iterable[str]) -> dict[str, list[str]]:
    """Return courses by their ids without leading zeros."""
    found: dict[str, list[str]] = {}
    for course in courses:
        if course.isdigit():
            found.setdefault(course.lstrip("0"), []).append(course)
    return found
