"""Queries across districts, answered from a small ledger.

A query runs against each district's warehouse, and its result is kept in the
ledger with a mark of the file's state. The result is valid as long as the mark
is the same, so a look at hundreds of districts opens only the files that have
changed. The files are the source of truth: a result that was never recorded, or
belongs to a file that a backup has replaced, is queried again. Results contain
counts, times and messages, never a student's value.
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
    WarehouseBusyError,
    WarehouseUnusableError,
)
from aeries_pipeline.stores.store import Store

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
    known, marks = store.notes.known(question.name), store.marks(asked)
    found: dict[str, Any] = {}
    unusable: dict[str, str] = {}
    fresh: list[tuple[str, str, str]] = []
    for district in asked:
        mark, answer = known.get(district, ("", None))
        if answer is not None and mark == _with(marks[district], question, district):
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
            store.notes.note(question.name, fresh)
    return Answers(found, unusable)


def moment(text: str | None) -> datetime | None:
    """Return a moment of an answer."""
    return datetime.fromisoformat(text) if text else None


def _ask(store: Store, question: Question, district: str) -> tuple[str, str]:
    for _ in range(_TRIES):
        with store.reading(district) as seen:
            before = seen.mark()
            with seen.warehouse.open() as connection:
                answer = json.dumps(question.ask(connection, district), default=_plain)
            if seen.mark() == before:
                return _with(before, question, district), answer
    # Somebody writes all the while: true when it was asked, and asked again the next time.
    return "", answer


def _with(mark: str, question: Question, district: str) -> str:
    return f"{mark} {question.rests_on.get(district, '')}"


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"an answer cannot hold a {type(value).__name__}")
