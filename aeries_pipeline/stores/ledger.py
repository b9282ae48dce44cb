"""Questions to the ledger ``meta.pulls``: of one district, and of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from aeries_pipeline.stores.across import Question, ask_each, moment
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.infer_schema import Drift
from aeries_pipeline.stores.store import Store


@dataclass(frozen=True, slots=True)
class LastGood:
    """What the ledger says of the newest complete pull of a partition.

    Attributes:
        finished_at: When it ended, UTC without a zone.
        rows: Rows of the main table.
        quarantined: Rows that were set aside.
        duplicates: Rows that another row repeated.
        conflicts: Different rows that share a natural key.
        drift: Differences from the catalogue.
        missed: Records that the feed had not named when a whole list was last
            compared; None if none ever was.
        removed: Those of them that were deleted.
        brought_by: The newest pull that brought anything; None if the ledger no
            longer has it.
    """

    finished_at: datetime
    rows: int
    quarantined: int
    duplicates: int
    conflicts: int
    drift: Drift
    missed: int | None = None
    removed: int = 0
    brought_by: str | None = None


def last_good(warehouse: Warehouse, district: str, resource: str) -> dict[int | None, LastGood]:
    """Return the newest complete pull of each partition that has one."""
    rows = warehouse.rows(
        "SELECT school, finished_at, rows, quarantined, duplicates, conflicts, drift, "
        "max_by(missed, finished_at) FILTER (missed IS NOT NULL) OVER (PARTITION BY school), "
        "max_by(removed, finished_at) FILTER (missed IS NOT NULL) OVER (PARTITION BY school), "
        "max_by(pull_id, finished_at) FILTER (mode IS DISTINCT FROM 'unchanged' "
        "AND (mode IS DISTINCT FROM 'changes' OR changed > 0)) OVER (PARTITION BY school) "
        "FROM meta.pulls WHERE district = ? AND resource = ? AND status = 'complete' "
        "QUALIFY row_number() OVER (PARTITION BY school ORDER BY finished_at DESC) = 1",
        [district, resource],
    )
    return {
        row[0]: LastGood(
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            Drift.from_json(row[6]),
            row[7],
            row[8] or 0,
            row[9],
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Partition:
    """How one partition stands.

    Attributes:
        resource: Resource name.
        school: School code; None for a resource of the whole district.
        status: Of its newest attempt, see ``meta.pulls``.
        reason: Of the same.
        complete_at: When it was last completely pulled, UTC without a zone; None
            for never.
    """

    resource: str
    school: int | None
    status: str
    reason: str
    complete_at: datetime | None


def ask_partitions(connection: duckdb.DuckDBPyConnection, _district: str) -> list[list[Any]]:
    """Return how the partitions of one warehouse stand, as an answer that JSON can hold."""
    found = connection.execute(
        "SELECT resource, school, status, reason, max(finished_at) FILTER (status = 'complete') "
        "OVER (PARTITION BY resource, school) FROM meta.pulls "
        "QUALIFY row_number() OVER (PARTITION BY resource, school "
        "ORDER BY finished_at DESC, started_at DESC) = 1 ORDER BY resource, school"
    ).fetchall()
    return [list(row) for row in found]


_PARTITIONS = Question("partitions of 0.2", ask_partitions)


def partitions(
    store: Store, districts: Iterable[str] | None = None
) -> tuple[dict[str, list[Partition]], Mapping[str, str]]:
    """Return how the partitions of each district stand, one for each that was ever tried.

    Args:
        store: The warehouses.
        districts: Of whom; of all where None.

    Returns:
        By district; and why a warehouse could not be asked, by district.
    """
    answers = ask_each(store, _PARTITIONS, districts)
    found = {district: partitions_of(rows) for district, rows in answers.by_district.items()}
    return found, answers.unusable


def partitions_of(answer: Iterable[Sequence[Any]]) -> list[Partition]:
    """Return the partitions of an answer of :func:`ask_partitions`."""
    return [Partition(row[0], row[1], row[2], row[3], moment(row[4])) for row in answer]


_RECENT_DAYS = 8
"""Runs of an opening are asked for while it lasts, and none lasts as long."""


def _ask_troubles(connection: duckdb.DuckDBPyConnection, _district: str) -> list[list[Any]]:
    found = connection.execute(
        "SELECT run_id, school, bool_or(transient) FROM meta.pulls "
        "WHERE status IN ('failed', 'refused', 'skipped') AND run_id IS NOT NULL "
        "AND finished_at > (SELECT max(finished_at) FROM meta.pulls) "
        f"- INTERVAL {_RECENT_DAYS} DAY GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [list(row) for row in found]


_TROUBLES = Question("troubles of 0.2", _ask_troubles)


def troubles(store: Store, districts: Iterable[str]) -> dict[str, list[tuple[int | None, bool]]]:
    """Return, for each recent run, the schools that did not come and whether it may pass."""
    found: dict[str, list[tuple[int | None, bool]]] = {}
    for rows in ask_each(store, _TROUBLES, districts).by_district.values():
        for run_id, school, transient in rows:
            found.setdefault(run_id, []).append((school, bool(transient)))
    return found
