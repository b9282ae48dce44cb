"""One computation in progress, and what is recorded of it.

Turns decisions into rows of ``core`` and ``meta``, and reads what earlier
batches say; the deciding itself is in ``compute``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts.decide import NOT_SHARED
from aeries_pipeline.accounts.evidence import Picture
from aeries_pipeline.accounts.holds import Hold
from aeries_pipeline.accounts.model import Account, Change, Outcome
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.accounts.safeguards import ABSENT, Past
from aeries_pipeline.accounts.tables import (
    ACCOUNTS_COLUMNS,
    BATCHES_COLUMNS,
    CHANGES_COLUMNS,
    row_of,
)
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.transaction import insert_rows


@dataclass(slots=True)
class Batch:
    """One computation on its way."""

    connection: duckdb.DuckDBPyConnection
    district: District
    policy: Policy
    moment: datetime
    run_id: str | None
    batch_id: str = ""
    events: list[tuple[Any, ...]] = field(default_factory=list)
    final: dict[int, Account] = field(default_factory=dict)
    applied: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    unconfirmed: set[int] = field(default_factory=set)
    rejected: int = 0

    def record(
        self, change: Change, status: Outcome, why: str, known: Hold | None = None, who: str = ""
    ) -> None:
        """Note what became of a change."""
        change_id = known.change_id if known else f"{self.batch_id}-{len(self.events) + 1}"
        detected = known.detected_at if known else self.moment
        local = self.district.day_of(detected)
        self.events.append(
            (
                change_id, known.batch_id if known else self.batch_id, self.district.id,
                change.student_id, str(change.kind), change.from_school, change.to_school,
                list(change.changed_fields), detected, change.effective_at or local,
                list(change.pull_ids), change.code, change.reason, change.related_student_id,
                change.fingerprint(), str(status), why, self.moment, who or None,
            )
        )  # fmt: skip


def write_changes(batch: Batch) -> None:
    """Replace the accounts that changed and append what became of the changes."""
    connection, district = batch.connection, batch.district.id
    if batch.final:
        ids = pa.table({"student_id": pa.array(list(batch.final), pa.int64())})
        connection.register("replaced", ids)
        connection.execute(
            "DELETE FROM core.accounts WHERE district = ? "
            "AND student_id IN (SELECT student_id FROM replaced)",
            [district],
        )
        connection.unregister("replaced")
        rows = [row_of(district, account) for account in batch.final.values()]
        insert_rows(connection, "core.accounts", ACCOUNTS_COLUMNS, rows)
    insert_rows(connection, "core.account_changes", CHANGES_COLUMNS, batch.events)


def record_batch(
    batch: Batch,
    picture: Picture,
    left_out: Mapping[int, str],
    stop: str,
    active: tuple[int, int],
    waiting: Mapping[str, int],
) -> None:
    """Add the row of the computation to ``meta.account_batches``."""
    row = (
        batch.batch_id, batch.district.id, batch.moment, picture.database_year,
        bool(picture.pulls) and not stop, stop or None, list(picture.pull_ids),
        sorted(picture.pulls), [f"school {s}: {why}" for s, why in left_out.items()],
        *active, sum(batch.applied.values()), sum(batch.held.values()), json.dumps(dict(waiting)),
        batch.run_id,
    )  # fmt: skip
    insert_rows(batch.connection, "meta.account_batches", BATCHES_COLUMNS, [row])


def count_enrollment(batch: Batch) -> None:
    """Count the active accounts of the district's day, in place of an earlier count of it."""
    bound = {"district": batch.district.id, "day": batch.district.day_of(batch.moment)}
    batch.connection.execute(
        "DELETE FROM core.enrollment_counts WHERE district = $district AND day = $day", bound
    )
    batch.connection.execute(
        "INSERT INTO core.enrollment_counts BY NAME "
        "SELECT $district AS district, $day AS day, school, grade, count(*) AS students "
        "FROM core.accounts WHERE district = $district AND state = 'active' GROUP BY ALL",
        bound,
    )


def active_accounts(connection: duckdb.DuckDBPyConnection, district: str) -> int:
    """Count the active accounts of a district."""
    found = connection.execute(
        "SELECT count(*) FROM core.accounts WHERE district = ? AND state = 'active'", [district]
    ).fetchone()
    return int(found[0]) if found else 0


def past_of(batch: Batch) -> Past:
    """Return the deactivations of the last days that no person has approved."""
    rows = batch.connection.execute(
        "SELECT from_school, count(DISTINCT student_id) FILTER (code <> $left_out), "
        "count(DISTINCT student_id) FILTER (code = $absent), "
        "count(DISTINCT student_id) FILTER (code = $left_out) FROM core.account_changes "
        "WHERE district = $district AND kind = 'deactivate' AND status = 'applied' "
        "AND decided_by IS NULL AND recorded_at > $since GROUP BY from_school",
        {
            "absent": ABSENT, "left_out": NOT_SHARED, "district": batch.district.id,
            "since": batch.moment - timedelta(days=batch.policy.bounds.over_days),
        },
    ).fetchall()  # fmt: skip
    return Past(
        {school: number for school, number, _, _ in rows if number},
        {school: absent for school, _, absent, _ in rows if absent},
        {school: left_out for school, _, _, left_out in rows if left_out},
    )


def last_year(connection: duckdb.DuckDBPyConnection, district: str) -> str:
    """Return the school year of the last batch that was let through; empty before the first."""
    found = connection.execute(
        "SELECT arg_max(database_year, computed_at) FROM meta.account_batches "
        "WHERE district = ? AND let_through",
        [district],
    ).fetchone()
    return str(found[0] or "") if found else ""
