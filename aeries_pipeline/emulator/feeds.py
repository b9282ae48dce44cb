"""The answers of the data-changes end points: keys of what has changed since a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from aeries_pipeline.emulator.academics import Schedule
from aeries_pipeline.emulator.district import District, School

NOTED = frozenset({"student", "contact", "program", "class", "enrollment"})
"""Areas of student data of which a day notes what it has changed."""


def students(district: District, area: str, since: datetime) -> list[str]:
    """Return the student rows of which something in an area has changed.

    What is served from a sample changes with the student it belongs to alone.
    """
    area = area.lower() if area.lower() in NOTED else "student"
    keys = {
        (change.student, change.school, change.number)
        for change in district.changes
        if change.at >= since and change.area == area
    }
    return [
        f'{{"StudentID":{student},"SchoolCode":{school},"StudentNumber":{number}}}'
        for student, school, number in sorted(keys)
    ]


def courses(district: District, since: datetime) -> list[str]:
    """Return the courses that have changed."""
    ids = sorted({course for at, course in district.course_changes if at >= since})
    return [f'{{"ID":{json.dumps(one)}}}' for one in ids]


def sections(
    district: District, schedule: Callable[[School], Schedule], since: datetime
) -> list[str]:
    """Return the sections in which a student sits whose row or classes have changed."""
    changed = {(one.school, one.student) for one in district.changes if one.at >= since}
    found: set[tuple[int, int]] = set()
    for code in {school for school, _student in changed}:
        school = district.schools[code]
        if school.is_real:
            found |= {
                (code, seat.section.number)
                for seat in schedule(school).seats
                if (code, seat.row.person.id) in changed
            }
    return [f'{{"SchoolCode":{code},"SectionNumber":{number}}}' for code, number in sorted(found)]
