"""A school's first load that looks wrong: a question for a person, before any account.

With field rights a certificate may read a list but not one of its fields. If
every status is hidden, students who left years ago look like everybody else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from aeries_pipeline.accounts.model import Decision, Kind
from aeries_pipeline.catalog.blank import is_blank
from aeries_pipeline.catalog.tables import quoted

MANY_ROWS = 200
"""A list of more rows without one student who has left is hardly possible in Aeries."""

SOME_ROWS = 5
"""In a list of as many rows a required value is somewhere."""

REQUIRED: Mapping[str, str] = {"LastName": "last name", "FirstName": "first name", "Grade": "grade"}
"""What Xello needs of every student, by field of Aeries."""

_ASKS = "; aeries-pipeline check counts the codes; see which fields the certificate may read, and "
_ASKS += "approve only what is so in Aeries"


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """The list of a school that never had an account.

    Attributes:
        school: School code.
        rows: Rows of the list.
        coded: Rows with a status code.
        lacking: Required fields that no row has.
    """

    school: int
    rows: int
    coded: int
    lacking: tuple[str, ...] = ()

    @property
    def doubt(self) -> str:
        """Why a person must look before accounts are made; empty if nobody must."""
        said = []
        if self.rows > MANY_ROWS and not self.coded:
            said.append("with a status code, so that who has left cannot be told from who is here")
        if self.rows >= SOME_ROWS:
            said += [f"with a {REQUIRED[name]}" for name in self.lacking]
        if not said:
            return ""
        return (
            f"of the {self.rows:,} rows of school {self.school} in its first load not one is "
            f"{' or '.join(said)}{_ASKS}"
        )


def first_loads(
    connection: duckdb.DuckDBPyConnection, district: str, schools: Collection[int]
) -> list[FirstLoad]:
    """Return what the lists of schools hold that never had an account.

    Args:
        connection: The warehouse is its current catalog.
        district: District id.
        schools: Schools whose lists can be read.
    """
    known = connection.execute(
        "SELECT DISTINCT school FROM core.accounts WHERE district = ?", [district]
    ).fetchall()
    new = sorted(set(schools) - {school for (school,) in known})
    if not new:
        return []
    blank = [f"bool_and({is_blank(f'CAST({quoted(name)} AS VARCHAR)')})" for name in REQUIRED]
    rows = connection.execute(
        f"SELECT school, count(*), count(*) FILTER (NOT {is_blank(quoted('InactiveStatusCode'))}), "
        f"{', '.join(blank)} FROM raw.students WHERE district = ? AND list_contains(?, school) "
        'AND "SchoolCode" = school GROUP BY school ORDER BY school',
        [district, new],
    ).fetchall()
    return [
        FirstLoad(
            school,
            number,
            coded,
            tuple(name for name, missing in zip(REQUIRED, lacking, strict=True) if missing),
        )
        for school, number, coded, *lacking in rows
    ]


def questioned(
    decisions: Mapping[int, Decision], loads: Sequence[FirstLoad]
) -> dict[int, Decision]:
    """Return decisions in which the accounts of a doubtful first load wait. Pure."""
    doubts = {one.school: one.doubt for one in loads if one.doubt}
    found = dict(decisions)
    for student, decision in decisions.items() if doubts else ():
        changes = tuple(
            replace(one, doubt=one.doubt or doubts.get(one.to_school or 0, ""))
            if one.kind in {Kind.CREATE, Kind.REACTIVATE}
            else one
            for one in decision.changes
        )
        found[student] = replace(decision, changes=changes)
    return found
