"""Names, addresses and dates of people who do not exist."""

from __future__ import annotations

import random
from datetime import date, timedelta

FIRST = (
    "Ana Ben Carla Dmitri Elena Farid Grace Hugo Iris Jamal Kenji Lucía Mateo Nadia Omar Priya "
    "Quinn Rosa Sofía Tomás Uma Víctor Wen Ximena Yusuf Zoë Amara Bao Chloé Diego Esther Felipe "
    "Gita Hana Ivan José Kalani Leilani Mai Noé"
).split()
LAST = (
    "Abbott Álvarez Baker Castañeda Chen Díaz Espinoza Fong García Hernández Ibarra Johnson Kim "
    "López Muñoz Nguyen O'Neil Park Quiñones Ramírez Singh Tran Ueda Vang Watanabe Xiong Young "
    "Zamora De_la_Cruz Smith-Jones Okafor Petrov Rossi Silva Torres Underwood Vega Wong Yamada "
    "Zuñiga"
).split()
STREETS = ("Eagle Crag Lane", "Glenview Way", "Mission Street", "Almond Avenue", "Río Vista Drive")
_ENTERED_AT = {-2: 3, -1: 4, 0: 5}


def first_name(rng: random.Random) -> str:
    """Return a first name."""
    return rng.choice(FIRST)


def last_name(rng: random.Random) -> str:
    """Return a last name; some hold blanks, hyphens and apostrophes."""
    return rng.choice(LAST).replace("_", " ")


def birthdate(rng: random.Random, grade: int, year: int) -> date:
    """Return a birth date that fits a grade in the school year that starts in ``year``."""
    age = _ENTERED_AT.get(grade, 5 + grade)
    return date(year - age, 9, 1) - timedelta(days=rng.randrange(365))


def grade_words(grade: int) -> tuple[str, str]:
    """Return the short and long description of a grade."""
    special = {-2: ("PS", "Preschool"), -1: ("TK", "Transitional Kindergarten")}
    special[0] = ("K", "Kindergarten")
    special[13] = ("13", "Reserved for Graduating Seniors")
    words = "First Second Third Fourth Fifth Sixth Seventh Eighth Ninth Tenth Eleventh Twelfth"
    if grade in special:
        return special[grade]
    if 1 <= grade <= 12:
        return str(grade), f"{words.split()[grade - 1]} Grade"
    return str(grade), ""
