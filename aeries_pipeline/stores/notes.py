"""The newest answer of each district to each question that is asked of all; see ``across``.

Answers hold counts, moments and sentences, never a value of a student.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from aeries_pipeline.stores.connection import CATALOG, Warehouse, table_exists
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.stores.versions import make_tables

ANSWERS_COLUMNS = (
    ("district", "VARCHAR"),
    ("question", "VARCHAR"),
    ("mark", "VARCHAR"),
    ("answer", "VARCHAR"),
    ("asked_at", "TIMESTAMP"),
)
"""Columns of ``meta.answers`` in the ledger.

``mark`` is that of the file when it was asked, ``answer`` is JSON.
"""

_TABLE = "meta.answers"


class Notes(Protocol):
    """Where answers are noted."""

    def known(self, question: str) -> dict[str, tuple[str, str]]:
        """Return mark and answer of each district that has answered a question."""

    def note(self, question: str, fresh: Iterable[tuple[str, str, str]]) -> None:
        """Put answers in place of earlier ones: district, mark and answer."""

    def forget(self, district: str) -> None:
        """Delete what a district has answered."""


class NotesInLedger:
    """Answers in a table of the installation's ledger.

    Args:
        ledger: The installation's own records.
    """

    def __init__(self, ledger: Warehouse) -> None:
        """Open nothing yet."""
        self._ledger = ledger

    def known(self, question: str) -> dict[str, tuple[str, str]]:
        """Return mark and answer of each district that has answered a question."""
        with self._ledger.open() as connection:
            if not table_exists(connection, "meta", "answers"):
                return {}
            rows = connection.execute(
                f"SELECT district, mark, answer FROM {_TABLE} WHERE question = ?", [question]
            ).fetchall()
        return {district: (mark, answer) for district, mark, answer in rows}

    def note(self, question: str, fresh: Iterable[tuple[str, str, str]]) -> None:
        """Put answers in place of earlier ones: district, mark and answer."""
        asked_at = now()
        rows = [[district, question, mark, text, asked_at] for district, mark, text in fresh]
        with writing(self._ledger, "the ledger", "look again") as connection:
            make_tables(connection, CATALOG, {_TABLE: ANSWERS_COLUMNS})
            connection.execute(
                f"DELETE FROM {_TABLE} WHERE question = ? AND list_contains(?, district)",
                [question, [row[0] for row in rows]],
            )
            insert_rows(connection, _TABLE, ANSWERS_COLUMNS, rows)

    def forget(self, district: str) -> None:
        """Delete what a district has answered."""
        with writing(self._ledger, "the ledger", "give the command again") as connection:
            make_tables(connection, CATALOG, {_TABLE: ANSWERS_COLUMNS})
            connection.execute(f"DELETE FROM {_TABLE} WHERE district = ?", [district])
