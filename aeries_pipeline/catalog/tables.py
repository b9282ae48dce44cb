"""DuckDB tables derived from the catalogue: DDL, casts and the schema hash.

Produces SQL text only; running it is the warehouse's work. The SQL keeps to
what DuckLake understands as well: no keys, no indexes, no sequences.
"""

from __future__ import annotations

import hashlib

from aeries_pipeline.catalog.fields import Field, Kind
from aeries_pipeline.catalog.resource import Table

PROVENANCE = (
    ("district", "VARCHAR"),
    ("school", "INTEGER"),
    ("_pull_id", "VARCHAR"),
    ("_pulled_at", "TIMESTAMP"),
    ("_extra", "JSON"),
)
"""Columns that the pipeline adds to every raw table.

``school`` is the school that was asked, NULL for a resource of the whole
district; ``_pulled_at`` is UTC; ``_extra`` holds the properties that the
catalogue does not know, as one JSON object, NULL where there are none.
"""

FIRST_DATE, LAST_DATE = "TIMESTAMP '1900-01-01'", "TIMESTAMP '2100-12-31 23:59:59'"
"""A date before or after these is a typing error; its row goes to quarantine."""


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def columns_of(table: Table) -> tuple[tuple[str, str], ...]:
    """Return names and DuckDB types of a raw table, in order."""
    return PROVENANCE + tuple((field.name, field.sql_type) for field in table.stored)


def create_raw(table: Table, catalog: str) -> str:
    """Return the statement that makes the raw table if it is missing."""
    body = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns_of(table))
    return f"CREATE TABLE IF NOT EXISTS {catalog}.raw.{quoted(table.name)} ({body})"


def create_quarantine(table: Table, catalog: str) -> str:
    """Return the statement that makes the quarantine table if it is missing."""
    return (
        f"CREATE TABLE IF NOT EXISTS {catalog}.quarantine.{quoted(table.name)} "
        "(district VARCHAR, school INTEGER, _pull_id VARCHAR, _pulled_at TIMESTAMP, "
        "reason VARCHAR, record JSON)"
    )


def schema_hash(table: Table, extra: frozenset[str] = frozenset()) -> str:
    """Return a short hash of columns, types and unknown fields."""
    shape = repr((columns_of(table), sorted(extra)))
    return hashlib.sha256(shape.encode()).hexdigest()[:12]


def value_sql(field: Field, text: str) -> str:
    """Return the expression that turns a field's text into its typed value.

    White space alone is a blank, for a code as for a name. The year 1 stands
    for no date in older Aeries versions. Both are rules of the Aeries API.

    Args:
        field: The field.
        text: SQL expression of its text, NULL where JSON had null.
    """
    match field.kind:
        case Kind.TEXT:
            # Most texts do not begin with a blank, and need no further look.
            blank = f"starts_with({text}, ' ') AND trim({text}) = ''"
            return f"CASE WHEN {blank} THEN '' ELSE {text} END"
        case Kind.TIMESTAMP:
            cast = f"TRY_CAST({text} AS TIMESTAMP)"
            return f"CASE WHEN starts_with({text}, '0001-01-01') THEN NULL ELSE {cast} END"
        case Kind.JSON:
            return f"CAST({text} AS JSON)"
        case _:
            return f"TRY_CAST({text} AS {field.sql_type})"


def suspect_sql(field: Field, text: str) -> str | None:
    """Return the condition under which a text is not fit for its field.

    None if every text is fit, as for a text field.
    """
    match field.kind:
        case Kind.TEXT | Kind.JSON:
            return None
        case Kind.INTEGER:
            cast = f"TRY_CAST({text} AS BIGINT)"
            # A cast rounds 3.7 to 4, which would be a wrong value, not a bad one.
            wrong = (
                f"({cast} IS NULL OR contains({text}, '.') AND "
                f"TRY_CAST({text} AS DOUBLE) <> {cast})"
            )
        case Kind.TIMESTAMP:
            cast = f"TRY_CAST({text} AS TIMESTAMP)"
            # The year 1 stands for no date. Other years no school means, and Python
            # knows neither a year 0 nor a year 10000.
            wrong = (
                f"({cast} IS NULL OR NOT {cast} BETWEEN {FIRST_DATE} AND {LAST_DATE} "
                f"AND NOT starts_with({text}, '0001-01-01'))"
            )
        case _:
            wrong = f"TRY_CAST({text} AS {field.sql_type}) IS NULL"
    return f"({text} IS NOT NULL AND {wrong} AND trim({text}) <> '')"


def fault_sql(field: Field, text: str) -> str | None:
    """Return the expression that names what is wrong with a text, else NULL.

    None if every text is fit.
    """
    suspect = suspect_sql(field, text)
    if suspect is None:
        return None
    reason = literal(f"{field.name}: not {_ARTICLE[field.kind]}")
    return f"CASE WHEN {suspect} THEN {reason} END"


_ARTICLE = {
    Kind.INTEGER: "a whole number",
    Kind.DECIMAL: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.TIMESTAMP: "a date of 1900 to 2100",
}
