"""Changes that wait for a person, and what people decided about them.

Reads ``core.account_changes`` and ``meta.account_decisions``. A decision is
about one batch; it covers exactly the changes that were held in it, and only
while the newest evidence still calls for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import duckdb

from aeries_pipeline.accounts.decide import NOT_SHARED
from aeries_pipeline.accounts.model import Change, Outcome
from aeries_pipeline.accounts.tables import CHANGES_COLUMNS

_NAMES = [name for name, _ in CHANGES_COLUMNS]


@dataclass(frozen=True, slots=True)
class Hold:
    """A change that is held or was rejected.

    Attributes:
        row: Its newest row in ``core.account_changes``.
    """

    row: tuple[Any, ...]

    def _get(self, name: str) -> Any:  # noqa: ANN401 - a column of any type
        return self.row[_NAMES.index(name)]

    @property
    def change_id(self) -> str:
        """Stays the same through every state."""
        return str(self._get("change_id"))

    @property
    def batch_id(self) -> str:
        """The batch in which it was first held."""
        return str(self._get("batch_id"))

    @property
    def student_id(self) -> int:
        """StudentID."""
        return int(self._get("student_id"))

    @property
    def kind(self) -> str:
        """Kind of change."""
        return str(self._get("kind"))

    @property
    def school(self) -> int | None:
        """The school that the bounds counted it for."""
        found: int | None = self._get("from_school")
        return found if found is not None else self._to_school

    @property
    def _to_school(self) -> int | None:
        found: int | None = self._get("to_school")
        return found

    @property
    def goal(self) -> int | None:
        """The school afterwards; the one before where there is none."""
        return self._to_school if self._to_school is not None else self.school

    @property
    def fingerprint(self) -> str:
        """What makes it the same as one proposed later."""
        return str(self._get("fingerprint"))

    @property
    def reason(self) -> str:
        """Why it is held."""
        return str(self._get("status_reason"))

    def closed(self, why: str, moment: datetime, who: str | None) -> tuple[Any, ...]:
        """Return the row that ends the hold without applying the change."""
        ends = {
            "status": str(Outcome.REJECTED),
            "status_reason": why,
            "recorded_at": moment,
            "decided_by": who,
        }
        return tuple(ends.get(name, value) for name, value in zip(_NAMES, self.row, strict=True))

    @property
    def detected_at(self) -> datetime:
        """When it was first proposed, UTC without a zone."""
        found: datetime = self._get("detected_at")
        return found


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said about the held changes of a batch.

    Attributes:
        batch_id: The batch.
        action: ``approve`` or ``reject``.
        kind: Only changes of this kind; None for all.
        school: Only changes of this school; None for all.
        who: Who decided.
        why: The reason given.
    """

    batch_id: str
    action: str
    kind: str | None
    school: int | None
    who: str
    why: str

    def covers(self, hold: Hold) -> bool:
        """Tell whether a held change is meant."""
        return (
            hold.batch_id == self.batch_id
            and self.kind in {None, hold.kind}
            and self.school in {None, hold.school}
        )


@dataclass(frozen=True)
class Holds:
    """Everything held or rejected in a district, and what was said about it.

    Attributes:
        open: Held changes.
        rejected: Changes that a person rejected.
        said: Decisions, the newest first.
        stopped: Batches that waited as a whole: id, reason and school year.
    """

    open: Sequence[Hold]
    rejected: Sequence[Hold]
    said: Sequence[Said]
    stopped: Sequence[tuple[str, str, str]]

    @cached_property
    def _open(self) -> dict[tuple[int, str], Hold]:
        return {(one.student_id, one.fingerprint): one for one in self.open}

    @cached_property
    def _rejected(self) -> set[tuple[int, str]]:
        refused = {(one.student_id, one.fingerprint) for one in self.rejected}
        return refused | {key for key, hold in self._open.items() if self.rejection_of(hold)}

    @cached_property
    def _known(self) -> set[int]:
        """Students of whom anything is held or rejected; of the rest nothing is looked up."""
        return {one.student_id for one in (*self.open, *self.rejected)}

    def students(self) -> set[int]:
        """Return the students with a held change."""
        return {one.student_id for one in self.open}

    def find(self, change: Change) -> Hold | None:
        """Return the held change that is the same as a proposed one."""
        if change.student_id not in self._known:
            return None
        return self._open.get((change.student_id, change.fingerprint()))

    def is_rejected(self, change: Change) -> bool:
        """Tell whether a person has rejected exactly this change."""
        # Who is not to be shared is not shared because somebody refused: the list is the word.
        if change.student_id not in self._known or change.code == NOT_SHARED:
            return False
        return (change.student_id, change.fingerprint()) in self._rejected

    def approval_of(self, change: Change) -> Said | None:
        """Return the approval that lets a proposed change pass."""
        hold = self.find(change)
        said = self._said_of(hold) if hold else None
        return said if said and said.action == "approve" else None

    def rejection_of(self, hold: Hold) -> Said | None:
        """Return the rejection of a held change."""
        said = self._said_of(hold)
        return said if said and said.action == "reject" else None

    def _said_of(self, hold: Hold) -> Said | None:
        return next((said for said in self.said if said.covers(hold)), None)

    def lifts(self, stop: str, year: str) -> bool:
        """Tell whether a person has approved a batch that was stopped for this reason."""
        approved = {
            said.batch_id
            for said in self.said
            if said.action == "approve" and said.kind is None and said.school is None
        }
        return bool(stop) and any(
            batch in approved and why == stop and of_year == year
            for batch, why, of_year in self.stopped
        )


def read_holds(connection: duckdb.DuckDBPyConnection, district: str) -> Holds:
    """Read what is held in a district; the warehouse is the current catalog."""
    names = ", ".join(_NAMES)
    # Nearly all changes were applied at once, so the view is not asked for all of them.
    rows = connection.execute(
        "WITH waited AS (SELECT DISTINCT change_id FROM core.account_changes "
        "WHERE district = $district AND status <> 'applied'), "
        "newest AS (SELECT * FROM core.account_changes SEMI JOIN waited USING (change_id) "
        "WHERE district = $district QUALIFY row_number() OVER (PARTITION BY change_id "
        "ORDER BY recorded_at DESC, status = 'held') = 1) "
        f"SELECT {names} FROM newest "
        "WHERE status = 'held' OR (status = 'rejected' AND decided_by IS NOT NULL) "
        "ORDER BY student_id, change_id",
        {"district": district},
    ).fetchall()
    status = _NAMES.index("status")
    said = connection.execute(
        "SELECT batch_id, action, kind, school, decided_by, why FROM meta.account_decisions "
        "WHERE district = ? ORDER BY decided_at DESC",
        [district],
    ).fetchall()
    stopped = connection.execute(
        "SELECT batch_id, stop_reason, database_year FROM meta.account_batches "
        "WHERE district = ? AND stop_reason IS NOT NULL",
        [district],
    ).fetchall()
    return Holds(
        [Hold(row) for row in rows if row[status] == "held"],
        [Hold(row) for row in rows if row[status] == "rejected"],
        [Said(*row) for row in said],
        stopped,
    )
