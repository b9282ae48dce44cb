"""The questions that checks ask of a district's course requests, and their answers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aeries_pipeline.course_requests.compute import Computed
from aeries_pipeline.course_requests.intake import Taken
from aeries_pipeline.course_requests.model import State
from aeries_pipeline.course_requests.reconcile import Arrival
from aeries_pipeline.course_requests.sentences import SENTENCES
from aeries_pipeline.ingest.checks import Answer
from aeries_pipeline.words import counted, doing

READABLE = "files_are_readable"
NONE_REJECTED = "requests_can_be_imported"
ARRIVED = "exported_requests_arrived"
NONE_WAITS = "every_file_counts"
STILL_NAMED = "students_are_still_named"
QUESTIONS = {
    READABLE: "Could every file that was in the inbox be read?",
    NONE_REJECTED: "Can every request be imported, or is it there already?",
    NONE_WAITS: "Does every file count, or does one wait for a person because much would vanish?",
    STILL_NAMED: "Does the newest whole export still name every student with requests?",
    ARRIVED: "Is every exported request in Aeries by the last pull of its course requests?",
}
"""The good state that each check asks about."""


def answers(
    district: str, taken: Sequence[Taken], computed: Computed, inbox: str = ""
) -> list[Answer]:
    """Return the answer to each question; counts and codes, no student.

    Args:
        district: District id.
        taken: The files of the inbox.
        computed: How the requests stand.
        inbox: Why the district's own folder could not be read; empty if there is nothing to
            tell.
    """
    return [
        _readable(district, taken, inbox),
        _rejected(computed),
        _waiting(district, computed),
        _left_out(district, computed),
        _arrived(district, computed),
    ]


def _readable(district: str, taken: Sequence[Taken], inbox: str) -> Answer:
    failed = [one for one in taken if one.status in {"failed", "stuck"}]
    numbers = {"files": len(taken), "failed": len(failed)}
    if inbox and not failed:
        return Answer(READABLE, passed=False, text=inbox, serious=True, numbers=numbers)
    if not failed:
        return Answer(
            READABLE, passed=True, text=f"{counted(len(taken), 'file')} read", numbers=numbers
        )
    text = "; ".join(f"file {one.file_id}: {one.reason}" for one in failed)
    text = f"{district}: {text}"
    text += f"; {inbox}" if inbox else ""
    if any(one.status == "failed" for one in failed):
        text += "; what failed lies in the inbox's folder failed, with reports"
    return Answer(READABLE, passed=False, text=text, serious=True, numbers=numbers)


def _rejected(computed: Computed) -> Answer:
    rejected = computed.states.get(State.REJECTED, 0)
    held = computed.states.get(State.HELD, 0)
    numbers = {"rejected": rejected, "held": held}
    if not rejected:
        text = f"none rejected, {held} held, {computed.received} in all"
        return Answer(NONE_REJECTED, passed=True, text=text, numbers=numbers)
    told = "; ".join(
        f"{number} {reason}: {SENTENCES[reason]}"
        for (state, reason), number in sorted(computed.reasons.items())
        if state is State.REJECTED
    )
    text = f"{rejected} of {computed.received} rejected. {told} rejects.csv names the lines."
    return Answer(NONE_REJECTED, passed=False, text=text, numbers=numbers)


def _waiting(district: str, computed: Computed) -> Answer:
    numbers = {"waiting": len(computed.waiting)}
    if not computed.waiting:
        return Answer(NONE_WAITS, passed=True, text="no file waits", numbers=numbers)
    told = "; ".join(f"file {file_id} waits: {why}" for file_id, why in computed.waiting.items())
    first = next(iter(computed.waiting))
    text = (
        f"{district}: {told}; look whether the file is whole, then "
        f"aeries-pipeline requests answer {district} {first} accept, or refuse"
    )
    return Answer(NONE_WAITS, passed=False, text=text, serious=True, numbers=numbers)


def _left_out(district: str, computed: Computed) -> Answer:
    numbers = {"students": sum(computed.left_out.values())}
    if not computed.left_out:
        return Answer(STILL_NAMED, passed=True, text="nobody is left out", numbers=numbers)
    told = "; ".join(
        f"file {file_id} no longer names {counted(number, 'student')} with requests"
        for file_id, number in computed.left_out.items()
    )
    first = next(iter(computed.left_out))
    text = (
        f"{district}: {told}; rejects.csv names them. Ask the school, then "
        f"aeries-pipeline requests answer {district} {first} withdraw, or keep"
    )
    return Answer(STILL_NAMED, passed=False, text=text, numbers=numbers)


def _arrived(district: str, computed: Computed) -> Answer:
    by_arrival: Counter[str] = Counter()
    lacking: Counter[int] = Counter()
    for (school, arrival), number in computed.arrivals.items():
        by_arrival[arrival] += number
        if arrival == "not_arrived":
            lacking[school] += number
    for kind in (Arrival.TAKEN_OUT, Arrival.STILL_THERE, Arrival.EXTRA):
        by_arrival[str(kind)] += sum(one.counts.get(kind, 0) for one in computed.reconciled)
    numbers = dict(+by_arrival)
    shares = "".join(
        f"; school {one.school}: {one.share:.1%} arrived"
        for one in computed.reconciled
        if one.share is not None
    )
    if not lacking:
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in numbers.items())
        text = f"{told}{shares}" if told else "nothing exported yet"
        return Answer(ARRIVED, passed=True, text=text, numbers=numbers)
    schools = ", ".join(f"school {school} ({number})" for school, number in sorted(lacking.items()))
    text = (
        f"{district}: {doing(lacking.total(), 'exported request', 'is', 'are')} not in Aeries: "
        f"{schools}; import the "
        "last files there, or see core.course_request_arrivals for which" + shares
    )
    return Answer(ARRIVED, passed=False, text=text, numbers=numbers)
