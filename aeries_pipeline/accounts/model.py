"""The values that the account lifecycle is about: accounts, student rows, changes.

Values only; the other modules of this package work with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""Before anything was ever pulled; UTC without a zone, like every moment here."""


class State(StrEnum):
    """Whether an account is in use. An inactive one is kept and can return."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class Kind(StrEnum):
    """The kinds of change, in the order in which they are applied to an account."""

    CREATE = "create"
    REACTIVATE = "reactivate"
    TRANSFER = "transfer"
    UPDATE = "update"
    DEACTIVATE = "deactivate"


DONE = {
    Kind.CREATE: "created",
    Kind.UPDATE: "updated",
    Kind.TRANSFER: "transferred",
    Kind.DEACTIVATE: "deactivated",
    Kind.REACTIVATE: "reactivated",
}
"""What a change has become once it is applied, in words for people."""


class Outcome(StrEnum):
    """What became of a change; the values of ``core.account_changes.status``."""

    APPLIED = "applied"
    HELD = "held"
    REJECTED = "rejected"


PROFILE = (
    "next_school",
    "grade",
    "first_name",
    "last_name",
    "gender",
    "birthdate",
    "email",
    "state_student_id",
    "other_schools",
)
"""Fields that an update may change, in the order in which they are named."""

NOT_MISSING: Mapping[str, Any] = MappingProxyType(
    {"missing_since": None, "absent_rounds": 0, "absent_counted_at": None}
)
"""What an account notes of somebody who is not missing."""

KEPT = ("grade", "first_name", "last_name")
"""Fields that Xello requires: where Aeries has none any more, the last value stays."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account: one student of one district.

    Attributes:
        student_id: Aeries StudentID, unique in the district.
        state: Active or inactive.
        school: Current school; the last one for an inactive account.
        next_school: School of next year where it is another one.
        grade: As Aeries has it, -2 to 18; the last one where it has none now,
            None if it never had one.
        first_name: Legal first name.
        last_name: Legal last name.
        gender: Aeries code.
        birthdate: None if Aeries has none.
        email: The school's address for the student, None if blank.
        state_student_id: Ten digits with leading zeros, None if blank.
        other_schools: Schools of further active rows, ascending.
        first_seen_at: Start of the pull that first showed the student active.
        last_seen_at: Start of the last pull that did, UTC without a zone.
        state_since: When the present state began.
        missing_since: End of the first pull that no longer showed an active
            row, while the account is active; None while it is seen.
        absent_rounds: Complete rounds without an active row since then.
        absent_counted_at: Start of the newest pull of the last counted round.
        pull_id: The pull that says so.
        student_number: Number of the row that the account follows; None if
            an older release wrote it.
    """

    student_id: int
    state: State
    school: int
    next_school: int | None = None
    grade: int | None = None
    first_name: str = ""
    last_name: str = ""
    gender: str = ""
    birthdate: date | None = None
    email: str | None = None
    state_student_id: str | None = None
    other_schools: tuple[int, ...] = ()
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    state_since: datetime | None = None
    missing_since: datetime | None = None
    absent_rounds: int = 0
    absent_counted_at: datetime | None = None
    pull_id: str = ""
    student_number: int | None = None

    @property
    def is_active(self) -> bool:
        """Whether the account is in use."""
        return self.state is State.ACTIVE

    def profile(self) -> dict[str, Any]:
        """Return the fields that an update may change."""
        return {name: getattr(self, name) for name in PROFILE}


ACCOUNT_FIELDS = tuple(one.name for one in fields(Account))


class Standing(StrEnum):
    """What a student row says, once the district's status codes are read."""

    ACTIVE = "active"
    PRE_ENROLLED = "pre_enrolled"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class StudentRow:
    """One row of ``raw.students`` with its status read.

    Attributes:
        student_id: StudentID.
        school: The school that was asked.
        student_number: StudentNumber; identifies the row, never the person.
        standing: What its status code means in this district.
        pulled_at: Start of the pull that brought it.
        pull_id: That pull.
        entered: SchoolEnterDate.
        left: SchoolLeaveDate; often missing, and often set on rows that are
            not over, so it dates a change and never causes one.
        program: AttendanceProgramCodePrimary.
        next_school: NextSchoolCode; 0 where unset.
        next_grade: NextGrade; 13 for a senior who leaves.
        old_student_id: OldStudentID; 0 where there is none.
        grade: As Aeries has it; None if it has none.
    """

    student_id: int
    school: int
    student_number: int
    standing: Standing
    pulled_at: datetime
    pull_id: str = ""
    entered: date | None = None
    left: date | None = None
    program: str = ""
    next_school: int = 0
    next_grade: int = 0
    old_student_id: int = 0
    grade: int | None = None
    first_name: str = ""
    last_name: str = ""
    gender: str = ""
    birthdate: date | None = None
    email: str | None = None
    state_student_id: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one account, as the evidence asks for it.

    Attributes:
        student_id: StudentID.
        kind: What is to be done.
        after: The account's values once all changes of the student are applied.
        from_school: School before; None for a new account.
        to_school: School afterwards; None for a deactivation.
        changed_fields: Names of the fields that an update changes.
        effective_at: The district's date for it, where it gives one.
        pull_ids: The pulls that it rests on.
        code: Stable code of the reason.
        reason: The reason in words; no value of a student.
        doubt: Why a person must look before it is applied; empty if nobody must.
        related_student_id: The other id where two were merged, or may be one child.
        decided_by: Who has asked for it; neither a bound nor an answer holds it back.
    """

    student_id: int
    kind: Kind
    after: Account
    from_school: int | None = None
    to_school: int | None = None
    changed_fields: tuple[str, ...] = ()
    effective_at: date | None = None
    pull_ids: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""
    doubt: str = ""
    related_student_id: int | None = None
    decided_by: str = ""

    @property
    def school(self) -> int | None:
        """The school that a bound counts the change for."""
        return self.to_school if self.from_school is None else self.from_school

    def fingerprint(self) -> str:
        """Return what makes this change the same as one proposed earlier.

        A held or rejected change is not proposed again while the evidence asks
        for exactly the same. A student who came back and went again is another
        case, hence the moment since which one is missing.
        """
        parts: list[Any] = [self.kind, self.from_school, self.to_school]
        if self.kind is Kind.DEACTIVATE:
            parts.append(self.after.missing_since)
        elif self.kind is Kind.CREATE:
            parts.append(list(self.after.profile().values()))
        else:
            parts.append([getattr(self.after, name) for name in self.changed_fields])
        if self.doubt and self.related_student_id:
            # Asked about another id it is another question.
            parts.append(self.related_student_id)
        return hashlib.sha256(repr([str(part) for part in parts]).encode()).hexdigest()[:16]


def apply(account: Account | None, change: Change, at: datetime) -> Account:
    """Return an account after one change.

    Args:
        account: Before; None for a creation.
        change: What to do.
        at: The moment of the batch, UTC without a zone.
    """
    after = change.after
    match change.kind:
        case Kind.CREATE:
            return replace(after, state=State.ACTIVE, state_since=at)
        case Kind.REACTIVATE:
            assert account is not None  # noqa: S101 - the decision never proposes it
            return replace(
                account, state=State.ACTIVE, state_since=at, **NOT_MISSING, pull_id=after.pull_id,
                last_seen_at=after.last_seen_at, student_number=after.student_number,
            )  # fmt: skip
        case Kind.TRANSFER:
            assert account is not None  # noqa: S101
            return replace(
                account, school=after.school, pull_id=after.pull_id,
                student_number=after.student_number,
            )  # fmt: skip
        case Kind.UPDATE:
            assert account is not None  # noqa: S101
            values = {name: getattr(after, name) for name in change.changed_fields}
            return replace(account, **values, pull_id=after.pull_id)
        case Kind.DEACTIVATE:
            assert account is not None  # noqa: S101
            return replace(account, state=State.INACTIVE, state_since=at, pull_id=after.pull_id)


def apply_all(
    accounts: Mapping[int, Account], changes: Sequence[Change], at: datetime
) -> dict[int, Account]:
    """Return all accounts after changes, whatever their order."""
    found = dict(accounts)
    order = list(Kind)
    for change in sorted(changes, key=lambda one: (one.student_id, order.index(one.kind))):
        found[change.student_id] = apply(found.get(change.student_id), change, at)
    return found


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one student.

    Attributes:
        changes: In the order in which they are applied; often none.
        account: The account with what was noted about it (when it was seen,
            since when it is missing) and none of the changes; None if there
            is no account yet.
        waiting: Code of the reason why a change that one would expect is not
            proposed yet; empty if there is none.
    """

    changes: tuple[Change, ...] = ()
    account: Account | None = None
    waiting: str = field(default="")
