"""Writes a delivery: the files, the account changes, problems, a manifest.

A delivery is a folder that appears completely or not at all. What does not fit
Xello's specification is reported in ``problems.csv`` by row and column, never
by value. A delivery that would be the same as the last one is not written.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock

from aeries_pipeline.accounts.left_out import look
from aeries_pipeline.accounts.model import LONG_AGO
from aeries_pipeline.accounts.sharing import LeftOut, not_to_be_shared
from aeries_pipeline.accounts.xello import kept
from aeries_pipeline.accounts.xello.contents import (
    CHANGES_QUERY,
    KEPT,
    STUDENTS_QUERY,
    NothingToDeliverError,
    copy_district,
    courses_query,
    schools_query,
)
from aeries_pipeline.accounts.xello.layout import (
    ALL_LAYOUTS,
    DELIMITER,
    LAYOUTS,
    SCHOOL,
    STUDENT,
    Column,
    Layout,
    Mend,
)
from aeries_pipeline.accounts.xello.more import More, decide_more
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse, private_directory
from aeries_pipeline.stores.deliveries import (
    checksums,
    free_name,
    keep,
    newest,
    publish,
)
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.scratch import clear_scratch, scratch_folder
from aeries_pipeline.words import counted

CHANGES = "account_changes.csv"
PROBLEMS = "problems.csv"
_BREAKS = r"[|\x00-\x1f\x7f\x{0085}\x{2028}\x{2029}]"
_BATCH = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered.

    Attributes:
        folder: Where it lies.
        is_new: False if the last delivery was the same.
        rows: Rows of each file, headers apart.
        problems: Values that did not fit, by file, column and what was done.
        undelivered: Active accounts outside the delivered grades.
        missing: Tables that were not there yet.
        manifest: The manifest as written.
        left_out: Students who are not shared, by cause.
        more: What was decided about the files of people.
    """

    folder: Path
    is_new: bool
    rows: Mapping[str, int]
    problems: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    undelivered: int = 0
    missing: Sequence[str] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    more: More = field(default_factory=More)


def deliver(
    warehouse: Warehouse, district: District, out: Path, *, moment: datetime | None = None
) -> Delivery:
    """Write a district's delivery, unless it would be the same as the last one.

    Args:
        warehouse: Where accounts and raw tables are.
        district: The roster's entry.
        out: The folder for everything that is delivered.
        moment: The present, UTC without a zone; tests give another.

    Raises:
        NothingToDeliverError: If there is nothing to make it from, or an
            account is at a school that Aeries does not list, or must not be shared.
    """
    moment = moment or now()
    place = private_directory(out / district.id / "xello")
    # One at a time: two would both report the changes since the last delivery.
    with FileLock(place.with_name("xello.lock"), timeout=300), warehouse.connect() as connection:
        clear_scratch(place)
        last = newest(place)
        left_out = look(warehouse, district, moment)
        missing = copy_district(connection, warehouse, district, left_out.causes)
        _check_sharing(connection, district, left_out)
        _check_schools(connection, district)
        connection.execute(
            "CREATE TABLE problems (file VARCHAR, row_key VARCHAR, col VARCHAR, "
            "problem VARCHAR, action VARCHAR)"
        )
        _prepare(connection, SCHOOL, schools_query(district.schools))
        _report_lost_next_schools(connection)
        _report_kept(connection)
        _prepare(connection, STUDENT, STUDENTS_QUERY)
        _prepare(connection, LAYOUTS[2], courses_query(district.day_of(moment)))
        more = decide_more(connection, warehouse, district, moment)
        for layout, query in more.queries.items():
            _prepare(connection, layout, query)
        made = _write(connection, district, place, last, moment, (missing, left_out, more))
        if more.outcomes:
            # After the files: what is kept must never be ahead of what Xello gets.
            kept.write(warehouse, district.id, more.outcomes, moment, more.not_made)
        return made


def _check_sharing(
    connection: duckdb.DuckDBPyConnection, district: District, left_out: LeftOut
) -> None:
    """Refuse while it is not certain who may be shared, or somebody who may not be has an account.

    To leave such a student out of the file would end the account in Xello, and
    what is held because of its number must not be done in this way.
    """
    delivered = connection.execute("SELECT student_id FROM accounts WHERE is_delivered").fetchall()
    counts = left_out.counted({student for (student,) in delivered})
    found = not_to_be_shared(left_out, counts)
    if found:
        raise NothingToDeliverError(
            f"{district.id}: no files for Xello, because {found}; then run aeries-pipeline sync "
            f"{district.id}, and see aeries-pipeline accounts share {district.id}"
        )


