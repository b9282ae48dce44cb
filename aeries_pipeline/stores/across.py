"""Questions that look across districts, answered from a small ledger.

A question is asked of each district's warehouse, and its answer is kept in the
ledger beside a mark of the file that was asked. As long as the file bears that
mark the answer stands, so a look at hundreds of districts opens the files of
those alone that have changed. The files are the authority: an answer that was
never noted, or was noted of a file that a backup has replaced, is asked for
anew. Answers hold counts, moments and sentences, never a value of a student.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import duckdb

from aeries_pipeline.stores.connection import (
    CATALOG,
    WarehouseBusyError,
    WarehouseUnusableError,
    table_exists,
)
from aeries_pipeline.stores.files import mark_of
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.stores.versions import make_tables

ANSWERS_COLUMNS = (
    ("district", "VARCHAR"),
    ("question", "VARCHAR"),
    ("mark", "VARCHAR"),
    ("answer", "VARCHAR"),
    ("asked_at", "TIMESTAMP"),
)
"""Columns of ``meta.answers`` in the ledger: the newest answer of each district to each question.

``mark`` is that of the file when it was asked, ``answer`` is JSON.
"""

_TABLE = "meta.answers"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each district's warehouse.

    Attributes:
        name: Of the question; another one wherever what is asked changes.
        ask: Returns the answer of a district, of what JSON knows, dates and
            moments; its warehouse is the current catalog.
        rests_on: What the answer rests on beside the file, by district.
    """

    name: str
    ask: Callable[[duckdb.DuckDBPyConnection, str], Any]
    rests_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the districts answered.

    Attributes:
        by_district: The answers as JSON has them: moments are texts in ISO form.
            A district whose file cannot be used just now has its last answer.
        unusable: Why a file could not be asked, in a sentence, by district.
    """

    by_district: Mapping[str, Any]
    unusable: Mapping[str, str] = field(default_factory=dict)


def ask_each(store: Store, question: Question, districts: Iterable[str] | None = None) -> Answers:
    """Ask every district that has a warehouse, opening those files alone that have changed.

    Args:
        store: The warehouses.
        question: What is asked.
        districts: Of whom; of all where None.

    Raises:
        WarehouseUnusableError: If the ledger cannot be read.
        WarehouseBusyError: If another process keeps it.
    """
    asked = [one for one in (store.districts() if districts is None else districts)
             if store.has(one)]  # fmt: skip
    if not asked:
        return Answers({})
    known = _known(store, question)
    found: dict[str, Any] = {}
    unusable: dict[str, str] = {}
    fresh: list[tuple[str, str, str]] = []
    for district in asked:
        mark, answer = known.get(district, ("", None))
        if answer is not None and mark == _mark(store, question, district):
            found[district] = json.loads(answer)
            continue
        try:
            mark, answer = _ask(store, question, district)
            fresh.append((district, mark, answer))
        except (WarehouseBusyError, WarehouseUnusableError) as error:
            unusable[district] = f"{district}: {error}"
        if answer is not None:
            found[district] = json.loads(answer)
    if fresh:
        # What cannot be noted is asked for again the next time.
        with suppress(WarehouseBusyError, WarehouseUnusableError):
            _note(store, question, fresh)
    return Answers(found, unusable)


def moment(text: str | None) -> datetime | None:
    """Return a moment of an answer."""
    return datetime.fromisoformat(text) if text else None


def _ask(store: Store, question: Question, district: str) -> tuple[str, str]:
    warehouse = store.warehouse(district)
    for _ in range(_TRIES):
        before = _mark(store, question, district)
        with warehouse.open() as connection:
            answer = json.dumps(question.ask(connection, district), default=_plain)
        if _mark(store, question, district) == before:
            return before, answer
    # Somebody writes all the while: true when it was asked, and asked again the next time.
    return "", answer


def _mark(store: Store, question: Question, district: str) -> str:
    return f"{mark_of(store.path(district))} {question.rests_on.get(district, '')}"


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"an answer cannot hold a {type(value).__name__}")


def _known(store: Store, question: Question) -> dict[str, tuple[str, str]]:
    with store.ledger.open() as connection:
        if not table_exists(connection, "meta", "answers"):
            return {}
        rows = connection.execute(
            f"SELECT district, mark, answer FROM {_TABLE} WHERE question = ?", [question.name]
        ).fetchall()
    return {district: (mark, answer) for district, mark, answer in rows}


def _note(store: Store, question: Question, fresh: Iterable[tuple[str, str, str]]) -> None:
    asked_at = now()
    rows = [[district, question.name, mark, text, asked_at] for district, mark, text in fresh]
    with writing(store.ledger, "the ledger", "look again") as connection:
        make_tables(connection, CATALOG, {_TABLE: ANSWERS_COLUMNS})
        connection.execute(
            f"DELETE FROM {_TABLE} WHERE question = ? AND list_contains(?, district)",
            [question.name, [row[0] for row in rows]],
        )
        insert_rows(connection, _TABLE, ANSWERS_COLUMNS, rows)


def forget_answers(store: Store, district: str) -> None:
    """Delete what the ledger knows of a district."""
    with writing(store.ledger, "the ledger", "give the command again") as connection:
        make_tables(connection, CATALOG, {_TABLE: ANSWERS_COLUMNS})
        connection.execute(f"DELETE FROM {_TABLE} WHERE district = ?", [district])
