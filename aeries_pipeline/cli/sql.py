"""``aeries-pipeline sql``: one read-only query on the warehouses or on the analysts' copy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.build import make_views
from aeries_pipeline.analytics.publishing.contents import RAW
from aeries_pipeline.analytics.publishing.publish import DISTRICTS
from aeries_pipeline.cli.common import errors
from aeries_pipeline.cli.results import Format, as_text, show
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import WarehouseUnusableError
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.union import MEMORY, in_one
from aeries_pipeline.words import counted

_EXPLAIN = re.compile(r"\s*explain(\s+analyze\b|\s*\([^)]*\))?", re.IGNORECASE)
"""``EXPLAIN ANALYZE`` runs what comes behind it."""

SHOWN = 200
"""Rows that a terminal shows where nothing else is asked for."""


class BadQueryError(Exception):
    """The database does not understand the query; the message is its own."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, and how the answer is shown.

    Attributes:
        text: The SQL.
        published: Whether the analysts' copy is asked, and not the warehouses.
        district: Whose warehouse is asked, or whose part of the copy; all where empty.
        shape: A format; None for what suits the terminal, and for CSV where there is none.
        limit: How many rows at most; 0 for all; None for ``SHOWN`` on a terminal, else for all.
        output: A file to write to; None for standard output.
    """

    text: str
    published: bool = False
    district: str = ""
    shape: Format | None = None
    limit: int | None = None
    output: Path | None = None


def run_query(settings: Settings, query: Query, console: Console) -> None:
    """Run a query and print its rows, or write them to a file.

    Raises:
        WarehouseUnusableError: If there is nothing to ask yet.
        BadQueryError: If the query is wrong, or its answer cannot be written as asked.
    """
    if query.shape == "parquet" and query.output is None:
        raise BadQueryError("parquet is no text: name a file with --output FILE")
    for_eyes = query.output is None and console.is_terminal
    shape = query.shape or (None if for_eyes else "csv")
    # Nothing said is some rows for a person and all of them for a program; 0 is all.
    limit = (query.limit or None) if query.limit is not None else (SHOWN if for_eyes else None)
    with _connection(settings, query.district, published=query.published) as connection:
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            _check_reads(connection, query.text)
            columns, rows = _answer(connection, query, limit)
        except duckdb.Error as error:
            raise BadQueryError(str(error).splitlines()[0]) from None
        finally:
            connection.execute("ROLLBACK")
    if query.output is not None:
        if shape != "parquet":
            write_atomically(query.output, as_text(columns, rows, shape or "csv"))
        return
    more = limit is not None and len(rows) > limit
    rows = rows[:limit]
    if for_eyes or shape == "table":
        show(columns, rows, shape, console)
    else:
        console.file.write(as_text(columns, rows, shape or "csv"))
    if more:
        note = f"the first {counted(len(rows), 'row')}; --limit N shows more, --limit 0 all"
        (console if for_eyes else errors).print(note, soft_wrap=True)


def _check_reads(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse what is no question, such as one that writes a file or changes a setting.

    Raises:
        BadQueryError: If a statement is anything else, or there is none.
    """
    found = connection.extract_statements(text)
    if not found:
        raise BadQueryError(
            "there is no query; give one such as: SELECT count(*) FROM raw.students"
        )
    for one in found:
        is_explained = one.type == duckdb.StatementType.EXPLAIN
        if is_explained and (begin := _EXPLAIN.match(one.query)):
            _check_reads(connection, one.query[begin.end() :])
            continue
        # What the database derives from a PIVOT has no words of its own.
        is_derived = one.type == duckdb.StatementType.CREATE and not one.query
        if one.type != duckdb.StatementType.SELECT and not is_derived:
            raise BadQueryError(
                f"{one.type.name.replace('_', ' ')} is no question, and this command is read-only; "
                "it takes SELECT, FROM, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN; --output FILE writes "
                "the answer to a file"
            )


def _answer(
    connection: duckdb.DuckDBPyConnection, query: Query, limit: int | None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return names and rows, one row more than asked for where there are more."""
    if query.shape == "parquet" and query.output is not None:
        partial = query.output.with_name(f".{query.output.name}.partial")
        partial.touch(mode=0o600)
        try:
            relation = connection.sql(query.text)
            (relation.limit(limit) if limit else relation).write_parquet(str(partial))
            partial.replace(query.output)
        finally:
            partial.unlink(missing_ok=True)
        return [], []
    cursor = connection.execute(query.text)
    columns = [str(column[0]) for column in cursor.description or []]
    return columns, cursor.fetchmany(limit + 1) if limit else cursor.fetchall()


@contextmanager
def _connection(
    settings: Settings, district: str, *, published: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    if published:
        path = settings.published / (
            f"{DISTRICTS}/{district}.duckdb" if district else "aeries.duckdb"
        )
        if not path.exists() and district:
            raise WarehouseUnusableError(
                f"{district}: the analysts' copy has no file of this district; it is not in the "
                "roster, its analysts setting allows nothing, it has not been published yet, or "
                "it is spelt otherwise (aeries-pipeline roster show)"
            )
        if not path.exists():
            raise WarehouseUnusableError(
                f"there is no copy for analysts at {path} yet; run: aeries-pipeline publish"
            )
        try:
            connection = duckdb.connect(str(path), read_only=True)
        except duckdb.Error as error:
            raise WarehouseUnusableError(
                f"the analysts' copy {path} cannot be read: {diagnose(error).cause}; the next "
                "publication puts a new one in its place: aeries-pipeline publish"
            ) from None
        with connection:
            yield connection
        return
    store = Store(settings.data)
    if district and not store.has(district):
        raise WarehouseUnusableError(
            f"{district}: there is no warehouse of this district yet; pull it first, or see "
            "aeries-pipeline roster show for how it is called"
        )
    if not store.districts():
        raise WarehouseUnusableError(
            f"there is no warehouse in {settings.data} yet; pull a district first"
        )
    expected = {**RAW, **accounts.TABLES, **requests.TABLES}
    names = [district] if district else store.districts()
    with in_one(store, names, expected) as connection:
        accounts.prepare(connection)
        requests.prepare(connection)
        make_views(connection, MEMORY)
        yield connection
