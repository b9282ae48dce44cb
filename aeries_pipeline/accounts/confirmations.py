"""What single-student responses say about a change that the lists call for.

Pure. A list may lack a child or show one who has left, so no account ends or
returns before that student was requested individually. The requests are in
``ask``, the table in ``tables``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from aeries_pipeline.accounts.decide import LEFT_FOR_UNROSTERED, NOT_SHARED, REASONS
from aeries_pipeline.accounts.evidence import Picture
from aeries_pipeline.accounts.model import NOT_MISSING, Account, Change, Decision, Kind
from aeries_pipeline.accounts.policy import Policy

MANY_NEW = 3
"""More new accounts than this at one school are asked for one by one."""


class Purpose(StrEnum):
    """Why a student is asked for: the list says that one has left, or has come."""

    LEAVING = "leaving"
    ARRIVING = "arriving"


class Said(StrEnum):
    """What the answers about one student say together."""

    ACTIVE = "active"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Question:
    """One student to be asked for.

    Attributes:
        student_id: StudentID.
        purpose: What the list says.
        school: The school whose list says so.
        pull_id: That list.
        places: Schools to ask, the likeliest first.
    """

    student_id: int
    purpose: Purpose
    school: int
    pull_id: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a question.

    Attributes:
        student_id: StudentID.
        purpose: What the list says.
        school: The school whose list says so.
        said: What the answers say.
        active_at: The school with an active row, None if none has one.
        asked_at: When the asking had ended, UTC without a zone.
    """

    student_id: int
    purpose: Purpose
    school: int
    said: Said
    active_at: int | None
    asked_at: datetime


@dataclass(frozen=True)
class Replies:
    """The newest reply about each student.

    Attributes:
        newest: By student and purpose.
        wanted: Whether the district's site can be asked for one student.
    """

    newest: Mapping[tuple[int, Purpose], Reply] = field(default_factory=dict)
    wanted: bool = True

    def about(self, student: int, purpose: Purpose, school: int, picture: Picture) -> Reply | None:
        """Return the reply that is as new as the lists, None if there is none."""
        reply = self.newest.get((student, purpose))
        pull = picture.pulls.get(school)
        since = (pull and pull.started_at) or picture.newest
        return reply if reply is not None and reply.asked_at >= since else None

    def outdated(self, picture: Picture) -> frozenset[int]:
        """Return schools whose newest list showed a student who is not there."""
        return frozenset(
            reply.school
            for (student, purpose), reply in self.newest.items()
            if purpose is Purpose.ARRIVING
            and reply.said is Said.GONE
            and self.about(student, purpose, reply.school, picture) is not None
        )


def weighed(
    decision: Decision, before: Account | None, replies: Replies, picture: Picture, policy: Policy
) -> Decision:
    """Return what is left of a decision once the answers about the student are heard.

    A change that nobody was asked about stays: the bounds count it, and
    :func:`unconfirmed` tells that it must wait.
    """
    kinds = {change.kind for change in decision.changes if change.code != NOT_SHARED}
    if not kinds or not replies.wanted:
        return decision
    if Kind.DEACTIVATE in kinds and before is not None:
        return _leaving(decision, before, replies, picture, policy)
    outdated = replies.outdated(picture)
    if any({change.from_school, change.to_school} & outdated for change in decision.changes):
        return Decision((), decision.account, "list_contradicted")
    return decision


def _leaving(
    decision: Decision, before: Account, replies: Replies, picture: Picture, policy: Policy
) -> Decision:
    reply = replies.about(before.student_id, Purpose.LEAVING, before.school, picture)
    if reply is None or reply.said is not Said.ACTIVE:
        return decision
    if reply.active_at in policy.schools:
        seen = replace(before, last_seen_at=reply.asked_at, **NOT_MISSING)
        return Decision((), seen, "list_contradicted")
    doubt = f"now at school {reply.active_at}, which is not in the roster; add that school, or "
    doubt += "approve if its students are to have no accounts"
    changes = (
        replace(
            change, doubt=change.doubt or doubt, code=LEFT_FOR_UNROSTERED,
            reason=REASONS[LEFT_FOR_UNROSTERED],
        )
        for change in decision.changes
    )  # fmt: skip
    return replace(decision, changes=tuple(changes))


def unconfirmed(changes: Iterable[Change], replies: Replies, picture: Picture) -> set[int]:
    """Return students whose deactivation or return no answer has confirmed."""
    if not replies.wanted:
        return set()
    changes = list(changes)
    # Who is left out is here; there is nothing to ask.
    leaving = [o for o in changes if o.kind is Kind.DEACTIVATE and o.code != NOT_SHARED]
    back = [one for one in changes if one.kind is Kind.REACTIVATE]
    missing = [
        *unanswered(leaving, Purpose.LEAVING, replies, picture),
        *unanswered(back, Purpose.ARRIVING, replies, picture),
    ]
    return {change.student_id for change in missing}


def many_arrivals(changes: Iterable[Change], accounts: Mapping[int, int]) -> list[Change]:
    """Return the changes by which somebody comes and that are asked about.

    Whoever returns always is; of new students those of a school that has
    accounts and gets more new ones than on an ordinary night.
    """
    back, new = [], dict[int, list[Change]]()
    for change in changes:
        if change.kind is Kind.REACTIVATE:
            back.append(change)
        elif change.kind is Kind.CREATE and accounts.get(change.to_school or 0):
            new.setdefault(change.to_school or 0, []).append(change)
    return [*back, *(one for many in new.values() if len(many) > MANY_NEW for one in many)]


def unanswered(
    changes: Iterable[Change], purpose: Purpose, replies: Replies, picture: Picture
) -> list[Change]:
    """Return the changes of which no usable answer speaks yet."""
    found = []
    for change in changes:
        school = change.from_school if purpose is Purpose.LEAVING else change.to_school
        reply = replies.about(change.student_id, purpose, school or 0, picture)
        if reply is None or reply.said is Said.FAILED:
            found.append(change)
    return found


def places_of(
    first: Sequence[int | None],
    schools: Sequence[int],
    fits: Collection[int],
    *,
    all_of_them: bool,
    most: int | None = None,
) -> tuple[int, ...]:
    """Return the schools to ask for one student, each once, the likeliest first.

    Args:
        first: The account's school, those with a row, the next one.
        schools: Every school of the district's own list, the likeliest first.
        fits: Those of them that teach the student's grade.
        all_of_them: Whether the others are asked as well.
        most: How many are asked besides ``first``; None if all may be.
    """
    known = list(dict.fromkeys(one for one in first if one))
    rest = sorted((one for one in schools if one not in known), key=lambda one: one not in fits)
    chosen = rest if all_of_them else [one for one in rest if one in fits]
    return (*known, *chosen[:most])


def shared(requests: int, certain: int, students: int) -> int:
    """Return how many schools each student may be asked for at besides the certain ones.

    Args:
        requests: How many requests a night may cost.
        certain: How many of them are needed in any case.
        students: Students who are asked for.
    """
    return max(requests - certain, 0) // max(students, 1)