def _check_schools(connection: duckdb.DuckDBPyConnection, district: District) -> None:
    lost = connection.execute(
        "SELECT school, count(*) FROM accounts WHERE is_delivered "
        "AND school NOT IN (SELECT code FROM schools) GROUP BY school ORDER BY school"
    ).fetchall()
    if lost:
        listed = ", ".join(
            f"school {school} ({counted(number, 'account')})" for school, number in lost
        )
        raise NothingToDeliverError(
            f"{district.id}: no files for Xello, because Aeries' list of schools lacks "
            f"{listed}; pull raw/schools and look at the check roster_matches_aeries"
        )
    total = connection.execute("SELECT count(*) FROM accounts WHERE is_delivered").fetchone()
    if not total or not total[0]:
        raise NothingToDeliverError(
            f"{district.id}: no files for Xello, because there is no active account in the "
            "delivered grades; an empty Student file would deactivate everybody in Xello"
        )


def _table(layout: Layout) -> str:
    return f"{layout.name.lower()}_rows"


def _prepare(connection: duckdb.DuckDBPyConnection, layout: Layout, query: str) -> None:
    """Make the rows of a file, note what does not fit, and mend it."""
    table = _table(layout)
    connection.execute(f"CREATE TABLE {table} AS {query}")
    key = " || ' ' || ".join(quoted(name) for name in layout.key)
    for column in layout.columns:
        for problem, wrong in _faults(column):
            connection.execute(
                f"INSERT INTO problems SELECT {literal(layout.name)}, {key}, "
                f"{literal(column.name)}, {literal(problem)}, {literal(_done(column, problem))} "
                f"FROM {table} WHERE {wrong}"
            )
    drops = [wrong for c in layout.columns if c.mend is Mend.DROP for _, wrong in _faults(c)]
    if drops:
        connection.execute(f"DELETE FROM {table} WHERE {' OR '.join(drops)}")
    for column in layout.columns:
        if column.mend is not Mend.DROP:
            _mend(connection, table, column)


def _unfit(column: Column) -> list[tuple[str, str]]:
    """Return each way in which a value that is there can be wrong, with its SQL condition."""
    name = quoted(column.name)
    broken = f"regexp_matches({name}, '{_BREAKS}')"
    if column.required:
        # Of delimiters alone nothing is left, which is a missing value.
        broken += f" AND NOT {_is_missing(column)}"
    found = [("contains the delimiter or a line break", broken)]
    if column.width is not None:
        found.append((f"longer than {column.width} characters", f"length({name}) > {column.width}"))
    return found


def _faults(column: Column) -> list[tuple[str, str]]:
    """Return each way in which a value can be wrong, a missing one included."""
    missing = ("is missing", _is_missing(column))
    return [*_unfit(column), *([missing] if column.required else [])]


def _is_missing(column: Column) -> str:
    bare = f"regexp_replace({quoted(column.name)}, '{_BREAKS}+', ' ', 'g')"
    return f"coalesce(trim({bare}), '') = ''"


def _done(column: Column, problem: str) -> str:
    if problem == "is missing":
        return str(Mend.DROP) if column.mend is Mend.DROP else "stays without it"
    return str(column.mend)


def _mend(connection: duckdb.DuckDBPyConnection, table: str, column: Column) -> None:
    name = quoted(column.name)
    value = "NULL"
    if column.mend is Mend.FIT:
        fitted = f"trim(regexp_replace({name}, '{_BREAKS}+', ' ', 'g'))"
        value = f"left({fitted}, {column.width})" if column.width else fitted
    wrong = " OR ".join(condition for _problem, condition in _faults(column))
    connection.execute(f"UPDATE {table} SET {name} = {value} WHERE {wrong}")


def _report_lost_next_schools(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "INSERT INTO problems SELECT 'Student', CAST(student_id AS VARCHAR), 'PreRegSchoolCode', "
        "'is not in the School file', 'left blank' FROM accounts "
        "WHERE is_delivered AND next_school IS NOT NULL "
        'AND next_school NOT IN (SELECT CAST("SchoolCode" AS INTEGER) FROM school_rows)'
    )


def _report_kept(connection: duckdb.DuckDBPyConnection) -> None:
    """Report required values that Aeries no longer has, while the last one is delivered."""
    for column, value in KEPT.items():
        connection.execute(
            f"INSERT INTO problems SELECT 'Student', CAST(a.student_id AS VARCHAR), '{column}', "
            f"'is blank in Aeries', 'the last one stays' FROM accounts a JOIN students v "
            "USING (student_id, school, student_number) "
            f"WHERE a.is_delivered AND v.{quoted(column)} "
            f"AND coalesce(CAST(a.{value} AS VARCHAR), '') <> ''"
        )


