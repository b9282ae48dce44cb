"""The emulated district: its schools, its people and their rows.

Everything is made from a seed. ``District`` holds the state of today; how a day changes
it is in ``days``, and what the API shows of it in ``endpoints``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from aeries_pipeline.emulator import people
from aeries_pipeline.emulator.curriculum import Course, catalogue

INACTIVE_SCHOOL = 999
_KINDS = {"elementary": (-1, 5, 1.0), "middle": (6, 8, 1.6), "high": (9, 12, 3.2)}
_NAMES = ("Bald Eagle", "Golden Eagle", "Osprey", "Condor", "Harrier", "Kestrel", "Falcon", "Heron")
_INACTIVE_TAGS = ("I", "X", "N", "B", "O", "L", "U", "G", "K")
_INACTIVE_WEIGHTS = (105, 75, 113, 27, 9, 5, 3, 3, 3)


@dataclass(slots=True)
class School:
    """One school, or one of the codes that only look like a school."""

    code: int
    name: str
    low: int
    high: int
    kind: str
    tag: str = ""
    do_not_report: bool = False
    has_terms: bool = True
    flexible: bool = False
    next_number: int = 1

    @property
    def is_real(self) -> bool:
        """Whether students are taught here."""
        return self.kind in _KINDS


@dataclass(slots=True)
class Person:
    """A student as a person, whatever rows he or she has."""

    id: int
    first: str
    last: str
    gender: str
    birthdate: date
    state_id: str
    family: int
    ability: float


@dataclass(slots=True)
class Row:
    """One row of table STU: a person at a school."""

    person: Person
    school: int
    number: int
    grade: int
    tag: str
    entered: date
    left: date | None = None
    next_school: int = 0
    next_grade: int = 0
    program: str = ""
    drops: int = 0
    """Classes that the student has dropped, the first ones of the schedule."""


@dataclass(slots=True)
class Change:
    """What a data-changes feed knows: the key of a student row and a moment."""

    at: datetime
    area: str
    student: int
    school: int
    number: int


@dataclass(slots=True)
class Entered:
    """Course requests of one student that were written through the API.

    Attributes:
        courses: Courses by the number of their request, created and changed ones.
        alternates: Course and sort value of each alternate request, by its number.
        links: Numbers of the alternates that are linked to a request.
    """

    courses: dict[int, str] = field(default_factory=dict)
    alternates: dict[int, tuple[str, float]] = field(default_factory=dict)
    links: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class District:
    """The state of the emulated district today."""

    seed: int
    year: int
    schools: dict[int, School]
    courses: list[Course]
    rows: dict[int, list[Row]]
    day: int = 0
    next_id: int = 1
    changes: list[Change] = field(default_factory=list)
    course_changes: list[tuple[datetime, str]] = field(default_factory=list)
    imported: dict[tuple[int, int], list[tuple[int, str]]] = field(default_factory=dict)
    """Course requests that a registrar imported: number and course, by school and student."""
    entered: dict[tuple[int, int], Entered] = field(default_factory=dict)
    """What was written through the API, by school and student."""
    requests_blanked: bool = False
    """Whether Initialize Scheduling has emptied the table of requests."""
    version: int = 0
    """Grows with every change of the rows; caches are keyed by it."""

    @property
    def today(self) -> date:
        """The school day that the district is at."""
        return date(self.year, 9, 8) + timedelta(days=self.day)

    @property
    def span(self) -> str:
        """The school year in nine characters."""
        return f"{self.year}-{self.year + 1}"

    def real_schools(self) -> list[School]:
        """Return the schools in which students are taught."""
        return [school for school in self.schools.values() if school.is_real]

    def active(self) -> list[Row]:
        """Return the rows of current students, in order of school and number."""
        return [row for rows in self.rows.values() for row in rows if not row.tag.strip()]

    def truth(self) -> dict[int, list[int]]:
        """Return for each current student the schools attended today."""
        found: dict[int, list[int]] = {}
        for row in self.active():
            if row.school != INACTIVE_SCHOOL:
                found.setdefault(row.person.id, []).append(row.school)
        return found

    def note(self, row: Row, area: str, at: datetime) -> None:
        """Write a change to the feed."""
        self.changes.append(Change(at, area, row.person.id, row.school, row.number))

    def note_student(self, row: Row, at: datetime) -> None:
        """Write that a row came, went or changed to the feeds of all that hangs on it."""
        for area in ("student", "contact", "program", "enrollment"):
            self.note(row, area, at)

    def add_row(self, row: Row) -> Row:
        """Put a row into its school under the school's next number."""
        school = self.schools[row.school]
        row.number = school.next_number
        school.next_number += 1
        self.rows[row.school].append(row)
        return row


def make_district(*, seed: int, schools: int, students: int, year: int) -> District:
    """Make a district.

    Args:
        seed: The same seed makes the same district.
        schools: Real schools; pseudo-schools come on top.
        students: Current students, over all schools.
        year: First calendar year of the school year.
    """
    rng = random.Random(seed)  # noqa: S311 - made-up data
    made = {school.code: school for school in _schools(schools)}
    courses = list(catalogue(seed))
    district = District(seed, year, made, courses, {code: [] for code in made})
    district.next_id = rng.randrange(10_000_000, 90_000_000)
    real = district.real_schools()
    weights = [_KINDS[school.kind][2] for school in real]
    for school, weight in zip(real, weights, strict=True):
        share = round(students * weight / sum(weights))
        for _ in range(max(share, 1)):
            _enrol(district, school, rng)
    _add_rows_that_are_not_current(district, rng)
    return district


