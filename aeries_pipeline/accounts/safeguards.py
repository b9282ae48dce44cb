"""Which of a batch's changes are applied automatically and which wait for a person.

A pure function of the proposed changes, of the active accounts of each school
and of the policy's bounds. Too many deactivations hold only the deactivations;
everything else goes ahead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aeries_pipeline.accounts.decide import NOT_SHARED
from aeries_pipeline.accounts.evidence import Picture
from aeries_pipeline.accounts.model import Kind
from aeries_pipeline.accounts.policy import Bounds


class Change(Protocol):
    """What the bounds ask of a change, of an account or of a place in another file."""

    @property
    def student_id(self) -> int:
        """Whose it is, as a number."""

    @property
    def kind(self) -> Kind:
        """What is to be done."""

    @property
    def school(self) -> int | None:
        """The school for which it counts."""

    @property
    def code(self) -> str:
        """Code of the reason."""

    @property
    def doubt(self) -> str:
        """Why a person must look before; empty if nobody must."""


DISTRICT = None
"""Stands for the whole district where a school could be named."""

ABSENT = "absent"
"""Code of the deactivation of a student who is merely missing."""

_OWN = frozenset({NOT_SHARED})
"""Codes of deactivations that are no leaving, and that have a bound of their own."""

_GROUPS: Mapping[str, frozenset[Kind]] = {
    "deactivations": frozenset({Kind.DEACTIVATE}),
    "updates": frozenset({Kind.UPDATE, Kind.TRANSFER}),
    "creations": frozenset({Kind.CREATE, Kind.REACTIVATE}),
}


_CODES = {"absences": ABSENT, "exclusions": NOT_SHARED}
"""Groups of one code alone."""

_CALLED = {
    "absences": "students missing from every list",
    "exclusions": "students left out of what the district shares",
}


@dataclass(frozen=True, slots=True)
class Trip:
    """A bound that a batch exceeds.

    Attributes:
        group: ``deactivations``, ``absences``, ``exclusions``, ``updates`` or ``creations``.
        school: School code, None for the whole district.
        students: Students concerned.
        accounts: Active accounts before the batch, or at the beginning of the days.
        share: The share that is allowed.
        days: The days over which they were added up; 0 for the batch alone.
        least: As many are allowed, whatever the share.
    """

    group: str
    school: int | None
    students: int
    accounts: int
    share: float
    days: int = 0
    least: int = 0

    @property
    def sentence(self) -> str:
        """What was found, without a value of a student."""
        place = "the district" if self.school is DISTRICT else f"school {self.school}"
        when = f" in {self.days} days" if self.days else ""
        what = _CALLED.get(self.group, self.group)
        bound = f"{self.share * 100:g}%"
        if self.least:
            bound = f"the larger of {self.least} and {bound}"
        return (
            f"{self.students} {what}{when} of {self.accounts} active accounts in {place}, more "
            f"than {bound}"
        )


@dataclass(frozen=True, slots=True)
class Past:
    """Deactivations of the last days that no person has approved, by school.

    Attributes:
        deactivated: All of those who left.
        absent: Those of students who were merely missing.
        left_out: Those of students who are no longer shared, who did not leave.
    """

    deactivated: Mapping[int, int] = field(default_factory=dict)
    absent: Mapping[int, int] = field(default_factory=dict)
    left_out: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What may pass.

    Attributes:
        held: The reason for each change that waits, by its place in the batch.
        trips: Bounds that were exceeded.
        warnings: Sentences about shares that are high and allowed.
    """

    held: Mapping[int, str] = field(default_factory=dict)
    trips: tuple[Trip, ...] = ()
    warnings: tuple[str, ...] = ()


def rule(
    changes: Sequence[Change],
    accounts: Mapping[int, int],
    bounds: Bounds,
    stop: str = "",
    past: Past | None = None,
) -> Ruling:
    """Say which changes of a batch are held, and why.

    Args:
        changes: What the evidence asks for.
        accounts: Active accounts of each school before the batch.
        bounds: The district's bounds.
        stop: Why the whole batch waits; empty if it need not.
        past: What was deactivated in the days before.
    """
    over_days = _trips_over_days(changes, accounts, bounds, past or Past())
    trips = (*_trips(changes, accounts, bounds), *over_days)
    held: dict[int, str] = {}
    for place, change in enumerate(changes):
        reason = stop or change.doubt or _tripped(change, trips)
        if reason:
            held[place] = reason
    return Ruling(held, trips, tuple(_warnings(changes, accounts, bounds, trips)))


