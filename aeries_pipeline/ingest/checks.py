"""The checks of a loaded partition: one result for each question.

Pure functions of what a load returned and of a few counts. ``orchestration.assets`` turns
them into Dagster check results. Texts contain counts and field names, never a
value from a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aeries_pipeline.catalog.resource import Reference, Resource
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.infer_schema import Drift
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.ledger import LastGood
from aeries_pipeline.stores.outcomes import Loaded
from aeries_pipeline.words import counted

SCHEMA = "answer_matches_the_reference"
KEYS = "natural_key_is_unique"
ROWS = "rows_did_not_collapse"
FRESH = "data_is_fresh"
GRANTED = "permission_is_granted"
REFERENCES = "references_lead_somewhere"
FEED = "feed_named_every_change"
ROSTER = "roster_matches_aeries"

QUESTIONS: Mapping[str, str] = {
    SCHEMA: "The answer has the fields and types that the Aeries reference gives, and no row is in "
    "quarantine.",
    KEYS: "No two rows of the partition share the natural key.",
    ROWS: "The pull brought about as many rows as the last good one; otherwise that one stays.",
    FRESH: "The last complete pull of the partition is younger than the district allows.",
    GRANTED: "The district's certificate may read this resource.",
    REFERENCES: "Students and courses that rows name are in the warehouse.",
    FEED: "Nothing had changed without being named by the change feed when a whole list was last "
    "read; of deletions no feed tells.",
    ROSTER: "The roster lists exactly the schools that teach, as Aeries has them.",
}
"""The good state that each check asks about."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict on one question for one partition.

    Attributes:
        name: The question.
        passed: Whether the good state holds.
        text: What was found and what to do.
        serious: An error, as against a warning.
        numbers: Counts for the metadata.
    """

    name: str
    passed: bool
    text: str
    serious: bool = False
    numbers: Mapping[str, Any] = field(default_factory=dict)


def questions_for(resource: Resource) -> list[str]:
    """Return the questions that are asked about a resource."""
    found = [SCHEMA, ROWS, FRESH]
    if resource.key:
        found.append(KEYS)
    if resource.area is not None:
        found.append(GRANTED)
    if resource.references:
        found.append(REFERENCES)
    if resource.feed is not None:
        found.append(FEED)
    if resource.name == "schools":
        found.append(ROSTER)
    return found


def answers(
    resource: Resource,
    loaded: Loaded,
    good: LastGood | None,
    unresolved: Sequence[tuple[Reference, int, int]],
    unknown_since: Mapping[str, datetime],
) -> list[Answer]:
    """Return the verdict on every question about a partition, age and roster apart.

    A pull that brought nothing new leaves the last good table, so that table
    is judged again; what was never loaded has nothing to judge.

    Args:
        resource: What was pulled.
        loaded: What became of the partition.
        good: The newest complete pull, this one included; None before the first.
        unresolved: For each reference the rows that lead nowhere, and all rows.
        unknown_since: When each field that the catalogue lacks was first seen.
    """
    pull = loaded.pull
    found: list[Answer] = []
    if resource.area is not None:
        missing = pull.status is Status.NOT_GRANTED
        found.append(Answer(GRANTED, not missing, pull.reason if missing else "granted"))
    found.append(_rows(loaded))
    if loaded.drift is not None:
        new = [
            name
            for name in loaded.drift.unknown
            if unknown_since.get(name, pull.finished_at) >= pull.finished_at
        ]
        found.append(_schema(loaded.drift, pull.quarantined, "", new))
        found += _keys(resource, pull.conflicts, pull.duplicates)
    elif good is not None:
        of_when = f" (last good table, {good.finished_at:%Y-%m-%d %H:%M} UTC)"
        found.append(_schema(good.drift, good.quarantined, of_when))
        found += _keys(resource, good.conflicts, good.duplicates, of_when)
    else:
        names = [SCHEMA, *([KEYS] if resource.key else [])]
        found += [Answer(name, passed=True, text=_NOTHING) for name in names]
    if resource.references:
        found.append(_references(unresolved))
    if resource.feed is not None:
        found.append(_feed(good))
    return found


_NOTHING = "nothing was loaded yet, so there is nothing to judge"


def _schema(drift: Drift, quarantined: int, of_when: str, new: Sequence[str] = ()) -> Answer:
    """Judge what differs from the catalogue; a new field is told once and listed from then on."""
    listed = [name for name in drift.unknown if name not in new]
    parts = [
        (f"{quarantined} rows in quarantine", quarantined),
        (f"required fields missing: {', '.join(drift.missing_required)}", drift.missing_required),
        (f"fields missing: {', '.join(drift.missing)}", drift.missing),
        (f"new fields, kept in _extra: {', '.join(new)}", new),
        (f"fields told of before, kept in _extra: {', '.join(listed)}", listed),
        (f"{drift.other_schools} rows name another school", drift.other_schools),
    ]
    said = [text for text, found in parts if found]
    # An optional field that a site does not send is tolerated, and mentioned.
    tolerated = not (quarantined or drift.missing_required or new or drift.other_schools)
    return Answer(
        SCHEMA,
        tolerated,
        ("; ".join(said) or "as the reference says") + of_when,
        serious=bool(drift.missing_required),
        numbers={"quarantined": quarantined, "unknown_fields": len(drift.unknown)},
    )


def _keys(resource: Resource, conflicts: int, repeated: int, of_when: str = "") -> list[Answer]:
    if not resource.key:
        return []
    key = ", ".join(resource.key)
    text = f"({key}) is unique"
    if conflicts:
        text = f"{conflicts} rows share ({key}) with a different row"
    numbers = {"conflicts": conflicts, "repeated": repeated}
    return [Answer(KEYS, conflicts == 0, text + of_when, numbers=numbers)]


def _rows(loaded: Loaded) -> Answer:
    pull = loaded.pull
    before = loaded.previous_rows
    numbers = {"rows": pull.rows, "previous_rows": before}
    kept = {name: number for name, number in numbers.items() if number is not None}
    match pull.status:
        case Status.COMPLETE:
            after = ", the first pull" if before is None else f" after {before}"
            return Answer(ROWS, passed=True, text=f"{pull.rows} rows{after}", numbers=kept)
        case Status.NOT_GRANTED:
            return Answer(ROWS, passed=True, text="not granted, so no rows are expected")
        case Status.REFUSED:
            return Answer(ROWS, passed=False, text=pull.reason, serious=True, numbers=kept)
        case _:
            return Answer(ROWS, passed=False, text=pull.reason)


def _references(unresolved: Sequence[tuple[Reference, int, int]]) -> Answer:
    said, failed = [], False
    for reference, lost, total in unresolved:
        if lost:
            said.append(f"{lost} of {total} rows: {reference.field} not in {reference.resource}")
        failed = failed or lost > reference.tolerance * total
    return Answer(
        REFERENCES,
        not failed,
        "; ".join(said) or ("all found" if unresolved else _NOTHING),
        numbers={f"unresolved_{one.field}": lost for one, lost, _total in unresolved},
    )


def _feed(good: LastGood | None) -> Answer:
    if good is None or good.missed is None:
        return Answer(FEED, passed=True, text="no whole list was compared with the feed yet")
    unnamed = good.missed - good.removed
    text = f"{unnamed} changed without being named, {good.removed} were deleted; the rows are right"
    if unnamed:
        text += ", and were not in the nights before; list the resource under incremental.whole"
    return Answer(
        FEED,
        unnamed == 0,
        text if good.missed else "the whole list was what the feed had led to",
        numbers={"missed": unnamed, "deleted": good.removed},
    )


def unresolved_references(
    warehouse: Warehouse, resource: Resource, district: str
) -> dict[int | None, list[tuple[Reference, int, int]]]:
    """Count, for each school, the rows whose references lead nowhere.

    A reference to a resource that the district has not loaded is not counted.
    """
    found: dict[int | None, list[tuple[Reference, int, int]]] = {}
    with warehouse.open() as connection:
        present = {
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw'"
            ).fetchall()
        }
        for reference in resource.references:
            if reference.resource not in present or resource.name not in present:
                continue
            match = "s.school = t.school AND " if reference.same_school else ""
            rows = connection.execute(
                f'WITH s AS (SELECT DISTINCT school, "{reference.target}" AS key '
                f"FROM raw.{reference.resource} WHERE district = $district) "
                "SELECT t.school, count(*) FILTER (NOT EXISTS (SELECT 1 FROM s WHERE "
                f'{match} s.key = t."{reference.field}")), count(*) '
                f"FROM raw.{resource.name} t WHERE t.district = $district "
                f"AND t.\"{reference.field}\"::VARCHAR <> '' "
                "AND EXISTS (SELECT 1 FROM s) GROUP BY t.school",
                {"district": district},
            ).fetchall()
            for school, lost, total in rows:
                found.setdefault(school, []).append((reference, lost, total))
    return found


def freshness(last_complete: datetime | None, moment: datetime, days: float) -> Answer:
    """Judge the age of the last complete pull.

    Args:
        last_complete: When it ended, UTC without a zone; None if there is none.
        moment: The present, UTC without a zone.
        days: The age that the district allows.
    """
    if last_complete is None:
        return Answer(
            FRESH, passed=False, text="never completely pulled; see meta.pulls for the reason"
        )
    age = (moment - last_complete) / timedelta(days=1)
    text = f"last complete pull {last_complete:%Y-%m-%d %H:%M} UTC, {age:.1f} days ago"
    return Answer(
        FRESH,
        age <= days,
        text if age <= days else f"{text}, more than the {days:g} allowed; read why in meta.pulls",
        serious=age > 2 * days,
        numbers={"age_days": round(age, 2)},
    )


def roster_drift(listed: Sequence[int], teaching: Sequence[int], district: str) -> Answer:
    """Compare the roster's schools with those that teach."""
    missing, gone = sorted(set(teaching) - set(listed)), sorted(set(listed) - set(teaching))
    said = []
    if missing:
        said.append(f"not in the roster: {', '.join(map(str, missing))}")
    if gone:
        said.append(f"in the roster, not teaching in Aeries: {', '.join(map(str, gone))}")
    advice = f"; run: aeries-pipeline roster sync {district}" if said else ""
    return Answer(
        ROSTER,
        not said,
        ("; ".join(said) or f"{counted(len(listed), 'school')}, as in Aeries") + advice,
        numbers={"not_in_roster": len(missing), "not_in_aeries": len(gone)},
    )
