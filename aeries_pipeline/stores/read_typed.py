"""The quickest way from landing files to rows: read as numbers, and held against a count.

The columns are read in the types they have, with the properties of the first
element presumed of all. That is believed of a partition only if the values that
were read are as many as its pages hold: then none was left out, and no truth
value has passed for a number. Anything else is left to the ways that look at
each element (``staging``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from aeries_pipeline.catalog.fields import Field, Kind
from aeries_pipeline.catalog.resource import Table
from aeries_pipeline.catalog.tables import quoted, suspect_sql, value_sql
from aeries_pipeline.stores.diagnose import lacks_memory
from aeries_pipeline.stores.infer_schema import Shape
from aeries_pipeline.stores.read_sql import Present, text_select
from aeries_pipeline.stores.tables import good_table

_LARGEST = 2**53 - 1
"""Whole numbers up to it stand exactly in the numbers of JSON."""


def read_counted(
    connection: duckdb.DuckDBPyConnection,
    pieces: Sequence[Sequence[str]],
    table: Table,
    names: Present,
    shapes: Mapping[int, Shape],
) -> set[int]:
    """Fill ``good_*`` and return the partitions of which every value was taken.

    Rows of other partitions are there as well and have to be removed.

    Args:
        connection: An in-memory DuckDB with the tables ``files`` and ``good_*``.
        pieces: Paths of the partitions' pages that are read at once.
        table: What the rows are meant for.
        names: What the files carry.
        shapes: Of the partitions, all of them presumed.
    """
    values = ", ".join(
        f"{_value(one, quoted(one.name))} AS {quoted(one.name)}" for one in table.stored
    )
    suspects = [sql for one in table.stored if (sql := _suspect(one, quoted(one.name)))]
    truths = [f"({quoted(one.name)} IS NOT NULL)::INTEGER" for one in _booleans(table)]
    try:
        for files in pieces:
            connection.execute(
                f"INSERT INTO {good_table(table)} SELECT _part, _extra, "
                f"{' OR '.join(suspects) or 'false'}, {values}, _values, "
                f"{' + '.join(truths) or '0'} "
                f"FROM ({text_select(files, table, names, typed=True)})"
            )
    except duckdb.Error as error:
        if lacks_memory(error):
            raise
        # A value that is not of its type, somewhere in the batch.
        return set()
    found = {
        part: tuple(rest)
        for part, *rest in connection.execute(
            "SELECT _part, count(*), sum(_values), sum(_booleans), bool_or(_suspect) "
            f"FROM {good_table(table)} GROUP BY _part"
        ).fetchall()
    }
    return {
        part for part, shape in shapes.items() if _agrees(table, shape, *found.get(part, _NO_ROWS))
    }


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


def _booleans(table: Table) -> list[Field]:
    return [one for one in table.stored if one.kind is Kind.BOOLEAN]


def _value(field: Field, read: str) -> str:
    """Return the expression that turns what was read into the field's value."""
    match field.kind:
        case Kind.INTEGER:
            return f"TRY_CAST({read} AS BIGINT)"
        case Kind.DECIMAL:
            # Close to a number with so few digits a plain cast rounds as that of the text does.
            scaled = f"{read} * {10**field.scale}"
            close = f"abs({read}) < 1e11 AND abs({scaled} - round({scaled})) < 1e-6"
            cast = f"CAST({read} AS {field.sql_type})"
            text = f"TRY_CAST(CAST({read} AS VARCHAR) AS {field.sql_type})"
            return f"CASE WHEN {read} IS NULL THEN NULL WHEN {close} THEN {cast} ELSE {text} END"
        case Kind.BOOLEAN:
            return f"CASE {read}::VARCHAR WHEN 'true' THEN true WHEN 'false' THEN false END"
        case _:
            return value_sql(field, read)


def _suspect(field: Field, read: str) -> str | None:
    """Return the condition under which what was read is not fit for the field."""
    match field.kind:
        case Kind.INTEGER:
            return f"NOT coalesce(abs({read}) <= {_LARGEST} AND {read} = trunc({read}), true)"
        case Kind.DECIMAL | Kind.BOOLEAN:
            return f"({read} IS NOT NULL AND {_value(field, read)} IS NULL)"
        case _:
            return suspect_sql(field, read)
