"""Who is in a file of people for Xello, who joins and who leaves: pure functions.

Xello deactivates whoever is missing from such a file. So nobody leaves it because
a list lacks them, and the bounds of accounts apply here as well. ``people`` reads
the tables, ``kept`` keeps the result from night to night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from aeries_pipeline.accounts.model import Kind
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.accounts.safeguards import ABSENT, DISTRICT, Past, Trip, rule

Key = tuple[str, int]
"""A person as Aeries knows it, and the school."""


class Standing(StrEnum):
    """What the newest good list says of a person; whoever is in none of these is absent.

    Left: a row about this person says so, by a code. Withdrawn: by a word that counts
    at once, as where a family's rights are taken back. A row without an address, or with a
    field that is blank now, says nothing: whoever has such a one is absent.
    """

    HERE = "here"
    LEFT = "left"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Found:
    """One person as found tonight, with the values of the file's columns."""

    standing: Standing
    values: tuple[str, ...] = ()
    student_id: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One person as kept from night to night.

    Attributes:
        values: Values of the file's columns as they are delivered.
        since: When the person came, UTC.
        is_in: Whether the person is in the file; else somebody new who waits.
        missing_since: Start of the first list that did not show the person.
        rounds: Lists one after the other that said so in the same way.
        code: In which way: absent, left or withdrawn.
        counted_at: Start of the last list that counted.
        asks: What is held: create, update or deactivate; empty if nothing is.
        held: Why it is.
        approved: Whether somebody has approved it.
        student_id: The student whose relation it is; None for staff.
    """

    values: tuple[str, ...]
    since: datetime
    is_in: bool = True
    missing_since: datetime | None = None
    rounds: int = 0
    counted_at: datetime | None = None
    code: str = ""
    asks: str = ""
    held: str = ""
    approved: bool = False
    student_id: int | None = None

    @property
    def seen(self) -> Member:
        """The same, with nothing missing and nothing held."""
        return replace(
            self, missing_since=None, rounds=0, counted_at=None, code="", asks="", held="",
            approved=False,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """The list that a school's people are read from.

    Attributes:
        whole_at: Start of the newest whole list that came; None if none ever did.
        trouble: Why the newest try gave none; empty if it did.
    """

    whole_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """What is special about one file.

    Attributes:
        name: As Xello calls it.
        called: Its people in a sentence.
        absence_waits: Whether whoever is merely absent waits for a person.
    """

    name: str
    called: str
    absence_waits: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one person's place; what the bounds count."""

    key: Key
    student_id: int
    kind: Kind
    code: str = ""
    doubt: str = ""

    @property
    def school(self) -> int:
        """The school for which it counts."""
        return self.key[1]


@dataclass(frozen=True)
class Outcome:
    """What follows for one file.

    Attributes:
        members: Everybody in it, and those who wait to come.
        left: Code and school of everybody who has left it unasked.
        approved: How many left with a person's approval.
        reasons: Why something is held, with the number of people.
    """

    members: Mapping[Key, Member]
    left: Sequence[tuple[str, int]] = ()
    approved: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def decide(
    file: File,
    before: Mapping[Key, Member],
    found: Mapping[Key, Found],
    readings: Mapping[int | None, Reading],
    policy: Policy,
    moment: datetime,
    past: Past | None = None,
) -> Outcome:
    """Say who is in a file tonight.

    Args:
        file: The file.
        before: Who was kept until now.
        found: What the newest good lists show.
        readings: These lists, by school; under None what holds for all others.
        policy: Rounds and bounds of the district's accounts.
        moment: The present, UTC without a zone.
        past: Who left in the days before, unasked.
    """
    members: dict[Key, Member] = {}
    steps: list[Step] = []
    numbers: dict[str, int] = {}
    for key in sorted({*before, *found}):
        reading = readings.get(key[1], readings.get(None, Reading()))
        member, step = _looked_at(
            key, before.get(key), found.get(key), (file, reading, policy, moment)
        )
        if member is not None:
            members[key] = member
        if step is not None:
            steps.append(replace(step, student_id=numbers.setdefault(key[0], len(numbers))))
    asked = [one for one in steps if not _is_approved(before.get(one.key), one)]
    base = Counter(school for (_person, school), one in before.items() if one.is_in)
    ruling = rule(asked, base, policy.bounds, past=past)
    sentences = {trip.sentence: said(file, trip) for trip in ruling.trips}
    held = {
        asked[place].key: sentences.get(reason, reason) for place, reason in ruling.held.items()
    }
    left = []
    for step in steps:
        after = _stepped(members[step.key], step, held.get(step.key, ""), found.get(step.key))
        if after is not None:
            members[step.key] = after
            continue
        del members[step.key]
        if step in asked:
            left.append((step.code, step.school))
    leaving = sum(step.kind is Kind.DEACTIVATE for step in steps if step not in asked)
    return Outcome(members, left, leaving, Counter(held.values()))


