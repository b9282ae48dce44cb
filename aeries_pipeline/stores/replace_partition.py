"""Judging a staged batch and writing what is accepted, in one transaction.

Each partition is replaced together with its row in ``meta.pulls``, or not at
all; a refused one leaves the last good rows as they are. If a partition was
read by changes, only the records that were read again are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.catalog.tables import (
    columns_of,
    create_quarantine,
    create_raw,
    quoted,
    schema_hash,
)
from aeries_pipeline.stores.compare_lists import compare
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.diagnose import Trouble, diagnose
from aeries_pipeline.stores.history import keep_closing_years
from aeries_pipeline.stores.judge import Compared, Facts, Safeguards, Status, Verdict, judge
from aeries_pipeline.stores.ledger_columns import PULLS_COLUMNS
from aeries_pipeline.stores.outcomes import Fetched, Loaded, PullRow, now, place_of
from aeries_pipeline.stores.tables import Staged, bad_table, good_table, make_table
from aeries_pipeline.stores.transaction import insert_rows


@dataclass(frozen=True, slots=True)
class _Before:
    """What the warehouse says of a batch before it is written.

    Attributes:
        rows: Rows of the last complete pull, by district and school.
        kept: Rows that stay beside the changed ones, by partition.
        missed: Records that differ and that the feed did not name, by partition.
        removed: Those of them that are no longer there, by partition.
        compared: Lists beside the last good ones, by partition.
    """

    rows: Mapping[tuple[str, int | None], int]
    kept: Mapping[int, int]
    missed: Mapping[int, int]
    removed: Mapping[int, int]
    compared: Mapping[int, Compared]


def swap(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    fetched: Sequence[Fetched],
    staged: Staged,
    safeguards: Safeguards,
) -> list[Loaded]:
    """Write every partition of a staged batch that may be believed.

    Args:
        warehouse: Where to.
        connection: An in-memory DuckDB with the tables that ``stage`` made.
        resource: What was pulled.
        fetched: The partitions, in the order in which they were staged.
        staged: What is known of them.
        safeguards: The bounds of the district.

    Returns:
        One result for each partition, in the order given.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written; it is as it was.
    """
    _register(connection, resource, fetched)
    with warehouse.attached(connection) as catalog:
        _make_tables(connection, resource, catalog)
        before = _before(connection, resource, fetched, catalog, safeguards)
        results = [
            _judged(resource, one, staged, part, before, safeguards)
            for part, one in enumerate(fetched)
        ]
        accepted = [
            part for part, result in enumerate(results) if result.pull.status is Status.COMPLETE
        ]
        make_table(connection, "accepted", {"part": pa.array(accepted, pa.int32())})
        connection.execute("BEGIN")
        try:
            keep_closing_years(connection, resource, fetched, catalog)
            _write(connection, resource, catalog)
            insert_pulls(connection, [one.pull for one in results], f"{catalog}.meta.pulls")
            connection.execute("COMMIT")
        except duckdb.Error as error:
            found = diagnose(error)
            if found.trouble in {Trouble.DAMAGED, Trouble.MEMORY}:
                raise
            raise WarehouseUnusableError(
                f"{fetched[0].landed.district}, {resource.name}: the warehouse cannot be written "
                f"({found.cause}); nothing was changed; {found.remedy}, then pull "
                "again"
            ) from None
    return results


def _register(
    connection: duckdb.DuckDBPyConnection, resource: Resource, fetched: Sequence[Fetched]
) -> None:
    """Make ``scope`` (partition, whether it is whole), and the keys read and named."""
    make_table(
        connection,
        "scope",
        {
            "part": pa.array(range(len(fetched)), pa.int32()),
            "whole": pa.array([one.keys is None for one in fetched], pa.bool_()),
            "compared": pa.array([one.named is not None for one in fetched], pa.bool_()),
        },
    )
    for name, of in (("read_again", "keys"), ("named", "named")):
        pairs = [
            (part, key)
            for part, one in enumerate(fetched)
            for key in sorted(getattr(one, of) or ())
        ]
        parts = pa.array([part for part, _ in pairs], pa.int32())
        keys = pa.array([key for _, key in pairs], pa.string())
        make_table(connection, name, {"part": parts, "key": keys})
    if resource.feed is not None:
        # Should a feed spell a key otherwise than the record, no row may come twice.
        connection.execute(
            f"INSERT INTO read_again SELECT DISTINCT s.part, {_key(resource, 'g')} "
            f"FROM {good_table(resource.main)} g JOIN scope s ON s.part = g._part WHERE NOT s.whole"
        )


def _make_tables(connection: duckdb.DuckDBPyConnection, resource: Resource, catalog: str) -> None:
    """Make missing tables, and add columns that the catalogue has gained."""
    for table in resource.tables:
        connection.execute(create_raw(table, catalog))
        connection.execute(create_quarantine(table, catalog))
        found = {
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM duckdb_columns() WHERE database_name = ? "
                "AND schema_name = 'raw' AND table_name = ?",
                [catalog, table.name],
            ).fetchall()
        }
        for name, kind in columns_of(table):
            if name not in found:
                connection.execute(
                    f"ALTER TABLE {catalog}.raw.{quoted(table.name)} "
                    f"ADD COLUMN {quoted(name)} {kind}"
                )


def _before(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    fetched: Sequence[Fetched],
    catalog: str,
    safeguards: Safeguards,
) -> _Before:
    rows = previous_rows(connection, resource.name, catalog)
    if resource.feed is None:
        return _Before(rows, {}, {}, {}, {})
    raw = f"{catalog}.raw.{quoted(resource.name)}"
    kept = {}
    if any(one.keys is not None for one in fetched):
        kept = dict(
            connection.execute(
                f"SELECT p.part, count(*) FROM {raw} t {_PARTITION} JOIN scope USING (part) "
                f"ANTI JOIN read_again r ON r.part = p.part AND r.key = {_key(resource, 't')} "
                "WHERE NOT whole GROUP BY p.part"
            ).fetchall()
        )
    missed: Mapping[int, int] = {}
    removed: Mapping[int, int] = {}
    if any(one.named is not None for one in fetched):
        missed, removed = _compared(connection, resource, raw)
    compared: Mapping[int, Compared] = {}
    if resource.absence_counts:
        compared = compare(connection, fetched, catalog, safeguards.inactive_school)
    return _Before(rows, kept, missed, removed, compared)


_PARTITION = "JOIN parts p ON t.district = p.district AND t.school IS NOT DISTINCT FROM p.school"


def _key(resource: Resource, alias: str) -> str:
    """Return the SQL of the text under which the feed names a row."""
    name = resource.feed.field if resource.feed else ""
    return f"CAST({alias}.{quoted(name)} AS VARCHAR)"


def _compared(
    connection: duckdb.DuckDBPyConnection, resource: Resource, raw: str
) -> tuple[dict[int, int], dict[int, int]]:
    """Compare whole lists with what nights of changes have made of the last ones."""
    names = ", ".join(quoted(one.name) for one in resource.main.stored)
    old = (
        f"SELECT p.part, {names}, -1 AS _side FROM {raw} t {_PARTITION} "
        "JOIN scope USING (part) WHERE compared"
    )
    new = (
        f"SELECT g._part, {names}, 1 FROM {good_table(resource.main)} g "
        "JOIN scope ON part = g._part WHERE compared"
    )
    # One pass: what both sides have as often adds up to nothing. Two differences of
    # sets, EXCEPT ALL both ways, say the same and cost several times as much.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE differing AS "
        f"SELECT DISTINCT part, {_key(resource, 'd')} AS key FROM "
        f"(SELECT part, {names} FROM ({old} UNION ALL {new}) GROUP BY ALL "
        "HAVING sum(_side) <> 0) d"
    )
    gone = (
        f"NOT EXISTS (SELECT 1 FROM {good_table(resource.main)} g "
        f"WHERE g._part = d.part AND {_key(resource, 'g')} = d.key)"
    )
    found = connection.execute(
        f"SELECT part, count(*) FILTER (n.key IS NULL), count(*) FILTER (n.key IS NULL AND {gone}) "
        "FROM differing d LEFT JOIN named n USING (part, key) GROUP BY part"
    ).fetchall()
    return {part: missed for part, missed, _ in found}, {part: n for part, _, n in found}


def previous_rows(
    connection: duckdb.DuckDBPyConnection, resource: str, catalog: str
) -> Mapping[tuple[str, int | None], int]:
    """Return the rows of the last complete pull, by district and school."""
    found = connection.execute(
        f"SELECT district, school, arg_max(rows, finished_at) FROM {catalog}.meta.pulls "
        "WHERE resource = ? AND status = 'complete' GROUP BY district, school",
        [resource],
    ).fetchall()
    return {(district, school): rows for district, school, rows in found}


def _judged(
    resource: Resource,
    one: Fetched,
    staged: Staged,
    part: int,
    before: _Before,
    safeguards: Safeguards,
) -> Loaded:
    counts = staged.counts[resource.name][part]
    drift = staged.drift[part]
    previous = before.rows.get((one.landed.district, one.landed.school))
    facts = Facts(
        rows=counts.rows + before.kept.get(part, 0),
        quarantined=counts.quarantined,
        records=staged.records.get(part, 0),
        missing=tuple(drift.missing_required),
        previous_rows=previous,
        may_be_empty=resource.may_be_empty,
        compared=before.compared.get(part),
    )
    verdict: Verdict = judge(
        facts, safeguards, accept_shrunken=one.draft.accept_shrunken_reason is not None
    )
    if one.landed.records is not None and one.landed.records != facts.records:
        # Two parsers read the answer; where they differ, neither is believed.
        verdict = Verdict(
            Status.FAILED,
            "miscounted",
            f"{facts.records} of {one.landed.records} elements could be read; the last good table "
            "stays, and the landing files show what came",
        )
    children = [staged.counts[child.name][part] for child in resource.children]
    finished = now()
    pull = replace(
        one.draft,
        status=verdict.status,
        code=verdict.code,
        reason=f"{place_of(one.draft)}: {verdict.reason}" if verdict.reason else "",
        finished_at=finished,
        seconds=(finished - one.draft.started_at).total_seconds(),
        rows=facts.rows,
        quarantined=counts.quarantined + sum(child.quarantined for child in children),
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        schema_hash=schema_hash(resource.main, frozenset(drift.unknown)),
        drift=drift.as_json(),
    )
    if one.named is not None:
        pull = replace(pull, missed=before.missed.get(part, 0), removed=before.removed.get(part, 0))
    return Loaded(pull, previous, drift)


def _write(connection: duckdb.DuckDBPyConnection, resource: Resource, catalog: str) -> None:
    """Replace the rows of accepted partitions, and what is in quarantine of all."""
    for table in resource.tables:
        raw = f"{catalog}.raw.{quoted(table.name)}"
        _delete(connection, raw, "JOIN accepted USING (part) JOIN scope USING (part) WHERE whole")
        if resource.feed is not None:
            connection.execute(
                f"DELETE FROM {raw} t USING (SELECT p.district, p.school, r.key FROM parts p "
                "JOIN accepted USING (part) JOIN read_again r USING (part)) d "
                "WHERE t.district = d.district AND t.school IS NOT DISTINCT FROM d.school "
                f"AND {_key(resource, 't')} = d.key"
            )
        names = ", ".join(quoted(field.name) for field in table.stored)
        connection.execute(
            f"INSERT INTO {raw} BY NAME SELECT p.district, p.school, p._pull_id, "
            f"p._pulled_at, g._extra, {names} FROM {good_table(table)} g "
            "JOIN parts p ON p.part = g._part JOIN accepted a ON a.part = g._part"
        )
        quarantine = f"{catalog}.quarantine.{quoted(table.name)}"
        _delete(connection, quarantine, "")
        connection.execute(
            f"INSERT INTO {quarantine} BY NAME SELECT p.district, p.school, p._pull_id, "
            f"p._pulled_at, b.reason, b.record FROM {bad_table(table)} b "
            "JOIN parts p ON p.part = b._part"
        )


def _delete(connection: duckdb.DuckDBPyConnection, name: str, chosen: str) -> None:
    connection.execute(
        f"DELETE FROM {name} t USING (SELECT p.district, p.school FROM parts p {chosen}) d "
        "WHERE t.district = d.district AND t.school IS NOT DISTINCT FROM d.school"
    )


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
