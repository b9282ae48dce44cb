"""Transcripts, credits, grade points and class schedules of emulated students.

Everything follows from the student: the same student has the same history in whatever
order it is requested. Texts that repeat are rendered once and kept.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

from aeries_pipeline.emulator.curriculum import AREAS, Course
from aeries_pipeline.emulator.district import District, Row, School
from aeries_pipeline.emulator.templates import Template, encode

_MARKS = ("F", "D", "C", "B", "A")
FIRST_GRADE = 8
_SLOTS = ("A", "D", "E", "C", "B", "F", "G", "Z")
_SEATS = 32


class Line(NamedTuple):
    """One mark on a transcript; the mark counts from F, 0, to A, 4."""

    course: Course
    mark: int
    grade: int
    term: int

    @property
    def completed(self) -> float:
        """Credits earned."""
        return self.course.credit if self.mark else 0.0


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a school's master schedule."""

    number: int
    course: Course
    period: int
    staff: int


class Seat(NamedTuple):
    """A student in a section, now or earlier in the year."""

    row: Row
    sequence: int
    section: Section
    started: date
    ended: date


class Academics:
    """Histories and schedules of one district.

    Args:
        district: Read, never changed.
    """

    def __init__(self, district: District) -> None:
        """Index the courses by subject area and grade."""
        self._district = district
        self._by_slot: dict[tuple[str, int], list[Course]] = {}
        for course in district.courses:
            for grade in range(course.low, course.high + 1):
                if not course.tag:
                    self._by_slot.setdefault((course.area, grade), []).append(course)
        self._places = {course.id: place for place, course in enumerate(district.courses)}
        self._halves: dict[int, tuple[str, str]] = {}
        self._schedules: dict[tuple[int, int], Schedule] = {}

    def offered(self, slot: str, grade: int) -> list[Course]:
        """Return the courses of a subject area for a grade."""
        return self._by_slot.get((slot, grade)) or self._by_slot["Z", grade]

    def homeroom(self, grade: int) -> Course:
        """Return the one course of an elementary grade."""
        wanted = f"E{grade:03}"
        return next(course for course in self._district.courses if course.id == wanted)

    def lines(self, row: Row) -> list[Line]:
        """Return the transcript of a student: grade 8 and up, two terms a year."""
        draw = random.Random(row.person.id).random  # noqa: S311 - made-up data
        level = 5 * row.person.ability - 1.25
        found: list[Line] = []
        for grade in range(FIRST_GRADE, min(row.grade, 13)):
            for slot in _SLOTS:
                offered = self.offered(slot, grade)
                course = offered[int(draw() * len(offered))]
                for term in (1, 2):
                    mark = int(level + 2.5 * draw())
                    found.append(Line(course, min(max(mark, 0), 4), grade, term))
        return found

    def transcript_json(self, row: Row) -> list[str]:
        """Return the rendered transcript lines of a student."""
        halves = self._halves
        found = []
        for number, line in enumerate(self.lines(row), start=1):
            course, mark, grade, term = line
            key = self._places[course.id] * 5 + mark
            key = ((key * 20 + grade) * 20 + row.grade) * 3 + term
            key = key * 1000 + row.school
            half = halves.get(key)
            if half is None:
                half = halves[key] = self._render(line, row)
            # Sequence numbers have gaps in real data.
            found.append(f"{half[0]}{number + number // 9}{half[1]}")
        return found

    @cached_property
    def _line_template(self) -> Template:
        return Template(
            "transcripts",
            (
                "CourseID Mark CreditAttempted CreditCompleted StudentGrade Term TermDescription "
                "SchoolYear SchoolTakenID SchoolTakenName SchoolTakenStateID CitizenshipMark "
                "SequenceNumber TotalDaysEnrolled TotalDaysPresent"
            ).split(),
            inner="CourseGrades",
        )

    def _render(self, line: Line, row: Row) -> tuple[str, str]:
        school = self._district.schools[row.school]
        year = self._district.year - (row.grade - line.grade)
        text = self._line_template.raw(
            [
                encode(line.course.id),
                encode(_MARKS[line.mark]),
                encode(line.course.credit),
                encode(line.completed),
                str(line.grade),
                str(line.term),
                encode("Fall" if line.term == 1 else "Spring"),
                encode(f"{year}-{year + 1}"),
                str(school.code),
                encode(school.name),
                encode(f"65999990000{school.code:03}"),
                encode("O" if line.mark > 2 else "S"),
                "\x00",
                "89",
                "87",
            ]
        )
        before, after = text.split("\x00")
        return before, after

    def grade_points(self, row: Row) -> tuple[float, float, float, float]:
        """Return academic and total GPA, credits attempted and completed."""
        lines = self.lines(row)
        if not lines:
            return 0.0, 0.0, 0.0, 0.0
        total = sum(line.mark for line in lines) / len(lines)
        academic = [line for line in lines if line.course.area not in {"B", "Z"}]
        weighted = sum(line.mark for line in academic) / max(len(academic), 1)
        attempted = sum(line.course.credit for line in lines if line.grade >= 9)
        completed = sum(line.completed for line in lines if line.grade >= 9)
        return weighted, total, attempted, completed

    def credits_by_area(self, row: Row) -> Mapping[str, tuple[float, float, float, float]]:
        """Return required, completed, enrolled and needed credits by subject area.

        A course that is taken again counts with its greatest credit only. What is completed beyond
        a requirement counts as an elective.
        """
        takes: dict[Course, float] = {}
        for line in self.lines(row):
            if line.grade >= 9:
                done = takes.get(line.course, 0.0) + line.completed
                takes[line.course] = min(done, 2 * line.course.credit)
        earned: dict[str, float] = {}
        for course, done in takes.items():
            earned[course.area] = earned.get(course.area, 0.0) + done
        found: dict[str, tuple[float, float, float, float]] = {}
        surplus = 0.0
        for code, _name, required, _topics in AREAS:
            wanted = float(required[min(max(12 - row.grade, 0), 3)])
            done = earned.get(code, 0.0)
            if code != "Z":
                surplus += max(done - wanted, 0.0)
                done = min(done, wanted)
            else:
                done += surplus
            enrolled = 5.0 if code in _SLOTS else 0.0
            found[code] = (wanted, done, enrolled, max(wanted - done - enrolled, 0.0))
        return found

    def schedule(self, school: School) -> Schedule:
        """Return the master schedule of a school with everybody's seats."""
        key = (school.code, self._district.version)
        if key not in self._schedules:
            for old in [one for one in self._schedules if one[0] == school.code]:
                del self._schedules[old]
            self._schedules[key] = Schedule(self._district, self, school)
        return self._schedules[key]