def _is_approved(member: Member | None, step: Step) -> bool:
    return member is not None and member.approved and member.asks == step.kind


def _looked_at(
    key: Key,
    member: Member | None,
    found: Found | None,
    about: tuple[File, Reading, Policy, datetime],
) -> tuple[Member | None, Step | None]:
    """Return what is kept of one person, and what is to be done, before any bound."""
    file, reading, policy, moment = about
    is_here = found is not None and found.standing is Standing.HERE
    if found is not None and is_here:
        if member is None or not member.is_in:
            waiting = member or Member(found.values, moment, is_in=False)
            waiting = replace(waiting, values=found.values, student_id=found.student_id)
            return waiting, Step(key, 0, Kind.CREATE)
        if found.values != member.values:
            kept = replace(member, missing_since=None, rounds=0, counted_at=None, code="")
            return kept, Step(key, 0, Kind.UPDATE)
        return member.seen, None
    if member is None or not member.is_in:
        return None, None
    if reading.trouble or reading.whole_at is None or policy.additions_only:
        return member, None
    code = str(found.standing) if found else ABSENT
    member = _counted(member, code, reading.whole_at, policy)
    needed = policy.leaving_rounds if found else policy.absent_rounds
    if code != Standing.WITHDRAWN and member.rounds < needed:
        return member, None
    waits = file.absence_waits and found is None
    doubt = (
        f"{file.called} who are missing from the list, or have no address in it any more; that may "
        "be the list's fault, so a person looks first"
        if waits
        else ""
    )
    return member, Step(key, 0, Kind.DEACTIVATE, code, doubt)


def _counted(member: Member, code: str, at: datetime, policy: Policy) -> Member:
    """Count one more list; what one says as a code and another by silence are two things."""
    if member.counted_at is None or member.code != code:
        since = member.missing_since or at
        return replace(member, missing_since=since, rounds=1, counted_at=at, code=code)
    if at - member.counted_at >= policy.round:
        return replace(member, rounds=member.rounds + 1, counted_at=at)
    return member


def _stepped(member: Member, step: Step, held: str, found: Found | None) -> Member | None:
    """Return a person after a step; None if it leaves."""
    if held:
        return replace(member, asks=step.kind, held=held, approved=False)
    if step.kind is Kind.DEACTIVATE:
        return None
    values = found.values if found else member.values
    return replace(member.seen, values=values, is_in=True)


def said(file: File, trip: Trip) -> str:
    """Return a bound that a file exceeds, without a value of anybody."""
    place = "the district" if trip.school is DISTRICT else f"school {trip.school}"
    what = {"updates": "changed", "creations": "new"}.get(trip.group, "leaving")
    when = f" in {trip.days} days" if trip.days else ""
    bound = f"{trip.share * 100:g}%"
    if trip.least:
        bound = f"the larger of {trip.least} and {bound}"
    return (
        f"{trip.students} {file.called} {what}{when} of {trip.accounts} in {place}, more than "
        f"{bound}"
    )
