"""Loading a batch: read, validate, judge, replace, report.

``load`` is the only writer of ``raw`` and ``quarantine``. The steps stand in ``_load``, each in
a module of its own; around them, a batch that cannot be parsed or does not fit into memory
is divided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.stores.compare import compare
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.diagnose import Trouble, diagnose, lacks_memory
from aeries_pipeline.stores.judge import Safeguards, judge
from aeries_pipeline.stores.outcomes import Fetched, Loaded
from aeries_pipeline.stores.read import read
from aeries_pipeline.stores.replace_partition import make_raw_tables, replace_partitions
from aeries_pipeline.stores.report import insert_pulls, report, too_large, unparsable
from aeries_pipeline.stores.transaction import at_once
from aeries_pipeline.stores.validate import validate


class _UnparsableError(Exception):
    """A file of the batch cannot be parsed at all."""


def load(
    warehouse: Warehouse,
    resource: Resource,
    fetched: Sequence[Fetched],
    safeguards: Safeguards,
) -> list[Loaded]:
    """Parse a batch and replace every partition that may be believed.

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
    half = len(fetched) // 2
    pieces = [fetched[:half], fetched[half:]]
    try:
        return _load(warehouse, resource, fetched, safeguards)
    except _UnparsableError:
        if not half:
            return [unparsable(warehouse, fetched[0])]
        pieces = [[one] for one in fetched]
    except duckdb.Error as error:
        if not lacks_memory(error):
            raise
    if half:
        return [one for part in pieces for one in load(warehouse, resource, part, safeguards)]
    try:
        # Each thread has buffers of its own, and each file of a query has some as well.
        return _load(warehouse, resource, fetched, safeguards, threads=1)
    except _UnparsableError:
        return [unparsable(warehouse, fetched[0])]
    except duckdb.Error as error:
        if not lacks_memory(error):
            raise
        return [too_large(warehouse, fetched[0])]


def _load(
    warehouse: Warehouse,
    resource: Resource,
    fetched: Sequence[Fetched],
    safeguards: Safeguards,
    *,
    threads: int | None = None,
) -> list[Loaded]:
    """Take a batch from its landed files to the ledger.

    Raises:
        _UnparsableError: If a file cannot be parsed; the warehouse is as it was.
        duckdb.Error: If the batch does not fit into memory; the warehouse is as it was.
        WarehouseUnusableError: If the warehouse cannot be written; it is as it was.
    """
    landed = [one.landed for one in fetched]
    with warehouse.staging(threads=threads) as connection:
        with _blaming_the_files():
            rows = read(connection, resource, landed, page_by_page=threads is not None)
            staged = validate(connection, rows)
        with warehouse.attached(connection) as catalog:
            make_raw_tables(connection, resource, catalog)
            beside = compare(
                connection, resource, fetched, staged, catalog, safeguards.inactive_school
            )
            verdicts = [
                judge(
                    one.facts,
                    safeguards,
                    accept_shrunken=given.draft.accept_shrunken_reason is not None,
                )
                for one, given in zip(beside, fetched, strict=True)
            ]
            what = f"{landed[0].district}, {resource.name}"
            with at_once(connection, what, "pull again", Trouble.MEMORY):
                replace_partitions(connection, resource, fetched, verdicts, catalog)
                results = report(resource, fetched, staged, beside, verdicts)
                insert_pulls(connection, [one.pull for one in results], f"{catalog}.meta.pulls")
    return results


@contextmanager
def _blaming_the_files() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        # A full disk or a lack of memory is not the file's fault.
        if diagnose(error).trouble is not Trouble.OTHER:
            raise
        raise _UnparsableError from None
