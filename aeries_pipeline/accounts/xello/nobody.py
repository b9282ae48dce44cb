"""Why a file of people for Xello would have no line, in counts: of no use while it has one.

Works on the same copy in memory as ``people``, which says who belongs in a file.
"""

from __future__ import annotations

from datetime import date

import duckdb

from aeries_pipeline.accounts.xello.people import address, is_there
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.xello_files import Conditions
from aeries_pipeline.words import counted

_CONTACT = ("contact of the students", "contacts of the students")
_MEMBER = ("active member of staff", "active members of staff")
_CONTACTS = (
    'contacts JOIN accounts a ON a.student_id = contacts."StudentID" AND a.is_delivered '
    'WHERE NOT coalesce(contacts."RedFlag", false)'
)
_STAFF = (
    "staff WHERE trim(coalesce(\"InactiveStatusCode\", '')) = '' "
    "AND coalesce(CAST(\"LeaveDate\" AS DATE) >= DATE '{today}', true)"
)


def why_nobody(
    connection: duckdb.DuckDBPyConnection, district: District, name: str, today: date
) -> str:
    """Return why a file has no line, as a part of a sentence.

    Args:
        connection: Has the copy, with accounts and schools, and who is in each file.
        district: Says which fields count.
        name: The file, as Xello calls it.
        today: The district's day.
    """
    on = district.accounts.xello
    if name == "Family" and on.family is not None:
        why = _blame(connection, "contacts", _CONTACTS, _CONTACT, on.family.fields)
    elif name == "Educator" and on.educators is not None:
        source = _STAFF.format(today=today.isoformat())
        why = _blame(connection, "staff", source, _MEMBER, on.educators.fields)
    else:
        teachers, educators = (
            connection.execute(f"SELECT count(DISTINCT {who}) FROM {table}").fetchall()[0][0]
            for who, table in (("staff", "sectionteacher_members"), ("person", "educator_members"))
        )
        why = (
            f"there are {counted(teachers, 'teacher')} of sections and "
            f"{counted(educators, 'educator')}, and no student of the files has a class today with "
            "one who is both"
        )
    return f"nobody would be in it, because {why}"


def _blame(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    called: tuple[str, str],
    conditions: Conditions,
) -> str:
    """Return how many rows lack a code that counts, by field, and how many an address."""
    one, many = called
    if not is_there(connection, table):
        return f"no list of {many} has come"
    columns = "".join(f"coalesce({table}.{quoted(name)}, ''), " for name in conditions)
    rows = connection.execute(f'SELECT {columns}{table}."EmailAddress" FROM {source}').fetchall()
    if not rows:
        return f"there is no {one}"
    said = []
    for at, (name, condition) in enumerate(conditions.items()):
        wrong = [row[at] for row in rows if not condition.shares(row[at])]
        blank = sum(not code.strip() for code in wrong)
        if wrong:
            said.append(
                f"{name} has no code that counts in {len(wrong):,} (blank in {blank:,} of these)"
            )
    right = [
        row
        for row in rows
        if all(rule.shares(code) for rule, code in zip(conditions.values(), row, strict=False))
    ]
    lacking = sum(not address(row[-1]) for row in right)
    if lacking:
        said.append(f"{lacking:,} of {len(right):,} with the right codes have no e-mail address")
    if not said:
        said.append("they are at none of the schools, or wait for a person")
    return f"of {counted(len(rows), one, many)}, {'; '.join(said)}"
