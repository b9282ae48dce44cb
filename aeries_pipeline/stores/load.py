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
from aeries_pipeline.stores.diagnose import Trouble, diagnose, lacks_memory
from aeries_pipeline.stores.judge import Safeguards, Status
from aeries_pipeline.stores.memory import MEMORY_VARIABLE, allowed_memory
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
    costs its own partition and no other. One that does not fit into memory is
    loaded in halves, and a single partition page by page and by a single thread.

    Returns:
        One result for each partition, in the order given.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written; it is as it was.
    """
    if not fetched:
        return []
    try:
        return _load(warehouse, resource, fetched, safeguards)
    except duckdb.Error as error:
        if not lacks_memory(error):
            raise
        if len(fetched) > 1:
            half = len(fetched) // 2
            return [
                result
                for part in (fetched[:half], fetched[half:])
                for result in load(warehouse, resource, part, safeguards)
            ]
    try:
        # Each thread has buffers of its own, and each file of a query has some as well.
        return _load(warehouse, resource, fetched, safeguards, threads=1)
    except duckdb.Error as error:
        if not lacks_memory(error):
            raise
        return [_too_large(warehouse, fetched[0])]


def _load(
    warehouse: Warehouse,
    resource: Resource,
    fetched: Sequence[Fetched],
    safeguards: Safeguards,
    *,
    threads: int | None = None,
) -> list[Loaded]:
    """Load a batch, or take it apart where a file cannot be parsed.

    Raises:
        duckdb.Error: If it does not fit; the warehouse is as it was.
    """
    with warehouse.staging(threads=threads) as connection:
        try:
            staged = stage(
                connection,
                resource,
                [one.landed for one in fetched],
                page_by_page=threads is not None,
            )
        except duckdb.Error as error:
            # A disk that is full, or a want of memory, is no fault of the file.
            if diagnose(error).trouble is not Trouble.OTHER:
                raise
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


def _too_large(warehouse: Warehouse, one: Fetched) -> Loaded:
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
