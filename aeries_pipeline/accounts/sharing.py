"""Which students are not shared with Xello, and why: pure functions.

The roster's settings are in ``districts.share``; reading lists and rows, and
keeping what was found, is in ``left_out``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aeries_pipeline.districts.share import ShareSettings
from aeries_pipeline.words import counted, verb

MANY_ROWS = 200
"""In more rows than this a field that is blank in each is one that cannot be read."""


class Cause(StrEnum):
    """Why a student is left out; the first that applies counts."""

    OPTED_OUT = "opted_out"
    FIELD = "field"
    SCHOOL = "school"
    GRADE = "grade"
    NOT_YET = "not_yet"
    IN_DOUBT = "in_doubt"


CHOSEN = frozenset({Cause.OPTED_OUT, Cause.FIELD, Cause.NOT_YET, Cause.IN_DOUBT})
"""Causes that are a family's choice: who was left out for one is not shared again by the dozen."""

SAID = {
    Cause.OPTED_OUT: "on the list of those who opted out",
    Cause.FIELD: "by a field of their row",
    Cause.SCHOOL: "of a school that is not shared",
    Cause.GRADE: "of a grade that is not shared, or of none that is known",
    Cause.NOT_YET: "left out until now, and shared again once another night says so",
    Cause.IN_DOUBT: "left out until now, and not shared again before a person has looked",
}
"""Each cause as it is said of several students."""


