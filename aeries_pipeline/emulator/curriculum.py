"""Courses, subject areas and graduation requirements of the emulated district."""

from __future__ import annotations

import random
from dataclasses import dataclass

AREAS: tuple[tuple[str, str, tuple[float, float, float, float], tuple[str, ...]], ...] = (
    ("A", "English", (40, 40, 40, 40), ("English", "Literature", "Rhetoric")),
    ("B", "Physical Education", (20, 20, 20, 20), ("PE", "Dance", "Yoga")),
    ("C", "Social Science", (30, 30, 30, 30), ("World History", "US History", "Civics", "Econ")),
    ("D", "Mathematics", (30, 30, 30, 20), ("Algebra", "Geometry", "Statistics", "Calculus")),
    ("E", "Science", (20, 20, 20, 20), ("Biology", "Chemistry", "Physics", "Earth Sci")),
    ("F", "Fine Arts", (10, 10, 10, 10), ("Art", "Choir", "Band", "Theater")),
    ("G", "World Languages", (10, 10, 10, 10), ("Spanish", "French", "ASL", "Mandarin")),
    ("Z", "Electives", (55, 55, 45, 45), ("Robotics", "Culinary", "Yearbook", "AVID")),
)
"""Code, name, credits required for grades 12, 11, 10 and 9, and course names."""


@dataclass(frozen=True, slots=True)
class Course:
    """One course of the catalogue."""

    id: str
    title: str
    area: str
    low: int
    high: int
    credit: float
    tag: str


def catalogue(seed: int) -> tuple[Course, ...]:
    """Return the courses of a district: four digits with leading zeros, a few letters."""
    rng = random.Random(seed)  # noqa: S311 - made-up data
    courses: list[Course] = []
    for place, (area, _name, _credits, topics) in enumerate(AREAS):
        for grade in range(6, 13):
            for number, topic in enumerate(topics):
                code = f"{place * 100 + (grade - 6) * 12 + number + 1:04}"
                tag = "I" if rng.random() < 0.04 else ""
                courses.append(
                    Course(code, f"{topic} {grade}"[:15], area, grade, min(12, grade + 1), 5.0, tag)
                )
    courses += [
        Course(f"E{grade:03}", f"Homeroom {grade}", "", grade, grade, 0.0, "") for grade in range(6)
    ]
    courses += [Course(f"AEDP{n}", f"Adult Ed {n}", "Z", 9, 12, 5.0, "") for n in range(4)]
    return tuple(courses)
