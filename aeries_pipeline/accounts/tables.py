"""Tables and views of the account lifecycle in the warehouse, and their row shapes.

DDL only, and the two conversions between rows and values. No keys, indexes or
sequences, so that the SQL also runs on DuckLake. All times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from aeries_pipeline.accounts import duplicates, likeness
from aeries_pipeline.accounts.model import ACCOUNT_FIELDS, Account, State
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.versions import make_tables

ACCOUNTS_COLUMNS = (
    ("district", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("state", "VARCHAR"),
    ("school", "INTEGER"),
    ("next_school", "INTEGER"),
    ("grade", "INTEGER"),
    ("first_name", "VARCHAR"),
    ("last_name", "VARCHAR"),
    ("gender", "VARCHAR"),
    ("birthdate", "DATE"),
    ("email", "VARCHAR"),
    ("state_student_id", "VARCHAR"),
    ("other_schools", "INTEGER[]"),
    ("first_seen_at", "TIMESTAMP"),
    ("last_seen_at", "TIMESTAMP"),
    ("state_since", "TIMESTAMP"),
    ("missing_since", "TIMESTAMP"),
    ("absent_rounds", "INTEGER"),
    ("absent_counted_at", "TIMESTAMP"),
    ("pull_id", "VARCHAR"),
    ("student_number", "BIGINT"),
)
"""Columns of ``core.accounts``: one row for each district and student."""

CHANGES_COLUMNS = (
    ("change_id", "VARCHAR"),
    ("batch_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("kind", "VARCHAR"),
    ("from_school", "INTEGER"),
    ("to_school", "INTEGER"),
    ("changed_fields", "VARCHAR[]"),
    ("detected_at", "TIMESTAMP"),
    ("effective_at", "DATE"),
    ("pull_ids", "VARCHAR[]"),
    ("code", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("related_student_id", "BIGINT"),
    ("fingerprint", "VARCHAR"),
    ("status", "VARCHAR"),
    ("status_reason", "VARCHAR"),
    ("recorded_at", "TIMESTAMP"),
    ("decided_by", "VARCHAR"),
)
"""Columns of ``core.account_changes``, which is only ever appended to.

A change that is held and later applied or rejected has a row for each of these,
with the same ``change_id`` and ``batch_id``; the newest ``recorded_at`` counts.
"""

BATCHES_COLUMNS = (
    ("batch_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("computed_at", "TIMESTAMP"),
    ("database_year", "VARCHAR"),
    ("let_through", "BOOLEAN"),
    ("stop_reason", "VARCHAR"),
    ("pull_ids", "VARCHAR[]"),
    ("schools", "INTEGER[]"),
    ("troubles", "VARCHAR[]"),
    ("active_before", "BIGINT"),
    ("active_after", "BIGINT"),
    ("applied", "BIGINT"),
    ("held", "BIGINT"),
    ("waiting", "JSON"),
    ("run_id", "VARCHAR"),
)
"""Columns of ``meta.account_batches``: one row for each time that a district was computed."""

DECISIONS_COLUMNS = (
    ("decision_id", "VARCHAR"),
    ("batch_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("action", "VARCHAR"),
    ("kind", "VARCHAR"),
    ("school", "INTEGER"),
    ("decided_by", "VARCHAR"),
    ("why", "VARCHAR"),
    ("decided_at", "TIMESTAMP"),
    ("changes", "BIGINT"),
)
"""Columns of ``meta.account_decisions``: who approved or rejected what, and why."""

CONFIRMATIONS_COLUMNS = (
    ("district", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("purpose", "VARCHAR"),
    ("asked_at", "TIMESTAMP"),
    ("school", "INTEGER"),
    ("pull_id", "VARCHAR"),
    ("asked", "INTEGER[]"),
    ("said", "VARCHAR"),
    ("active_at", "INTEGER"),
    ("code", "VARCHAR"),
    ("open", "BOOLEAN"),
    ("run_id", "VARCHAR"),
)
"""Columns of ``core.confirmations``: who was asked for alone, where, and what the answers said."""

ENROLLMENT_COLUMNS = (
    ("district", "VARCHAR"),
    ("day", "DATE"),
    ("school", "INTEGER"),
    ("grade", "INTEGER"),
    ("students", "BIGINT"),
)
"""Columns of ``core.enrollment_counts``: active accounts as counted on each of the district's days.

