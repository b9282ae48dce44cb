"""Removing a person from a database file.

Deleted rows stay in the pages of a DuckDB file until something else overwrites them, so
the file is rewritten without them and takes the place of the old one in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from aeries_pipeline.analytics.publishing.contents import OTHER_KEYS, STUDENT_KEYS
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.operations.privacy.person import Person
from aeries_pipeline.stores.connection import tables_of
from aeries_pipeline.stores.diagnose import Trouble, diagnose
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.scratch import scratch_folder

_TEXTS = ("stated_student", "record")
"""Columns of texts that may hold the student's id: as a file stated it, or in quarantine."""


_FREE_TEXTS = (
    "why",
    "decided_by",
    "status_reason",
    "stop_reason",
    "outside_window_reason",
    "accept_shrunken_reason",
)
"""Columns in which a person may have named the student."""

Condition = Callable[[Sequence[str]], str | None]
"""Which rows of a table go, as SQL, by its columns; None if all stay."""

REDACTED = "[removed: it named a student who was forgotten]"


Ready = Callable[[Path], None]
"""Is called with the new file just before it takes the place of the old one."""


class NotErasedError(RuntimeError):
    """The file could not be rewritten; it is as it was."""


def erase_student(path: Path, person: Person, ready: Ready | None = None) -> int:
    """Take a student out of a database file and return how many rows went.

    Args:
        path: The file.
        person: The student.
        ready: What has to be known before the new file is in its place.

    Raises:
        NotErasedError: If the disk is full or the file cannot be read.
    """
    return _rewrite(
        path, lambda columns: _of_student(columns, person), (person.district, person), ready
    )


def erase_district(path: Path, district: str, ready: Ready | None = None) -> int:
    """Take a district out of a database file and return how many rows went.

    Args:
        path: The file.
        district: The district's id.
        ready: What has to be known before the new file is in its place.

    Raises:
        NotErasedError: If the disk is full or the file cannot be read.
    """
    return _rewrite(path, lambda _columns: "district = $district", (district, None), ready)


def _of_student(columns: Sequence[str], person: Person) -> str | None:
    tests = [f"{quoted(name)} = {person.student}" for name in STUDENT_KEYS if name in columns]
    pattern = literal(person.pattern)
    tests += [
        f"regexp_matches(CAST({quoted(name)} AS VARCHAR), {pattern})"
        for name in _TEXTS
        if name in columns
    ]
    return f"district = $district AND ({' OR '.join(tests)})" if tests else None


def _replaced(schema: str, table: str, columns: Sequence[str], person: Person | None) -> str:
    """Return what stays of a row that is not the student's own but points there."""
    if person is None:
        return ""
    changes = [
        f"CASE WHEN district = $district AND {quoted(name)} = {person.student} THEN NULL "
        f"ELSE {quoted(name)} END AS {quoted(name)}"
        for name in OTHER_KEYS
        if name in columns
    ]
    pattern = literal(person.pattern)
    changes += [
        f"CASE WHEN district = $district AND regexp_matches({quoted(name)}, {pattern}) "
        f"THEN {literal(REDACTED)} ELSE {quoted(name)} END AS {quoted(name)}"
        for name in _FREE_TEXTS
        if name in columns and schema != "quarantine"
    ]
    if (schema, table) == ("meta", "pulls") and "answers" in columns:
        # The tables no longer hold what these answers held: no answer may count as unchanged.
        changes.append("CASE WHEN district = $district THEN NULL ELSE answers END AS answers")
    return f" REPLACE ({', '.join(changes)})" if changes else ""


def _rewrite(
    path: Path, condition: Condition, whose: tuple[str, Person | None], ready: Ready | None
) -> int:
    district, person = whose
    removed = 0
    try:
        with scratch_folder(path.parent) as scratch, open_beside(path) as connection:
            fresh = scratch / path.name
            connection.execute(f"ATTACH {literal(str(path))} AS old")
            connection.execute(f"ATTACH {literal(str(fresh))} AS fresh")
            fresh.chmod(0o600)
            for (schema,) in connection.execute(
                "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'old' "
                "AND NOT internal"
            ).fetchall():
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS fresh.{schema}")
            for (schema, table), columns in tables_of(connection, "old").items():
                removed += _copy(connection, (schema, table), columns, condition, district, person)
            connection.execute("CHECKPOINT fresh")
            connection.execute("DETACH fresh")
            connection.execute("CHECKPOINT old")
            connection.execute("DETACH old")
            if ready is not None:
                ready(fresh)
            path.with_name(path.name + ".wal").unlink(missing_ok=True)
            fresh.replace(path)
    except (duckdb.Error, OSError) as error:
        found = diagnose(error)
        if found.trouble is Trouble.DAMAGED:
            raise NotErasedError(
                f"{path} is damaged, so nobody can be taken out of it; nothing else can be done "
                "with it either: delete it, then run the same command again"
            ) from None
        # The message of the database may quote a value of a row.
        raise NotErasedError(
            f"{path.name} could not be rewritten ({found.cause}) and is as it was; "
            f"{found.remedy}, then run the same command again"
        ) from None
    return removed


def _copy(
    connection: duckdb.DuckDBPyConnection,
    place: tuple[str, str],
    columns: Sequence[str],
    condition: Condition,
    district: str,
    person: Person | None,
) -> int:
    schema, table = place
    name = f"{schema}.{quoted(table)}"
    bound = {"district": district}
    test = condition(columns) if "district" in columns else None
    if (schema, table) == ("meta", "forgotten"):
        # The audit trail has no personal data and stays.
        test = None
    replaced = _replaced(schema, table, columns, person) if "district" in columns else ""
    where = f" WHERE ({test}) IS NOT TRUE" if test else ""
    query = f"CREATE TABLE fresh.{name} AS SELECT *{replaced} FROM old.{name}{where}"
    uses = bound if "$district" in query else None
    connection.execute(query, uses) if uses else connection.execute(query)
    if not test:
        return 0
    counted = connection.execute(
        f"SELECT (SELECT count(*) FROM old.{name}) - (SELECT count(*) FROM fresh.{name})"
    ).fetchone()
    return int(counted[0]) if counted else 0


def count_district(path: Path, district: str) -> int:
    """Return how many rows a database file has of a district."""
    with looking_at(path) as connection:
        return sum(
            connection.execute(
                f"SELECT count(*) FROM old.{schema}.{quoted(table)} WHERE district = ?", [district]
            ).fetchall()[0][0]
            for (schema, table), columns in tables_of(connection, "old").items()
            if "district" in columns
        )


@contextmanager
def looking_at(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that has a database file attached as ``old``, reading only."""
    with open_beside(path) as connection:
        connection.execute(f"ATTACH {literal(str(path))} AS old (READ_ONLY)")
        yield connection
