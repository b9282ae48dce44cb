"""Pandera schemas derived from the catalog.

A schema describes the typed rows of a table just before they are written. Its findings are
reasons by row number, never with the value that failed: values are students' data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import pandera.errors
import pandera.pandas as pda
import pyarrow as pa

from aeries_pipeline.catalog.fields import Field, Kind

if TYPE_CHECKING:
    from aeries_pipeline.catalog.resource import Table

_REASONS = {
    "not_nullable": "missing",
    "greater_than_or_equal_to": "below the smallest legal value",
    "less_than_or_equal_to": "above the largest legal value",
    "str_length": "has an illegal length",
}


def arrow_type(field: Field) -> pa.DataType:
    """Return the Arrow type that a column has on its way to pandas."""
    match field.kind:
        case Kind.INTEGER:
            return pa.int64()
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.TIMESTAMP:
            return pa.timestamp("us")
        case Kind.DECIMAL:
            return pa.decimal128(18, field.scale)
        case _:
            return pa.string()


@cache
def schema_of(table: Table) -> pda.DataFrameSchema:
    """Return the pandera schema of a table.

    A column is nullable unless a row without its value would be bad.
    """
    return pda.DataFrameSchema(
        {field.name: _column(field, table) for field in table.stored},
        name=table.name,
        strict=True,
        ordered=True,
    )


def _column(field: Field, table: Table) -> pda.Column:
    checks: list[pda.Check] = []
    if field.kind is Kind.TEXT and (field.minimum or field.maximum):
        checks.append(pda.Check.str_length(field.minimum, field.maximum))
    elif field.kind is not Kind.TEXT:
        if field.minimum is not None:
            checks.append(pda.Check.ge(field.minimum))
        if field.maximum is not None:
            checks.append(pda.Check.le(field.maximum))
    return pda.Column(
        pd.ArrowDtype(arrow_type(field)),
        checks=checks or None,
        nullable=not field.needs_value(table.key),
        description=field.description,
    )


def faults(table: Table, frame: pd.DataFrame) -> Mapping[int, list[str]]:
    """Validate typed rows and return the reasons for each bad row.

    Args:
        table: The table that the rows are meant for.
        frame: Its stored fields, indexed by row number.

    Returns:
        Sentences by row number; empty if all rows are good.

    Raises:
        TypeError: If the frame itself does not fit the schema, which is a
            mistake of this program and not of the data.
    """
    try:
        schema_of(table).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases: pd.DataFrame = error.failure_cases
        if cases["index"].isna().any():
            broken = sorted(set(cases.loc[cases["index"].isna(), "check"].astype(str)))
            raise TypeError(f"table {table.name} does not fit its schema: {broken}") from None
        found: defaultdict[int, list[str]] = defaultdict(list)
        for row, column, check in zip(cases["index"], cases["column"], cases["check"], strict=True):
            found[int(row)].append(f"{column}: {_reason(check)}")
        return found
    return {}


def _reason(check: Any) -> str:  # noqa: ANN401 - pandera gives a name of any type
    name = str(check).split("(", maxsplit=1)[0]
    return _REASONS.get(name, name)
