"""Computes a district's accounts in one transaction: decide, bound, apply, record.

The same evidence twice changes nothing the second time. What a person has
approved or rejected since is carried out on the way. Everything here runs
under the warehouse's lock, for a fraction of a second.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from aeries_pipeline.accounts import candidates
from aeries_pipeline.accounts.confirmations import Replies, unconfirmed, weighed
from aeries_pipeline.accounts.decide import decide
from aeries_pipeline.accounts.evidence import Picture, picture_of
from aeries_pipeline.accounts.holds import Hold, Holds, read_holds
from aeries_pipeline.accounts.model import (
    Account,
    Change,
    Decision,
    Kind,
    Outcome,
    apply,
)
from aeries_pipeline.accounts.policy import Policy, policy_of
from aeries_pipeline.accounts.safeguards import ABSENT, Past, Ruling, rule, stop_reason
from aeries_pipeline.accounts.tables import (
    ACCOUNTS_COLUMNS,
    BATCHES_COLUMNS,
    CHANGES_COLUMNS,
    prepare,
    row_of,
)
from aeries_pipeline.accounts.waits import Wait, note_waits, told_since
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse, table_exists
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import insert_rows, writing

WITHDRAWN = "withdrawn: the newest pulls no longer ask for it"


@dataclass(frozen=True, slots=True)
class Computed:
    """What a computation found and did; counts and codes only.

    Attributes:
        batch_id: Its row in ``meta.account_batches``.
        picture: What the pulls prove.
        stop: Why the whole batch waits for a person; empty where it does not.
        ruling: What the bounds say.
        applied: Students by kind of change, applied now.
        held: The same, held for the first time now.
        rejected: Changes that were rejected or withdrawn now.
        waiting: Students by the reason for which nothing is proposed yet.
        open_holds: All changes that wait for a person, old and new.
        active_before: Active accounts before.
        active_after: Active accounts afterwards.
        lost_schools: Active accounts at schools that left the roster, by school.
        left_out: Why each school is not in the picture, and since when.
        long_waits: Students who wait for longer than ``stale_after_days``.
    """

    batch_id: str
    picture: Picture
    stop: str
    ruling: Ruling
    applied: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    open_holds: Sequence[Hold] = ()
    active_before: int = 0
    active_after: int = 0
    lost_schools: Mapping[int, int] = field(default_factory=dict)
    left_out: Mapping[int, str] = field(default_factory=dict)
    long_waits: Sequence[Wait] = ()


@dataclass(slots=True)
class Batch:
    """One computation on its way."""

    connection: duckdb.DuckDBPyConnection
    district: District
    policy: Policy
    moment: datetime
    run_id: str | None
    batch_id: str = ""
    events: list[tuple[Any, ...]] = field(default_factory=list)
    final: dict[int, Account] = field(default_factory=dict)
    applied: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    unconfirmed: set[int] = field(default_factory=set)
    rejected: int = 0

    def record(
        self, change: Change, status: Outcome, why: str, known: Hold | None = None, who: str = ""
    ) -> None:
        """Note what became of a change."""
        change_id = known.change_id if known else f"{self.batch_id}-{len(self.events) + 1}"
        detected = known.detected_at if known else self.moment
        local = self.district.day_of(detected)
        self.events.append(
            (
                change_id, known.batch_id if known else self.batch_id, self.district.id,
                change.student_id, str(change.kind), change.from_school, change.to_school,
                list(change.changed_fields), detected, change.effective_at or local,
                list(change.pull_ids), change.code, change.reason, change.related_student_id,
                change.fingerprint(), str(status), why, self.moment, who or None,
            )
        )  # fmt: skip


def compute(
    warehouse: Warehouse,
    district: District,
    *,
    moment: datetime | None = None,
    run_id: str | None = None,
) -> Computed:
    """Bring a district's accounts up to the newest pulls.

    Args:
        warehouse: Where pulls and accounts are.
        district: The roster's entry.
        moment: The present, UTC without a zone; tests give another.
        run_id: The Dagster run, for the record.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written; it is as it was.
    """
    with writing(warehouse, f"{district.id}, accounts") as connection:
        # Under the lock: batches are ordered by this, whoever waited for whom.
        moment = moment or now()
        prepare(connection)
        policy = policy_of(district, district.day_of(moment))
        batch = Batch(connection, district, policy, moment, run_id)
        batch.batch_id = new_id(moment)
        return _run(batch)


def _run(batch: Batch) -> Computed:
    connection, district, policy = batch.connection, batch.district, batch.policy
    if not table_exists(connection, "raw", "students"):
        picture = picture_of((), policy.schools, 1)
        return Computed(batch.batch_id, picture, "", Ruling())
    found = proposed(batch)
    rows, accounts, picture, holds = found.rows, found.accounts, found.picture, found.holds
    decisions, proposals = found.decisions, found.proposals
    fresh = [change for change in proposals if not holds.approval_of(change)]
    last_year = _last_year(connection, district.id)
    stop = stop_reason(picture, last_year, sum(rows.values()), sum(accounts.values()))
    if holds.lifts(stop, picture.database_year):
        stop = ""
    past = _past(batch) if any(one.kind is Kind.DEACTIVATE for one in fresh) else None
    ruling = rule(fresh, accounts, policy.bounds, stop, past)
    _settle(batch, found, fresh, ruling)
    waits = {student: one.waiting for student, one in decisions.items() if one.waiting}
    waits |= dict.fromkeys(batch.unconfirmed, "not_confirmed")
    waiting = Counter(waits.values())
    before = sum(accounts.values())
    _write(batch)
    candidates.mark_seen(connection, district.id, picture.pulls.values())
    _count_enrollment(batch)
    after = _active(connection, district.id)
    stopped = bool(stop and proposals)
    left_out = told_since(connection, district, picture, batch.moment)
    _record_batch(batch, picture, left_out, stop if stopped else "", (before, after), waiting)
    open_holds = read_holds(connection, district.id).open
    late = note_waits(connection, district, waits, open_holds, batch.moment)
    return Computed(
        batch_id=batch.batch_id, picture=picture, stop=stop if stopped else "", ruling=ruling,
        applied=batch.applied, held=batch.held, rejected=batch.rejected, waiting=waiting,
        open_holds=open_holds, active_before=before, active_after=after, left_out=left_out,
        long_waits=late,
        lost_schools={s: n for s, n in accounts.items() if s not in policy.schools},
    )  # fmt: skip


def _picture(batch: Batch, rows: Mapping[int, int], accounts: Mapping[int, int]) -> Picture:
    pulls = [
        replace(
            pull,
            active_rows=rows.get(pull.school, 0),
            active_accounts=accounts.get(pull.school, 0),
        )
        for pull in candidates.school_pulls(batch.connection, batch.district.id)
    ]
    least = batch.policy.bounds.min_changes
    picture = picture_of(pulls, batch.policy.schools, least)
    students, schools = candidates.unreadable(batch.connection, batch.district.id, batch.policy)
    lacking = candidates.lacking(batch.connection, batch.district.id, batch.policy)
    return replace(picture, unreadable=students, nameless=schools, lacking=lacking)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the evidence asks for, before any bound.

    Attributes:
        rows: Active rows by school.
        accounts: Active accounts by school.
        picture: What the pulls prove.
        holds: What waits for a person, and what persons have said.
        cases: Everything known of the students decided about.
        replies: What came when students were asked for alone.
        decisions: What is to be done about each of them.
        proposals: The changes of these, without those that a person has rejected.
        unconfirmed: Students whose deactivation no answer has confirmed yet.
    """

    rows: Mapping[int, int]
    accounts: Mapping[int, int]
    picture: Picture
    holds: Holds
    cases: Mapping[int, candidates.Case]
    replies: Replies
    decisions: Mapping[int, Decision]
    proposals: Sequence[Change]
    unconfirmed: Collection[int]


