"""What the newest pulls of a district prove, school by school.

Pure: from what the ledger says of each school's pulls of ``students`` to one
picture of the district. Absence from a school proves something only where that
school was pulled completely, and at about the same time as the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from aeries_pipeline.accounts.model import LONG_AGO

NONE_ACTIVE = "none of its rows is active"
"""How the sentence begins about a school whose list came whole and is not believed."""


@dataclass(frozen=True, slots=True)
class SchoolPull:
    """What the ledger says of one school's pulls of ``students``.

    Attributes:
        school: School code.
        pull_id: The newest complete pull of the whole list, on which ``raw.students`` rests.
        started_at: When that pull began, UTC without a zone.
        finished_at: When it ended.
        database_year: The school year that answered.
        trouble: Why the newest attempt brought nothing; empty if it did.
        active_rows: Active rows that the complete pull brought.
        active_accounts: Active accounts at the school.
    """

    school: int
    pull_id: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    database_year: str = ""
    trouble: str = ""
    active_rows: int = 0
    active_accounts: int = 0


@dataclass(frozen=True)
class Picture:
    """What is known of a district at one moment.

    Attributes:
        pulls: The complete pulls, by school; only their rows count.
        troubles: A sentence for each school that is not in the picture.
        database_year: The school year of the picture; empty before any pull.
        unreadable: Students of whom a row came that could not be read, or that
            names another school than the one asked.
        nameless: Schools with a row that does not even tell whose it is.
        lacking: Schools whose list lacks a student who is there; it proves
            nobody's absence until a whole list agrees again.
        unrostered: Schools that teach, by Aeries' own list, and that the roster lacks.
    """

    pulls: Mapping[int, SchoolPull]
    troubles: Mapping[int, str] = field(default_factory=dict)
    database_year: str = ""
    unreadable: frozenset[int] = frozenset()
    nameless: frozenset[int] = frozenset()
    lacking: frozenset[int] = frozenset()
    unrostered: frozenset[int] = frozenset()

    @cached_property
    def is_whole(self) -> bool:
        """Whether every school of the roster was pulled completely."""
        return bool(self.pulls) and not self.troubles

    @cached_property
    def oldest(self) -> datetime:
        """Start of the oldest of the pulls."""
        return min((_start(pull) for pull in self.pulls.values()), default=LONG_AGO)

    @cached_property
    def newest(self) -> datetime:
        """Start of the newest of the pulls."""
        return max((_start(pull) for pull in self.pulls.values()), default=LONG_AGO)

    @cached_property
    def pull_ids(self) -> tuple[str, ...]:
        """Return the pulls of the picture, each once."""
        return tuple(sorted({pull.pull_id for pull in self.pulls.values()}))

    def proves_gone(self, school: int, since: datetime) -> bool:
        """Tell whether the list of every other school began after a moment.

        Who moves while the lists are read may be gone from a school that is
        read late and not yet in one that was read early.

        Args:
            school: The one that no longer shows the student.
            since: When its first list that says so had been read.
        """
        others = (_start(pull) for code, pull in self.pulls.items() if code != school)
        return self.is_whole and all(begun > since for begun in others)

    def ended(self, school: int) -> datetime | None:
        """Return when a school's list had been read, None if it was not."""
        pull = self.pulls.get(school)
        return (pull.finished_at or pull.started_at) if pull else None


def _start(pull: SchoolPull) -> datetime:
    return pull.started_at or LONG_AGO


def picture_of(pulls: Sequence[SchoolPull], schools: Collection[int], min_accounts: int) -> Picture:
    """Return the picture that pulls give.

    Args:
        pulls: What the ledger says; schools that were never tried may be missing.
        schools: Schools of the roster.
        min_accounts: A school with as many active accounts and no active row
            is not believed.
    """
    known = {pull.school: pull for pull in pulls if pull.school in schools}
    troubles: dict[int, str] = {}
    year = max((pull.database_year for pull in known.values() if not pull.trouble), default="")
    for school in sorted(schools):
        pull = known.get(school)
        if pull is None or not pull.pull_id:
            troubles[school] = (pull and pull.trouble) or "its students were never pulled"
        elif pull.trouble:
            troubles[school] = pull.trouble
        elif pull.database_year != year:
            troubles[school] = f"its students are of {pull.database_year}, others of {year}"
        elif not pull.active_rows and pull.active_accounts >= min_accounts:
            troubles[school] = (
                f"{NONE_ACTIVE}, with {pull.active_accounts} active accounts; "
                "compare the status codes with Aeries, or take the school out of the roster if it "
                "has closed"
            )
    whole = {school: pull for school, pull in known.items() if school not in troubles}
    return Picture(whole, troubles, year)
