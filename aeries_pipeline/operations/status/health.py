"""One number and one sentence for each district. Pure.

The number is the percentage of the partitions that are wanted and granted whose newest
attempt was complete. Old data count half at most, and if a person has to decide something
it is 90 at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from aeries_pipeline.operations.status.read import DistrictStatus
from aeries_pipeline.words import counted, doing, verb

_OLD, _WAITING = 50, 90


@dataclass(frozen=True, slots=True)
class Health:
    """How a district is.

    Attributes:
        percent: 100 where everything is as it should be.
        sentence: What pulls it down most, or that nothing does.
    """

    percent: int
    sentence: str


def health_of(status: DistrictStatus) -> Health:
    """Return number and sentence for one district."""
    if not status.partitions:
        return Health(0, "nothing is pulled of this district")
    if any(one.resource == "warehouse" for one in status.troubles):
        return Health(0, "its warehouse cannot be used")
    missing = status.missing
    percent = 100 * (status.partitions - missing) // status.partitions
    bounds = [
        (status.is_stale, _OLD, f"the oldest data are of {_day(status)} and too old"),
        (
            bool(status.left_out),
            _WAITING,
            f"{doing(len(status.left_out), 'school', 'is', 'are')} left out",
        ),
        (
            bool(status.holds),
            _WAITING,
            f"{doing(status.holds, 'account change', 'waits', 'wait')} for a person",
        ),
        (bool(status.undecided), _WAITING, "; ".join(status.undecided)),
        (status.reading_differs, _WAITING, "how its pull window is read waits for a person"),
    ]
    sentence = "everything came, and nothing waits for a person"
    if missing:
        of_all = counted(status.partitions, "partition")
        sentence = f"{missing} of {of_all} {verb(missing, 'is', 'are')} missing"
    for applies, bound, text in bounds:
        if applies and bound < percent:
            percent, sentence = bound, text
    return Health(percent, sentence)


def _day(status: DistrictStatus) -> str:
    return f"{status.complete_since:%Y-%m-%d}" if status.complete_since else "never"
