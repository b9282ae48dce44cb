"""When the analysts' copy is made anew: a decision about four values, and where they come from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from aeries_pipeline.analytics.publishing.tables import prepare
from aeries_pipeline.districts.roster import Roster
from aeries_pipeline.stores.connection import CATALOG, Warehouse, table_exists

_MOMENTS = {
    "meta.pulls": "finished_at",
    "meta.account_batches": "computed_at",
    "core.account_changes": "recorded_at",
    "core.course_requests": "decided_at",
    "core.course_request_exports": "exported_at",
    "meta.forgotten": "forgotten_at",
}


@dataclass(frozen=True, slots=True)
class State:
    """What the decision rests on.

    Attributes:
        changed_at: When anything in the warehouse last changed; None before that.
        published_at: When the newest copy was taken; None before the first.
        data_until: What ``changed_at`` was then.
        settings: Fingerprint of the settings that the newest copy was made with.
    """

    changed_at: datetime | None
    published_at: datetime | None = None
    data_until: datetime | None = None
    settings: str = ""

    @property
    def is_published(self) -> bool:
        """Whether the newest copy holds every change."""
        if self.changed_at is None or self.data_until is None:
            return False
        return self.changed_at <= self.data_until


@dataclass(frozen=True, slots=True)
class Due:
    """Whether a copy is made now, and why or why not."""

    is_due: bool
    reason: str


def decide(state: State, settings: str, minutes: float, now: datetime) -> Due:
    """Tell whether the copy is made now.

    Args:
        state: Of the warehouse.
        settings: Fingerprint of the roster's settings of now.
        minutes: The least time between two copies.
        now: The present, UTC without a zone.
    """
    if state.changed_at is None:
        return Due(is_due=False, reason="nothing was pulled yet")
    if state.published_at is None:
        return Due(is_due=True, reason="there is no published copy yet")
    if state.settings != settings:
        # What somebody may no longer see must not wait.
        return Due(is_due=True, reason="the roster now lets analysts see something else")
    if state.is_published:
        return Due(is_due=False, reason="nothing has changed since the last copy")
    next_at = state.published_at + timedelta(minutes=minutes)
    # A copy of the future is one of a clock that was wrong.
    if now < next_at and state.published_at <= now:
        return Due(is_due=False, reason=f"the next copy is made from {next_at:%H:%M} UTC on")
    return Due(is_due=True, reason="the warehouse has changed since the last copy")


GRACE = timedelta(hours=1)
"""A copy that is due and does not come within this is called old."""


def old_since(state: State, settings: str, minutes: float, now: datetime) -> datetime | None:
    """Return since when the copy lacks what it should have, None while it is as it should be.

    A night of pulls leaves it behind for the settled minutes at most.
    """
    if state.changed_at is None or not decide(state, settings, minutes, now).is_due:
        return None
    due = state.changed_at
    if state.published_at is not None:
        due = max(due, state.published_at + timedelta(minutes=minutes))
    return due if now > due + GRACE else None


def fingerprint(roster: Roster) -> str:
    """Return a short hash of what the roster lets analysts see, and which districts it has."""
    settled = [(one.id, one.analysts.model_dump()) for one in roster.districts]
    text = json.dumps([settled, roster.publish.readable_by_group])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def changed_at(connection: duckdb.DuckDBPyConnection, catalog: str = CATALOG) -> datetime | None:
    """Return when anything that analysts see last changed, None before the first pull."""
    moments = []
    for name, column in _MOMENTS.items():
        schema, _, table = name.partition(".")
        if not table_exists(connection, schema, table, catalog):
            continue
        found = connection.execute(f"SELECT max({column}) FROM {name}").fetchone()
        moments.append(found[0] if found else None)
    return max((one for one in moments if one is not None), default=None)


def read_state(warehouse: Warehouse) -> State:
    """Read what the decision rests on."""
    if not warehouse.path.exists():
        return State(None)
    with warehouse.open() as connection:
        prepare(connection)
        changed = changed_at(connection)
        last = connection.execute(
            "SELECT published_at, data_until, settings FROM meta.published "
            "ORDER BY published_at DESC, publication_id DESC LIMIT 1"
        ).fetchone()
        if last is None and not was_anything_loaded(connection):
            return State(None)
    return State(changed, *last) if last else State(changed)


def was_anything_loaded(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether the warehouse ever had a complete pull; failures alone are nothing to read."""
    query = "SELECT 1 FROM meta.pulls WHERE status = 'complete' LIMIT 1"
    return connection.execute(query).fetchone() is not None
