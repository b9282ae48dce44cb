"""What the emulated district calls its codes."""

from __future__ import annotations

import re

from aeries_pipeline.emulator.curriculum import AREAS
from aeries_pipeline.emulator.people import grade_words
from aeries_pipeline.emulator.templates import Template

CODE = Template("codes", "Table Field Code Description Category Status AeriesCode".split())
ABSENCE = Template(
    "absence_codes", "SchoolCode AbsenceCode Title Abbreviation TypeCode TypeDescription".split()
)
_NAMES: dict[tuple[str, str], dict[str, str]] = {
    ("STU", "GR"): {grade_words(one)[0]: grade_words(one)[1] for one in range(-2, 14)},
    ("STU", "SX"): {"F": "Female", "M": "Male", "X": "Non-binary"},
    ("STU", "ETH"): {"Y": "Hispanic or Latino", "N": "Not Hispanic or Latino"},
    ("STU", "LF"): {
        "E": "English Only", "I": "Initially Fluent", "L": "English Learner", "R": "Redesignated",
    },
    ("STU", "HL"): {"00": "English", "01": "Spanish", "02": "Vietnamese"},
    ("STU", "SP"): {"2": "Second enrolment", "I": "Independent study"},
    ("STU", "TG"): {
        "*": "Pre-enrolled", "I": "Inactive", "N": "No show", "X": "Moved out of state",
    },
    ("CRS", "S1"): {code: name for code, name, _credits, _topics in AREAS},
    ("PGM", "CD"): {"144": "Special Education", "175": "National School Lunch"},
    ("TRM", "TM"): {"F": "Fall", "S": "Spring", "Y": "Year"},
}  # fmt: skip
_FULL = {
    ("student", "grade"): ("STU", "GR"),
    ("student", "gender"): ("STU", "SX"),
    ("student", "inactivestatus"): ("STU", "TG"),
}
"""Names of objects and properties that Aeries takes for some of them."""


def codes_of(table: str, field: str) -> list[str]:
    """Return the codes of one field; a field that nobody has filled in has none."""
    name = (table.casefold(), re.sub("code$", "", field.casefold()))
    table, field = _FULL.get(name, (table.upper(), field.upper()))
    names = _NAMES.get((table, field), {})
    grades = {grade_words(one)[0]: str(one) for one in range(-2, 14)}
    own = grades if (table, field) == ("STU", "GR") else {}
    return [
        CODE(table, field, code, name, "", "", own.get(code, "")) for code, name in names.items()
    ]


def absence_codes_of(school: int) -> list[str]:
    """Return the codes of absence of a school."""
    return [
        ABSENCE(school, "A", "Unverified", "UNV", 1, "Unverified Absence"),
        ABSENCE(school, "D", "Dr Note", "DR", 2, "Excused Absence"),
    ]
