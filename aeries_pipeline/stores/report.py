"""Reporting: the rows of the ledger, one for each partition of a pull, whatever became of it.

A batch that was loaded is reported in the transaction that replaces its partitions. What
brought nothing to load is recorded here as well. Reading the ledger is in ``ledger``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.catalog.tables import schema_hash
from aeries_pipeline.stores.compare import Beside
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Status, Verdict
from aeries_pipeline.stores.ledger_columns import PULLS_COLUMNS
from aeries_pipeline.stores.memory import MEMORY_VARIABLE, allowed_memory
from aeries_pipeline.stores.outcomes import Fetched, Loaded, PullRow, now, place_of
from aeries_pipeline.stores.tables import Staged
from aeries_pipeline.stores.transaction import insert_rows


def report(
    resource: Resource,
    fetched: Sequence[Fetched],
    staged: Staged,
    beside: Sequence[Beside],
    verdicts: Sequence[Verdict],
) -> list[Loaded]:
    """Return what became of each partition of a batch, with its row in the ledger.

    Args:
        resource: What was pulled.
        fetched: The partitions, in the order in which they were read.
        staged: What is known of them.
        beside: What the warehouse had of each.
        verdicts: What was decided about each.
    """
    return [
        _reported(resource, one, staged, part, beside[part], verdicts[part])
        for part, one in enumerate(fetched)
    ]


def _reported(
    resource: Resource, one: Fetched, staged: Staged, part: int, beside: Beside, verdict: Verdict
) -> Loaded:
    counts, drift = staged.counts[resource.name][part], staged.drift[part]
    children = [staged.counts[child.name][part] for child in resource.children]
    finished = now()
    pull = replace(
        one.draft,
        status=verdict.status,
        code=verdict.code,
        reason=f"{place_of(one.draft)}: {verdict.reason}" if verdict.reason else "",
        finished_at=finished,
        seconds=(finished - one.draft.started_at).total_seconds(),
        rows=beside.facts.rows,
        quarantined=counts.quarantined + sum(child.quarantined for child in children),
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        schema_hash=schema_hash(resource.main, frozenset(drift.unknown)),
        drift=drift.as_json(),
    )
    if one.named is not None:
        pull = replace(pull, missed=beside.missed, removed=beside.removed)
    return Loaded(pull, beside.facts.previous_rows, drift)


def record(warehouse: Warehouse, pulls: Sequence[PullRow]) -> None:
    """Write ledger rows of pulls that brought nothing to load."""
    if not pulls:
        return
    with warehouse.open() as connection:
        connection.execute("BEGIN")
        insert_pulls(connection, pulls, "meta.pulls")
        connection.execute("COMMIT")


def unparsable(warehouse: Warehouse, one: Fetched) -> Loaded:
    """Record a partition whose answer cannot be read as rows."""
    pull = replace(
        one.draft,
        status=Status.FAILED,
        code="unparsable",
        reason=f"{place_of(one.draft)}: the answer has a shape that cannot be read as rows; "
        "the last good table stays, and the landing files show what came",
        finished_at=now(),
    )
    record(warehouse, [pull])
    return Loaded(pull)


def too_large(warehouse: Warehouse, one: Fetched) -> Loaded:
    """Record a partition for which there is not enough memory, even alone and page by page."""
    allowed = allowed_memory()
    had = "its share of this machine" if allowed is None else f"{allowed / 1024**2:.0f} MiB"
    size = sum(page.stat().st_size for page in one.landed.pages) / 1024**2
    pull = replace(
        one.draft,
        status=Status.FAILED,
        code="out_of_memory",
        transient=True,
        reason=f"{place_of(one.draft)}: DuckDB had {had} of memory and needs more to load "
        f"{size:.0f} MiB of answers; the last good table stays; free memory, or raise the "
        f"container's limit or {MEMORY_VARIABLE}",
        finished_at=now(),
    )
    record(warehouse, [pull])
    return Loaded(pull)


def insert_pulls(
    connection: duckdb.DuckDBPyConnection, pulls: Sequence[PullRow], target: str
) -> None:
    """Append rows to the ledger.

    Args:
        connection: Has the ledger attached.
        pulls: The rows.
        target: The ledger's name there.
    """
    rows = [[getattr(pull, name) for name, _kind in PULLS_COLUMNS] for pull in pulls]
    insert_rows(connection, target, PULLS_COLUMNS, rows)