def _schools(count: int) -> list[School]:
    """Return real schools of all levels and the codes that stand beside them."""
    kinds = ["high", "middle", "elementary"] if count >= 3 else ["high", "elementary"][:count]
    while len(kinds) < count:
        kinds.append(("elementary", "elementary", "middle", "high")[len(kinds) % 4])
    found = [
        School(0, "Emulated Unified School District", -2, 12, "district", has_terms=False),
        School(99, "Transfer School", -1, 12, "pseudo", has_terms=False),
        School(100, "ZZZ Basic Elementary", 0, 5, "pseudo", tag="I"),
    ]
    top = 994 if count <= 90 else 990
    for place, kind in enumerate(kinds):
        low, high, _ = _KINDS[kind]
        title = {"elementary": "Elementary", "middle": "Intermediate", "high": "High"}[kind]
        name = f"{_NAMES[place % len(_NAMES)]} {title} School"
        if place >= len(_NAMES):
            name = f"{name} {place // len(_NAMES) + 1}"
        found.append(School(top - place, name, low, high, kind, flexible=place % 5 == 3))
    found += [
        School(996, "X Virtual Academy", 9, 12, "pseudo", do_not_report=True),
        School(INACTIVE_SCHOOL, "Inactive Students", -2, 18, "pseudo", has_terms=False),
    ]
    return sorted(found, key=lambda school: school.code)


def new_person(district: District, rng: random.Random, grade: int) -> Person:
    """Return a new person with an id that was never used before."""
    district.next_id += rng.randrange(1, 9)
    return Person(
        id=district.next_id,
        first=people.first_name(rng),
        last=people.last_name(rng),
        gender=rng.choices(("F", "M", "X"), (49, 50, 1))[0],
        birthdate=people.birthdate(rng, grade, district.year),
        state_id=f"{rng.randrange(10**10):010}",
        family=rng.randrange(1, 1_000_000) if rng.random() < 0.5 else 0,
        ability=min(max(rng.gauss(0.72, 0.14), 0.2), 0.99),
    )


def _enrol(district: District, school: School, rng: random.Random) -> Row:
    grade = rng.randint(school.low, school.high)
    entered = date(district.year - rng.randrange(0, 4), 8, 20)
    row = Row(new_person(district, rng, grade), school.code, 0, grade, "", entered)
    set_next(district, row, rng)
    return district.add_row(row)


def next_school_of(district: District, school: School, grade: int) -> int:
    """Return the school that a student of this grade goes to next year."""
    if grade < school.high:
        return school.code
    wanted = {"elementary": "middle", "middle": "high"}.get(school.kind)
    found = [other.code for other in district.real_schools() if other.kind == wanted]
    return found[school.code % len(found)] if found else INACTIVE_SCHOOL


def set_next(district: District, row: Row, rng: random.Random) -> None:
    """Fill in next year's grade and school; not every district has done so yet."""
    school = district.schools[row.school]
    row.next_grade = 13 if row.grade == 12 else row.grade + 1
    if row.grade < 12 and rng.random() < 0.9:
        row.next_school = next_school_of(district, school, row.grade)


def _add_rows_that_are_not_current(district: District, rng: random.Random) -> None:
    """Add pre-enrolled, inactive and no-show rows, and second enrolments.

    Three rows in ten of a large real school are not current students.
    """
    for school in district.real_schools():
        current = [row for row in district.rows[school.code] if not row.tag]
        for row in current:
            if row.next_school not in {0, school.code, INACTIVE_SCHOOL} and rng.random() < 0.6:
                pre_enrol(district, row)
        for _ in range(round(0.28 * len(current))):
            _former(district, school, rng)
        for row in rng.sample(current, k=round(0.01 * len(current))):
            _second_enrolment(district, row, rng)


def pre_enrol(district: District, row: Row) -> Row:
    """Add the row that awaits a student at next year's school."""
    return district.add_row(
        Row(
            row.person,
            row.next_school,
            0,
            row.grade,
            "*",
            date(district.year + 1, 8, 19),
            next_school=row.next_school,
            next_grade=row.next_grade,
        )
    )


def _former(district: District, school: School, rng: random.Random) -> None:
    grade = rng.randint(school.low, school.high)
    tag = rng.choices(_INACTIVE_TAGS, _INACTIVE_WEIGHTS)[0]
    entered = date(district.year, 8, 20)
    left = None if tag == "N" or rng.random() < 0.25 else entered + timedelta(days=rng.randrange(9))
    person = new_person(district, rng, grade)
    district.add_row(Row(person, school.code, 0, grade, tag, entered, left))
    if rng.random() < 0.3:
        district.add_row(Row(person, INACTIVE_SCHOOL, 0, grade, "", entered, left))


def _second_enrolment(district: District, row: Row, rng: random.Random) -> None:
    kind = district.schools[row.school].kind
    others = [s for s in district.real_schools() if s.kind == kind and s.code != row.school]
    if others:
        other = rng.choice(others)
        district.add_row(Row(row.person, other.code, 0, row.grade, " ", row.entered, program="2"))
