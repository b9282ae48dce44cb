"""Loading a batch of partitions: stage, judge, swap.

``load`` is the only writer of ``raw`` and ``quarantine``. A batch that cannot be
parsed is taken apart here; what is written, and when, is in ``replace_partition``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Safeguards, Status
from aeries_pipeline.stores.outcomes import Fetched, Loaded, PullRow, now, place_of
from aeries_pipeline.stores.replace_partition import insert_pulls, swap
from aeries_pipeline.stores.staging import stage


def load(
    warehouse: Warehouse,
    resource: Resource,
    fetched: Sequence[Fetched],
    safeguards: Safeguards,
) -> list[Loaded]:
    """Parse a batch and swap in every partition that may be believed.

    A batch that cannot be parsed is taken apart, so that one damaged file
    costs its own partition and no other.

    Returns:
        One result for each partition, in the order given.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written; it is as it was.
    """
    if not fetched:
        return []
    with duckdb.connect() as connection:
        # Rows of a table have no order; without one both cores write.
        connection.execute("SET preserve_insertion_order = false")
        try:
            staged = stage(connection, resource, [one.landed for one in fetched])
        except duckdb.Error:
            if len(fetched) == 1:
                return [_unparsable(warehouse, fetched[0])]
            staged = None
        if staged is not None:
            return swap(warehouse, connection, resource, fetched, staged, safeguards)
    return [result for one in fetched for result in load(warehouse, resource, [one], safeguards)]


def record(warehouse: Warehouse, pulls: Sequence[PullRow]) -> None:
    """Write ledger rows of pulls that brought nothing to load."""
    if not pulls:
        return
    with warehouse.open() as connection:
        connection.execute("BEGIN")
        insert_pulls(connection, pulls, "meta.pulls")
        connection.execute("COMMIT")


def _unparsable(warehouse: Warehouse, one: Fetched) -> Loaded:
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
