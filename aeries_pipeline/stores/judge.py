"""Whether a pulled partition may replace the one that is there.

Pure functions of counts. The rule behind them: an answer that is empty, short
or much smaller than the last good one is more often a fault of a server than
the truth, and believing it would deactivate children's accounts.
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
    """

    max_drop: float = 0.20
    min_drop_rows: int = 20
    max_quarantined: float = 0.05
    min_quarantined_rows: int = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a parsed partition.

    Attributes:
        rows: Good rows.
        quarantined: Bad rows.
        records: Elements of the answer, before flattening.
        missing: Required fields that no element carries.
        previous_rows: Rows of the last complete pull; None where there is none.
        may_be_empty: Whether the resource may have no rows at all.
    """

    rows: int
    quarantined: int
    records: int
    missing: tuple[str, ...] = ()
    previous_rows: int | None = None
    may_be_empty: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, with a stable code and a sentence."""

    status: Status
    code: str = ""
    reason: str = ""


def judge(facts: Facts, safeguards: Safeguards, *, accept_shrunken: bool = False) -> Verdict:
    """Decide whether a parsed partition becomes the current one.

    Args:
        facts: Counts of this pull and of the last good one.
        safeguards: The bounds of the district.
        accept_shrunken: A person has looked and says that fewer rows are right.
    """
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
    lost = (facts.previous_rows or 0) - facts.rows
    if accept_shrunken:
        return Verdict(Status.COMPLETE)
    if not facts.rows and lost > 0:
        return _refused(
            "empty", f"the answer is empty after {facts.previous_rows} rows last time; " + _ADVICE
        )
    if not facts.rows and not facts.may_be_empty:
        return _refused("empty", "the answer holds no rows, which cannot be right; " + _ADVICE)
    if lost >= safeguards.min_drop_rows and lost > safeguards.max_drop * (facts.previous_rows or 0):
        return _refused(
            "shrunken",
            f"{facts.rows} rows after {facts.previous_rows} last time, a loss of more than "
            f"{safeguards.max_drop:.0%}; " + _ADVICE,
        )
    return Verdict(Status.COMPLETE)


_ADVICE = (
    "the last good table stays; compare with Aeries, and if it is right, "
    "sync again with --accept-shrunken REASON"
)


def _refused(code: str, reason: str) -> Verdict:
    return Verdict(Status.REFUSED, code, reason)