def proposed(batch: Batch) -> Proposed:
    """Decide about every student about whom there is anything to decide."""
    connection, district, policy = batch.connection, batch.district.id, batch.policy
    rows, accounts = candidates.counts_by_school(connection, district, policy)
    picture = _picture(batch, rows, accounts)
    holds = read_holds(connection, district)
    candidates.find(connection, district, picture, policy, holds.students())
    cases = candidates.cases(connection, district, policy)
    replies = candidates.replies(connection, district, policy)
    decisions = _decide(batch, picture, cases, replies)
    changes = [change for one in decisions.values() for change in one.changes]
    changes = [change for change in changes if not holds.is_rejected(change)]
    open_ones = unconfirmed(changes, replies, picture)
    return Proposed(rows, accounts, picture, holds, cases, replies, decisions, changes, open_ones)


def _decide(
    batch: Batch, picture: Picture, cases: Mapping[int, candidates.Case], replies: Replies
) -> dict[int, Decision]:
    found = {}
    for student, case in sorted(cases.items()):
        merged = _merged_into(case, picture)
        decision = decide(case.account, case.rows, picture, batch.policy, merged)
        decision = weighed(decision, case.account, replies, picture, batch.policy)
        found[student] = decision
        if decision.account is not None and decision.account != case.account:
            batch.final[student] = decision.account
    return found


