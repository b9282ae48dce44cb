"""The files of people of one delivery: who is in them tonight, and their lines.

Puts together what was found (``people``), what was kept (``kept``) and the decision
(``members``). A file is only made when every school's list has come at least once, and
never without a line: Xello would deactivate whoever it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts.policy import policy_of
from aeries_pipeline.accounts.xello import kept
from aeries_pipeline.accounts.xello.layout import (
    EDUCATOR,
    EDUCATOR_STUDENT,
    FAMILY,
    STUDENT_GROUP,
    Layout,
)
from aeries_pipeline.accounts.xello.members import File, Outcome, Reading, decide
from aeries_pipeline.accounts.xello.nobody import why_nobody
from aeries_pipeline.accounts.xello.people import (
    EDUCATORS,
    TEACHERS,
    copy_people,
    files_of,
    found_in,
    with_present_students,
)
from aeries_pipeline.accounts.xello.people import FAMILY as CONTACTS
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.words import named

_CELLS = {
    EDUCATORS.name: [column.name for column in EDUCATOR.columns],
    CONTACTS.name: [column.name for column in FAMILY.columns],
    TEACHERS.name: ["section", "staff"],
}


@dataclass(frozen=True)
class More:
    """What is decided about the files of people.

    Attributes:
        outcomes: Who is in each, by name of the file.
        queries: The lines of each file that is made, by its layout.
        not_made: Why a file is not made, by its name.
    """

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    queries: Mapping[Layout, str] = field(default_factory=dict)
    not_made: Mapping[str, str] = field(default_factory=dict)

    @property
    def held(self) -> dict[str, dict[str, int]]:
        """Why something of a file waits for a person, with the number of people, by file."""
        return {name: dict(one.reasons) for name, one in self.outcomes.items() if one.reasons}


def decide_more(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    district: District,
    moment: datetime,
) -> More:
    """Decide who is in each file of people of a district, and make their tables in memory.

    Args:
        connection: Has the district's copy, with the rows of ``School``.
        warehouse: Where people and what was kept of them are.
        district: The roster's entry.
        moment: The present, UTC without a zone.
    """
    today = district.day_of(moment)
    policy = policy_of(district, today)
    files = files_of(district)
    if not files:
        return More()
    until_now = kept.read(warehouse, district.id, moment - timedelta(days=policy.bounds.over_days))
    outcomes: dict[str, Outcome] = {}
    waits: dict[str, str] = {}
    for file in files:
        known = until_now.get(file.name, kept.Kept())
        readings = copy_people(connection, warehouse, district, file)
        before = known.members
        if file is CONTACTS:
            before = with_present_students(connection, before)
        found = found_in(connection, district, file, before, today)
        outcome = decide(file, before, found, readings, policy, moment, known.past)
        _make_table(connection, file, outcome)
        outcomes[file.name] = outcome
        waits[file.name] = _why_not(file, readings, district.schools)
    return _with_queries(connection, district, outcomes, waits, today)


def _why_not(file: File, readings: Mapping[int | None, Reading], schools: Iterable[int]) -> str:
    """Return why a file cannot be made yet; empty if it can."""
    if file is EDUCATORS:
        has_come = any(one.whole_at for one in readings.values())
        return "" if has_come else "the list of staff has never come"
    never = [code for code in schools if readings.get(code, Reading()).whole_at is None]
    if not never:
        return ""
    return f"the {file.called} of {named('school', never)} have never come"


def _make_table(connection: duckdb.DuckDBPyConnection, file: File, outcome: Outcome) -> None:
    cells = _CELLS[file.name]
    rows = [
        {"person": person, "school": school, **dict(zip(cells, one.values, strict=True))}
        for (person, school), one in outcome.members.items()
        if one.is_in
    ]
    schema = pa.schema(
        [("person", pa.string()), ("school", pa.int32()), *((one, pa.string()) for one in cells)]
    )
    connection.register("made", pa.Table.from_pylist(rows, schema=schema))
    connection.execute(f"CREATE TABLE {_table(file)} AS FROM made")
    connection.unregister("made")


def _table(file: File) -> str:
    return f"{file.name.lower()}_members"


def _columns(layout: Layout) -> str:
    return ", ".join(quoted(column.name) for column in layout.columns)


def _with_queries(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    outcomes: Mapping[str, Outcome],
    waits: Mapping[str, str],
    today: date,
) -> More:
    on = district.accounts.xello
    taught = _taught(today)
    wanted = {
        FAMILY: (on.family, (CONTACTS,), f"SELECT {_columns(FAMILY)} FROM {_table(CONTACTS)}"),
        # Who has two records has one account.
        EDUCATOR: (
            on.educators, (EDUCATORS,),
            f"SELECT {_columns(EDUCATOR)} FROM {_table(EDUCATORS)} QUALIFY row_number() OVER "
            '(PARTITION BY lower("Email"), "SchoolCode" ORDER BY CAST(person AS BIGINT)) = 1',
        ),
        EDUCATOR_STUDENT: (
            on.educator_students, (EDUCATORS, TEACHERS),
            f'SELECT DISTINCT email AS "EducatorEmail", student AS "StudentId" FROM ({taught})',
        ),
        STUDENT_GROUP: (
            on.student_groups, (EDUCATORS, TEACHERS),
            f'SELECT DISTINCT name AS "GroupName", email AS "EducatorEmail", '
            f'student AS "StudentId", CAST(school AS VARCHAR) AS "SchoolCode" FROM ({taught})',
        ),
    }  # fmt: skip
    queries: dict[Layout, str] = {}
    not_made: dict[str, str] = {}
    for layout, (is_on, files, query) in wanted.items():
        if not is_on:
            continue
        reasons = [waits[file.name] for file in files if waits[file.name]]
        has_line = not reasons and connection.execute(f"{query} LIMIT 1").fetchone()
        if has_line:
            queries[layout] = f"{query} ORDER BY ALL"
        else:
            not_made[layout.name] = "; ".join(reasons) or why_nobody(
                connection, district, layout.name, today
            )
    return More(outcomes, queries, not_made)


def _taught(today: date) -> str:
    """Return whom each educator teaches on a day, with the section as the name of a group."""
    day = f"DATE '{today.isoformat()}'"
    return f"""
        SELECT e.email, CAST(a.student_id AS VARCHAR) AS student, k.school,
               coalesce(nullif(c.title, ''), k.course) || ' (' || k.school || '-' || k.section
               || ')-' || e.name AS name
        FROM {_table(TEACHERS)} t
        JOIN (SELECT person, any_value("Email") AS email,
                     any_value(trim("FirstName" || ' ' || "LastName")) AS name
              FROM {_table(EDUCATORS)} GROUP BY person) e ON e.person = t.staff
        JOIN classes k ON k.school = t.school AND CAST(k.section AS VARCHAR) = t.section
        JOIN accounts a ON a.student_id = k.student_id AND a.is_delivered
        LEFT JOIN courses c ON c.id = k.course
        WHERE coalesce(k.started <= {day}, true) AND coalesce(k.ended >= {day}, true)
    """
