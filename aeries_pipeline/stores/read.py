"""Reading: from landed files to rows in memory.

A partition whose pages the client has counted is read with the columns' types, in one pass
over its bytes. It is believed if as many values were read as the pages hold: then none was
left out, and no boolean was taken for a number. Every other partition is read as text, which
``validate`` casts value by value. Nothing is said here about what a value should be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.diagnose import lacks_memory
from aeries_pipeline.stores.infer_schema import NO_NAMES, Shape, survey_files, unknown_names
from aeries_pipeline.stores.read_sql import present, text_select, typed_select
from aeries_pipeline.stores.tables import (
    Landed,
    bad_table,
    good_table,
    in_parts,
    make_table,
    text_table,
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read of a batch, before anything is validated.

    Attributes:
        resource: What the files hold.
        landed: The partitions; their numbers are their places in this list.
        typed: Those whose rows are in ``good_*``; all others are in ``text_*``.
        shapes: What the elements of each partition look like.
        page_by_page: Whether each file is read by a query of its own.
    """

    resource: Resource
    landed: Sequence[Landed]
    typed: frozenset[int]
    shapes: Mapping[int, Shape]
    page_by_page: bool = False

    def files(self, parts: Collection[int]) -> list[str]:
        """Return the files of some partitions."""
        return [str(page) for part in sorted(parts) for page in self.landed[part].pages]

    def pieces(self, parts: Collection[int]) -> list[list[str]]:
        """Return the files that are read at once.

        DuckDB holds something of each file of a query until the last one is read.
        """
        files = self.files(parts)
        return [[one] for one in files] if self.page_by_page else [files]


def read(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    landed: Sequence[Landed],
    *,
    quickly: bool = True,
    page_by_page: bool = False,
) -> Rows:
    """Read the landed files of a batch.

    Args:
        connection: An in-memory DuckDB; its tables ``parts``, ``files``, ``good_*``,
            ``bad_*`` and ``text_*`` are made again.
        resource: What the files hold.
        landed: The partitions; their numbers are their places in this list.
        quickly: Whether any may be read with the columns' types.
        page_by_page: Whether each file is read by a query of its own, which takes the least memory.

    Raises:
        duckdb.Error: If a file cannot be parsed at all.
    """
    _register(connection, landed)
    for table in resource.tables:
        _make_tables(connection, table)
    counted = {
        part: one.shape
        for part, one in enumerate(landed)
        if quickly and one.shape is not None and one.shape.members is not None
    }
    rows = _read_typed(connection, Rows(resource, landed, frozenset(), counted, page_by_page))
    return read_as_text(connection, rows, set(range(len(landed))) - rows.typed)


def read_as_text(connection: duckdb.DuckDBPyConnection, rows: Rows, parts: Collection[int]) -> Rows:
    """Read some partitions as text, whatever was read of them before.

    Args:
        connection: With the tables that :func:`read` makes.
        rows: What was read so far.
        parts: The partitions.

    Raises:
        duckdb.Error: If a file cannot be parsed at all.
    """
    if not parts:
        return rows
    resource = rows.resource
    found = dict.fromkeys(parts, Shape())
    found |= survey_files(connection, resource, rows.files(parts))
    for table in resource.tables:
        connection.execute(f"DELETE FROM {good_table(table)} WHERE {in_parts(parts)}")
    # Of two rows with one key the first stays, so here the order of rows counts.
    connection.execute("SET preserve_insertion_order = true")
    for alike in _of_the_same_unknown(resource, found):
        for table in resource.tables:
            names = present(resource, table, [found[part] for part in alike])
            text = text_table(table)
            for files in rows.pieces(alike):
                connection.execute(
                    f"INSERT INTO {text} BY NAME SELECT (SELECT count(*) FROM {text}) "
                    f"+ row_number() OVER () AS _row, * FROM ({text_select(files, table, names)})"
                )
    connection.execute("SET preserve_insertion_order = false")
    return replace(rows, typed=rows.typed - set(parts), shapes={**rows.shapes, **found})


