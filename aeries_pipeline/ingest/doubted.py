"""A list of students that is refused night after night, and how that ends without a person.

Some of the students in whom it differs from the last good list are requested
individually. If every response matches the list, the list is accepted; if one
does not, it stays refused. The ledger records either outcome.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson

from aeries_pipeline.catalog.blank import WHITE
from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.districts.errors import AeriesError
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.one_student import rows_of_student
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.load import load
from aeries_pipeline.stores.outcomes import Fetched, Loaded

DOUBTED = frozenset(
    {"shrunken", "grown", "lower_grades", "earlier_entries", "codes_vanished", "older_list"}
)
"""Refusals that answers about single students can settle."""

SAMPLE = 20
KNOWN = 2
"""So many students who are the same in both lists must be found, too."""

State = Mapping[int, tuple[bool, int | None]]
"""Whether a student is active at the school, and in which grade, by StudentID."""


@dataclass(frozen=True, slots=True)
class _Sample:
    asked: int
    otherwise: int


def settled(
    session: Session, resource: Resource, fetched: Sequence[Fetched], loaded: Sequence[Loaded]
) -> list[Loaded]:
    """Return what became of a batch once lists that were refused again are looked into.

    Args:
        session: The open pull, in whose window and limits the asking stays.
        resource: What was pulled.
        fetched: The partitions.
        loaded: What became of each, in the same order.
    """
    if not resource.absence_counts:
        return list(loaded)
    return [
        _settled(session, resource, one, result) if _is_due(session, result) else result
        for one, result in zip(fetched, loaded, strict=True)
    ]


def _is_due(session: Session, result: Loaded) -> bool:
    """Tell whether an earlier night was refused for the same reason, and nothing came since."""
    pull = result.pull
    if pull.status is not Status.REFUSED or pull.code not in DOUBTED:
        return False
    before = pull.started_at - timedelta(hours=session.district.accounts.round_hours)
    ((found,),) = session.warehouse.rows(
        "WITH mine AS (FROM meta.pulls WHERE district = ? AND resource = ? AND school = ?) "
        "SELECT count(*) FROM mine WHERE status = 'refused' AND code = ? AND started_at <= ? "
        "AND started_at > (SELECT max(started_at) FROM mine WHERE status = 'complete')",
        [pull.district, pull.resource, pull.school, pull.code, before],
    )
    return bool(found)


def _settled(session: Session, resource: Resource, one: Fetched, result: Loaded) -> Loaded:
    try:
        sample = _ask(session, one)
    except (AeriesError, ValueError, OSError):
        return result
    if sample is None:
        return result
    if not sample.otherwise:
        reason = f"{sample.asked} students asked for one by one are as this list has them"
        again = replace(one, draft=replace(one.draft, accept_shrunken_reason=reason))
        return load(session.warehouse, resource, [again], session.district.bounds)[0]
    said = (
        f"{result.pull.reason}; of {sample.asked} students asked for one by one "
        f"{sample.otherwise} are otherwise than this list has them"
    )
    with session.warehouse.open() as connection:
        connection.execute(
            "UPDATE meta.pulls SET reason = ? WHERE pull_id = ? AND district = ? "
            "AND resource = ? AND school = ? AND status = 'refused'",
            [said, result.pull.pull_id, result.pull.district, result.pull.resource,
             result.pull.school],
        )  # fmt: skip
    return replace(result, pull=replace(result.pull, reason=said))


def _ask(session: Session, one: Fetched) -> _Sample | None:
    """Ask for some students in whom the lists differ; None if nothing can be told.

    Raises:
        AeriesError: If a request has no usable answer.
        ValueError: If a row cannot be read.
    """
    school = one.landed.school or 0
    old, new = _last_good(session, school), _landed(session, one, school)
    differing = sorted(
        student
        for student in {*old, *new}
        if old.get(student, _NOBODY) != new.get(student, _NOBODY)
    )
    alike = sorted(s for s, state in new.items() if state[0] and old.get(s) == state)
    drawn = random.Random(one.landed.pull_id)  # noqa: S311 - no secret
    chosen = drawn.sample(differing, min(SAMPLE, len(differing)))
    known = drawn.sample(alike or sorted(new), min(KNOWN, len(alike or new)))
    if not chosen or not known:
        return None
    otherwise = [s for s in chosen if _single(session, school, s) != new.get(s, _NOBODY)]
    if any(not _single(session, school, student)[0] for student in known if new[student][0]):
        # The end point finds not even those of whom there is no doubt.
        return None
    return _Sample(len(chosen), len(otherwise))


_NOBODY: tuple[bool, int | None] = (False, None)


def _state(session: Session, rows: Sequence[Mapping[str, Any]], school: int) -> dict[int, Any]:
    codes = {"", *session.district.accounts.status_codes.active}
    found: dict[int, tuple[bool, int | None]] = {}
    for row in rows:
        student, code = row["StudentID"], row["InactiveStatusCode"]
        if row["SchoolCode"] == school and isinstance(code, str) and code.strip(WHITE) in codes:
            found[student] = (True, row["Grade"])
    return found


def _last_good(session: Session, school: int) -> State:
    rows = session.warehouse.dicts(
        'SELECT "StudentID", "SchoolCode", "InactiveStatusCode", "Grade" FROM raw.students '
        "WHERE district = ? AND school = ?",
        [session.district.id, school],
    )
    return _state(session, rows, school)


def _landed(session: Session, one: Fetched, school: int) -> State:
    rows: list[Mapping[str, Any]] = []
    for page in one.landed.pages:
        read = orjson.loads(page.read_bytes())
        rows += read if isinstance(read, list) else [read]
    return _readable(session, rows, school)


def _readable(session: Session, rows: Sequence[Mapping[str, Any]], school: int) -> State:
    try:
        return _state(session, rows, school)
    except (KeyError, TypeError):
        raise ValueError("a row that cannot be read") from None


def _single(session: Session, school: int, student: int) -> tuple[bool, int | None]:
    rows = rows_of_student(session, school, student, Tally())
    mine = [row for row in rows if row.get("StudentID") == student]
    return _readable(session, mine, school).get(student, _NOBODY)
