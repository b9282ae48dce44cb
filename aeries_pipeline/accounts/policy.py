"""A district's account settings, as one value.

The roster holds the settings; ``policy_of`` turns an entry into what the pure
functions take. Defaults and their sources are in ``docs/accounts.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.catalog.blank import WHITE
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.share import ShareSettings


@dataclass(frozen=True, slots=True)
class Bounds:
    """Shares of a school's or a district's active accounts.

    Attributes:
        max_deactivated: More than this share and at least ``min_changes``
            deactivations are held.
        min_changes: Fewer changes than this are never too many.
        warn_deactivated: From this share on a warning is shown.
        max_updated: More updates and transfers than this share are held.
        max_created: More new and returning accounts than this share are held.
        over_days: Days over which deactivations are added up.
        max_deactivated_over_days: More than this share and at least
            ``min_changes`` deactivations in this many days are held.
        max_absent: Of students who are merely missing more than this share are
            held, where they are also more than ``min_absent`` in this many days.
        min_absent: As many may be missing in any school.
        max_left_out: Of students who are no longer shared more than this share are
            held, where they are also more than ``min_left_out`` in this many days.
        min_left_out: As many may be left out in any school.
        max_asked: More students than this are not asked for one by one.
        sample_asked: As many of them are asked for instead; the rest waits for
            a person.
    """

    max_deactivated: float = 0.10
    min_changes: int = 5
    warn_deactivated: float = 0.05
    max_updated: float = 0.75
    max_created: float = 0.20
    over_days: int = 30
    max_deactivated_over_days: float = 0.10
    max_absent: float = 0.02
    min_absent: int = 3
    max_left_out: float = 0.01
    min_left_out: int = 5
    max_asked: int = 50
    sample_asked: int = 20


@dataclass(frozen=True, slots=True)
class Policy:
    """How student rows are read and how much evidence a change needs.

    Attributes:
        schools: The schools of the roster.
        inactive_school: The school that holds rows of former students.
        absent_rounds: Complete rounds of pulls in which a student must be
            absent from every school.
        leaving_rounds: Complete rounds of pulls that must say that a student
            has left, by a status code or in the inactive school.
        round_hours: How many hours after one round the next one may begin.
        active_codes: Status codes that mean active, besides blank.
        pre_enrolled_codes: Codes of rows that wait for next year.
        ignored_codes: Codes of rows that are not read at all.
        secondary_programs: Program codes of a second enrolment.
        confirm_alone: Whether a student is asked for alone before an account
            ends or is taken up again.
        pre_enrolled_accounts: Whether a pre-enrolled row alone makes an account.
        additions_only: Whether nothing but new and returning accounts is let
            through at present.
        share: Who is shared at all; None for everybody.
        today: The district's day; a row whose entry is later makes no account yet.
        bounds: When a person must look.
    """

    schools: frozenset[int]
    inactive_school: int = 999
    absent_rounds: int = 2
    leaving_rounds: int = 2
    round_hours: float = 12.0
    active_codes: frozenset[str] = frozenset()
    pre_enrolled_codes: frozenset[str] = frozenset({"*"})
    ignored_codes: frozenset[str] = frozenset()
    secondary_programs: frozenset[str] = frozenset()
    confirm_alone: bool = True
    pre_enrolled_accounts: bool = False
    additions_only: bool = False
    share: ShareSettings | None = None
    today: date = date.max
    bounds: Bounds = Bounds()

    @property
    def round(self) -> timedelta:
        """How long after one round the next one may begin."""
        return timedelta(hours=self.round_hours)

    def standing(self, code: str, school: int) -> Standing | None:
        """Read a status code; None for a row that is not read at all.

        A blank means active, and white space is a blank. Every other code means
        inactive unless the district says otherwise. In the inactive school no
        row is active, whatever its code.
        """
        code = code.strip(WHITE)
        if code in self.ignored_codes:
            return None
        if school == self.inactive_school:
            return Standing.INACTIVE
        if not code or code in self.active_codes:
            return Standing.ACTIVE
        if code in self.pre_enrolled_codes:
            return Standing.PRE_ENROLLED
        return Standing.INACTIVE


def policy_of(district: District, today: date) -> Policy:
    """Return the policy of a district on a day, in its own time zone."""
    settings = district.accounts
    codes = settings.status_codes
    safeguards = district.safeguards
    return Policy(
        schools=frozenset(district.schools),
        inactive_school=district.inactive_school,
        absent_rounds=settings.absent_pulls,
        leaving_rounds=settings.leaving_rounds,
        round_hours=settings.round_hours,
        active_codes=frozenset(codes.active),
        pre_enrolled_codes=frozenset(codes.pre_enrolled),
        ignored_codes=frozenset(codes.ignored),
        secondary_programs=frozenset(settings.secondary_programs),
        confirm_alone=settings.confirm_alone,
        pre_enrolled_accounts=settings.pre_enrolled_accounts,
        additions_only=any(span.first <= today <= span.last for span in settings.additions_only),
        share=district.share,
        today=today,
        bounds=Bounds(
            max_deactivated=safeguards.max_deactivated,
            min_changes=safeguards.min_deactivated,
            warn_deactivated=safeguards.warn_deactivated,
            max_updated=safeguards.max_updated,
            max_created=safeguards.max_created,
            over_days=safeguards.over_days,
            max_deactivated_over_days=safeguards.max_deactivated_over_days,
            max_absent=safeguards.max_absent,
            min_absent=safeguards.min_absent,
            max_left_out=safeguards.max_left_out,
            min_left_out=safeguards.min_left_out,
            max_asked=safeguards.max_asked,
            sample_asked=safeguards.sample_asked,
        ),
    )
