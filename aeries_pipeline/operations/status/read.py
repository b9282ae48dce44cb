"""The state of each district: last complete pull, failures, permissions, holds, next opening."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from aeries_pipeline.accounts.evidence import NONE_ACTIVE
from aeries_pipeline.accounts.xello.kept import prepare
from aeries_pipeline.accounts.xello.people import files_of
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.districts.roster import District, Roster
from aeries_pipeline.districts.share import unknown_schools
from aeries_pipeline.districts.window_pictures import coming_month, exceptions, times_in_words
from aeries_pipeline.operations.status.nights import count_nights, picture
from aeries_pipeline.stores.across import Question, ask_each
from aeries_pipeline.stores.across import moment as as_moment
from aeries_pipeline.stores.ledger import Partition, ask_partitions, partitions_of
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.told_once import told_once
from aeries_pipeline.words import verb


@dataclass(frozen=True, slots=True)
class Trouble:
    """The newest attempt of one partition, if it brought nothing.

    Attributes:
        resource: Resource name.
        school: School code; None for what the district has once.
        reason: The ledger's sentence.
    """

    resource: str
    school: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class DistrictStatus:
    """How one district stands.

    Attributes:
        id: District id.
        name: Its name.
        complete_since: The oldest of the newest complete pulls of everything
            that is pulled, UTC without a zone; None while anything was never
            completely pulled.
        waits_for: Partitions that were never completely pulled.
        troubles: What failed or was refused at its newest attempt.
        not_granted: Resources that the certificate may not read.
        holds: Account changes that wait for a person.
        is_stale: Whether the oldest is older than the district allows.
        window: When it may be asked next, in words.
        active_accounts: Accounts in use.
        times: The district's window in words; empty if there is no limit.
        month: Days of the coming month on which the calendar changes its window.
        reading: What a person should know about how its words are read.
        reading_differs: Whether the words say something else than what counts.
        nights: A sign for each of the last nights, see ``nights``.
        left_out: Sentences about schools whose list came and is not believed,
            with the day since when.
        undecided: Sentences about what waits for a person beside account changes: who is
            not shared, people of Xello's other files, and files that are not made.
        partitions: How many partitions are wanted and granted.
        missing: How many of these did not come at their newest attempt, or never.
        last_tried: When any pull last ended, well or not, UTC without a zone.
        closed_early: Partitions for which the window closed too early at their
            newest attempt.
        changed: Students whose account changed in the last day, by kind.
    """

    id: str
    name: str
    complete_since: datetime | None
    waits_for: int
    troubles: tuple[Trouble, ...]
    not_granted: tuple[str, ...]
    holds: int
    is_stale: bool
    window: str
    active_accounts: int
    times: str = ""
    month: tuple[str, ...] = ()
    reading: str = ""
    reading_differs: bool = False
    nights: str = ""
    left_out: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    partitions: int = 0
    missing: int = 0
    last_tried: datetime | None = None
    closed_early: int = 0
    changed: Mapping[str, int] = field(default_factory=dict)

    @property
    def reasons(self) -> list[str]:
        """What failed or was refused, each reason once."""
        return told_once(self.id, ((one.resource, one.school, one.reason) for one in self.troubles))

    @property
    def needs_a_person(self) -> bool:
        """Whether anything here will not mend itself."""
        return bool(
            self.troubles
            or self.holds
            or self.is_stale
            or self.waits_for
            or self.left_out
            or self.undecided
            or self.reading_differs
        )


_RECENT_DAYS = 3
"""Changes of an account are counted for the last day; older ones are of no interest here."""


def _question(roster: Roster) -> Question:
    """Return what is asked of each district; its nights begin and end by its own clock."""
    zones = {one.id: one.timezone for one in roster.districts}

    def ask(connection: duckdb.DuckDBPyConnection, district: str) -> dict[str, Any]:
        prepare(connection)
        ((tried,),) = connection.execute("SELECT max(finished_at) FROM meta.pulls").fetchall()
        ((holds,),) = connection.execute("SELECT sum(changes) FROM core.account_holds").fetchall()
        ((active,),) = connection.execute(
            "SELECT count(*) FROM core.accounts WHERE state = 'active'"
        ).fetchall()
        ((left_out,),) = connection.execute(
            "SELECT arg_max(troubles, computed_at) FROM meta.account_batches"
        ).fetchall()
        shared = connection.execute(
            "SELECT trouble FROM meta.share_readings ORDER BY read_at DESC LIMIT 1"
        ).fetchone()
        people = connection.execute(
            "SELECT file, count(*) FROM core.xello_members "
            "WHERE asks <> '' AND approved IS NOT true GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        not_made = connection.execute(
            "SELECT file, why FROM meta.xello_not_made ORDER BY file"
        ).fetchall()
        changed = connection.execute(
            "SELECT recorded_at, kind, count(DISTINCT student_id) FROM core.account_changes_now "
            "WHERE status = 'applied' AND recorded_at > (SELECT max(recorded_at) FROM "
            f"core.account_changes_now) - INTERVAL {_RECENT_DAYS} DAY GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return {
            "partitions": ask_partitions(connection, district),
            "tried": tried,
            "holds": int(holds or 0),
            "active": int(active),
            "left_out": left_out or [],
            "unshared": (shared[0] if shared else None) or "",
            "people": [list(row) for row in people],
            "not_made": [list(row) for row in not_made],
            "changed": [list(row) for row in changed],
            "nights": [list(row) for row in count_nights(connection, zones[district])],
        }

    return Question("status of 0.2, with files that are not made", ask, zones)


def read_status(store: Store, roster: Roster, moment: datetime) -> list[DistrictStatus]:
    """Return the state of every district of the roster, in its order.

    If a warehouse cannot be used, the district lists that among its troubles.

    Args:
        store: The warehouses.
        roster: The districts.
        moment: The present, aware.
    """
    answers = ask_each(store, _question(roster), (one.id for one in roster.districts))
    return [
        _status(
            one,
            answers.by_district.get(one.id, {}),
            answers.unusable.get(one.id, ""),
            moment,
        )
        for one in roster.districts
    ]


def _status(
    district: District, answer: Mapping[str, Any], unusable: str, moment: datetime
) -> DistrictStatus:
    counts = (int(answer.get("holds", 0)), int(answer.get("active", 0)))
    known = partitions_of(answer.get("partitions", ()))
    found = status_of(district, known, moment, counts)
    yesterday = moment.astimezone(UTC).replace(tzinfo=None) - timedelta(days=1)
    changed: Counter[str] = Counter()
    for at, kind, students in answer.get("changed", ()):
        if datetime.fromisoformat(at) > yesterday:
            changed[kind] += students
    nights = {
        date.fromisoformat(night): (came, missing)
        for night, came, missing in answer.get("nights", ())
    }
    trouble = (Trouble("warehouse", None, unusable),) if unusable else ()
    return replace(
        found,
        troubles=(*trouble, *found.troubles),
        nights=picture(nights, district, moment),
        left_out=tuple(text for text in answer.get("left_out", ()) if NONE_ACTIVE in text),
        undecided=_undecided(district, answer),
        last_tried=as_moment(answer.get("tried")),
        changed=dict(changed),
    )


def _undecided(district: District, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what waits for a person beside account changes, each with its command."""
    lines = []
    if answer.get("unshared"):
        lines.append(
            f"nothing is delivered: {answer['unshared']}: aeries-pipeline accounts share "
            f"{district.id}"
        )
    unknown = unknown_schools(district.share, district.schools, "in the roster")
    lines += [unknown] if unknown else []
    on = {file.name for file in files_of(district)}
    lines += [
        f"{number} in the file {file} {verb(number, 'waits', 'wait')}: aeries-pipeline accounts "
        f"files {district.id}"
        for file, number in answer.get("people", ())
        if file in on
    ]
    lines += [
        f"the file {file} for Xello is not made: {why}"
        for file, why in answer.get("not_made", ())
        if file in district.accounts.xello.files
    ]
    return tuple(lines)


