"""The search of the catalogue of the analysts' lake; its files are searched like all others.

A catalogue has no rows, but the smallest and the greatest value of each column, for each
file and each table. If a value for a whole table is explained by a row that is still
there, it is that row's, and belongs to nobody who was forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import duckdb

from aeries_pipeline.analytics.publishing.contents import OTHER_KEYS, STUDENT_KEYS
from aeries_pipeline.analytics.publishing.lake_access import (
    CATALOGUE,
    LAKE,
    Lake,
    LakeNotWrittenError,
    attached,
    target_of,
)
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.operations.privacy.person import Person
from aeries_pipeline.stores.memory import open_duckdb

_OF_FILES = f"""
WITH named AS (
    SELECT s.*, coalesce(c.column_name, '') AS column_name,
           coalesce(c.column_type, 'varchar') AS column_type
    FROM {CATALOGUE}.ducklake_file_column_stats AS s
    LEFT JOIN {CATALOGUE}.ducklake_column AS c USING (table_id, column_id)
)
SELECT DISTINCT s.column_name, s.column_type, unnest([s.min_value, s.max_value]), d.min_value
FROM named AS s
LEFT JOIN named AS d ON d.data_file_id = s.data_file_id AND d.column_name = 'district'
"""
_OF_TABLES = f"""
SELECT DISTINCT n.schema_name, t.table_name, coalesce(c.column_name, ''),
       coalesce(c.column_type, 'varchar'), c.parent_column,
       unnest([s.min_value, s.max_value])
FROM {CATALOGUE}.ducklake_table_column_stats AS s
LEFT JOIN {CATALOGUE}.ducklake_column AS c USING (table_id, column_id)
LEFT JOIN {CATALOGUE}.ducklake_table AS t ON t.table_id = s.table_id AND t.end_snapshot IS NULL
LEFT JOIN {CATALOGUE}.ducklake_schema AS n
  ON n.schema_id = t.schema_id AND n.end_snapshot IS NULL
"""
_KEYS = {*STUDENT_KEYS, *OTHER_KEYS}
_TEXTS = {"varchar", "json"}
_UNREAD = "the lake's catalogue: it cannot be read; publish, then run the same command again"

Test = Callable[[str, str, str], bool]
"""Whether a column's value, by its name and type, is a trace."""


def student_in_lake(lake: Lake, person: Person) -> list[str]:
    """Return where the lake's catalogue still mentions a student, by place and never by value."""

    def is_of(column: str, kind: str, value: str) -> bool:
        is_id = column in _KEYS and value == str(person.student)
        return is_id or (kind in _TEXTS and person.is_in(value))

    found = _found(lake, person.district, is_of, person.marks)
    if lake.catalog is not None and lake.catalog.exists():
        content = lake.catalog.read_bytes()
        if any(mark.encode() in content for mark in person.marks):
            found.append("the lake's catalogue: bytes")
    return found


def district_in_lake(lake: Lake, district: str) -> list[str]:
    """Return where the lake's catalogue still mentions a district."""
    return _found(
        lake, district, lambda column, _kind, value: (column, value) == ("district", district)
    )


def has_rows_of(path: Path, district: str) -> bool:
    """Tell whether a file of the lake has rows of a district."""
    if path.suffix != ".parquet":
        return False
    with open_duckdb(path.parent) as connection:
        name = f"read_parquet({literal(str(path))})"
        columns = [row[0] for row in connection.execute(f"DESCRIBE FROM {name}").fetchall()]
        if "district" not in columns:
            return False
        query = f"SELECT 1 FROM {name} WHERE district = ? LIMIT 1"
        return connection.execute(query, [district]).fetchone() is not None


def _found(lake: Lake, district: str, is_of: Test, marks: Collection[str] = ()) -> list[str]:
    if lake.catalog is not None and not lake.catalog.exists():
        return []
    try:
        with attached(lake, target_of(lake), reads=True) as connection:
            traces = [*_in_files(connection, district, is_of, marks)]
            traces += _in_tables(connection, is_of, marks)
    except (duckdb.Error, LakeNotWrittenError):
        return [_UNREAD]
    return [f"the lake's catalogue: {one}" for one in dict.fromkeys(traces)]


def _in_files(
    connection: duckdb.DuckDBPyConnection, district: str, is_of: Test, marks: Collection[str]
) -> Iterator[str]:
    for column, kind, value, of in connection.execute(_OF_FILES).fetchall():
        if value is None:
            continue
        is_own = of in {district, None}
        if (is_own and is_of(column, kind, value)) or any(mark in value for mark in marks):
            yield f"a file's statistic of {column}"
    query = f"SELECT count(*) FROM {CATALOGUE}.ducklake_inlined_data_tables"
    if connection.execute(query).fetchall() != [(0,)]:
        yield "rows"


def _in_tables(
    connection: duckdb.DuckDBPyConnection, is_of: Test, marks: Collection[str]
) -> Iterator[str]:
    for schema, table, column, kind, parent, value in connection.execute(_OF_TABLES).fetchall():
        if value is None:
            continue
        is_marked = any(mark in value for mark in marks)
        # The parts of a list bear no name of their own.
        if not is_marked and (parent is not None or not is_of(column, kind, value)):
            continue
        if is_marked or table is None or not _accounted(connection, (schema, table, column), value):
            yield f"a statistic of {table or 'a former table'}.{column}"


def _accounted(
    connection: duckdb.DuckDBPyConnection, place: tuple[str, str, str], value: str
) -> bool:
    schema, table, column = place
    query = f"SELECT 1 FROM {LAKE}.{schema}.{quoted(table)} WHERE {quoted(column)}::VARCHAR = ?"
    return connection.execute(f"{query} LIMIT 1", [value]).fetchone() is not None