def _register(connection: duckdb.DuckDBPyConnection, landed: Sequence[Landed]) -> None:
    make_table(
        connection,
        "parts",
        {
            "part": pa.array(range(len(landed)), pa.int32()),
            "district": pa.array([one.district for one in landed], pa.string()),
            "school": pa.array([one.school for one in landed], pa.int32()),
            "_pull_id": pa.array([one.pull_id for one in landed], pa.string()),
            "_pulled_at": pa.array([one.pulled_at for one in landed], pa.timestamp("us")),
        },
    )
    listed = [
        (str(path), part, page)
        for part, one in enumerate(landed)
        for page, path in enumerate(one.pages)
    ]
    make_table(
        connection,
        "files",
        {
            "file": pa.array([one[0] for one in listed], pa.string()),
            "part": pa.array([one[1] for one in listed], pa.int32()),
            "page": pa.array([one[2] for one in listed], pa.int32()),
        },
    )


def _make_tables(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    typed = ", ".join(f"{quoted(one.name)} {one.sql_type}" for one in table.stored)
    texts = ", ".join(f"{quoted(one.name)} VARCHAR" for one in table.fields)
    for name, columns in (
        (
            good_table(table),
            f"_part INTEGER, _extra JSON, _suspect BOOLEAN, {typed}, "
            "_values INTEGER, _booleans INTEGER",
        ),
        (bad_table(table), "_part INTEGER, reason VARCHAR, record JSON"),
        (text_table(table), f"_row BIGINT, _part INTEGER, _page INTEGER, {texts}, _extra JSON"),
    ):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")


def _read_typed(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Rows:
    """Fill ``good_*`` with the partitions of which every value was taken."""
    table = rows.resource.main
    for alike in _of_the_same_names(table, rows.shapes):
        names = present(rows.resource, table, list(alike.values()))
        try:
            for files in rows.pieces(alike):
                connection.execute(
                    f"INSERT INTO {good_table(table)} {typed_select(files, table, names)}"
                )
        except duckdb.Error as error:
            if lacks_memory(error):
                raise
            # A value that is not of its type, somewhere in the group.
            connection.execute(f"DELETE FROM {good_table(table)} WHERE {in_parts(alike)}")
    found = {
        part: tuple(rest)
        for part, *rest in connection.execute(
            "SELECT _part, count(*), sum(_values), sum(_booleans), bool_or(_suspect) "
            f"FROM {good_table(table)} GROUP BY _part"
        ).fetchall()
    }
    typed = {
        part
        for part, shape in rows.shapes.items()
        if _agrees(table, shape, *found.get(part, _NO_ROWS))
    }
    return replace(rows, typed=frozenset(typed))


_NO_ROWS = (0, 0, 0, False)


def _agrees(table: Table, shape: Shape, rows: int, values: int, booleans: int, odd: bool) -> bool:  # noqa: FBT001
    members = shape.members
    return (
        members is not None
        and not odd
        and rows == shape.rows[table.name]
        and values == members.values
        and booleans == members.booleans
        and values + members.nulls == members.presumed
    )


def _of_the_same_names(table: Table, shapes: Mapping[int, Shape]) -> list[dict[int, Shape]]:
    """Group partitions by the properties that are presumed of their rows.

    Read with the columns of another one, a partition would seem to hold what was
    presumed of it where a later element has a property that its first one lacks,
    which its drift then would not tell. One without rows goes with any.
    """
    groups: dict[frozenset[str], dict[int, Shape]] = {}
    empty: dict[int, Shape] = {}
    for part, shape in shapes.items():
        names = shape.inner.get(table.name, NO_NAMES) if table.nested else shape.names
        mine = groups.setdefault(names, {}) if shape.rows[table.name] else empty
        mine[part] = shape
    if not groups:
        return [empty] if empty else []
    first, *others = groups.values()
    return [first | empty, *others]


def _of_the_same_unknown(resource: Resource, shapes: Mapping[int, Shape]) -> list[set[int]]:
    """Group partitions by the properties that the catalogue does not know.

    Read together, two spellings of one name, which differ in case, would be one
    column under the name of whichever came first.
    """
    groups: dict[frozenset[str], set[int]] = {}
    for part, shape in shapes.items():
        groups.setdefault(unknown_names(resource, [shape]), set()).add(part)
    return list(groups.values())