def _merged_into(case: candidates.Case, picture: Picture) -> int | None:
    """Return the id that has taken over this one, where it is surely the same person.

    A former id may be that of an older system and by chance another student's.
    """
    account = case.account
    if account is None or account.birthdate is None:
        return None
    same = [
        row.student_id
        for row in case.successors
        if row.school in picture.pulls
        and row.birthdate == account.birthdate
        and (
            row.state_student_id == account.state_student_id
            if row.state_student_id and account.state_student_id
            else row.last_name.casefold() == account.last_name.casefold()
        )
    ]
    return min(same, default=None)


def _settle(batch: Batch, found: Proposed, fresh: Sequence[Change], ruling: Ruling) -> None:
    """Apply what may pass, hold the rest, and close what was held in vain."""
    decisions, holds = found.decisions, found.holds
    asked_about = _unasked(batch.policy, found)
    places = {id(change): place for place, change in enumerate(fresh)}
    still: set[tuple[int, str]] = set()
    awaited = holds.students()
    for student, decision in decisions.items():
        for change in decision.changes:
            if holds.is_rejected(change):
                continue
            known = holds.find(change)
            if student in awaited:
                still.add((student, change.fingerprint()))
            approval = holds.approval_of(change)
            reason = "" if approval else ruling.held.get(places[id(change)], "")
            if not (reason or approval) and student in found.unconfirmed:
                reason = asked_about if change.kind is Kind.DEACTIVATE else ""
                if not reason:
                    batch.unconfirmed.add(student)
                    continue
            if reason and known is None:
                batch.held[str(change.kind)] += 1
                batch.record(change, Outcome.HELD, reason)
            elif not reason:
                _apply(batch, decision, change)
                why = f"approved: {approval.why}" if approval else ""
                batch.record(change, Outcome.APPLIED, why, known, approval.who if approval else "")
    _close(batch, decisions, still, holds)


def _unasked(policy: Policy, found: Proposed) -> str:
    """Return why those who were not asked for wait for a person; empty where they need not."""
    number = sum(change.kind is Kind.DEACTIVATE for change in found.proposals)
    if number <= policy.bounds.max_asked or not found.unconfirmed:
        return ""
    return (
        f"{number} deactivations in the district, more than the {policy.bounds.max_asked} that are "
        "asked for one by one; of a sample nobody was found to be there"
    )


def _apply(batch: Batch, decision: Decision, change: Change) -> None:
    current = batch.final.get(change.student_id, decision.account)
    batch.final[change.student_id] = apply(current, change, batch.moment)
    batch.applied[str(change.kind)] += 1


