"""Who has been in the files of people so far, kept in the warehouse, and people's decisions.

``core.xello_members`` has one row for each person and school of a file, including
those who wait to be added; ``meta.xello_leavings`` counts who left, without names.
Both exist only if a district has such a file, and are in no copy for analysts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from aeries_pipeline.accounts import tables
from aeries_pipeline.accounts.model import Kind
from aeries_pipeline.accounts.safeguards import ABSENT, Past
from aeries_pipeline.accounts.xello.members import Key, Member, Outcome
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.stores.connection import CATALOG, Warehouse
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.stores.versions import make_tables

MEMBERS_COLUMNS = (
    ("district", "VARCHAR"),
    ("file", "VARCHAR"),
    ("person", "VARCHAR"),
    ("school", "INTEGER"),
    ("student_id", "BIGINT"),
    ("cells", "VARCHAR[]"),
    ("since", "TIMESTAMP"),
    ("is_in", "BOOLEAN"),
    ("missing_since", "TIMESTAMP"),
    ("rounds", "INTEGER"),
    ("counted_at", "TIMESTAMP"),
    ("code", "VARCHAR"),
    ("asks", "VARCHAR"),
    ("held", "VARCHAR"),
    ("approved", "BOOLEAN"),
)
"""Columns of ``core.xello_members``."""

LEAVINGS_COLUMNS = (
    ("district", "VARCHAR"),
    ("file", "VARCHAR"),
    ("school", "INTEGER"),
    ("left_at", "TIMESTAMP"),
    ("people", "BIGINT"),
    ("absent", "BIGINT"),
)
"""Columns of ``meta.xello_leavings``: who left a file by itself, counted by night and school."""

NOT_MADE_COLUMNS = (("district", "VARCHAR"), ("file", "VARCHAR"), ("why", "VARCHAR"))
"""Columns of ``meta.xello_not_made``: files that the last delivery lacks although they are on."""

_TABLES = {
    "core.xello_members": MEMBERS_COLUMNS,
    "meta.xello_leavings": LEAVINGS_COLUMNS,
    "meta.xello_not_made": NOT_MADE_COLUMNS,
}
_FIELDS = (
    "person, school, cells, since, is_in, missing_since, rounds, counted_at, code, asks, "
    "held, approved, student_id"
)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables where missing; the warehouse is the current catalog."""
    tables.prepare(connection)
    make_tables(connection, CATALOG, _TABLES)


@dataclass(frozen=True)
class Kept:
    """What is kept of one file: its people, and who has left it by itself of late."""

    members: Mapping[Key, Member] = field(default_factory=dict)
    past: Past = field(default_factory=Past)


def read(warehouse: Warehouse, district: str, since: datetime) -> dict[str, Kept]:
    """Return what is kept of each file.

    Args:
        warehouse: Holds it.
        district: District id.
        since: From when leavings are added up.
    """
    with warehouse.open() as connection:
        prepare(connection)
        rows = connection.execute(
            f"SELECT file, {_FIELDS} FROM core.xello_members WHERE district = ?", [district]
        ).fetchall()
        left = connection.execute(
            "SELECT file, school, sum(people), sum(absent) FROM meta.xello_leavings "
            "WHERE district = ? AND left_at > ? GROUP BY ALL",
            [district, since],
        ).fetchall()
    members: dict[str, dict[Key, Member]] = {}
    for file, person, school, cells, *rest in rows:
        members.setdefault(file, {})[person, school] = Member(tuple(cells), *rest)
    people: dict[str, dict[int, int]] = {}
    absent: dict[str, dict[int, int]] = {}
    for file, school, number, lacking in left:
        people.setdefault(file, {})[school] = int(number)
        absent.setdefault(file, {})[school] = int(lacking)
    return {
        file: Kept(members.get(file, {}), Past(people.get(file, {}), absent.get(file, {})))
        for file in {*members, *people}
    }


