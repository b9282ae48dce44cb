"""What a day changes in the emulated district, and what happens at the turn of a year."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime

from aeries_pipeline.emulator import people
from aeries_pipeline.emulator.district import (
    INACTIVE_SCHOOL,
    District,
    Row,
    new_person,
    next_school_of,
    set_next,
)

ROLLOVER_DAY = 300


def advance(district: District, days: int, at: datetime) -> dict[str, int]:
    """Move the district on and return how many changes of each kind there were.

    Args:
        district: Changed in place.
        days: School days to move on.
        at: Moment that the change feeds give for what happens.
    """
    totals: dict[str, int] = {}
    for _ in range(days):
        district.day += 1
        rng = random.Random(f"{district.seed}/{district.year}/{district.day}")  # noqa: S311
        if district.day >= ROLLOVER_DAY:
            done = {"rollover": rollover(district, rng, at)}
        else:
            done = _one_day(district, rng, at)
        for kind, number in done.items():
            totals[kind] = totals.get(kind, 0) + number
    district.version += 1
    return totals


def _one_day(district: District, rng: random.Random, at: datetime) -> dict[str, int]:
    current = [row for row in district.active() if row.school != INACTIVE_SCHOOL]
    rng.shuffle(current)
    few = max(1, len(current) // 500)
    done = {
        "arrivals": sum(_arrive(district, rng, at) for _ in range(few)),
        "leavers": sum(_leave(district, row, rng, at) for row in current[:few]),
        "transfers": sum(_transfer(district, row, rng, at) for row in current[few : 2 * few]),
        "renames": sum(_rename(district, row, rng, at) for row in current[2 * few : 3 * few]),
        "grade_changes": sum(_regrade(district, row, at) for row in current[3 * few : 3 * few + 1]),
        "returns": _return(district, rng, at),
        "courses": _rename_course(district, rng, at),
    }
    for row in current[4 * few : 6 * few]:
        district.note(row, "class", at)
    return done


def touch(district: District, share: float, at: datetime) -> dict[str, int]:
    """Change name and schedule of a share of the current students, spread over all schools.

    The students' transcripts and grades stay, as on most nights of a year.

    Args:
        district: Changed in place.
        share: From 0 to 1.
        at: Moment that the change feeds give.

    Returns:
        The number of students whose row and whose classes changed.
    """
    rng = random.Random(f"{district.seed}/{district.year}/{district.version}/touch")  # noqa: S311
    current = [row for row in district.active() if row.school != INACTIVE_SCHOOL]
    chosen = rng.sample(current, k=round(share * len(current)))
    for row in chosen:
        _rename(district, row, rng, at)
        row.drops += 1
        district.note(row, "class", at)
    if chosen:
        district.version += 1
    return {"students": len(chosen)}


def _arrive(district: District, rng: random.Random, at: datetime) -> int:
    school = rng.choice(district.real_schools())
    grade = rng.randint(school.low, school.high)
    row = Row(new_person(district, rng, grade), school.code, 0, grade, "", district.today)
    set_next(district, row, rng)
    district.note_student(district.add_row(row), at)
    return 1


def _leave(district: District, row: Row, rng: random.Random, at: datetime) -> int:
    """Let a student go: marked at the school, or moved to the inactive school."""
    district.note_student(row, at)
    if rng.random() < 0.4:
        district.rows[row.school].remove(row)
        gone = Row(row.person, INACTIVE_SCHOOL, 0, row.grade, "", row.entered, district.today)
        district.note_student(district.add_row(gone), at)
    else:
        row.tag, row.left = "I", district.today
    return 1


def _transfer(district: District, row: Row, rng: random.Random, at: datetime) -> int:
    kind = district.schools[row.school].kind
    others = [s for s in district.real_schools() if s.kind == kind and s.code != row.school]
    if not others:
        return 0
    row.tag, row.left = "I", district.today
    district.note_student(row, at)
    other = rng.choice(others).code
    new = Row(row.person, other, 0, row.grade, "", district.today, next_grade=row.next_grade)
    district.note_student(district.add_row(new), at)
    return 1


def _rename(district: District, row: Row, rng: random.Random, at: datetime) -> int:
    row.person.last = people.last_name(rng)
    district.note_student(row, at)
    return 1


def _regrade(district: District, row: Row, at: datetime) -> int:
    school = district.schools[row.school]
    if row.grade >= school.high:
        return 0
    row.grade += 1
    row.next_grade += 1
    district.note_student(row, at)
    return 1


def _return(district: District, rng: random.Random, at: datetime) -> int:
    """Take one student back who left, at the same school."""
    busy = set(district.truth())
    gone = [
        row
        for school in district.real_schools()
        for row in district.rows[school.code]
        if row.tag == "I" and row.person.id not in busy
    ]
    if not gone:
        return 0
    row = rng.choice(gone)
    row.tag, row.left, row.entered = "", None, district.today
    district.note_student(row, at)
    return 1


def _rename_course(district: District, rng: random.Random, at: datetime) -> int:
    """Give one course of the catalogue a new title, every third day."""
    if district.day % 3:
        return 0
    place = rng.randrange(len(district.courses))
    course = district.courses[place]
    title = f"{course.title.rstrip('+')[:14]}+"
    district.courses[place] = replace(course, title=title)
    district.course_changes.append((at, course.id))
    return 1


def rollover(district: District, rng: random.Random, at: datetime) -> int:
    """Turn the year: grades advance, pre-enrolled rows become current, seniors leave.

    Returns:
        The number of rows that changed.
    """
    district.year += 1
    district.day = 0
    old, district.rows = district.rows, {code: [] for code in district.schools}
    awaited = {
        (row.person.id, row.school): row for rows in old.values() for row in rows if row.tag == "*"
    }
    changed = 0
    for code, rows in old.items():
        for row in rows:
            if row.tag == "*":
                continue
            changed += 1
            if row.tag.strip() or code == INACTIVE_SCHOOL:
                if code == INACTIVE_SCHOOL:
                    district.rows[code].append(row)
                continue
            _move_up(district, row, awaited, at)
    for row in awaited.values():
        row.tag, row.grade, row.entered = "", row.next_grade, date(district.year, 8, 19)
        district.rows[row.school].append(row)
        set_next(district, row, rng)
        district.note_student(row, at)
    district.version += 1
    return changed + len(awaited)


def _move_up(
    district: District, row: Row, awaited: dict[tuple[int, int], Row], at: datetime
) -> None:
    target = row.next_school or next_school_of(district, district.schools[row.school], row.grade)
    if (row.person.id, target) in awaited:
        return
    if row.grade >= 12 or target == INACTIVE_SCHOOL:
        district.note(
            district.add_row(Row(row.person, INACTIVE_SCHOOL, 0, row.grade, "Z", row.entered)),
            "student",
            at,
        )
        return
    if target == row.school:
        row.grade += 1
        row.next_grade = 13 if row.grade == 12 else row.grade + 1
        row.next_school = target if row.grade < district.schools[target].high else 0
        district.rows[target].append(row)
        district.note_student(row, at)
        return
    moved = Row(row.person, target, 0, row.grade + 1, "", date(district.year, 8, 19))
    moved.next_grade = row.grade + 2
    district.note_student(district.add_row(moved), at)
