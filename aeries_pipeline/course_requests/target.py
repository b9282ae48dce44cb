"""Which row of Aeries a request for the coming year is for: the school and number. Pure.

Scheduling for next year happens in this year's database. A student who is moving to
another school gets a second row there in advance, with the status code of pre-enrolled
students; a request must name that row, and waits until it exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.course_requests.model import (
    District,
    Place,
    Reason,
    StudentRow,
    Target,
)

GRADUATES = 13
"""STU.NG of a graduating senior."""


def target_of(rows: Sequence[StudentRow], district: District) -> Target:
    """Return the row for which a student's requests are.

    Args:
        rows: The student's rows in all schools of the roster.
        district: What is known of the district.
    """
    found = _target(rows, district)
    if found.place is not None:
        return found
    ordered = sorted(rows, key=lambda row: (row.standing is not Standing.ACTIVE, row.school))
    home = next((row.school for row in ordered if row.school in district.roster), None)
    return replace(found, home=home)


def _target(rows: Sequence[StudentRow], district: District) -> Target:
    here = [row for row in rows if row.school != district.inactive_school]
    active = [row for row in here if row.standing is Standing.ACTIVE]
    waiting = [row for row in here if row.standing is Standing.PRE_ENROLLED]
    if not active and not waiting:
        return _nobody(rows, district)
    current = _current(active)
    refused = _leaves(current or waiting[0], district, waiting)
    if refused is not None:
        return refused
    if waiting or current is None:
        return _pre_enrolled(waiting, current)
    return _staying_or_moving(current, district)


def _current(active: Sequence[StudentRow]) -> StudentRow | None:
    """Return the row that speaks for next year: the one that the account follows."""
    return min(
        active,
        key=lambda row: (not row.is_main, not row.next_school, row.school, row.student_number),
        default=None,
    )


def _nobody(rows: Sequence[StudentRow], district: District) -> Target:
    if any(row.school == district.inactive_school for row in rows):
        return Target(reason=Reason.STUDENT_LEFT)
    if not district.students_read:
        return Target(reason=Reason.STUDENTS_NOT_READ)
    return Target(reason=Reason.STUDENT_INACTIVE if rows else Reason.STUDENT_UNKNOWN)


def _leaves(
    current: StudentRow, district: District, waiting: Sequence[StudentRow]
) -> Target | None:
    if current.next_grade == GRADUATES:
        return Target(reason=Reason.STUDENT_GRADUATES)
    if current.next_school == district.inactive_school and not waiting:
        return Target(reason=Reason.STUDENT_LEAVES)
    return None


def _pre_enrolled(waiting: Sequence[StudentRow], current: StudentRow | None) -> Target:
    """Choose among pre-enrolled rows; one that contradicts NextSchool is not believed."""
    schools = {row.school for row in waiting}
    stated = current.next_school if current else None
    if stated:
        schools &= {stated}
    if len(schools) != 1:
        return Target(reason=Reason.SEVERAL_NEXT_SCHOOLS)
    row = min((row for row in waiting if row.school in schools), key=lambda one: one.student_number)
    # The row waits at the next school with the grade of this year (API reference 1.9).
    grade = _next_grade(current) if current else _next_grade(row)
    return Target(Place(row.school, row.student_number), grade, row.school)


def _next_grade(row: StudentRow) -> int | None:
    if row.next_grade is None and row.grade is not None:
        return row.grade + 1
    return row.next_grade


def _staying_or_moving(current: StudentRow, district: District) -> Target:
    grade = _next_grade(current)
    school = current.next_school or current.school
    if school == current.school:
        highest = district.schools.get(school, (None, None))[1]
        may_end = highest is not None and (grade is None or grade > highest)
        if not current.next_school and may_end:
            return Target(grade=grade, reason=Reason.NEXT_SCHOOL_UNKNOWN)
        return Target(Place(school, current.student_number), grade, school)
    if school not in district.schools_read:
        return Target(grade=grade, reason=Reason.NEXT_SCHOOL_NOT_READ)
    return Target(grade=grade, school=school, reason=Reason.NO_ROW_AT_NEXT_SCHOOL)
