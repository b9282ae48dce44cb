"""The careful way from landing files to rows: text first, then values, then reasons.

Used for a partition in which the quick way found anything wrong. Bad rows are
quarantined complete, with reasons; rows that repeat another are dropped. Slower,
and authoritative: a property test checks the quick way against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import pandas as pd

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.resource import KeySource, Table
from aeries_pipeline.catalog.schemas import faults
from aeries_pipeline.catalog.tables import fault_sql, literal, quoted, value_sql
from aeries_pipeline.stores.read_sql import Present, text_select
from aeries_pipeline.stores.tables import Counts, bad_table, good_table

_CHUNK_ROWS = 200_000


def read_carefully(
    connection: duckdb.DuckDBPyConnection,
    pieces: Sequence[Sequence[str]],
    table: Table,
    names: Present,
    counts: Mapping[int, Counts],
) -> None:
    """Add the good rows of files to ``good_*`` and their bad rows to ``bad_*``.

    Args:
        connection: An in-memory DuckDB with the tables ``files``, ``good_*`` and ``bad_*``.
        pieces: Paths that are read at once; all their partitions are in ``counts``.
        table: What the rows are meant for.
        names: What the files carry.
        counts: Filled in by partition.
    """
    # Of two rows with one key the first stays, so here the order of rows counts.
    connection.execute("SET preserve_insertion_order = true")
    numbered = "SELECT {} + row_number() OVER () AS _row, * FROM ({})"
    first, *others = (text_select(files, table, names) for files in pieces)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged_text AS {numbered.format(0, first)}")
    before = "(SELECT count(*) FROM staged_text)"
    for query in others:
        connection.execute(f"INSERT INTO staged_text {numbered.format(before, query)}")
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
        "FROM staged_text t JOIN bad b USING (_row)"
    )
    for name in ("staged", "staged_text"):
        connection.execute(f"DROP TABLE {name}")
    connection.execute("SET preserve_insertion_order = false")


def _cast(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make ``staged``: typed columns, and the faults of the casts."""
    values = [f"{value_sql(one, quoted(one.name))} AS {quoted(one.name)}" for one in table.stored]
    wrong = [sql for one in table.stored if (sql := fault_sql(one, quoted(one.name)))]
    listed = f"concat_ws('; ', {', '.join(wrong)})" if wrong else "''"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT _row, _part, _page, _extra, "
        f"{listed} AS _faults, {', '.join(values)} FROM staged_text"
    )


def _collect_faults(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make ``bad``: row numbers and reasons, from the casts and from pandera."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE bad AS SELECT _row, _faults AS reason "
        "FROM staged WHERE _faults <> ''"
    )
    found: dict[int, str] = {}
    for frame in frames(connection, table, "_row", "staged WHERE _faults = ''"):
        reasons = faults(table, frame.set_index("_row"))
        found |= {row: "; ".join(given) for row, given in reasons.items()}
    if found:
        connection.executemany("INSERT INTO bad VALUES (?, ?)", [[r, w] for r, w in found.items()])


def frames(
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
