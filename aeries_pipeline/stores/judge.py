"""Whether a pulled partition may replace the existing one.

Pure functions of counts. The rule behind them: a response that is empty, short
or much smaller than the last good one is more often a server error than the
truth, and trusting it would deactivate children's accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How the pull of one partition ended; the values of ``meta.pulls.status``.

    Complete: swapped in. Refused: parsed and not believed. Failed: no usable
    answer. Not granted: the certificate may not read it. Skipped: not asked
    for, because the district's window was closed. Only ``complete`` changes
    the tables.
    """

    COMPLETE = "complete"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_GRANTED = "not_granted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Safeguards:
    """Bounds that a pull must keep, settable for each district.

    Attributes:
        max_drop: Share of the last good rows that may vanish at once.
        min_drop_rows: Fewer lost rows than this are never too many.
        max_quarantined: Share of the rows that may be bad.
        min_quarantined_rows: Fewer bad rows than this are never too many.
        max_growth: Times the last good rows by which a list may grow at once.
        min_growth_rows: Fewer new rows than this are never too many.
        max_other_school: Share of the rows that may name another school.
        min_other_school_rows: Fewer such rows than this are never too many.
        inactive_school: The school whose rows come in the lists of others.
    """

    max_drop: float = 0.20
    min_drop_rows: int = 20
    max_quarantined: float = 0.05
    min_quarantined_rows: int = 5
    max_growth: float = 1.0
    min_growth_rows: int = 50
    max_other_school: float = 0.05
    min_other_school_rows: int = 5
    inactive_school: int = 999


@dataclass(frozen=True, slots=True)
class Compared:
    """A list of students beside the last good one of the same school and year.

    Attributes:
        own: Rows that name the school that was asked.
        own_before: Such rows of the last good list.
        elsewhere: Rows that name another school, the inactive one apart.
        coded: Own rows with a status code, pre-enrolled ones apart.
        coded_before: Such rows of the last good list.
        back: Students with a code before, now without one.
        known: Students who are active in both lists.
        lower: Those of them whose grade is one lower now.
        earlier: Those of them who now entered most of a year earlier.
    """

    own: int = 0
    own_before: int = 0
    elsewhere: int = 0
    coded: int = 0
    coded_before: int = 0
    back: int = 0
    known: int = 0
    lower: int = 0
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a parsed partition.

    Attributes:
        rows: Good rows.
        quarantined: Bad rows.
        records: Elements of the answer, before flattening.
        missing: Required fields that no element carries.
        previous_rows: Rows of the last complete pull; None if there is none.
        may_be_empty: Whether the resource may have no rows at all.
        compared: Beside the last good list, where absence from it says something.
        counted: Elements that the client counted; None if nobody did.
    """

    rows: int
    quarantined: int
    records: int
    missing: tuple[str, ...] = ()
    previous_rows: int | None = None
    may_be_empty: bool = True
    compared: Compared | None = None
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, with a stable code and a sentence."""

    status: Status
    code: str = ""
    reason: str = ""


def judge(facts: Facts, safeguards: Safeguards, *, accept_shrunken: bool = False) -> Verdict:
    """Decide whether a parsed partition becomes the current one.

    None after an accepted none is complete: a school without students stays one,
    whatever the release or the school year, and nobody is asked about it again.

    Args:
        facts: Counts of this pull and of the last good one.
        safeguards: The bounds of the district.
        accept_shrunken: A person has looked and says that fewer rows are right.
    """
    if facts.counted is not None and facts.counted != facts.records:
        # Two parsers read the answer; where they differ, neither is believed.
        return Verdict(
            Status.FAILED,
            "miscounted",
            f"{facts.records} of {facts.counted} elements could be read; the last good table "
            "stays, and the landing files show what came",
        )
    if facts.missing:
        return _refused(
            "missing_field",
            f"required field{'s' if len(facts.missing) > 1 else ''} {', '.join(facts.missing)} "
            "not in the answer; ask the district whether the certificate hides fields or the "
            "Aeries version has changed",
        )
    total = facts.rows + facts.quarantined
    if (
        facts.quarantined >= safeguards.min_quarantined_rows
        and facts.quarantined > safeguards.max_quarantined * total
    ):
        return _refused(
            "too_many_bad_rows",
            f"{facts.quarantined} of {total} rows are not valid, more than "
            f"{safeguards.max_quarantined:.0%}; read the reasons in the quarantine schema",
        )
    seen = facts.compared
    if (
        seen is not None
        and seen.elsewhere >= safeguards.min_other_school_rows
        and seen.elsewhere > safeguards.max_other_school * facts.rows
    ):
        return _refused(
            "other_school",
            f"{seen.elsewhere} of {facts.rows} rows name another school, more than "
            f"{safeguards.max_other_school:.0%}: the server seems to have sent another school's "
            "list; the last good table stays, pull again later",
        )
    rows, before = (seen.own, seen.own_before) if seen else (facts.rows, facts.previous_rows or 0)
    lost = before - rows
    if accept_shrunken:
        return Verdict(Status.COMPLETE)
    if not facts.rows and lost > 0:
        return _refused(
            "empty", f"the answer is empty after {facts.previous_rows} rows last time; " + _ADVICE
        )
    if not facts.rows and not facts.may_be_empty and facts.previous_rows != 0:
        return _refused("empty", "the answer holds no rows, which cannot be right; " + _ADVICE)
    if lost >= safeguards.min_drop_rows and lost > safeguards.max_drop * before:
        return _refused(
            "shrunken",
            f"{rows} rows after {before} last time, a loss of more than "
            f"{safeguards.max_drop:.0%}; " + _ADVICE,
        )
    return _compared(seen, safeguards) if seen is not None else Verdict(Status.COMPLETE)


def _compared(seen: Compared, safeguards: Safeguards) -> Verdict:
    """Refuse a list that is none of today's, or of which the status codes are gone."""
    grown = seen.own - seen.own_before
    if (
        seen.own_before
        and grown >= safeguards.min_growth_rows
        and grown > safeguards.max_growth * seen.own_before
    ):
        return _refused(
            "grown",
            f"{seen.own} rows after {seen.own_before} last time, a growth of more than "
            f"{safeguards.max_growth:.0%}; " + _ADVICE,
        )
    for code, number, what in (
        ("lower_grades", seen.lower, "are a grade lower"),
        ("earlier_entries", seen.earlier, "entered most of a year earlier"),
    ):
        if number >= _FEW and number > seen.known / 2:
            return _refused(
                code,
                f"{number} of {seen.known} students {what} than last time: the list seems to be "
                "of another school year; " + _ADVICE,
            )
    if seen.coded_before >= _FEW and not seen.coded:
        return _refused(
            "codes_vanished",
            f"none of {seen.own} rows has a status code, after {seen.coded_before} last time; "
            + _ADVICE,
        )
    if seen.back >= _FEW and seen.back > _BACK * seen.coded_before:
        return _refused(
            "older_list",
            f"{seen.back} students who had a status code are active again: the list seems to be "
            "an older one; " + _ADVICE,
        )
    return Verdict(Status.COMPLETE)


_FEW = 5
"""Fewer students than this may do anything at once."""
_BACK = 0.25
"""More than this share of those who had left do not come back in one night."""
_ADVICE = (
    "the last good table stays; compare with Aeries, and if it is right, "
    "sync again with --accept-shrunken REASON"
)


def _refused(code: str, reason: str) -> Verdict:
    return Verdict(Status.REFUSED, code, reason)
