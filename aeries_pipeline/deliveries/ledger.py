"""What was sent where, and what became of it: ``meta.sent``, kept as long as the warehouse.

Names, sizes and checksums of files, never their content.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aeries_pipeline.deliveries.decide import Sent
from aeries_pipeline.stores.connection import CATALOG, Warehouse
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.stores.versions import make_tables

SENT_COLUMNS = (
    ("delivery_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("kind", "VARCHAR"),
    ("set_name", "VARCHAR"),
    ("target", "VARCHAR"),
    ("files", "JSON"),
    ("made_at", "TIMESTAMP"),
    ("due_at", "TIMESTAMP"),
    ("began_at", "TIMESTAMP"),
    ("ended_at", "TIMESTAMP"),
    ("outcome", "VARCHAR"),
    ("code", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("attempts", "INTEGER"),
    ("compared", "VARCHAR"),
    ("present", "VARCHAR[]"),
    ("asked_by", "VARCHAR"),
    ("run_id", "VARCHAR"),
)
"""Columns of ``meta.sent``: one row for each delivery of a set. Times are UTC.

``kind`` is xello or course_requests. ``files`` has name, bytes, rows and SHA-256 of each
file. ``outcome`` is begun (under way, or its process was killed), placed (all files are
in their place, what they replaced is not removed yet), arrived, failed (nothing of it is
left there), broken_off (it failed, and what it left there is removed by the next
delivery) or undone (a later delivery has removed what a killed one left). ``present``
are names that it replaced, noted before the first was renamed. ``asked_by`` is who
wanted a set that had arrived to be sent again.
"""

TABLE = "meta.sent"
UNFINISHED = ("begun", "placed", "broken_off")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row at its beginning; the fields are columns of the table."""

    delivery_id: str
    district: str
    kind: str
    set_name: str
    target: str
    files: Sequence[dict[str, Any]]
    made_at: datetime
    due_at: datetime | None
    compared: str
    asked_by: str | None = None
    run_id: str | None = None
    began_at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A delivery that has left something at the receiver."""

    delivery_id: str
    names: Sequence[str]
    present: Sequence[str] | None
    outcome: str


class Ledger:
    """The rows of one district and one kind of files. They are read before any is written."""

    def __init__(self, warehouse: Warehouse, district: str, kind: str) -> None:
        """Remember whose they are; nothing is opened yet."""
        self._warehouse = warehouse
        self._district = district
        self._kind = kind

    def begin(self, entry: Entry) -> None:
        """Note a delivery before anything of it is sent."""
        values = {name: getattr(entry, name, None) for name, _kind in SENT_COLUMNS}
        values |= {"files": json.dumps(list(entry.files)), "outcome": "begun", "attempts": 0}
        with self._writing() as connection:
            insert_rows(connection, TABLE, SENT_COLUMNS, [list(values.values())])

    def note(self, delivery_id: str, **changed: Any) -> None:  # noqa: ANN401 - columns
        """Change columns of one delivery."""
        assignments = ", ".join(f"{name} = ${name}" for name in changed)
        with self._writing() as connection:
            connection.execute(
                f"UPDATE {TABLE} SET {assignments} "
                "WHERE district = $district AND delivery_id = $delivery_id",
                {**changed, "district": self._district, "delivery_id": delivery_id},
            )

    def sent(self) -> list[Sent]:
        """Return all deliveries, oldest first."""
        return [
            Sent(*row)
            for row in self._rows(
                "set_name, target, CASE WHEN outcome IN ('placed', 'arrived') THEN ended_at END, "
                "reason",
                "true",
                [],
            )
        ]

    def unfinished(self, target: str) -> list[Unfinished]:
        """Return what is left at a receiver, newest first: undone in this order."""
        rows = self._rows(
            "delivery_id, files, present, outcome",
            "target = ? AND list_contains(?, outcome)",
            [target, list(UNFINISHED)],
        )
        return [
            Unfinished(key, [one["name"] for one in json.loads(files)], present, outcome)
            for key, files, present, outcome in reversed(rows)
        ]

    def _rows(self, columns: str, condition: str, bound: list[Any]) -> list[tuple[Any, ...]]:
        with self._warehouse.open() as connection:
            make_tables(connection, CATALOG, {TABLE: SENT_COLUMNS})
            return connection.execute(
                f"SELECT {columns} FROM {TABLE} WHERE district = ? AND kind = ? AND {condition} "
                "ORDER BY began_at, delivery_id",
                [self._district, self._kind, *bound],
            ).fetchall()

    def _writing(self) -> Any:  # noqa: ANN401 - a context manager
        return writing(self._warehouse, f"{self._district}, {TABLE}", "deliver again")
