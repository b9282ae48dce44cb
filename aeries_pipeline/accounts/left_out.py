"""Which students of a district are left out: found from the roster, its list and the rows.

The rules are in ``sharing``. Who was left out is kept in ``core.left_out``, so
that a failing list or field shares nobody again; ``meta.share_readings`` has
what each computation found, in counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb

from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.accounts.opt_outs import UnreadableListError, read_list
from aeries_pipeline.accounts.policy import Policy, policy_of
from aeries_pipeline.accounts.sharing import (
    CHOSEN,
    SAID,
    Cause,
    LeftOut,
    ShareRow,
    blank_fields,
    causes_of,
    judged,
    still_out,
)
from aeries_pipeline.accounts.tables import LEFT_OUT_COLUMNS, SHARE_READINGS_COLUMNS, prepare
from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.share import NOBODY_LEFT_OUT, ShareSettings
from aeries_pipeline.stores.connection import Warehouse, table_exists
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import insert_rows
from aeries_pipeline.words import counted, verb

_HERE = (Standing.ACTIVE, Standing.PRE_ENROLLED)


class NotSharedError(RuntimeError):
    """Nothing may go out now, lest a student be shared who must not be; the message says why."""


def find_left_out(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    moment: datetime,
    catalog: str = "warehouse",
) -> LeftOut:
    """Return who is left out of a district by what stands in list and rows now.

    Nothing is written. Whoever was left out by a list that can no longer be read stays so.

    Args:
        connection: The database is its current catalog, with the tables of accounts.
        district: The roster's entry.
        moment: The present, UTC without a zone.
        catalog: Name of the database.
    """
    kept = _before(connection, district.id)
    before = {student: cause for student, (cause, _since) in kept.items()}
    share = district.share
    if share is None and not before:
        return LeftOut()
    settled = share or NOBODY_LEFT_OUT
    known = _known(connection, district.id, catalog)
    listed, trouble = _listed(district, settled, before, known)
    rows = []
    if table_exists(connection, "raw", "students", catalog):
        policy = policy_of(district, district.day_of(moment))
        rows = _rows(connection, district.id, policy, settled)
    found = causes_of(rows, settled, listed)
    seen = {row.student_id for row in rows if row.codes is not None and settled.fields}
    found = still_out(before, found, seen) if settled.fields else found
    rounds = timedelta(hours=district.accounts.round_hours)
    ripe = {
        student
        for student, (cause, since) in kept.items()
        if cause is Cause.NOT_YET and moment - since >= rounds
    }
    verdict = judged(before, found, settled.max_shared_again, settled.min_shared_again, ripe)
    said = [trouble, verdict.trouble, *(_blank(one) for one in blank_fields(rows, settled))]
    trouble = "; ".join(one for one in said if one)
    return replace(verdict, trouble=trouble, unknown=len(listed - known), listed=len(listed))


def _blank(name: str) -> str:
    return (
        f"the field {name} is blank in every row, so who is not to be shared cannot be told; see "
        "which fields the certificate may read, or take the field out of share in the roster"
    )


def _before(
    connection: duckdb.DuckDBPyConnection, district: str
) -> dict[int, tuple[Cause, datetime]]:
    """Return who was left out until now, for what cause and since when."""
    rows = connection.execute(
        "SELECT student_id, cause, since FROM core.left_out WHERE district = ?", [district]
    ).fetchall()
    return {student: (Cause(cause), since) for student, cause, since in rows}


def _listed(
    district: District, share: ShareSettings, before: Mapping[int, Cause], known: set[int]
) -> tuple[frozenset[int], str]:
    """Return who is on the list; where it cannot be read, who was on it, and why it cannot."""
    if not share.opted_out:
        return frozenset(), ""
    try:
        listed = read_list(district.beside(share.opted_out))
    except UnreadableListError as error:
        trouble = str(error)
    else:
        if listed & known or not (listed and known):
            return listed, ""
        trouble = (
            f"has {counted(len(listed), 'number')} of which none is a StudentID of this district"
        )
    kept = frozenset(one for one, cause in before.items() if cause in CHOSEN - {Cause.FIELD})
    return kept, (
        f"the list of students who opted out ({share.opted_out}) {trouble}; the {len(kept)} of the "
        "last one that could be read stay left out; mend the list"
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, district: str, policy: Policy, share: ShareSettings
) -> list[ShareRow]:
    """Return the rows of students who are here or come, and accounts without any."""
    names = list(share.fields)
    codes = "".join(f", coalesce(r.{quoted(name)}, '')" for name in names)
    status = trimmed('r."InactiveStatusCode"')
    rows = connection.execute(
        f'SELECT r."StudentID", CAST(r."SchoolCode" AS INTEGER), coalesce(r."Grade", a.grade), '
        f"f.student_id, {status}{codes} FROM raw.students r "
        'LEFT JOIN core.accounts a ON a.district = r.district AND a.student_id = r."StudentID" '
        # A former id may be another system's, and by chance another student's.
        "LEFT JOIN core.accounts f ON f.district = r.district "
        'AND f.student_id = r."OldStudentID" AND f.birthdate = CAST(r."Birthdate" AS DATE) '
        'WHERE r.district = ? AND r."SchoolCode" = r.school '
        'AND r."InactiveStatusCode" IS NOT NULL',
        [district],
    ).fetchall()
    found = [
        ShareRow(student, school, grade, former, tuple(values))
        for student, school, grade, former, code, *values in rows
        if policy.standing(code, school) in _HERE
    ]
    present = {row.student_id for row in found}
    accounts = connection.execute(
        "SELECT student_id, school, grade FROM core.accounts "
        "WHERE district = ? AND state = 'active'",
        [district],
    ).fetchall()
    found += [ShareRow(*one) for one in accounts if one[0] not in present]
    return found


def _known(connection: duckdb.DuckDBPyConnection, district: str, catalog: str) -> set[int]:
    queries = ["SELECT student_id FROM core.accounts WHERE district = $district"]
    if table_exists(connection, "raw", "students", catalog):
        queries.append('SELECT "StudentID" FROM raw.students WHERE district = $district')
    rows = connection.execute(" UNION ".join(queries), {"district": district}).fetchall()
    return {student for (student,) in rows}


def note_left_out(
    connection: duckdb.DuckDBPyConnection, district: District, found: LeftOut, moment: datetime
) -> None:
    """Keep who is left out after a computation, and what was found, where it has changed."""
    before = _before(connection, district.id)
    if {student: cause for student, (cause, _since) in before.items()} != found.causes:
        connection.execute("DELETE FROM core.left_out WHERE district = ?", [district.id])
        rows = [
            (district.id, student, str(cause), since if cause is was else moment)
            for student, cause in sorted(found.causes.items())
            for was, since in [before.get(student, (None, moment))]
        ]
        insert_rows(connection, "core.left_out", LEFT_OUT_COLUMNS, rows)
    reading = (
        found.trouble or None, json.dumps(found.counted(found.causes)), found.listed, found.unknown
    )  # fmt: skip
    last = connection.execute(
        "SELECT trouble, causes, listed, unknown FROM meta.share_readings WHERE district = ? "
        "ORDER BY read_at DESC LIMIT 1",
        [district.id],
    ).fetchone()
    if last != reading and (last is not None or district.share is not None):
        row = (new_id(moment), district.id, moment, *reading)
        insert_rows(connection, "meta.share_readings", SHARE_READINGS_COLUMNS, [row])


def look(warehouse: Warehouse, district: District, moment: datetime | None = None) -> LeftOut:
    """Return who is left out of a district now; nothing is written."""
    with warehouse.open() as connection:
        prepare(connection)
        return find_left_out(connection, district, moment or now())


def told(found: LeftOut) -> str:
    """Return who is left out, in counts and a sentence."""
    counts = found.students_by_cause()
    listed = ", ".join(f"{number} {SAID[Cause(cause)]}" for cause, number in counts.items())
    unknown = (
        f"; besides, {found.unknown:,} of the {counted(found.listed, 'StudentID')} on the list "
        f"{verb(found.unknown, 'is that', 'are those')} of no student here"
        if found.unknown
        else ""
    )
    return f"left out of what is shared: {listed or 'nobody'}{unknown}"


def accept(
    warehouse: Warehouse, district: District, who: str, why: str, moment: datetime | None = None
) -> int:
    """Let those be shared again whom list and fields no longer name.

    Returns:
        How many they are.

    Raises:
        ConfigurationError: If nobody is named, no reason is given, or nobody waits for it.
    """
    if not who.strip() or not why.strip():
        raise ConfigurationError("no_reason", f"{district.id}: say who decides and why")
    moment = moment or now()
    with warehouse.open() as connection:
        prepare(connection)
        found = find_left_out(connection, district, moment)
        again = sorted(found.shared_again)
        if not found.doubted:
            raise ConfigurationError(
                "nobody_waits", f"{district.id}: nobody waits to be shared again; nothing was done"
            )
        connection.execute("BEGIN")
        connection.execute(
            "DELETE FROM core.left_out WHERE district = ? AND list_contains(?, student_id)",
            [district.id, again],
        )
        connection.execute(
            "INSERT INTO meta.account_decisions (decision_id, district, action, decided_by, why, "
            "decided_at, changes) VALUES (?, ?, 'share_again', ?, ?, ?, ?)",
            [new_id(moment), district.id, who.strip(), why.strip(), moment, len(again)],
        )
        connection.execute("COMMIT")
    return len(again)
