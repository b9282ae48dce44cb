"""A whole list of students compared with the last good one: differences no night explains.

Counts only, found in one pass of DuckDB before anything is written; ``judge``
says what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from aeries_pipeline.catalog.blank import trimmed
from aeries_pipeline.stores.judge import Compared
from aeries_pipeline.stores.outcomes import Fetched

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


def compare(
    connection: duckdb.DuckDBPyConnection,
    fetched: Sequence[Fetched],
    catalog: str,
    inactive_school: int,
) -> Mapping[int, Compared]:
    """Return each whole list of students beside the last good one, by partition.

    Of another school year than the last good list nothing is compared: at a
    rollover all this happens, and a person has said that it may.

    Args:
        connection: With the tables that ``stage`` made and the warehouse attached.
        fetched: The partitions, in the order in which they were staged.
        catalog: Name of the warehouse.
        inactive_school: Its rows may come in the list of another school.
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