def write(
    warehouse: Warehouse,
    district: str,
    outcomes: Mapping[str, Outcome],
    moment: datetime,
    not_made: Mapping[str, str] | None = None,
) -> None:
    """Keep who is in each file and which one is not made, and count who has left, at once."""
    with writing(warehouse, f"{district}, people of the files for Xello") as connection:
        prepare(connection)
        connection.execute("DELETE FROM meta.xello_not_made WHERE district = ?", [district])
        lacking = [(district, file, why) for file, why in (not_made or {}).items()]
        insert_rows(connection, "meta.xello_not_made", NOT_MADE_COLUMNS, lacking)
        for file, outcome in outcomes.items():
            connection.execute(
                "DELETE FROM core.xello_members WHERE district = ? AND file = ?", [district, file]
            )
            rows = [
                (
                    district, file, person, school, one.student_id, list(one.values), one.since,
                    one.is_in, one.missing_since, one.rounds, one.counted_at, one.code, one.asks,
                    one.held, one.approved,
                )
                for (person, school), one in outcome.members.items()
            ]  # fmt: skip
            insert_rows(connection, "core.xello_members", MEMBERS_COLUMNS, rows)
            people = Counter(school for _code, school in outcome.left)
            absent = Counter(school for code, school in outcome.left if code == ABSENT)
            counts = [
                (district, file, school, moment, number, absent[school])
                for school, number in sorted(people.items())
            ]
            insert_rows(connection, "meta.xello_leavings", LEAVINGS_COLUMNS, counts)


def standing(
    warehouse: Warehouse, district: str
) -> list[tuple[str, int, int, int, dict[str, int]]]:
    """Return of each file: people in it, missing, held, and the reasons with their numbers."""
    with warehouse.open() as connection:
        prepare(connection)
        rows = connection.execute(
            "SELECT file, is_in, missing_since IS NOT NULL, asks, held, approved, count(*) "
            "FROM core.xello_members WHERE district = ? GROUP BY ALL ORDER BY ALL",
            [district],
        ).fetchall()
    found: dict[str, tuple[int, int, int, dict[str, int]]] = {}
    for file, is_in, missing, asks, held, approved, number in rows:
        inside, gone, waits, reasons = found.get(file, (0, 0, 0, {}))
        if asks and not approved:
            reasons[held] = reasons.get(held, 0) + number
            waits += number
        found[file] = (
            inside + (number if is_in else 0), gone + (number if missing else 0), waits, reasons
        )  # fmt: skip
    return [(file, *counts) for file, counts in found.items()]


def not_made(warehouse: Warehouse, district: str) -> dict[str, str]:
    """Return which files the last delivery lacks although they are on, and why."""
    with warehouse.open() as connection:
        prepare(connection)
        return dict(
            connection.execute(
                "SELECT file, why FROM meta.xello_not_made WHERE district = ? ORDER BY file",
                [district],
            ).fetchall()
        )


def approve(
    warehouse: Warehouse,
    district: str,
    file: str,
    who: str,
    why: str,
    *,
    keeps: bool = False,
    moment: datetime | None = None,
) -> int:
    """Approve what is held of a file; the next delivery carries it out, if it is still asked for.

    Args:
        warehouse: Holds it.
        district: District id.
        file: As Xello calls it.
        who: Who decides.
        why: The reason, for the audit trail.
        keeps: Whether those who would leave stay, and are counted from the beginning.
        moment: The present, UTC without a zone.

    Returns:
        How many people it is about.

    Raises:
        ConfigurationError: If nothing is held, or nobody or no reason is named.
    """
    if not who.strip() or not why.strip():
        raise ConfigurationError("no_reason", f"{district}: say who decides and why")
    moment = moment or now()
    with writing(warehouse, f"{district}, people of the files for Xello") as connection:
        prepare(connection)
        said = "rounds = 0, counted_at = NULL, missing_since = NULL, asks = '', held = ''"
        changed = connection.execute(
            f"UPDATE core.xello_members SET {said if keeps else 'approved = true'} "
            f"WHERE district = ? AND file = ? AND asks <> '' AND NOT approved "
            f"{'AND asks = ' + repr(str(Kind.DEACTIVATE)) if keeps else ''} RETURNING person",
            [district, file],
        ).fetchall()
        if not changed:
            raise ConfigurationError(
                "nobody_waits", f"{district}: nothing of the file {file} waits; nothing was done"
            )
        connection.execute(
            "INSERT INTO meta.account_decisions (decision_id, district, action, kind, decided_by, "
            "why, decided_at, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [new_id(moment), district, "keep_in_file" if keeps else "approve_file", file,
             who.strip(), why.strip(), moment, len(changed)],
        )  # fmt: skip
    return len(changed)