@dataclass(frozen=True, slots=True)
class ShareRow:
    """What the rules ask of one row of a student who is here, or comes.

    Attributes:
        student_id: StudentID.
        school: School of the row.
        grade: Its grade, or the last one known; None where there never was one.
        former_id: The student's former StudentID, where that is surely the same person.
        codes: Values of the fields of the conditions, in their order; None where
            no row could be read, only the account is known.
    """

    student_id: int
    school: int
    grade: int | None
    former_id: int | None = None
    codes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Who is left out of a district, and what is doubtful about it.

    Attributes:
        causes: Why, by student. Of a list also those whom nobody knows here.
        trouble: Why nothing may be delivered before a person has looked; empty
            where nothing is wrong.
        shared_again: Students who were left out until now, and no longer are by
            what stands there now.
        unknown: StudentIDs on the list that no row and no account has.
        listed: StudentIDs on the list.
    """

    causes: Mapping[int, Cause] = field(default_factory=dict)
    trouble: str = ""
    shared_again: frozenset[int] = frozenset()
    unknown: int = 0
    listed: int = 0

    @property
    def doubted(self) -> bool:
        """Whether students wait for a person to say that they are shared again."""
        return Cause.IN_DOUBT in self.causes.values()

    def students_by_cause(self) -> dict[str, int]:
        """Return how many students are left out, by cause: without ids that nobody here has."""
        found = self.counted(self.causes)
        listed = str(Cause.OPTED_OUT)
        found[listed] = found.get(listed, 0) - self.unknown
        return {cause: number for cause, number in found.items() if number > 0}

    def counted(self, students: Collection[int]) -> dict[str, int]:
        """Return how many of some students are left out, by cause."""
        found: dict[str, int] = {}
        for cause in Cause:
            number = sum(self.causes.get(one) is cause for one in students)
            if number:
                found[str(cause)] = number
        return found


def takes(share: ShareSettings | None, school: int, grade: int | None) -> bool:
    """Tell whether an account may follow a row: not to a school or grade that is not shared.

    A row without a grade is looked at with the last one known, in :func:`causes_of`.
    """
    why = _why_not(share, school, grade) if share else None
    return why is None or (why is Cause.GRADE and grade is None)


def _why_not(share: ShareSettings, school: int, grade: int | None) -> Cause | None:
    if share.schools and school not in share.schools:
        return Cause.SCHOOL
    if share.grades and (grade is None or not share.grades[0] <= grade <= share.grades[1]):
        return Cause.GRADE
    return None


def causes_of(
    rows: Iterable[ShareRow], share: ShareSettings, opted_out: Collection[int]
) -> dict[int, Cause]:
    """Return why each student is left out who is.

    A family's choice is the child's, so one row is enough for it; of schools and
    grades one row that is shared is enough to be shared.

    Args:
        rows: Rows of the students who are here or come, and of accounts without any.
        share: What the roster settles.
        opted_out: StudentIDs on the list.
    """
    found = dict.fromkeys(opted_out, Cause.OPTED_OUT)
    conditions = list(share.fields.values())
    shared: set[int] = set()
    placed: dict[int, Cause] = {}
    for row in rows:
        student = row.student_id
        if row.former_id in opted_out:
            found[student] = Cause.OPTED_OUT
        pairs = zip(conditions, row.codes or (), strict=row.codes is not None)
        if not all(condition.shares(code) for condition, code in pairs):
            found.setdefault(student, Cause.FIELD)
        why = _why_not(share, row.school, row.grade)
        if why is None:
            shared.add(student)
        elif placed.get(student) is not Cause.GRADE:
            placed[student] = why
    return {**{one: why for one, why in placed.items() if one not in shared}, **found}


def blank_fields(rows: Iterable[ShareRow], share: ShareSettings) -> list[str]:
    """Return the fields of conditions of which no row has a code, in a list of many rows."""
    codes = [row.codes for row in rows if row.codes is not None]
    if len(codes) < MANY_ROWS:
        return []
    return [
        name
        for place, name in enumerate(share.fields)
        if not any(one[place].strip() for one in codes)
    ]


def still_out(
    before: Mapping[int, Cause], found: Mapping[int, Cause], seen: Collection[int]
) -> dict[int, Cause]:
    """Return who is left out, with those whose field said so until now and who have no row now."""
    kept = {one: cause for one, cause in before.items() if cause is Cause.FIELD and one not in seen}
    return {**kept, **found}


def judged(
    before: Mapping[int, Cause],
    found: Mapping[int, Cause],
    most: float,
    least: int,
    ripe: Collection[int] = (),
) -> LeftOut:
    """Hold what stands there now against who was left out until now.

    A list that was cut, and a field that can no longer be read, would share
    children again whose families do not want it. One by one that is a change of
    mind, which two nights must say; by the dozen a person looks first, and all
    of them stay left out.

    Args:
        before: Who was left out until now, with the cause.
        found: Who is, by what stands there now.
        most: The share of those left out by choice that may be shared again at once.
        least: As many may, whatever the share.
        ripe: Students of whom an earlier night has said the same.
    """
    chosen = {student for student, cause in before.items() if cause in CHOSEN}
    again = frozenset(chosen - found.keys())
    # Who is now left out by school or grade alone is no less shared again.
    again |= {one for one in chosen & found.keys() if found[one] not in CHOSEN}
    if len(again) <= max(least, most * len(chosen)):
        waits = {one: Cause.NOT_YET for one in again if one not in ripe}
        said = (
            f"{counted(len(waits), 'student')} left out by their families' choice until now no "
            f"longer {verb(len(waits), 'is', 'are')}; what else a list lacks cannot be told, so "
            "nothing goes out before another night says it too"
        )
        return LeftOut({**found, **waits}, said if waits else "", again)
    trouble = (
        f"{len(again)} of {len(chosen)} students who were left out by their families' choice "
        f"would be shared again, more than the larger of {least} and {most * 100:g}%; they stay "
        "left out. Compare the list and the field with the district"
    )
    return LeftOut({**found, **dict.fromkeys(again, Cause.IN_DOUBT)}, trouble, again)


def not_to_be_shared(found: LeftOut, delivered: Mapping[str, int]) -> str:
    """Return why a set of files may not go out, as a part of a sentence; empty where it may.

    Args:
        found: Who is left out.
        delivered: How many students of the files are, by cause.
    """
    said = [found.trouble] if found.trouble else []
    number = sum(delivered.values())
    if number:
        listed = ", ".join(f"{count} {SAID[Cause(cause)]}" for cause, count in delivered.items())
        said.append(
            f"{counted(number, 'student')} in it {verb(number, 'is', 'are')} left out of what the "
            f"district shares ({listed}), and their accounts have not ended yet; approve that "
            "where it is held"
        )
    return "; ".join(said)
