"""Validating: which of the rows that were read are good, and why the others are bad.

A partition that was read with types stays if pandera finds no fault in it and no key comes
twice. Otherwise it is read again as text, and as text every row is looked at by itself: a
value that cannot be cast or that pandera rejects sends its whole row to quarantine, with the
reason, and a row that repeats another is dropped. The second way is the authority: a property
test compares the first with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
import pandas as pd

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.resource import KeySource, Resource, Table
from aeries_pipeline.catalog.schemas import faults
from aeries_pipeline.catalog.tables import fault_sql, literal, quoted, value_sql
from aeries_pipeline.stores.infer_schema import Drift, drift_of
from aeries_pipeline.stores.read import Rows, read_as_text
from aeries_pipeline.stores.tables import Counts, Staged, bad_table, good_table, text_table

_CHUNK_ROWS = 200_000


def validate(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Staged:
    """Leave in ``good_*`` the good rows of a batch and in ``bad_*`` the bad ones.

    Args:
        connection: An in-memory DuckDB with the tables that ``read`` made.
        rows: What was read.

    Returns:
        What is known of each partition.

    Raises:
        duckdb.Error: If a file cannot be parsed after all.
    """
    if rows.typed:
        rows = read_as_text(connection, rows, rows.typed & _faulty(connection, rows.resource.main))
    resource, landed = rows.resource, rows.landed
    counts = {
        table.name: {part: Counts() for part in range(len(landed))} for table in resource.tables
    }
    for table in resource.tables:
        if len(rows.typed) < len(landed):
            _check_each_row(connection, table, counts[table.name])
        if table is resource.main:
            _put_aside(connection, rows, table)
        _count(connection, table, counts[table.name])
    records = {
        part: shape.records + len(landed[part].unreadable) for part, shape in rows.shapes.items()
    }
    drift = {part: drift_of(resource, rows.shapes[part]) for part in range(len(landed))}
    _note_other_schools(connection, resource, drift)
    return Staged(records, drift, counts)


def _faulty(connection: duckdb.DuckDBPyConnection, table: Table) -> set[int]:
    """Return the partitions in which a key comes twice or pandera finds any fault."""
    found: set[int] = set()
    if table.key_source is not KeySource.NONE:
        key = ", ".join(quoted(name) for name in table.key)
        repeating = connection.execute(
            f"SELECT DISTINCT _part FROM (SELECT _part FROM {good_table(table)} "
            f"GROUP BY _part, {key} HAVING count(*) > 1)"
        ).fetchall()
        found |= {part for (part,) in repeating}
    for frame in _frames(connection, table, "_part", good_table(table)):
        parts = frame.pop("_part")
        found |= {int(parts.iloc[row]) for row in faults(table, frame)}
    return found


def _check_each_row(
    connection: duckdb.DuckDBPyConnection, table: Table, counts: Mapping[int, Counts]
) -> None:
    """Sort the rows of ``text_*`` into good, bad and repeated ones."""
    _cast(connection, table)
    _collect_faults(connection, table)
    _drop_duplicates(connection, table, counts)
    columns = ", ".join(quoted(one.name) for one in table.stored)
    connection.execute(
        f"INSERT INTO {good_table(table)} BY NAME SELECT _part, _extra, {columns} "
        "FROM staged ANTI JOIN bad USING (_row) ANTI JOIN dropped USING (_row)"
    )
    whole = ", ".join(f"{literal(one.name)}, t.{quoted(one.name)}" for one in table.fields)
    connection.execute(
        f"INSERT INTO {bad_table(table)} BY NAME SELECT t._part, b.reason, "
        f"json_merge_patch(json_object({whole}), coalesce(t._extra, '{{}}'::JSON)) AS record "
        f"FROM {text_table(table)} t JOIN bad b USING (_row)"
    )
    for name in ("staged", text_table(table)):
        connection.execute(f"DROP TABLE {name}")


def _cast(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make ``staged``: typed columns, and the faults of the casts."""
    values = [f"{value_sql(one, quoted(one.name))} AS {quoted(one.name)}" for one in table.stored]
    wrong = [sql for one in table.stored if (sql := fault_sql(one, quoted(one.name)))]
    listed = f"concat_ws('; ', {', '.join(wrong)})" if wrong else "''"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT _row, _part, _page, _extra, "
        f"{listed} AS _faults, {', '.join(values)} FROM {text_table(table)}"
    )


def _collect_faults(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make ``bad``: row numbers and reasons, from the casts and from pandera."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE bad AS SELECT _row, _faults AS reason "
        "FROM staged WHERE _faults <> ''"
    )
    found: dict[int, str] = {}
    for frame in _frames(connection, table, "_row", "staged WHERE _faults = ''"):
        reasons = faults(table, frame.set_index("_row"))
        found |= {row: "; ".join(given) for row, given in reasons.items()}
    if found:
        connection.executemany("INSERT INTO bad VALUES (?, ?)", [[r, w] for r, w in found.items()])