def _write(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    place: Path,
    last: Mapping[str, Any] | None,
    moment: datetime,
    about: tuple[Sequence[str], LeftOut, More],
) -> Delivery:
    missing, left_out, more = about
    layouts = (*LAYOUTS, *more.queries)
    with scratch_folder(place) as scratch:
        rows = {layout.name: _write_layout(connection, layout, scratch) for layout in layouts}
        low, high = district.accounts.delivered_grades
        since = datetime.fromisoformat(last["changes_through"]) if last else LONG_AGO
        changes = connection.execute(CHANGES_QUERY, {"since": since, "low": low, "high": high})
        rows["account_changes"] = _write_csv(scratch / CHANGES, changes)
        problems = connection.execute(
            "SELECT file, row_key AS row, col AS column, problem, action FROM problems ORDER BY ALL"
        )
        rows["problems"] = _write_csv(scratch / PROBLEMS, problems)
        sums = checksums(scratch)
        found = Delivery(
            folder=place, is_new=True, rows=rows, problems=_problems(connection),
            undelivered=_undelivered(connection), missing=missing,
            left_out=left_out.students_by_cause(), more=more,
        )  # fmt: skip
        if last and not rows["account_changes"] and _same(last, sums):
            folder = place / str(last["name"])
            return replace(found, folder=folder, is_new=False, manifest=last)
        return _finish(connection, district, scratch, found, moment, sums)


def _same(last: Mapping[str, Any], sums: Mapping[str, str]) -> bool:
    if last.get("rewritten"):
        # Somebody was taken out of it; Xello learns of it by a new one alone.
        return False
    before = {name: one["sha256"] for name, one in last["files"].items()}
    names = {layout.file_name for layout in ALL_LAYOUTS}
    return {name: one for name, one in before.items() if name in names} == {
        name: one for name, one in sums.items() if name in names
    }


def _finish(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    scratch: Path,
    found: Delivery,
    moment: datetime,
    sums: Mapping[str, str],
) -> Delivery:
    place = found.folder
    name = free_name(place, moment)
    through = connection.execute("SELECT max(recorded_at) FROM changes").fetchone()
    made = (*LAYOUTS, *found.more.queries)
    counts = {layout.file_name: found.rows[layout.name] for layout in made}
    counts |= {CHANGES: found.rows["account_changes"], PROBLEMS: found.rows["problems"]}
    manifest = {
        "name": name,
        "district": district.id,
        "made_at": f"{moment.isoformat()}Z",
        "changes_through": ((through and through[0]) or LONG_AGO).isoformat(),
        "delivered_grades": list(district.accounts.delivered_grades),
        "accounts_outside_these_grades": found.undelivered,
        "tables_not_pulled": list(found.missing),
        "left_out_of_what_is_shared": dict(found.left_out),
        "files_not_made": dict(found.more.not_made),
        "pulls": _pulls(connection),
        "files": {
            file: {"rows": counts[file], "bytes": (scratch / file).stat().st_size, "sha256": digest}
            for file, digest in sums.items()
        },
    }
    folder = publish(scratch, place, manifest)
    keep(place, district.accounts.deliveries_keep)
    return replace(found, folder=folder, manifest=manifest)


def _write_layout(connection: duckdb.DuckDBPyConnection, layout: Layout, folder: Path) -> int:
    """Write a file and return its rows. Lines are joined by hand: nothing is quoted."""
    values = ", ".join(f"coalesce({quoted(column.name)}, '')" for column in layout.columns)
    cursor = connection.execute(f"SELECT concat_ws('{DELIMITER}', {values}) FROM {_table(layout)}")
    written = 0
    with (folder / layout.file_name).open("w", encoding="utf-8", newline="") as file:
        file.write(layout.header + "\n")
        while lines := cursor.fetchmany(_BATCH):
            written += len(lines)
            file.write("\n".join(line for (line,) in lines) + "\n")
    return written


def _write_csv(path: Path, cursor: duckdb.DuckDBPyConnection) -> int:
    names = [column[0] for column in cursor.description or []]
    rows = cursor.fetchall()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    return len(rows)


def _problems(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str, str], int]:
    rows = connection.execute(
        "SELECT file, col, problem, action, count(*) FROM problems GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return {(file, column, problem, action): n for file, column, problem, action, n in rows}


def _undelivered(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(
        "SELECT count(*) FROM accounts WHERE state = 'active' AND NOT is_delivered"
    ).fetchone()
    return int(found[0]) if found else 0


def _pulls(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the pulls that each table of the delivery comes from."""
    found = {}
    for name in ("accounts", "schools", "courses", "classes", "transcripts"):
        rows = connection.execute(
            f"SELECT DISTINCT pull_id FROM {name} WHERE pull_id IS NOT NULL ORDER BY 1"
        ).fetchall()
        found[name] = [pull for (pull,) in rows]
    return found
