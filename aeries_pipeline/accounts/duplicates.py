"""One child, one account: which IDs may be the same child, and what people decided.

A new account waits for a person if an active account has the same state ID, or
the same name and birth date. The person says that it is the same child (one ID
is closed, the other survives) or that these are two. A blank or made-up state
ID proves nothing, and two valid ones that differ mean two children.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import duckdb

from aeries_pipeline.accounts.likeness import ALIKE, Likeness, alike
from aeries_pipeline.accounts.model import Change, Decision, Kind, State

MAY_BE_ANOTHER = "may_be_another_id"
"""Why an account does not end: its child may be there under an id that waits."""

_ASKS = "an active account has the same {}; accounts review shows which ids belong together, then "
_ASKS += "accounts same or accounts different says what they are"
_RETURNS = "a person has said that this id is another one's child, and that account has ended; "
_RETURNS += "compare with Aeries before approving"


class Verdict(StrEnum):
    """What a person said of two ids; the values of ``meta.account_pairs.verdict``."""

    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Pairs:
    """What persons have said of pairs of ids in a district, the newest word of each.

    Attributes:
        closed: The id that goes on, and who said so, by the id that is closed.
        different: Pairs of ids that are two children.
    """

    closed: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    different: frozenset[frozenset[int]] = frozenset()

    def goes_on(self, student: int) -> int:
        """Return the id under which a child goes on, by all that was said."""
        return self.closed[student][0] if student in self.closed else student

    def settles(self, one: int, other: int) -> bool:
        """Tell whether a person has spoken about two ids."""
        return self.goes_on(one) == self.goes_on(other) or frozenset({one, other}) in self.different


def closings(said: Sequence[tuple[int, int, str]]) -> dict[int, tuple[int, str]]:
    """Return under which id each closed one goes on, though words follow each other or circle.

    Args:
        said: The id that is closed, the one that goes on, and who says so, the oldest first.
    """
    goes_on: dict[int, int] = {}
    who: dict[int, str] = {}
    for student, other, speaker in said:
        last = goes_on.get(other, other)
        old, new = goes_on.get(student, student), other if last == student else last
        who[student] = speaker
        for one in {student, other, *goes_on}:
            if goes_on.get(one, one) in {old, last}:
                goes_on[one] = new
    return {one: (at, who.get(one, "")) for one, at in goes_on.items() if one != at}


def asked_about(
    decisions: Mapping[int, Decision],
    likenesses: Sequence[Likeness],
    pairs: Pairs,
    is_rejected: Callable[[Change], bool] = lambda _change: False,
) -> dict[int, Decision]:
    """Return decisions in which a new account waits where its child may have one. Pure.

    Whoever has that account keeps it meanwhile: the child is there, under the other id.

    Args:
        decisions: By student.
        likenesses: Who among them is like whom, the surest first.
        pairs: What persons have said.
        is_rejected: Tells whether a person has refused a change, so that nobody waits for it.
    """
    found = dict(decisions)
    doubted: set[int] = set()
    for one in likenesses:
        first = found[one.student_id].changes[0]
        known = first.related_student_id == one.related_student_id  # by the row's former id
        if known or pairs.settles(one.student_id, one.related_student_id):
            continue
        if one.student_id not in doubted:
            doubted.add(one.student_id)
            found[one.student_id] = _doubted(found[one.student_id], one)
        if all(map(is_rejected, found[one.student_id].changes)):
            continue
        kept = found.get(one.related_student_id)
        if kept and any(change.kind is Kind.DEACTIVATE for change in kept.changes):
            found[one.related_student_id] = Decision((), kept.account, MAY_BE_ANOTHER)
    return found


def _doubted(decision: Decision, one: Likeness) -> Decision:
    shared = ALIKE[one.code]
    changes = (
        replace(
            change, doubt=change.doubt or _ASKS.format(shared), code=one.code,
            reason=f"an active row, and an active account of another id with the same {shared}",
            related_student_id=one.related_student_id,
        )
        for change in decision.changes
    )  # fmt: skip
    return replace(decision, changes=tuple(changes))


def closed(
    decisions: Mapping[int, Decision], pairs: Pairs, active: Collection[int]
) -> dict[int, Decision]:
    """Return decisions in which a child that persons know by two ids has one account. Pure.

    Nobody loses an account before the other one is there; and where that one
    has ended, the word of then is no reason to leave a child without any.

    Args:
        decisions: By student.
        pairs: What persons have said.
        active: Students with an active account.
    """
    found = dict(decisions)
    coming = {student for student, one in decisions.items() if _comes(one)}
    for student, (goes_on, who) in pairs.closed.items():
        decision = decisions.get(student)
        if decision is None:
            continue
        account = decision.account
        in_use = account is not None and account.is_active
        if goes_on in active and not in_use:
            found[student] = Decision((), account)
        elif goes_on in active and account is not None:
            closing = Change(
                student, Kind.DEACTIVATE, replace(account, state=State.INACTIVE),
                from_school=account.school, pull_ids=(account.pull_id,), code="merged",
                reason="a person has said that another id is the same child",
                related_student_id=goes_on, decided_by=who,
            )  # fmt: skip
            found[student] = Decision((closing,), account)
        elif goes_on in coming:
            found[student] = Decision((), account, MAY_BE_ANOTHER if in_use else "")
        elif _comes(decision):
            changes = (replace(one, doubt=one.doubt or _RETURNS) for one in decision.changes)
            found[student] = replace(decision, changes=tuple(changes))
    return found


def _comes(decision: Decision) -> bool:
    return any(change.kind in {Kind.CREATE, Kind.REACTIVATE} for change in decision.changes)


def told_apart(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    decisions: Mapping[int, Decision],
    pairs: Pairs,
    is_rejected: Callable[[Change], bool],
) -> dict[int, Decision]:
    """Return decisions in which a child with two ids is asked about, or has one account."""
    coming = [one.changes[0] for one in decisions.values() if _comes(one)]
    found = dict(decisions)
    if coming:
        found = asked_about(found, alike(connection, district, coming), pairs, is_rejected)
    if pairs.closed:
        found = closed(found, pairs, _active(connection, district))
    return found


def _active(connection: duckdb.DuckDBPyConnection, district: str) -> set[int]:
    rows = connection.execute(
        "SELECT student_id FROM core.accounts WHERE district = ? AND state = 'active'", [district]
    ).fetchall()
    return {student for (student,) in rows}


def read_pairs(connection: duckdb.DuckDBPyConnection, district: str) -> Pairs:
    """Read what persons have said; the warehouse is the current catalog."""
    rows = connection.execute(
        "SELECT student_id, related_student_id, verdict, decided_by FROM meta.account_pairs "
        # Of a student who was forgotten nothing is left but that somebody said something.
        "WHERE district = ? AND related_student_id IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY "
        "least(student_id, related_student_id), greatest(student_id, related_student_id) "
        "ORDER BY decided_at DESC, decision_id DESC) = 1 ORDER BY decided_at, decision_id",
        [district],
    ).fetchall()
    same = closings(
        [(one, other, who) for one, other, verdict, who in rows if verdict == Verdict.SAME]
    )
    different = frozenset(
        frozenset({one, other}) for one, other, verdict, _ in rows if verdict == Verdict.DIFFERENT
    )
    return Pairs(same, different)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ids that may be one child; a row of ``core.possible_duplicates``.

    Attributes:
        student_id: The one; of a pair in which one waits, that one.
        related_student_id: The other.
        alike: What they have in common.
        school: School of the one.
        related_school: School of the other.
        waits: Whether the one has no account as yet, and waits.
        held_since: Since when it waits, UTC without a zone.
    """

    student_id: int
    related_student_id: int
    alike: str
    school: int | None
    related_school: int | None
    waits: bool
    held_since: datetime | None


def open_pairs(connection: duckdb.DuckDBPyConnection, district: str) -> list[Pair]:
    """Return the pairs that may be one child and that no person has spoken about."""
    rows = connection.execute(
        "SELECT student_id, related_student_id, alike, school, related_school, waits, held_since "
        "FROM core.possible_duplicates WHERE district = ? AND verdict IS NULL "
        "AND NOT other_state_id ORDER BY waits DESC, student_id, related_student_id",
        [district],
    ).fetchall()
    return [Pair(*row) for row in rows]


PAIRS_COLUMNS = (
    ("decision_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("related_student_id", "BIGINT"),
    ("verdict", "VARCHAR"),
    ("decided_by", "VARCHAR"),
    ("why", "VARCHAR"),
    ("decided_at", "TIMESTAMP"),
)
"""Columns of ``meta.account_pairs``; of the same child ``student_id`` is the id that is closed."""