def _frames(
    connection: duckdb.DuckDBPyConnection, table: Table, first: str, source: str
) -> Iterator[pd.DataFrame]:
    """Yield the typed rows of a table in pieces that fit into memory.

    Args:
        connection: Holds them.
        table: What the rows are meant for.
        first: A further column, which comes first.
        source: The rest of the query, after FROM.
    """
    columns = ", ".join(
        f"{quoted(one.name)}::VARCHAR AS {quoted(one.name)}"
        if one.kind is Kind.JSON
        else quoted(one.name)
        for one in table.stored
    )
    reader = connection.execute(f"SELECT {first}, {columns} FROM {source}").to_arrow_reader(
        _CHUNK_ROWS
    )
    for batch in reader:
        yield batch.to_pandas(types_mapper=pd.ArrowDtype)


def _drop_duplicates(
    connection: duckdb.DuckDBPyConnection, table: Table, counts: Mapping[int, Counts]
) -> None:
    """Make ``dropped``: rows that say again what another row says.

    A row that comes on two pages is the paging's doing, and the later page is
    the newer state. Two different rows with one key on one page are a fault of
    the data: for a documented key the second is bad, for an inferred one both
    stay and are reported.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE dropped (_row BIGINT)")
    if table.key_source is KeySource.NONE:
        return
    key = ", ".join(quoted(name) for name in table.key)
    repeated = connection.execute(
        f"SELECT 1 FROM staged ANTI JOIN bad USING (_row) GROUP BY _part, {key} "
        "HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if repeated is None:
        return
    content = ", ".join(quoted(one.name) for one in table.stored)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE twins AS SELECT _row, _part, _page, "
        f"hash({content}) AS content, dense_rank() OVER (ORDER BY _part, {key}) AS same, "
        f"row_number() OVER (PARTITION BY _part, {key}, hash({content}) ORDER BY _page DESC, _row) "
        "AS copy FROM staged ANTI JOIN bad USING (_row) "
        f"QUALIFY count(*) OVER (PARTITION BY _part, {key}) > 1"
    )
    connection.execute("INSERT INTO dropped SELECT _row FROM twins WHERE copy > 1")
    connection.execute("DELETE FROM twins WHERE copy > 1")
    connection.execute(
        "INSERT INTO dropped SELECT _row FROM twins "
        "QUALIFY _page < max(_page) OVER (PARTITION BY same)"
    )
    connection.execute("DELETE FROM twins WHERE _row IN (SELECT _row FROM dropped)")
    for part, n in connection.execute(
        "SELECT _part, count(*) FROM staged JOIN dropped USING (_row) GROUP BY _part"
    ).fetchall():
        counts[part].duplicates = n
    conflicts = connection.execute(
        "SELECT _row, _part FROM twins "
        "QUALIFY row_number() OVER (PARTITION BY same ORDER BY _row) > 1"
    ).fetchall()
    for _row, part in conflicts:
        counts[part].conflicts += 1
    if conflicts and table.key_source is KeySource.DOCUMENTED:
        reason = f"{', '.join(table.key)}: another row has the same key"
        connection.executemany("INSERT INTO bad VALUES (?, ?)", [[r, reason] for r, _ in conflicts])


def _put_aside(connection: duckdb.DuckDBPyConnection, rows: Rows, table: Table) -> None:
    """Add to ``bad_*`` what the client could not read of the answers."""
    found = [
        [part, bad.reason, bad.record]
        for part, one in enumerate(rows.landed)
        for bad in one.unreadable
    ]
    if found:
        connection.executemany(f"INSERT INTO {bad_table(table)} VALUES (?, ?, ?)", found)


def _count(connection: duckdb.DuckDBPyConnection, table: Table, counts: dict[int, Counts]) -> None:
    for name, attribute in ((good_table(table), "rows"), (bad_table(table), "quarantined")):
        for part, n in connection.execute(
            f"SELECT _part, count(*) FROM {name} GROUP BY _part"
        ).fetchall():
            setattr(counts[part], attribute, n)


def _note_other_schools(
    connection: duckdb.DuckDBPyConnection, resource: Resource, drift: dict[int, Drift]
) -> None:
    if "SchoolCode" not in {one.name for one in resource.main.stored}:
        return
    rows = connection.execute(
        f"SELECT g._part, count(*) FROM {good_table(resource.main)} g "
        'JOIN parts p ON p.part = g._part WHERE g."SchoolCode" <> p.school GROUP BY g._part'
    ).fetchall()
    for part, n in rows:
        drift[part].other_schools = n
