"""Comparing: what was pulled, held beside what the warehouse has of the same partitions.

Counts only, found by DuckDB before anything is written; ``judge`` says what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.stores.judge import Compared, Facts
from aeries_pipeline.stores.outcomes import Fetched
from aeries_pipeline.stores.tables import PARTITION, Staged, good_table, key_of, make_table


@dataclass(frozen=True, slots=True)
class Beside:
    """One partition beside what the warehouse has of it.

    Attributes:
        facts: What is judged.
        missed: Records that differ and that the feed did not name; None if a feed was not
            compared with a whole list.
        removed: Those of them that are no longer there.
    """

    facts: Facts
    missed: int | None = None
    removed: int | None = None


def compare(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    fetched: Sequence[Fetched],
    staged: Staged,
    catalog: str,
    inactive_school: int,
) -> list[Beside]:
    """Return each partition of a validated batch beside its last complete pull.

    Args:
        connection: With the tables that ``read`` made and the warehouse attached. The tables
            ``scope`` and ``read_again`` are made, which ``replace`` needs as well.
        resource: What was pulled.
        fetched: The partitions, in the order in which they were read.
        staged: What is known of them.
        catalog: Name of the warehouse; it has the tables of the resource.
        inactive_school: Its rows may come in the list of another school.
    """
    _register(connection, resource, fetched)
    previous = _previous_rows(connection, resource.name, catalog)
    kept: Mapping[int, int] = {}
    differing: Mapping[int, tuple[int, int]] = {}
    lists: Mapping[int, Compared] = {}
    if resource.feed is not None:
        raw = f"{catalog}.raw.{quoted(resource.name)}"
        if any(one.keys is not None for one in fetched):
            kept = _kept_rows(connection, resource, raw)
        if any(one.named is not None for one in fetched):
            differing = _differing(connection, resource, raw)
        if resource.absence_counts:
            lists = _lists_of_students(connection, fetched, catalog, inactive_school)
    found = []
    for part, one in enumerate(fetched):
        counts = staged.counts[resource.name][part]
        facts = Facts(
            rows=counts.rows + kept.get(part, 0),
            quarantined=counts.quarantined,
            records=staged.records.get(part, 0),
            missing=tuple(staged.drift[part].missing_required),
            previous_rows=previous.get((one.landed.district, one.landed.school)),
            may_be_empty=resource.may_be_empty,
            compared=lists.get(part),
            counted=one.landed.records,
        )
        missed = differing.get(part, (0, 0)) if one.named is not None else (None, None)
        found.append(Beside(facts, *missed))
    return found


def _register(
    connection: duckdb.DuckDBPyConnection, resource: Resource, fetched: Sequence[Fetched]
) -> None:
    """Make ``scope`` (partition, whether it is whole), and the keys read and named."""
    make_table(
        connection,
        "scope",
        {
            "part": pa.array(range(len(fetched)), pa.int32()),
            "whole": pa.array([one.keys is None for one in fetched], pa.bool_()),
            "compared": pa.array([one.named is not None for one in fetched], pa.bool_()),
        },
    )
    for name, of in (("read_again", "keys"), ("named", "named")):
        pairs = [
            (part, key)
            for part, one in enumerate(fetched)
            for key in sorted(getattr(one, of) or ())
        ]
        parts = pa.array([part for part, _ in pairs], pa.int32())
        keys = pa.array([key for _, key in pairs], pa.string())
        make_table(connection, name, {"part": parts, "key": keys})
    if resource.feed is not None:
        # Should a feed spell a key otherwise than the record, no row may come twice.
        connection.execute(
            f"INSERT INTO read_again SELECT DISTINCT s.part, {key_of(resource, 'g')} "
            f"FROM {good_table(resource.main)} g JOIN scope s ON s.part = g._part WHERE NOT s.whole"
        )


def _kept_rows(
    connection: duckdb.DuckDBPyConnection, resource: Resource, raw: str
) -> dict[int, int]:
    """Return how many rows stay beside those that were read again, by partition."""
    return dict(
        connection.execute(
            f"SELECT p.part, count(*) FROM {raw} t {PARTITION} JOIN scope USING (part) "
            f"ANTI JOIN read_again r ON r.part = p.part AND r.key = {key_of(resource, 't')} "
            "WHERE NOT whole GROUP BY p.part"
        ).fetchall()
    )


def _differing(
    connection: duckdb.DuckDBPyConnection, resource: Resource, raw: str
) -> dict[int, tuple[int, int]]:
    """Compare whole lists with what nights of changes have made of the last ones.

    Returns:
        Records that differ and were not named, and those of them that are gone, by partition.
    """
    names = ", ".join(quoted(one.name) for one in resource.main.stored)
    old = (
        f"SELECT p.part, {names}, -1 AS _side FROM {raw} t {PARTITION} "
        "JOIN scope USING (part) WHERE compared"
    )
    new = (
        f"SELECT g._part, {names}, 1 FROM {good_table(resource.main)} g "
        "JOIN scope ON part = g._part WHERE compared"
    )
    # One pass: what both sides have as often adds up to nothing. Two differences of
    # sets, EXCEPT ALL both ways, say the same and cost several times as much.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE differing AS "
        f"SELECT DISTINCT part, {key_of(resource, 'd')} AS key FROM "
        f"(SELECT part, {names} FROM ({old} UNION ALL {new}) GROUP BY ALL "
        "HAVING sum(_side) <> 0) d"
    )
    gone = (
        f"NOT EXISTS (SELECT 1 FROM {good_table(resource.main)} g "
        f"WHERE g._part = d.part AND {key_of(resource, 'g')} = d.key)"
    )
    found = connection.execute(
        f"SELECT part, count(*) FILTER (n.key IS NULL), count(*) FILTER (n.key IS NULL AND {gone}) "
        "FROM differing d LEFT JOIN named n USING (part, key) GROUP BY part"
    ).fetchall()
    return {part: (missed, gone) for part, missed, gone in found}


def _previous_rows(
    connection: duckdb.DuckDBPyConnection, resource: str, catalog: str
) -> Mapping[tuple[str, int | None], int]:
    """Return the rows of the last complete pull, by district and school."""
    found = connection.execute(
        f"SELECT district, school, arg_max(rows, finished_at) FROM {catalog}.meta.pulls "
        "WHERE resource = ? AND status = 'complete' GROUP BY district, school",
        [resource],
    ).fetchall()
    return {(district, school): rows for district, school, rows in found}


_YEAR_DAYS = 300
"""So many days earlier, an entry is that of the school year before."""

_LISTS = """
WITH lists AS (
    SELECT p.part, 0 AS side, {columns} FROM {raw} t JOIN parts p
      ON t.district = p.district AND t.school = p.school WHERE list_contains(?, p.part)
    UNION ALL
    SELECT g._part, 1, {columns} FROM good_students g JOIN parts p ON p.part = g._part
    WHERE list_contains(?, g._part)
), own AS (
    SELECT *, status NOT IN ('', '*') AS coded FROM lists WHERE named = asked
), persons AS (
    -- Of one who has several rows at a school any active one counts.
    SELECT part, side, student, bool_or(status = '') AS active, bool_or(coded) AS coded,
           max(grade) FILTER (status = '') AS grade, max(entered) FILTER (status = '') AS entered
    FROM own GROUP BY ALL
), both_sides AS (
    SELECT new.part, new.active AND NOT old.active AND old.coded AS back,
           new.active AND old.active AS known, new.grade = old.grade - 1 AS lower,
           new.entered <= old.entered - INTERVAL {days} DAY AS earlier
    FROM persons new JOIN persons old USING (part, student) WHERE new.side = 1 AND old.side = 0
), counted AS (
    SELECT part, count(*) FILTER (side = 1 AND named = asked) AS own,
           count(*) FILTER (side = 0 AND named = asked) AS own_before,
           count(*) FILTER (side = 1 AND named NOT IN (asked, {inactive})) AS elsewhere
    FROM lists GROUP BY part
), codes AS (
    SELECT part, count(*) FILTER (side = 1 AND coded) AS coded,
           count(*) FILTER (side = 0 AND coded) AS coded_before
    FROM own GROUP BY part
), moved AS (
    SELECT part, count(*) FILTER (back) AS back, count(*) FILTER (known) AS known,
           count(*) FILTER (known AND lower) AS lower,
           count(*) FILTER (known AND earlier) AS earlier
    FROM both_sides GROUP BY part
)
SELECT part, own, own_before, elsewhere, coalesce(coded, 0), coalesce(coded_before, 0),
       coalesce(back, 0), coalesce(known, 0), coalesce(lower, 0), coalesce(earlier, 0)