def status_of(
    district: District,
    newest: Sequence[Partition],
    moment: datetime,
    counts: tuple[int, int],
) -> DistrictStatus:
    """Return how one district stands.

    Args:
        district: The roster's entry.
        newest: How each partition stands that was ever tried.
        moment: The present, aware.
        counts: Held changes and active accounts.
    """
    known = {
        (one.resource, one.school): (one.status, one.reason, one.complete_at) for one in newest
    }
    wanted = [
        (resource.name, school)
        for resource in RESOURCES.values()
        if district.wants(resource)
        for school in (district.schools if resource.grain is Grain.SCHOOL else [None])
    ]
    granted = {name for (name, _), (status, *_rest) in known.items() if status == "complete"}
    troubles, refused, times, waits_for, early, missing = [], set(), [], 0, 0, 0
    for name, school in wanted:
        status, reason, complete_at = known.get((name, school), ("", "", None))
        if status == "not_granted":
            if name in granted:
                # Its neighbours answer: this is no permission that the district lacks.
                troubles.append(Trouble(name, school, reason))
                missing += 1
            else:
                refused.add(name)
            continue
        early += status == "skipped"
        missing += status in {"failed", "refused"} or complete_at is None
        if status in {"failed", "refused"}:
            troubles.append(Trouble(name, school, reason))
        if complete_at is None:
            waits_for += 1
        else:
            times.append(complete_at)
    oldest = min(times, default=None) if not waits_for else None
    age = (
        (moment.astimezone(UTC).replace(tzinfo=None) - oldest).total_seconds() / 86400
        if oldest
        else 0.0
    )
    return DistrictStatus(
        id=district.id,
        name=district.name,
        complete_since=oldest,
        waits_for=waits_for,
        troubles=tuple(troubles),
        not_granted=tuple(sorted(refused)),
        holds=counts[0],
        is_stale=age > district.stale_after_days,
        window=_window(district, moment),
        active_accounts=counts[1],
        times="" if district.windows.is_always else times_in_words(district.windows),
        month=tuple(exceptions(coming_month(district.windows, district.windows.day_of(moment)))),
        reading=district.reading.text,
        reading_differs=district.reading.needs_a_person,
        partitions=sum(name not in refused for name, _school in wanted),
        missing=missing,
        closed_early=early,
    )


def _window(district: District, moment: datetime) -> str:
    if district.paused:
        return district.pause
    windows = district.windows
    if windows.is_always:
        return "at any time"
    if windows.contains(moment):
        return "open now"
    return district.told(windows.next_opening(moment))
