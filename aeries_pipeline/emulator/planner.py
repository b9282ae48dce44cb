"""A course planner's export of the emulated district: what students ask for next year.

It has the mistakes that such files have: unknown students, lost zeros, repeated lines,
graduating seniors.
"""

from __future__ import annotations

import random

from aeries_pipeline.emulator.district import INACTIVE_SCHOOL, District

HEADER = "StudentID,CourseID,Priority,Alternate For,School Year,Requested At"
WISHES = 5


def planner_export(district: District) -> str:
    """Return the requests of all students who will be in grades 9 to 12, as CSV."""
    rng = random.Random(district.seed)  # noqa: S311 - made-up data
    year = f"{district.year + 1}-{district.year + 2}"
    lines = [HEADER]
    for row in district.active():
        # Of those who graduate only a few are still in the planner.
        if row.school == INACTIVE_SCHOOL or not (
            8 <= row.grade <= 11 or (row.grade == 12 and rng.random() < 0.05)
        ):
            continue
        wanted = min(row.grade + 1, 12)
        offered = [c.id for c in district.courses if c.low <= wanted <= c.high and c.area]
        chosen = rng.sample(offered, WISHES + 1)
        for place, course in enumerate(chosen[:WISHES], start=1):
            day = f"{district.year + 1}-02-{1 + row.person.id % 28:02}"
            lines.append(f"{row.person.id},{course},{place},,{year},{day}")
        lines.append(f"{row.person.id},{chosen[WISHES]},1,{chosen[0]},{year},{day}")
        if rng.random() < 0.02:
            lines.append(lines[-1])
        if rng.random() < 0.02:
            lines.append(f"{row.person.id},{chosen[1].lstrip('0')},9,,{year},")
    lines.append(f"999999999,{offered[0]},1,,{year},")
    return "\r\n".join([*lines, ""])


DROPPED = {1: {0}, 2: {2}}
REPLACED = {1: {1, 31}, 2: {1}}
"""By week, of sixty students who have dropped their last wish, and taken another course."""


def next_export(district: District, export: str, week: int) -> str:
    """Return the export of a later week: some students have changed their plans.

    Of the students who changed them in the first week some want back in the
    second what they had given up.

    Args:
        district: The emulated district.
        export: The planner's first export.
        week: 1 or 2, for the weeks after it.
    """
    offered = sorted(c.id for c in district.courses if c.low <= 9 and c.high >= 12 and c.area)
    found = []
    for line in export.split("\r\n"):
        cells = line.split(",")
        if len(cells) == 6 and cells[2] == str(WISHES) and not cells[3]:
            turn = int(cells[0]) % 60
            if turn in DROPPED[week]:
                continue
            if turn in REPLACED[week]:
                cells[1] = next(course for course in offered if course != cells[1])
        found.append(",".join(cells))
    return "\r\n".join(found)
