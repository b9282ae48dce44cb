"""What waits for a person, and recording the person's decision.

A decision is recorded first and carried out by the next computation, which
checks the newest evidence again: what no longer holds is withdrawn and not
applied, even if it was approved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from aeries_pipeline.accounts.duplicates import PAIRS_COLUMNS, Pair, Verdict, open_pairs
from aeries_pipeline.accounts.holds import Hold, read_holds
from aeries_pipeline.accounts.tables import prepare
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import insert_rows
from aeries_pipeline.words import counted


@dataclass(frozen=True, slots=True)
class Waiting:
    """Held changes of one kind at one school, from one batch.

    Attributes:
        batch_id: The batch in which they were first held.
        kind: Kind of change.
        school: School that the bounds counted them for.
        changes: How many.
        students: Students concerned.
        reason: Why they wait.
        held_since: UTC without a zone.
    """

    batch_id: str
    kind: str
    school: int | None
    changes: int
    students: int
    reason: str
    held_since: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to become of held changes.

    Attributes:
        batch_id: The batch; no other is touched.
        action: ``approve`` or ``reject``.
        who: Name of the person.
        why: The reason, for the audit trail.
        kind: Only this kind of change.
        school: Only this school.
    """

    batch_id: str
    action: str
    who: str
    why: str
    kind: str | None = None
    school: int | None = None


def waiting(warehouse: Warehouse, district: str) -> list[Waiting]:
    """Return what waits for a person in a district, the oldest first."""
    with warehouse.open() as connection:
        prepare(connection)
        return summarised(read_holds(connection, district).open)


def summarised(holds: Sequence[Hold]) -> list[Waiting]:
    """Return held changes by batch, kind and school, the oldest first."""
    groups: dict[tuple[str, str, int | None], list[Hold]] = {}
    for hold in holds:
        groups.setdefault((hold.batch_id, hold.kind, hold.school), []).append(hold)
    found = [
        Waiting(
            *key,
            changes=len(mine),
            students=len({hold.student_id for hold in mine}),
            reason=mine[0].reason,
            held_since=min(hold.detected_at for hold in mine),
        )
        for key, mine in groups.items()
    ]
    return sorted(found, key=lambda one: (one.held_since, one.school or 0, one.kind))


def students_of(warehouse: Warehouse, district: str) -> list[tuple[str, str, int | None, int, str]]:
    """Return batch, kind, school, StudentID and code of every held change."""
    with warehouse.open() as connection:
        prepare(connection)
        return connection.execute(
            "SELECT batch_id, kind, coalesce(from_school, to_school), student_id, code "
            "FROM core.account_changes_now WHERE district = ? AND status = 'held' ORDER BY ALL",
            [district],
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says of two ids.

    Attributes:
        verdict: The same child, or two children.
        student_id: Of one child the id that is closed.
        related_student_id: Of one child the id that goes on.
        who: Name of the person.
        why: The reason, for the audit trail.
    """

    verdict: Verdict
    student_id: int
    related_student_id: int
    who: str
    why: str


def say_of_pair(warehouse: Warehouse, district: str, word: Word) -> None:
    """Record what a person says of two ids; the next computation carries it out.

    Raises:
        ConfigurationError: If nobody is named, no reason is given, an id is
            unknown, or the one that is to go on has no account to go on with.
    """
    if not word.who.strip() or not word.why.strip():
        raise ConfigurationError("no_reason", f"{district}: say who decides and why")
    ids = (word.student_id, word.related_student_id)
    if ids[0] == ids[1]:
        raise ConfigurationError("one_id", f"{district}: name two different StudentIDs")
    with warehouse.open() as connection:
        prepare(connection)
        known, able = _standing_of(connection, district, ids)
        if len(known) < 2 or (word.verdict is Verdict.SAME and ids[1] not in able):
            raise ConfigurationError(
                "unknown_pair",
                f"{district}: both StudentIDs need an account or a new one that waits, and the "
                "second one goes on, so its account must be active or wait; see: "
                f"aeries-pipeline accounts review {district}",
            )
        moment = now()
        row = (
            new_id(moment), district, *ids, str(word.verdict), word.who.strip(), word.why.strip(),
            moment,
        )  # fmt: skip
        connection.execute("BEGIN")
        insert_rows(connection, "meta.account_pairs", PAIRS_COLUMNS, [row])
        connection.execute("COMMIT")


def _standing_of(
    connection: duckdb.DuckDBPyConnection, district: str, ids: Sequence[int]
) -> tuple[set[int], set[int]]:
    """Return which ids are known, and which have an active account or wait for a new one."""
    rows = connection.execute(
        "SELECT student_id, state = 'active' FROM core.accounts "
        "WHERE district = $district AND list_contains($ids, student_id) UNION ALL "
        "SELECT student_id, true FROM core.account_changes_now WHERE district = $district "
        "AND list_contains($ids, student_id) AND status = 'held' AND kind <> 'deactivate'",
        {"district": district, "ids": list(ids)},
    ).fetchall()
    return {student for student, _ in rows}, {student for student, able in rows if able}


def pairs_of(warehouse: Warehouse, district: str) -> list[Pair]:
    """Return the ids that may be one child and of which nobody has spoken."""
    with warehouse.open() as connection:
        prepare(connection)
        return open_pairs(connection, district)


def say(warehouse: Warehouse, district: str, wish: Wish) -> int:
    """Record an approval or rejection; the next computation carries it out.

    Returns:
        The number of held changes that it covers.

    Raises:
        ConfigurationError: If nobody is named, no reason is given, or nothing
            of the kind is held in that batch.
    """
    if not wish.who.strip() or not wish.why.strip():
        raise ConfigurationError("no_reason", f"{district}: say who decides and why")
    open_ones = waiting(warehouse, district)
    mine = [
        one
        for one in open_ones
        if one.batch_id == wish.batch_id
        and wish.kind in {None, one.kind}
        and wish.school in {None, one.school}
    ]
    if not mine:
        batches = ", ".join(dict.fromkeys(one.batch_id for one in open_ones)) or "none"
        raise ConfigurationError(
            "nothing_held",
            f"{district}: nothing of the kind is held in batch {wish.batch_id} (batches that "
            f"wait: {batches}); see: aeries-pipeline accounts review {district}",
        )
    covered = sum(one.changes for one in mine)
    with warehouse.open() as connection:
        moment = now()
        connection.execute("BEGIN")
        connection.execute(
            "INSERT INTO meta.account_decisions (decision_id, batch_id, district, action, kind, "
            "school, decided_by, why, decided_at, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                new_id(moment), wish.batch_id, district,
                wish.action, wish.kind, wish.school, wish.who.strip(), wish.why.strip(), moment,
                covered,
            ],
        )  # fmt: skip
        connection.execute("COMMIT")
    return covered


def told(open_ones: Sequence[Waiting]) -> list[str]:
    """Return a sentence for each group of held changes."""
    return [
        counted(one.changes, f"{one.kind} change")
        + (f" at school {one.school}" if one.school is not None else "")
        + f" in batch {one.batch_id}, held since {one.held_since:%Y-%m-%d %H:%M} UTC: {one.reason}"
        for one in open_ones
    ]