class Schedule:
    """Sections of one school and who sits in them."""

    def __init__(self, district: District, academics: Academics, school: School) -> None:
        """Seat every current student; a new section opens when one is full."""
        self.sections: list[Section] = []
        self.seats: list[Seat] = []
        self.taken: dict[int, int] = {}
        self._open: dict[tuple[str, int], Section] = {}
        self._school = school
        first = date(district.year, 8, 20)
        middle, last = date(district.year, 12, 19), date(district.year + 1, 6, 10)
        for row in district.rows[school.code]:
            if row.tag.strip():
                continue
            rng = random.Random(row.person.id * 31 + row.grade)  # noqa: S311
            courses = self._courses(academics, row, rng)
            for place, (course, period) in enumerate(courses, start=1):
                ended = last if rng.random() > 0.15 else middle
                if place <= row.drops:
                    ended = date(district.year, 10, 1 + min(row.drops, 30))
                self._seat(row, place, course, period, first, ended)
            if courses and rng.random() < 0.2:
                dropped = date(district.year, 9, 5)
                course, period = courses[0]
                self._seat(row, len(courses) + 1, course, period + 1, first, dropped)

    @cached_property
    def by_student(self) -> Mapping[int, list[Seat]]:
        """The seats of each student, in order."""
        found: dict[int, list[Seat]] = {}
        for seat in self.seats:
            found.setdefault(seat.row.person.id, []).append(seat)
        return found

    def _courses(
        self, academics: Academics, row: Row, rng: random.Random
    ) -> list[tuple[Course, int]]:
        if row.grade >= 6:
            grade = min(row.grade, 12)
            return [
                (rng.choice(academics.offered(slot, grade)), period)
                for period, slot in enumerate(_SLOTS, start=1)
            ]
        return [(academics.homeroom(max(row.grade, 0)), 1)]

    def _seat(
        self, row: Row, place: int, course: Course, period: int, start: date, end: date
    ) -> None:
        key = (course.id, period)
        section = self._open.get(key)
        if section is None or self.taken[section.number] >= _SEATS:
            number = period * 1000 + len(self.sections) + 1
            staff = self._school.code * 1000 + len(self.sections) % 60
            section = Section(number, course, period, staff)
            self.sections.append(section)
            self.taken[number] = 0
            self._open[key] = section
        self.taken[section.number] += 1
        self.seats.append(Seat(row, place, section, start, end))
