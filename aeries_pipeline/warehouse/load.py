"""Loading a batch of partitions: stage, judge, swap.

``load`` is the only writer of ``raw`` and ``quarantine``. Each partition is
replaced together with its row in ``meta.pulls`` in one transaction, or not at
all; what is refused leaves the last good rows as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import duckdb

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.catalog.tables import (
    columns_of,
    create_quarantine,
    create_raw,
    quoted,
    schema_hash,
)
from aeries_pipeline.warehouse.connection import (
    PULLS_COLUMNS,
    Warehouse,
    WarehouseUnusableError,
)
from aeries_pipeline.warehouse.shapes import Drift
from aeries_pipeline.warehouse.staging import stage
from aeries_pipeline.warehouse.tables import Landed, Staged, bad_table, good_table
from aeries_pipeline.warehouse.verdict import Facts, Safeguards, Status, Verdict, judge


@dataclass(frozen=True, slots=True)
class PullRow:
    """One row of ``meta.pulls``; the fields are its columns.

    Times are UTC without a zone. ``rows`` are those of the main table,
    ``transient`` tells that a later try may succeed by itself, ``duplicates``
    are rows that another row repeats, ``conflicts`` different rows that share
    a natural key.
    """

    pull_id: str
    district: str
    school: int | None
    resource: str
    status: Status
    started_at: datetime
    finished_at: datetime
    code: str = ""
    transient: bool = False
    reason: str = ""
    pull_window: str | None = None
    outside_window_reason: str | None = None
    accept_shrunken_reason: str | None = None
    rows: int | None = None
    quarantined: int = 0
    duplicates: int = 0
    conflicts: int = 0
    bytes: int = 0
    pages: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    database_year: str | None = None
    server_version: str | None = None
    schema_hash: str | None = None
    drift: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one partition.

    Attributes:
        pull: Its row in the ledger.
        previous_rows: Rows of the last complete pull before this one.
        drift: Differences from the catalogue; None where nothing was parsed.
    """

    pull: PullRow
    previous_rows: int | None = None
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A landed partition and the draft of its ledger row."""

    landed: Landed
    draft: PullRow


def now() -> datetime:
    """Return the present in UTC, without a zone, as the warehouse keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def new_id(moment: datetime) -> str:
    """Return an id that sorts by time and is unique: of a pull, a batch, a decision."""
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


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
            return _swap(warehouse, connection, resource, fetched, staged, safeguards)
    return [result for one in fetched for result in load(warehouse, resource, [one], safeguards)]


def record(warehouse: Warehouse, pulls: Sequence[PullRow]) -> None:
    """Write ledger rows of pulls that brought nothing to load."""
    if not pulls:
        return
    with warehouse.open() as connection:
        connection.execute("BEGIN")
        _insert_pulls(connection, pulls, "meta.pulls")
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


def _swap(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    fetched: Sequence[Fetched],
    staged: Staged,
    safeguards: Safeguards,
) -> list[Loaded]:
    with warehouse.attached(connection) as catalog:
        _make_tables(connection, resource, catalog)
        previous = previous_rows(connection, resource.name, catalog)
        results = [
            _judged(resource, one, staged, part, previous, safeguards)
            for part, one in enumerate(fetched)
        ]
        connection.execute("CREATE OR REPLACE TEMP TABLE accepted (part INTEGER)")
        accepted = [
            [part] for part, result in enumerate(results) if result.pull.status is Status.COMPLETE
        ]
        if accepted:
            connection.executemany("INSERT INTO accepted VALUES (?)", accepted)
        connection.execute("BEGIN")
        try:
            for table in resource.tables:
                raw = f"{catalog}.raw.{quoted(table.name)}"
                _delete(connection, raw, only_accepted=True)
                names = ", ".join(quoted(field.name) for field in table.stored)
                connection.execute(
                    f"INSERT INTO {raw} BY NAME SELECT p.district, p.school, p._pull_id, "
                    f"p._pulled_at, g._extra, {names} FROM {good_table(table)} g "
                    "JOIN parts p ON p.part = g._part JOIN accepted a ON a.part = g._part"
                )
                quarantine = f"{catalog}.quarantine.{quoted(table.name)}"
                _delete(connection, quarantine, only_accepted=False)
                connection.execute(
                    f"INSERT INTO {quarantine} BY NAME SELECT p.district, p.school, p._pull_id, "
                    f"p._pulled_at, b.reason, b.record FROM {bad_table(table)} b "
                    "JOIN parts p ON p.part = b._part"
                )
            _insert_pulls(connection, [one.pull for one in results], f"{catalog}.meta.pulls")
            connection.execute("COMMIT")
        except duckdb.Error as error:
            # The message of the database may quote a value of a row.
            kind = type(error).__name__
            raise WarehouseUnusableError(
                f"{fetched[0].landed.district}, {resource.name}: the warehouse cannot be written "
                f"({kind}); nothing was changed; see whether the disk is full, then pull again"
            ) from None
    return results


def place_of(pull: PullRow) -> str:
    """Return district, school and resource as they stand in every message."""
    school = "" if pull.school is None else f"school {pull.school}, "
    return f"{pull.district}, {school}{pull.resource}"


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
    previous: Mapping[tuple[str, int | None], int],
    safeguards: Safeguards,
) -> Loaded:
    counts = staged.counts[resource.name][part]
    drift = staged.drift[part]
    before = previous.get((one.landed.district, one.landed.school))
    facts = Facts(
        rows=counts.rows,
        quarantined=counts.quarantined,
        records=staged.records.get(part, 0),
        missing=tuple(drift.missing_required),
        previous_rows=before,
        may_be_empty=resource.may_be_empty,
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
        rows=counts.rows,
        quarantined=counts.quarantined + sum(child.quarantined for child in children),
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        schema_hash=schema_hash(resource.main, frozenset(drift.unknown)),
        drift=drift.as_json(),
    )
    return Loaded(pull, before, drift)


def _delete(connection: duckdb.DuckDBPyConnection, name: str, *, only_accepted: bool) -> None:
    chosen = "JOIN accepted a ON a.part = p.part" if only_accepted else ""
    connection.execute(
        f"DELETE FROM {name} t USING (SELECT p.district, p.school FROM parts p {chosen}) d "
        "WHERE t.district = d.district AND t.school IS NOT DISTINCT FROM d.school"
    )


def _insert_pulls(
    connection: duckdb.DuckDBPyConnection, pulls: Sequence[PullRow], target: str
) -> None:
    names = [name for name, _ in PULLS_COLUMNS]
    marks = ", ".join("?" for _ in names)
    connection.executemany(
        f"INSERT INTO {target} ({', '.join(names)}) VALUES ({marks})",
        [[_plain(getattr(pull, name)) for name in names] for pull in pulls],
    )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Status) else value