def _tripped(change: Change, trips: Sequence[Trip]) -> str:
    for trip in trips:
        if trip.group in _CODES:
            meant = change.kind is Kind.DEACTIVATE and change.code == _CODES[trip.group]
        else:
            meant = change.kind in _GROUPS[trip.group] and change.code not in _OWN
        if meant and trip.school in {DISTRICT, change.school}:
            return trip.sentence
    return ""


def _trips_over_days(
    changes: Sequence[Change], accounts: Mapping[int, int], bounds: Bounds, past: Past
) -> Sequence[Trip]:
    """Find what no single batch exceeds: a child more each night is many in a month."""
    absent = [change for change in changes if change.code == ABSENT]
    left_out = [change for change in changes if change.code in _OWN]
    leaving = [change for change in changes if change.code not in _OWN]
    found = []
    for group, some, before, share, least in (
        ("deactivations", leaving, past.deactivated, bounds.max_deactivated_over_days, 0),
        ("absences", absent, past.absent, bounds.max_absent, bounds.min_absent),
        ("exclusions", left_out, past.left_out, bounds.max_left_out, bounds.min_left_out),
    ):
        now = _students(some, {Kind.DEACTIVATE})
        for school in [DISTRICT, *sorted(one for one in now if one)]:
            earlier = _at(before, school)
            base = _at(past.deactivated, school) + _at(past.left_out, school)
            base += _at(accounts, school)
            number = now[school] + earlier
            floor = max(least + 1, bounds.min_changes if not least else 0)
            # What the batch alone exceeds, its own bound says.
            counts = now[school] and (earlier or least)
            if counts and number >= floor and number > share * base:
                found.append(Trip(group, school, number, base, share, bounds.over_days, least))
    return found


def _at(counts: Mapping[int, int], school: int | None) -> int:
    """Return the count of a school, or of the whole district."""
    return sum(counts.values()) if school is DISTRICT else counts.get(school, 0)


def _students(changes: Sequence[Change], kinds: Collection[Kind]) -> Counter[int | None]:
    """Count students, not changes, in the district and in each school."""
    pairs = {(change.student_id, change.school) for change in changes if change.kind in kinds}
    counts: Counter[int | None] = Counter(school for _student, school in pairs)
    counts[DISTRICT] = len({student for student, _school in pairs})
    return counts


def _trips(
    changes: Sequence[Change], accounts: Mapping[int, int], bounds: Bounds
) -> Sequence[Trip]:
    shares = {
        "deactivations": bounds.max_deactivated,
        "updates": bounds.max_updated,
        "creations": bounds.max_created,
    }
    found = []
    changes = [change for change in changes if change.code not in _OWN]
    for group, kinds in _GROUPS.items():
        counts = _students(changes, kinds)
        places: list[int | None] = [DISTRICT, *sorted(school for school in counts if school)]
        for school in places:
            base = _at(accounts, school)
            # In a first pull, or in a school that has just opened, all is new.
            opening = group != "deactivations" and base == 0
            number = counts[school]
            if number >= bounds.min_changes and number > shares[group] * base and not opening:
                found.append(Trip(group, school, number, base, shares[group]))
    return found


def _warnings(
    changes: Sequence[Change],
    accounts: Mapping[int, int],
    bounds: Bounds,
    trips: Sequence[Trip],
) -> Sequence[str]:
    tripped = {trip.school for trip in trips if trip.group == "deactivations"}
    leaving = [change for change in changes if change.code not in _OWN]
    counts = _students(leaving, {Kind.DEACTIVATE})
    found = []
    for school, number in sorted(counts.items(), key=lambda one: one[0] or 0):
        base = sum(accounts.values()) if school is DISTRICT else accounts.get(school, 0)
        high = number >= bounds.min_changes and number > bounds.warn_deactivated * base
        if high and school not in tripped:
            trip = Trip("deactivations", school, number, base, bounds.warn_deactivated)
            found.append(trip.sentence)
    return found


def stop_reason(picture: Picture, last_year: str, active_rows: int, accounts: int) -> str:
    """Return why a whole batch must wait for a person; empty if it need not.

    Args:
        picture: What the pulls show.
        last_year: School year of the last batch that was let through; empty
            before the first.
        active_rows: Active rows in the picture.
        accounts: Active accounts.
    """
    if last_year and picture.database_year != last_year:
        return (
            f"the school year is {picture.database_year}, the accounts are of {last_year}; at a "
            "rollover nearly everyone changes in one night, so a person looks first"
        )
    if accounts and picture.pulls and not active_rows:
        return f"no row of the district is active, with {accounts} active accounts"
    return ""
