"""When the analysts' copy is made again: a decision about four values, and where they come from.

Each district's newest change comes from its warehouse; what the copy has of each is
noted next to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from aeries_pipeline.analytics.publishing.copy import Copy, is_same, settings_of
from aeries_pipeline.districts.roster import Roster
from aeries_pipeline.stores.across import Question, ask_each, moment
from aeries_pipeline.stores.connection import CATALOG, table_exists
from aeries_pipeline.stores.store import Store

_MOMENTS = {
    "meta.pulls": "finished_at",
    "meta.account_batches": "computed_at",
    "core.account_changes": "recorded_at",
    "core.course_requests": "decided_at",
    "core.course_request_exports": "exported_at",
}
_FORGOTTEN = "SELECT district, max(forgotten_at) FROM meta.forgotten GROUP BY district"


@dataclass(frozen=True, slots=True)
class State:
    """What the decision rests on.

    Attributes:
        changed_at: When anything that analysts may see last changed; None before that.
        published_at: When the newest copy was taken; None before the first.
        data_until: Until when the copy tells of that district whose changes it lacks,
            and ``changed_at`` where it lacks none.
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


_TICK = timedelta(microseconds=1)
GRACE = timedelta(hours=1)
"""A copy that is due and does not come within this is called old."""


def old_since(state: State, settings: str, minutes: float, now: datetime) -> datetime | None:
    """Return since when the copy has been out of date, None if it is current.

    A night of pulls leaves it behind for the configured minutes at most.
    """
    if state.changed_at is None or not decide(state, settings, minutes, now).is_due:
        return None
    due = state.changed_at
    if state.published_at is not None:
        due = max(due, state.published_at + timedelta(minutes=minutes))
    return due if now > due + GRACE else None


def fingerprint(roster: Roster) -> str:
    """Return a short hash of what the roster lets analysts see, and which districts it has."""
    settled = [(one.id, settings_of(one)) for one in roster.districts]
    told: list[object] = [settled, roster.publish.readable_by_group]
    if roster.publish.format != "file":
        told += [roster.publish.format, roster.publish.catalog, roster.publish.data]
    text = json.dumps(told)
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


def _ask_changes(connection: duckdb.DuckDBPyConnection, _district: str) -> dict[str, object]:
    query = "SELECT count(*) > 0 FROM meta.pulls WHERE status = 'complete'"
    ((loaded,),) = connection.execute(query).fetchall()
    return {"changed_at": changed_at(connection), "loaded": loaded}


_CHANGES = Question("changes of 0.2", _ask_changes)


Changes = tuple[Mapping[str, datetime | None], Mapping[str, str]]
"""When each district last changed, and why a warehouse cannot be read, by district."""


def read_changes(store: Store) -> Changes:
    """Return when each district that has a warehouse last changed, forgetting included.

    Returns:
        By district, empty if none was ever completely pulled: failures alone
        are nothing to read. And why a warehouse cannot be read, by district.
    """
    answers = ask_each(store, _CHANGES)
    if not any(one["loaded"] for one in answers.by_district.values()):
        return {}, answers.unusable
    forgotten = _forgotten(store)
    found: dict[str, datetime | None] = {}
    for district, one in answers.by_district.items():
        moments = [moment(one["changed_at"]), forgotten.get(district)]
        found[district] = max((at for at in moments if at is not None), default=None)
    return found, answers.unusable


def _forgotten(store: Store) -> dict[str, datetime]:
    """Return when anybody of a district was last forgotten."""
    with store.ledger.open() as connection:
        if not table_exists(connection, "meta", "forgotten"):
            return {}
        return dict(connection.execute(_FORGOTTEN).fetchall())


def read_state(store: Store, copy: Copy) -> State:
    """Read what the decision rests on.

    Args:
        store: The warehouses.
        copy: What the present copy holds.
    """
    changed, _unusable = read_changes(store)
    if copy.published_at is None:
        newest = max((at for at in changed.values() if at is not None), default=None)
        return State(newest)
    lacks: list[tuple[datetime, datetime]] = []
    seen: list[datetime] = []
    for district in (*copy.districts, *copy.awaited):
        held = copy.districts.get(district)
        until = (held and held.until) or datetime.min  # noqa: DTZ901 - UTC without a zone
        if held is not None and held.rows and district not in changed:
            # Its warehouse is gone, and the copy still tells of it.
            lacks.append((copy.published_at, until))
        at = changed.get(district)
        if at is not None:
            seen.append(at)
            if not is_same(at, held.until if held else None):
                # A backup that was put back is older, and other than the copy all the same.
                lacks.append((at, min(until, at - _TICK)))
    if not lacks:
        newest = max(seen, default=None)
        return State(newest, copy.published_at, newest, copy.settings)
    return State(
        max(at for at, _until in lacks),
        copy.published_at,
        min(until for _at, until in lacks),
        copy.settings,
    )