FROM counted LEFT JOIN codes USING (part) LEFT JOIN moved USING (part)
"""

_STATUS = trimmed("coalesce(\"InactiveStatusCode\", '')")
_COLUMNS = (
    'p.school AS asked, "SchoolCode" AS named, "StudentID" AS student, "Grade" AS grade, '
    f'{_STATUS} AS status, "SchoolEnterDate" AS entered'
)


def _lists_of_students(
    connection: duckdb.DuckDBPyConnection,
    fetched: Sequence[Fetched],
    catalog: str,
    inactive_school: int,
) -> Mapping[int, Compared]:
    """Return each whole list of students beside the last good one, by partition.

    Of another school year than the last good list nothing is compared: at a
    rollover all this happens, and a person has said that it may.

    Rows of the inactive school may come in the list of another one.
    """
    years = dict(
        connection.execute(
            "SELECT (district, school), arg_max(database_year, finished_at) "
            f"FROM {catalog}.meta.pulls WHERE resource = 'students' AND status = 'complete' "
            "GROUP BY ALL"
        ).fetchall()
    )
    whole = [part for part, one in enumerate(fetched) if one.keys is None]
    same_year = [
        part
        for part in whole
        if years.get((fetched[part].draft.district, fetched[part].draft.school))
        == fetched[part].draft.database_year
    ]
    query = _LISTS.format(
        columns=_COLUMNS, raw=f"{catalog}.raw.students", days=_YEAR_DAYS, inactive=inactive_school
    )
    found = connection.execute(query, [same_year, whole]).fetchall()
    return {row[0]: Compared(*row[1:]) for row in found}