Counts alone, so that they stay when a student is forgotten.
"""

WAITING_COLUMNS = (
    ("district", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("code", "VARCHAR"),
    ("since", "TIMESTAMP"),
)
"""Columns of ``core.account_waiting``: one row for each student who waits at present."""

LEFT_OUT_COLUMNS = (
    ("district", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("cause", "VARCHAR"),
    ("since", "TIMESTAMP"),
)
"""Columns of ``core.left_out``: who is not shared at present, and why. In no copy for analysts."""

SHARE_READINGS_COLUMNS = (
    ("reading_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("read_at", "TIMESTAMP"),
    ("trouble", "VARCHAR"),
    ("causes", "JSON"),
    ("listed", "BIGINT"),
    ("unknown", "BIGINT"),
)
"""Columns of ``meta.share_readings``: what was found of who is left out, whenever it changed."""

TABLES = {
    "core.left_out": LEFT_OUT_COLUMNS,
    "meta.share_readings": SHARE_READINGS_COLUMNS,
    "core.account_waiting": WAITING_COLUMNS,
    "core.accounts": ACCOUNTS_COLUMNS,
    "core.confirmations": CONFIRMATIONS_COLUMNS,
    "core.enrollment_counts": ENROLLMENT_COLUMNS,
    "core.account_changes": CHANGES_COLUMNS,
    "meta.account_batches": BATCHES_COLUMNS,
    "meta.account_decisions": DECISIONS_COLUMNS,
    "meta.account_pairs": duplicates.PAIRS_COLUMNS,
}

_VIEWS = {
    "core.account_changes_now": """
        SELECT * FROM core.account_changes
        QUALIFY row_number() OVER (PARTITION BY change_id ORDER BY recorded_at DESC,
                                   status = 'held') = 1
    """,
    "core.account_holds": """
        SELECT district, batch_id, kind, coalesce(from_school, to_school) AS school,
               count(*) AS changes, count(DISTINCT student_id) AS students,
               any_value(status_reason) AS reason, min(detected_at) AS held_since
        FROM core.account_changes_now WHERE status = 'held'
        GROUP BY ALL
    """,
    "core.account_changes_by_day": """
        SELECT district, CAST(recorded_at AS DATE) AS day, kind, status,
               count(*) AS changes, count(DISTINCT student_id) AS students
        FROM core.account_changes_now GROUP BY ALL
    """,
    "core.account_history": """
        WITH merged AS (
            SELECT c.district, c.student_id, c.related_student_id
            FROM core.account_changes_now c
            JOIN core.accounts a ON a.district = c.district AND a.student_id = c.student_id
            WHERE c.status = 'applied' AND c.kind = 'deactivate' AND a.state = 'inactive'
            QUALIFY row_number() OVER (
                PARTITION BY c.district, c.student_id ORDER BY c.recorded_at DESC) = 1
              AND c.code = 'merged' AND c.related_student_id <> c.student_id
        ), own AS (
            -- The history of a merged id goes on under the other one.
            SELECT c.district, coalesce(m.related_student_id, c.student_id) AS student_id, c.kind,
                   c.batch_id, c.recorded_at, c.effective_at, c.to_school
            FROM core.account_changes_now c
            LEFT JOIN merged m ON m.district = c.district AND m.student_id = c.student_id
            WHERE c.status = 'applied' AND c.kind <> 'update'
              AND NOT (m.student_id IS NOT NULL AND c.code = 'merged')
        ), steps AS (
            SELECT district, student_id, kind, recorded_at, effective_at,
                   CASE kind WHEN 'deactivate' THEN NULL ELSE to_school END AS school
            FROM own
            -- A return to another school is two changes of one batch: the last one counts.
            QUALIFY row_number() OVER (
                PARTITION BY district, student_id, batch_id
                ORDER BY kind = 'transfer' DESC, recorded_at DESC) = 1
        ), dated AS (
            SELECT *, max(coalesce(effective_at, CAST(recorded_at AS DATE)))
                      OVER (PARTITION BY district, student_id ORDER BY recorded_at) AS day
            FROM steps
        )
        SELECT district, student_id, school, day AS valid_from,
               lead(day) OVER (PARTITION BY district, student_id ORDER BY recorded_at) AS valid_to,
               kind AS began_with
        FROM dated
        QUALIFY school IS NOT NULL AND valid_from IS DISTINCT FROM valid_to
    """,
    "core.possible_duplicates": likeness.VIEW,
    "core.account_enrolments": """
        SELECT district, student_id, school, true AS is_current FROM core.accounts
        WHERE state = 'active'
        UNION ALL
        SELECT district, student_id, unnest(other_schools), false FROM core.accounts
        WHERE state = 'active' AND len(other_schools) > 0
    """,
    "core.students_in_several_schools": """
        SELECT district, student_id, school, other_schools FROM core.accounts
        WHERE state = 'active' AND len(other_schools) > 0
    """,
    "core.left_out_by_cause": """
        SELECT district, cause, count(*) AS students, min(since) AS since
        FROM core.left_out GROUP BY ALL
    """,
}
VIEWS = tuple(_VIEWS)
PRIVATE_VIEWS = ("core.possible_duplicates", "core.left_out_by_cause")
"""Views for whoever runs the pipeline; no analyst's copy has them."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make tables and views where missing; the warehouse is the current catalog."""
    known = connection.execute(
        "SELECT current_database(), count(*) FROM duckdb_views() "
        "WHERE database_name = current_database() "
        "AND schema_name = 'core' AND view_name = 'left_out_by_cause'"
    ).fetchone()
    if known is None or known[1]:
        # An upgrade takes the views away, so that what follows happens once more.
        return
    make_tables(connection, known[0], TABLES)
    for name, query in _VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")


def account_of(row: Sequence[Any]) -> Account:
    """Return the account of a row of ``core.accounts`` without its district."""
    values = dict(zip(ACCOUNT_FIELDS, row, strict=True))
    values["state"] = State(values["state"])
    values["other_schools"] = tuple(values["other_schools"] or ())
    return Account(**values)


def row_of(district: str, account: Account) -> tuple[Any, ...]:
    """Return the row of ``core.accounts`` for an account."""
    values = [getattr(account, name) for name in ACCOUNT_FIELDS]
    return (district, *(list(v) if isinstance(v, tuple) else v for v in values))


@contextmanager
def looking(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with these tables, in a transaction of which nothing remains."""
    with warehouse.open() as connection:
        prepare(connection)
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
