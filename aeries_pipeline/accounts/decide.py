"""What must change for one student: a pure function of account, rows and evidence.

The rules are those of the table in ``docs/accounts.md``. Bounds on how many
changes may pass at once are in ``safeguards``; finding out whom to decide
about is in ``candidates``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from aeries_pipeline.accounts.evidence import Picture
from aeries_pipeline.accounts.model import (
    KEPT,
    NOT_MISSING,
    PROFILE,
    Account,
    Change,
    Decision,
    Kind,
    Standing,
    State,
    StudentRow,
)
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.accounts.sharing import takes

LEAVING_GRADE = 13
"""NextGrade from which on a student has no school here next year."""

FAR = timedelta(days=366)
"""An entry date further ahead is a typing error, and says nothing."""

LEFT_FOR_UNROSTERED = "left_for_unrostered_school"
"""Code of the deactivation of a student who is, or will be, at a school beyond the roster."""

NOT_SHARED = "not_shared"
"""Code of the deactivation of a student who is left out of what the district shares."""

REASONS = {
    "active_row": "an active row and no account",
    "pre_enrolled_row": "a pre-enrolled row and no account, which this district wants created",
    "active_elsewhere": "no longer active at the one school, active at the other",
    "fields_differ": "the account differs from the student's row",
    "active_again": "an active row after the account was deactivated",
    "inactive_status": "the school's row is no longer active and no other school has an active one",
    "in_inactive_school": "the only rows left are in the school for inactive students",
    LEFT_FOR_UNROSTERED: "left for a school that is not in the roster",
    NOT_SHARED: "left out of what the district shares",
    "merged": "another student's row names this id as its former one",
    "absent": "absent from every school in enough complete rounds of pulls",
}
OTHER_PERSON = "the id may have been given to another person: two of name, birth date and state "
OTHER_PERSON += "id are different; compare with Aeries before approving"
UNROSTERED = "left for school {}, which teaches by Aeries' own list and which the roster lacks; "
UNROSTERED += "add it with aeries-pipeline roster sync, or approve if its students are to have no "
UNROSTERED += "accounts"
NO_SUCH_SCHOOL = "the account's school is no longer in the roster, so nothing can be read of it; "
NO_SUCH_SCHOOL += "make sure that it has closed before approving"


def decide(
    account: Account | None,
    rows: Collection[StudentRow],
    picture: Picture,
    policy: Policy,
    merged_into: int | None = None,
    *,
    left_out: bool = False,
) -> Decision:
    """Decide about one student.

    Args:
        account: The account as it is; None if there is none.
        rows: Every row of the student, in any order.
        picture: What the pulls prove; rows of other schools are not looked at.
        policy: The district's settings.
        merged_into: The id whose row names this one as its former id.
        left_out: Whether the student is left out of what the district shares.
            That counts at once, whatever could be read of the student otherwise.
    """
    if left_out:
        return _not_shared(account, picture)
    rows = [row for row in rows if row.school in picture.pulls or _gone(row, policy)]
    if (
        account is not None
        and account.is_active
        and account.school in policy.schools
        and account.school not in picture.pulls
    ):
        return Decision(account=account, waiting="school_not_pulled")
    active = [
        row
        for row in rows
        if row.standing is Standing.ACTIVE and takes(policy.share, row.school, row.grade)
    ]
    hidden = account is not None and account.student_id in picture.unreadable
    if account and hidden and all(row.school != account.school for row in active):
        # The student is somewhere in the answer; a bad value is no leaving.
        return Decision(account=account, waiting="row_unreadable")
    awaited = [row for row in rows if row.standing is Standing.PRE_ENROLLED]
    if not active and awaited and policy.pre_enrolled_accounts:
        row = min(awaited, key=_row_key)
        if account is None:
            active = [row]
        elif account.is_active:
            # Whoever has a place here next year stays where he or she is.
            active = [replace(row, school=account.school, grade=account.grade)]
    if active:
        return _present(account, active, awaited, policy, hidden=hidden)
    if account is None or not account.is_active:
        return Decision(account=account)
    return _missing(account, rows, picture, policy, merged_into)


def _not_shared(account: Account | None, picture: Picture) -> Decision:
    """Return the end of an account whose student is left out; nothing if there is none."""
    if account is None or not account.is_active:
        return Decision(account=account)
    change = Change(
        student_id=account.student_id,
        kind=Kind.DEACTIVATE,
        after=replace(account, state=State.INACTIVE),
        from_school=account.school,
        pull_ids=picture.pull_ids,
        code=NOT_SHARED,
        reason=REASONS[NOT_SHARED],
    )
    return Decision((change,), account)


def _gone(row: StudentRow, policy: Policy) -> bool:
    return row.school == policy.inactive_school


def _present(
    account: Account | None,
    active: Sequence[StudentRow],
    awaited: Sequence[StudentRow],
    policy: Policy,
    *,
    hidden: bool = False,
) -> Decision:
    """Return the changes for a student who is here, perhaps with a further row unreadable."""
    begun = [row for row in active if not _is_ahead(row, policy.today)]
    if not begun and not (account and account.is_active):
        return Decision(account=account, waiting="enters_later")
    # A later entry at the account's school counts only while no other row there has begun.
    alone = account and all(row.school != account.school for row in begun)
    kept = account.school if account and alone else None
    here = [row for row in active if row in begun or row.school == kept]
    row = primary(account, here or active, policy)
    image = _kept(_image(row, active, awaited, policy), account)
    if account is None:
        code = "active_row" if row.standing is Standing.ACTIVE else "pre_enrolled_row"
        return Decision((_change(Kind.CREATE, image, row, code, to_school=image.school),), None)
    noted = replace(account, last_seen_at=row.pulled_at, **NOT_MISSING)
    if image.school == account.school:
        noted = replace(noted, student_number=image.student_number)
    if hidden:
        image = replace(image, other_schools=account.other_schools)
    after = replace(
        noted, **image.profile(), state=State.ACTIVE, school=image.school, pull_id=row.pull_id,
        student_number=image.student_number,
    )  # fmt: skip
    changes = list(_differences(account, after, row))
    if policy.additions_only and account.is_active and changes:
        return Decision((), noted, "additions_only")
    if _is_other_person(account, after):
        changes = [replace(change, doubt=OTHER_PERSON) for change in changes]
    return Decision(tuple(changes), noted)


def _is_ahead(row: StudentRow, today: date) -> bool:
    """Tell whether the student enters the school only later."""
    if row.standing is not Standing.ACTIVE or row.entered is None:
        return False
    return timedelta() < row.entered - today <= FAR


def _kept(image: Account, account: Account | None) -> Account:
    """Keep what Xello requires where Aeries has no value any more."""
    if account is None:
        return image
    kept = {name: getattr(account, name) for name in KEPT if getattr(image, name) in {None, ""}}
    return replace(image, **kept)


def _differences(account: Account, after: Account, row: StudentRow) -> Iterable[Change]:
    schools = {"from_school": account.school, "to_school": after.school}
    if not account.is_active:
        yield _change(Kind.REACTIVATE, after, row, "active_again", **schools)
    if account.school != after.school:
        yield _change(Kind.TRANSFER, after, row, "active_elsewhere", **schools)
    changed = tuple(name for name in PROFILE if getattr(account, name) != getattr(after, name))
    if changed:
        here = {"from_school": after.school, "to_school": after.school}
        update = _change(Kind.UPDATE, after, row, "fields_differ", **here)
        yield replace(update, changed_fields=changed, effective_at=None)


def _change(
    kind: Kind,
    after: Account,
    row: StudentRow,
    code: str,
    from_school: int | None = None,
    to_school: int | None = None,
) -> Change:
    return Change(
        after.student_id, kind, after, from_school, to_school, effective_at=row.entered,
        pull_ids=(row.pull_id,), code=code, reason=REASONS[code],
        related_student_id=(row.old_student_id or None) if kind is Kind.CREATE else None,
    )  # fmt: skip


def _row_key(row: StudentRow) -> tuple[int, int, int]:
    """Order rows: the latest entry first, then the lowest school, then the latest number."""
    return (-(row.entered or date.min).toordinal(), row.school, -row.student_number)


def primary(account: Account | None, active: Sequence[StudentRow], policy: Policy) -> StudentRow:
    """Return the active row that the account follows.

    A second enrolment, by the district's program codes, comes after a first
    one. Among the rest the school of the account stays; a new student belongs
    where he or she entered last.
    """
    first = [row for row in active if row.program.strip() not in policy.secondary_programs]
    chosen = first or active
    if account is not None:
        chosen = [row for row in chosen if row.school == account.school] or chosen
    return min(chosen, key=_row_key)


def _image(
    row: StudentRow, active: Sequence[StudentRow], awaited: Sequence[StudentRow], policy: Policy
) -> Account:
    others = tuple(sorted({other.school for other in active} - {row.school}))
    return Account(
        student_id=row.student_id,
        state=State.ACTIVE,
        school=row.school,
        next_school=next_school(row, awaited, policy),
        grade=row.grade,
        first_name=row.first_name,
        last_name=row.last_name,
        gender=row.gender,
        birthdate=row.birthdate,
        email=row.email,
        state_student_id=row.state_student_id,
        other_schools=others,
        first_seen_at=row.pulled_at,
        last_seen_at=row.pulled_at,
        pull_id=row.pull_id,
        student_number=row.student_number,
    )


def next_school(row: StudentRow, awaited: Sequence[StudentRow], policy: Policy) -> int | None:
    """Return the school of next year, None if it is the same or none of the district's.

    A pre-enrolled row at another school says it best; NextSchoolCode is often
    not filled in yet. A senior who leaves has none.
    """
    if row.next_grade >= LEAVING_GRADE:
        return None
    elsewhere = [one for one in awaited if one.school != row.school]
    code = min(elsewhere, key=_row_key).school if elsewhere else row.next_school
    return None if code in {0, row.school, policy.inactive_school} else code


def _is_other_person(account: Account, after: Account) -> bool:
    """Tell whether the id seems to belong to somebody else now.

    One of the three may be corrected at any time; two at once are rare, and a
    child must not be given the account of another. Two other names need a birth
    date or state id that stayed.
    """
    others = [
        _differ(account.birthdate, after.birthdate),
        _differ(account.state_student_id, after.state_student_id),
        _differ(account.first_name.casefold(), after.first_name.casefold())
        and _differ(account.last_name.casefold(), after.last_name.casefold()),
    ]
    stayed = any(
        one and one == other
        for one, other in (
            (account.birthdate, after.birthdate),
            (account.state_student_id, after.state_student_id),
        )
    )
    return sum(others) >= 2 or (others[-1] and not stayed)


def _differ(one: object, other: object) -> bool:
    return bool(one) and bool(other) and one != other


def _missing(
    account: Account,
    rows: Sequence[StudentRow],
    picture: Picture,
    policy: Policy,
    merged_into: int | None,
) -> Decision:
    """Return the deactivation of an active account without an active row, once it is proven."""
    said = [row for row in rows if _tells_of_leaving(row, account, policy)]
    if not said and account.school in picture.nameless:
        return Decision((), account, "row_unreadable")
    if account.school in picture.lacking:
        anew = replace(account, **NOT_MISSING)
        return Decision((), anew, "list_contradicted")
    since = account.missing_since or _first_missed(account, said, picture)
    noted = _counted(replace(account, missing_since=since), picture, policy)
    if policy.additions_only:
        return Decision((), noted, "additions_only")
    if not picture.is_whole:
        return Decision((), noted, "district_incomplete")
    explicit = bool(said) or merged_into is not None
    if noted.absent_rounds < (policy.leaving_rounds if explicit else policy.absent_rounds):
        return Decision((), noted, "left_too_briefly" if explicit else "absent_too_briefly")
    if not picture.proves_gone(account.school, since):
        return Decision((), noted, "other_schools_older")
    goal = _unrostered(account, said, policy) if merged_into is None else None
    code = LEFT_FOR_UNROSTERED if goal else _why(account, said, merged_into)
    doubt = UNROSTERED.format(goal) if goal in picture.unrostered else ""
    if account.school not in policy.schools:
        doubt = NO_SUCH_SCHOOL
    change = Change(
        student_id=account.student_id,
        kind=Kind.DEACTIVATE,
        after=replace(noted, state=State.INACTIVE),
        from_school=account.school,
        effective_at=max((row.left for row in said if row.left), default=None),
        pull_ids=picture.pull_ids,
        code=code,
        reason=REASONS[code],
        doubt=doubt,
        related_student_id=merged_into,
    )
    return Decision((change,), noted)


def _tells_of_leaving(row: StudentRow, account: Account, policy: Policy) -> bool:
    """Tell whether a row is evidence that the student has left.

    Only the row that the account followed is: an older one of another number,
    or one in the inactive school that ended before the account began, was there
    all the time and says nothing of now.
    """
    if row.standing is Standing.ACTIVE:
        return False
    if _gone(row, policy):
        began = account.state_since
        return row.left is None or began is None or row.left >= began.date()
    return row.school == account.school and row.student_number == account.student_number


def _first_missed(account: Account, said: Sequence[StudentRow], picture: Picture) -> datetime:
    if said:
        return min(picture.ended(row.school) or row.pulled_at for row in said)
    return picture.ended(account.school) or picture.newest


def _counted(account: Account, picture: Picture, policy: Policy) -> Account:
    """Count one more round, if every school was pulled again, and long enough after the last."""
    seen, counted = account.last_seen_at, account.absent_counted_at
    if not picture.is_whole or (seen and picture.oldest <= seen):
        return account
    if counted and (picture.oldest <= counted or picture.oldest < counted + policy.round):
        return account
    return replace(
        account, absent_rounds=account.absent_rounds + 1, absent_counted_at=picture.newest
    )


def _unrostered(account: Account, said: Sequence[StudentRow], policy: Policy) -> int | None:
    """Return the school that a row of leaving names as the next one, where the roster lacks it."""
    rows = sorted((row for row in said if row.next_school), key=_row_key)
    known = {account.school, policy.inactive_school, *policy.schools}
    return rows[0].next_school if rows and rows[0].next_school not in known else None


def _why(account: Account, said: Sequence[StudentRow], merged_into: int | None) -> str:
    if merged_into is not None:
        return "merged"
    if any(row.school == account.school for row in said):
        return "inactive_status"
    return "in_inactive_school" if said else "absent"
