"""What a batch is while it is staged: its files, its tables in memory, its counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.infer_schema import Drift, Shape

PARTITION = "JOIN parts p ON t.district = p.district AND t.school IS NOT DISTINCT FROM p.school"
"""Joins rows of the warehouse, ``t``, to the partitions of the batch."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An element that is no valid JSON, beside others that are.

    Attributes:
        reason: Why, without any value.
        record: The element as an object of JSON, with what is not valid in it as text.
    """

    reason: str
    record: str


@dataclass(frozen=True, slots=True)
class Landed:
    """The files of one partition's pull, ready to be parsed.

    Attributes:
        district: District id.
        school: School code; None for a resource of the whole district.
        pull_id: The pull that they belong to.
        pulled_at: When the pull began, UTC without a zone.
        pages: Files in page order, each an answer as received, without unreadable elements.
        records: Elements that the client counted; None if nobody did.
        shape: What the client has counted in the pages; None if it could not.
        unreadable: Elements that no file of ``pages`` holds.
    """

    district: str
    school: int | None
    pull_id: str
    pulled_at: datetime
    pages: tuple[Path, ...]
    records: int | None = None
    shape: Shape | None = None
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(slots=True)
class Counts:
    """What came out of one partition and one table."""

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class Staged:
    """One parsed batch: tables in memory, and what is known of each partition.

    Attributes:
        records: Elements of the answer by partition.
        drift: Differences from the catalogue by partition.
        counts: Counts by table name and partition.
    """

    records: dict[int, int]
    drift: dict[int, Drift]
    counts: dict[str, dict[int, Counts]]


def good_table(table: Table) -> str:
    """Return the name of the in-memory table of good rows."""
    return quoted(f"good_{table.name}")


def bad_table(table: Table) -> str:
    """Return the name of the in-memory table of bad rows."""
    return quoted(f"bad_{table.name}")


def text_table(table: Table) -> str:
    """Return the name of the in-memory table of rows that were read as text."""
    return quoted(f"text_{table.name}")


def in_parts(parts: Collection[int]) -> str:
    """Return the SQL condition that a row is of one of these partitions; there is at least one."""
    return f"_part IN ({', '.join(map(str, sorted(parts)))})"


def key_of(resource: Resource, alias: str) -> str:
    """Return the SQL of the text under which the feed names a row."""
    name = resource.feed.field if resource.feed else ""
    return f"CAST({alias}.{quoted(name)} AS VARCHAR)"


def make_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, pa.Array]
) -> None:
    """Make a table in memory from columns of equal length, in place of one of that name."""
    connection.register("incoming", pa.table(dict(columns)))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM incoming")
    connection.unregister("incoming")