def _close(
    batch: Batch,
    decisions: Mapping[int, Decision],
    still: set[tuple[int, str]],
    holds: Holds,
) -> None:
    """Reject what a person rejected, and withdraw what the evidence no longer asks for."""
    for hold in holds.open:
        rejection = holds.rejection_of(hold)
        decision = decisions.get(hold.student_id)
        gone = decision is not None and not decision.waiting
        if rejection is not None:
            why, who = f"rejected: {rejection.why}", rejection.who
        elif gone and (hold.student_id, hold.fingerprint) not in still:
            why, who = WITHDRAWN, ""
        else:
            continue
        batch.rejected += 1
        batch.events.append(hold.closed(why, batch.moment, who or None))


def _write(batch: Batch) -> None:
    """Replace the accounts that changed and append what became of the changes."""
    connection, district = batch.connection, batch.district.id
    if batch.final:
        ids = pa.table({"student_id": pa.array(list(batch.final), pa.int64())})
        connection.register("replaced", ids)
        connection.execute(
            "DELETE FROM core.accounts WHERE district = ? "
            "AND student_id IN (SELECT student_id FROM replaced)",
            [district],
        )
        connection.unregister("replaced")
        rows = [row_of(district, account) for account in batch.final.values()]
        insert_rows(connection, "core.accounts", ACCOUNTS_COLUMNS, rows)
    insert_rows(connection, "core.account_changes", CHANGES_COLUMNS, batch.events)


def _record_batch(
    batch: Batch,
    picture: Picture,
    left_out: Mapping[int, str],
    stop: str,
    active: tuple[int, int],
    waiting: Mapping[str, int],
) -> None:
    row = (
        batch.batch_id, batch.district.id, batch.moment, picture.database_year,
        bool(picture.pulls) and not stop, stop or None, list(picture.pull_ids),
        sorted(picture.pulls), [f"school {s}: {why}" for s, why in left_out.items()],
        *active, sum(batch.applied.values()), sum(batch.held.values()), json.dumps(dict(waiting)),
        batch.run_id,
    )  # fmt: skip
    insert_rows(batch.connection, "meta.account_batches", BATCHES_COLUMNS, [row])


def _count_enrollment(batch: Batch) -> None:
    """Count the active accounts of the district's day, in place of an earlier count of it."""
    bound = {"district": batch.district.id, "day": batch.district.day_of(batch.moment)}
    batch.connection.execute(
        "DELETE FROM core.enrollment_counts WHERE district = $district AND day = $day", bound
    )
    batch.connection.execute(
        "INSERT INTO core.enrollment_counts BY NAME "
        "SELECT $district AS district, $day AS day, school, grade, count(*) AS students "
        "FROM core.accounts WHERE district = $district AND state = 'active' GROUP BY ALL",
        bound,
    )


def _active(connection: duckdb.DuckDBPyConnection, district: str) -> int:
    found = connection.execute(
        "SELECT count(*) FROM core.accounts WHERE district = ? AND state = 'active'", [district]
    ).fetchone()
    return int(found[0]) if found else 0


def _past(batch: Batch) -> Past:
    """Return the deactivations of the last days that no person has approved."""
    rows = batch.connection.execute(
        "SELECT from_school, count(DISTINCT student_id), "
        "count(DISTINCT student_id) FILTER (code = ?) FROM core.account_changes "
        "WHERE district = ? AND kind = 'deactivate' AND status = 'applied' "
        "AND decided_by IS NULL AND recorded_at > ? GROUP BY from_school",
        [
            ABSENT,
            batch.district.id,
            batch.moment - timedelta(days=batch.policy.bounds.over_days),
        ],
    ).fetchall()
    return Past(
        {school: number for school, number, _ in rows},
        {school: absent for school, _, absent in rows if absent},
    )


def _last_year(connection: duckdb.DuckDBPyConnection, district: str) -> str:
    found = connection.execute(
        "SELECT arg_max(database_year, computed_at) FROM meta.account_batches "
        "WHERE district = ? AND let_through",
        [district],
    ).fetchone()
    return str(found[0] or "") if found else ""
