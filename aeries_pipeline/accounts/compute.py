"""Computes a district's accounts in one transaction: decide, bound, apply, record.

The same evidence twice changes nothing the second time. What a person has
approved or rejected since is carried out on the way. Everything here runs
under the warehouse's lock, for a fraction of a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import duckdb

from aeries_pipeline.accounts import candidates
from aeries_pipeline.accounts.batch import (
    Batch,
    active_accounts,
    count_enrollment,
    last_year,
    past_of,
    record_batch,
    write_changes,
)
from aeries_pipeline.accounts.confirmations import Replies, unconfirmed, weighed
from aeries_pipeline.accounts.decide import NOT_SHARED, decide
from aeries_pipeline.accounts.duplicates import read_pairs, told_apart
from aeries_pipeline.accounts.evidence import Picture, picture_of
from aeries_pipeline.accounts.first_load import first_loads, questioned
from aeries_pipeline.accounts.holds import Hold, Holds, read_holds
from aeries_pipeline.accounts.left_out import find_left_out, note_left_out
from aeries_pipeline.accounts.model import (
    Change,
    Decision,
    Kind,
    Outcome,
    apply,
)
from aeries_pipeline.accounts.policy import Policy, policy_of
from aeries_pipeline.accounts.safeguards import Ruling, rule, stop_reason
from aeries_pipeline.accounts.sharing import LeftOut
from aeries_pipeline.accounts.tables import prepare
from aeries_pipeline.accounts.waits import Wait, note_waits, told_since
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse, table_exists
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import writing

WITHDRAWN = "withdrawn: the newest pulls no longer ask for it"


@dataclass(frozen=True, slots=True)
class Computed:
    """What a computation found and did; counts and codes only.

    Attributes:
        batch_id: Its row in ``meta.account_batches``.
        picture: What the pulls prove.
        stop: Why the whole batch waits for a person; empty if it does not.
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
        not_shared: Who is left out of what the district shares.
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
    not_shared: LeftOut = field(default_factory=LeftOut)


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
        return rehearse(connection, district, moment, run_id)


def rehearse(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    moment: datetime,
    run_id: str | None = None,
) -> Computed:
    """Compute a district's accounts in the caller's transaction, who keeps it or not."""
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
    fresh = [one for one in proposals if not (one.decided_by or holds.approval_of(one))]
    year_before = last_year(connection, district.id)
    stop = stop_reason(picture, year_before, sum(rows.values()), sum(accounts.values()))
    if holds.lifts(stop, picture.database_year):
        stop = ""
    past = past_of(batch) if any(one.kind is Kind.DEACTIVATE for one in fresh) else None
    ruling = rule(fresh, accounts, policy.bounds, stop, past)
    _settle(batch, found, fresh, ruling)
    waits = {student: one.waiting for student, one in decisions.items() if one.waiting}
    waits |= dict.fromkeys(batch.unconfirmed, "not_confirmed")
    waiting = Counter(waits.values())
    before = sum(accounts.values())
    write_changes(batch)
    note_left_out(connection, district, found.left_out, batch.moment)
    candidates.mark_seen(connection, district.id, picture.pulls.values())
    count_enrollment(batch)
    after = active_accounts(connection, district.id)
    stopped = bool(stop and proposals)
    left_out = told_since(connection, district, picture, batch.moment)
    record_batch(batch, picture, left_out, stop if stopped else "", (before, after), waiting)
    open_holds = read_holds(connection, district.id).open
    late = note_waits(connection, district, waits, open_holds, batch.moment)
    return Computed(
        batch_id=batch.batch_id, picture=picture, stop=stop if stopped else "", ruling=ruling,
        applied=batch.applied, held=batch.held, rejected=batch.rejected, waiting=waiting,
        open_holds=open_holds, active_before=before, active_after=after, left_out=left_out,
        long_waits=late, not_shared=found.left_out,
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
    unrostered = candidates.unrostered(batch.connection, batch.district.id, batch.policy)
    return replace(
        picture, unreadable=students, nameless=schools, lacking=lacking, unrostered=unrostered
    )


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
        left_out: Who is not shared.
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
    left_out: LeftOut


def proposed(batch: Batch) -> Proposed:
    """Decide about every student about whom there is anything to decide."""
    connection, district, policy = batch.connection, batch.district.id, batch.policy
    rows, accounts = candidates.counts_by_school(connection, district, policy)
    picture = _picture(batch, rows, accounts)
    holds = read_holds(connection, district)
    pairs = read_pairs(connection, district)
    out = find_left_out(connection, batch.district, batch.moment)
    also = {*holds.students(), *pairs.closed}
    candidates.find(connection, district, picture, policy, also, out.causes)
    cases = candidates.cases(connection, district, policy)
    replies = candidates.replies(connection, district, policy)
    decisions = _decide(batch, picture, cases, replies, out)
    decisions = told_apart(connection, district, decisions, pairs, holds.is_rejected)
    decisions = questioned(decisions, first_loads(connection, district, picture.pulls))
    changes = [change for one in decisions.values() for change in one.changes]
    changes = [change for change in changes if not holds.is_rejected(change)]
    open_ones = unconfirmed([one for one in changes if not one.decided_by], replies, picture)
    return Proposed(
        rows, accounts, picture, holds, cases, replies, decisions, changes, open_ones, out
    )


def _decide(
    batch: Batch,
    picture: Picture,
    cases: Mapping[int, candidates.Case],
    replies: Replies,
    out: LeftOut,
) -> dict[int, Decision]:
    found = {}
    for student, case in sorted(cases.items()):
        merged = candidates.merged_into(case, picture)
        decision = decide(
            case.account, case.rows, picture, batch.policy, merged, left_out=student in out.causes
        )
        decision = weighed(decision, case.account, replies, picture, batch.policy)
        found[student] = decision
        if decision.account is not None and decision.account != case.account:
            batch.final[student] = decision.account
    return found


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
            who = approval.who if approval else change.decided_by
            reason = "" if who else ruling.held.get(places[id(change)], "")
            if not (reason or who) and student in found.unconfirmed:
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
                batch.record(change, Outcome.APPLIED, why, known, who)
    _close(batch, decisions, still, holds)


def _unasked(policy: Policy, found: Proposed) -> str:
    """Return why those who were not asked for wait for a person; empty if they need not."""
    number = sum(one.kind is Kind.DEACTIVATE and one.code != NOT_SHARED for one in found.proposals)
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
