"""Whether a district's pull is due: a pure decision on values.

A district is pulled once in each opening of its window. What failed for a temporary
reason is tried again within the same opening, with growing pauses and a limit. What a
closing window cut off comes first at the next one. The sensor in
``orchestration.automation.pulls`` reads clock, runs and ledger; nothing here does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from aeries_pipeline.districts.roster import District

ATTEMPTS = 3
FIRST_PAUSE = timedelta(minutes=10)


class Stage(StrEnum):
    """The runs of a pull: what was cut off, what a district has once, its schools."""

    RESUME = "resume"
    DISTRICT = "district"
    SCHOOLS = "schools"


class Outcome(StrEnum):
    """How an attempt stands."""

    RUNNING = "running"
    DONE = "done"
    MAY_PASS = "may_pass"  # noqa: S105 - no password
    LASTS = "lasts"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a stage within an opening.

    Attributes:
        stage: What it pulled.
        number: Counted from 1.
        outcome: How it stands; ``may_pass`` for a failure that may pass by
            itself, a crashed process included, ``lasts`` for one that will not.
        ended_at: When it ended, aware; None while it runs.
        failed_schools: Schools that did not come.
    """

    stage: Stage
    number: int
    outcome: Outcome
    ended_at: datetime | None = None
    failed_schools: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """A run to be started.

    Attributes:
        stage: What to pull.
        attempt: Number of the attempt.
        schools: The first and the last school of the range, for schools.
        resources: Names of the resources; all where empty.
    """

    stage: Stage
    attempt: int
    schools: tuple[int, int] | None = None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CutOff:
    """What the last opening left undone when the window closed.

    Attributes:
        schools: Schools with anything that was not asked for.
        resources: What was not asked for.
    """

    schools: tuple[int, ...] = ()
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to start now, or why nothing."""

    starts: tuple[Start, ...] = ()
    reason: str = ""


def decide(
    district: District,
    moment: datetime,
    *,
    busy: bool,
    attempts: Sequence[Attempt],
    cut_off: CutOff | None = None,
) -> Decision:
    """Decide what to start for a district.

    Args:
        district: The roster's entry.
        moment: The present, aware.
        busy: Whether any run of the district is queued or under way.
        attempts: What was started in the present opening.
        cut_off: What the opening before left undone. It is pulled first, and
            alone, so that a district whose window is shorter than its pull
            gets everything in turn.
    """
    if district.paused:
        return Decision(reason=district.pause)
    if not district.schools:
        return Decision(reason=f"no schools; run: aeries-pipeline roster sync {district.id}")
    windows = district.windows
    if not windows.contains(moment):
        opening = district.told(windows.next_opening(moment))
        return Decision(reason=f"the window opens {opening}")
    if busy:
        return Decision(reason="a run is under way")
    if cut_off is not None and cut_off.schools and not attempts:
        ends = _ends(district, cut_off.schools)
        return Decision((Start(Stage.RESUME, 1, ends, cut_off.resources),))
    stages = (Stage.DISTRICT, Stage.SCHOOLS)
    newest = {stage: _newest(attempts, stage) for stage in stages}
    if all(one is None for one in newest.values()):
        return Decision((Start(Stage.DISTRICT, 1), Start(Stage.SCHOOLS, 1, _ends(district, ()))))
    starts: list[Start] = []
    reasons: list[str] = []
    for stage, last in newest.items():
        again = _again(district, stage, last, moment)
        if isinstance(again, Start):
            starts.append(again)
        elif again:
            reasons.append(again)
    return Decision(tuple(starts), "; ".join(reasons) or "pulled in this opening")


def _newest(attempts: Sequence[Attempt], stage: Stage) -> Attempt | None:
    mine = [attempt for attempt in attempts if attempt.stage is stage]
    return max(mine, key=lambda attempt: attempt.number, default=None)


def _again(district: District, stage: Stage, last: Attempt | None, moment: datetime) -> Start | str:
    """Return the next attempt, or why there is none; empty if none is needed."""
    if last is None:
        ends = _ends(district, ()) if stage is Stage.SCHOOLS else None
        return Start(stage, 1, ends)
    if last.outcome in {Outcome.DONE, Outcome.RUNNING}:
        return ""
    if last.outcome is Outcome.LASTS:
        return f"the {stage} pull failed for a reason that lasts; see its run"
    if last.number >= ATTEMPTS:
        return f"the {stage} pull failed {last.number} times in this opening"
    pause = FIRST_PAUSE * 2 ** (last.number - 1)
    if last.ended_at is not None and moment < last.ended_at + pause:
        return f"the {stage} pull is tried again at {last.ended_at + pause:%H:%M} UTC"
    ends = _ends(district, last.failed_schools) if stage is Stage.SCHOOLS else None
    return Start(stage, last.number + 1, ends)


def _ends(district: District, failed: Sequence[int]) -> tuple[int, int]:
    """Return the shortest range, in roster order, that holds the failed schools."""
    wanted = [school for school in district.schools if not failed or school in failed]
    wanted = wanted or district.schools
    return wanted[0], wanted[-1]
