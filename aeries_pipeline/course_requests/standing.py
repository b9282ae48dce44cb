"""Which line of all files counts for each request: the newest plan of each student.

A file speaks for the students it names. It replaces what earlier files said about them;
a file of additions replaces nothing. Each line then carries a request, repeats one, or
is withdrawn. SQL over all lines, because there are many more lines than requests; a
model in the tests replays it line by line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from aeries_pipeline.course_requests.model import Reason, State

_DOUBTFUL = ", ".join(
    f"'{one}'"
    for one in (
        Reason.FORMULA, Reason.COURSE_MISSING, Reason.COURSE_TOO_LONG, Reason.DATE_IN_CELL,
        Reason.NUMBER_IN_CELL,
    )
)  # fmt: skip
"""What such a line asks for nobody knows, so it may be any wish that is missing beside it."""

_FILES_AT_MOST, _LINES_AT_MOST = 1_000_000, 1_000_000_000
"""More than there are files, and lines in one: what is ordered by both is ordered by one number."""

_FILES = """
CREATE OR REPLACE TEMP TABLE request_files AS
SELECT file_id, covers, covers_school, standing, missing, received_at,
       row_number() OVER (ORDER BY coalesce(stated_at, received_at), received_at, file_id) AS ord
FROM core.course_request_files WHERE district = $district AND status = 'taken'
"""
_LINES = """
CREATE OR REPLACE TEMP TABLE request_lines AS
SELECT f.ord, r.line, r.school, r.priority, r.course_id, r.alternate_for, r.problem,
       r.state, r.reason,
       coalesce(CAST(r.student_id AS VARCHAR), '?' || coalesce(r.stated_student, '')) AS who,
       coalesce(r.school_year, 0) AS year,
       concat_ws(chr(31), r.course_id, r.alternate_for,
                 CASE WHEN r.problem <> '' THEN r.problem || chr(31) || r.stated_course END
       ) AS what,
       -- What can be imported, as far as the line alone tells.
       r.problem = '' AND (NOT $has_catalogue
                           OR r.course_id IN (SELECT course_id FROM incoming_courses)) AS is_good,
       e.ord IS NOT NULL AS is_exported
FROM core.course_requests r
JOIN request_files f ON f.file_id = r.file_id
LEFT JOIN (SELECT DISTINCT o.ord, x.line FROM core.course_request_exports x
           JOIN request_files o USING (file_id)
           WHERE x.district = $district) e ON e.ord = f.ord AND e.line = r.line
WHERE r.district = $district
  AND (r.state IS NULL OR r.school_year IS NULL OR r.school_year >= $next_year
       OR ((r.reason = 'other_year' OR r.problem <> '')
           AND r.received_at >= make_date(greatest($next_year, 2) - 1, 7, 1)))
"""
_SAID = f"""
CREATE OR REPLACE TEMP TABLE request_said AS
SELECT who, year, ord, max(school) AS school, bool_or(problem IN ({_DOUBTFUL})) AS is_doubtful
FROM request_lines GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE request_proposed AS
SELECT DISTINCT what FROM request_lines
WHERE is_good AND course_id IN (SELECT proposed FROM request_meant)
"""
_LATEST = """
CREATE OR REPLACE TEMP TABLE request_latest AS
WITH said AS (
    SELECT s.*, f.covers FROM request_said s JOIN request_files f USING (ord)
    WHERE f.standing = 'counts' AND ord <> $without
), students AS (
    SELECT who, year, max(ord) AS named, max_by(school, ord) FILTER (school IS NOT NULL) AS school,
           coalesce(max(ord) FILTER (covers <> 'additions' AND NOT is_doubtful
                                     AND NOT starts_with(who, '?')), 0) AS last
    FROM said GROUP BY ALL
), whole AS (
    -- An export speaks for the school years of which it has lines.
    SELECT f.covers_school, s.year, max(ord) AS ord, max_by(coalesce(f.missing, ''), ord) AS missing
    FROM request_files f JOIN (SELECT DISTINCT ord, year FROM said) s USING (ord)
    WHERE f.covers IN ('school', 'district') GROUP BY ALL
), left_out AS (
    SELECT s.who, s.year, max_by(w.missing, w.ord) AS missing,
           max(w.ord) FILTER (w.missing = 'withdraw') AS withdrawn
    FROM students s JOIN whole w
      ON w.ord > s.named AND w.year = s.year
     AND (w.covers_school IS NULL OR w.covers_school = s.school)
    WHERE NOT starts_with(s.who, '?') GROUP BY ALL
)
SELECT s.who, s.year, s.named, s.school, greatest(s.last, coalesce(o.withdrawn, 0)) AS last,
       coalesce(o.missing = '', false) AS is_left_out
FROM students s LEFT JOIN left_out o USING (who, year)
"""
_NAMED = f"""
CREATE OR REPLACE TEMP TABLE request_named AS
WITH now AS (
    SELECT l.* FROM request_lines l JOIN request_latest s USING (who, year)
    JOIN request_files f USING (ord)
    WHERE f.standing = 'counts' AND ord <> $without AND ord >= s.last
)
SELECT who, year, what, bool_or(is_good) AS is_good,
       max_by(priority, ord * {_LINES_AT_MOST} - line) FILTER (priority IS NOT NULL) AS priority
FROM now GROUP BY ALL
UNION ALL
-- A course id that has lost its zeros may mean the course that was asked for before.
SELECT DISTINCT n.who, n.year, concat_ws(chr(31), m.proposed, n.alternate_for) AS proposal,
       proposal IN (SELECT what FROM request_proposed), NULL
FROM now n JOIN request_meant m USING (course_id) WHERE n.problem = ''
AND NOT EXISTS (FROM now o WHERE o.who = n.who AND o.year = n.year
                AND o.what = concat_ws(chr(31), m.proposed, n.alternate_for))
"""
_WISHES = f"""
CREATE OR REPLACE TEMP TABLE request_wishes AS
WITH ranked AS (
    -- As one number: exported, of a file that counts, of the newest file, of its first line.
    SELECT who, year, what, max(((2 * is_exported::BIGINT + (f.standing = 'counts')::BIGINT)
                                 * {_FILES_AT_MOST} + ord) * {_LINES_AT_MOST} - line) AS first
    FROM request_lines JOIN request_files f USING (ord) WHERE f.standing <> 'held' GROUP BY ALL
)
SELECT row_number() OVER () AS wish, who, year, what, n.what IS NOT NULL AS is_named, n.priority,
       coalesce(s.is_left_out, false) AS is_left_out,
       first_file % {_FILES_AT_MOST} AS ord, first_file * {_LINES_AT_MOST} - first AS line
FROM (SELECT *, (first + {_LINES_AT_MOST - 1}) // {_LINES_AT_MOST} AS first_file FROM ranked)
LEFT JOIN request_named n USING (who, year, what)
LEFT JOIN request_latest s USING (who, year)
"""
"""Each wish with the line that carries it, or would if it were named."""
_PLACED = f"""
CREATE OR REPLACE TEMP TABLE request_placed AS
SELECT l.ord, l.line, w.wish, l.school, l.state, l.reason,
       CASE WHEN f.standing = 'held' THEN 'held' WHEN NOT w.is_named THEN 'withdrawn'
            WHEN l.ord = w.ord AND l.line = w.line THEN 'carries' ELSE 'repeated' END AS role,
       CASE WHEN f.standing = 'held' THEN '{Reason.FILE_IS_HELD}' END AS why
FROM request_lines l JOIN request_files f USING (ord)
LEFT JOIN request_wishes w USING (who, year, what);

CREATE OR REPLACE TEMP TABLE request_carriers AS
SELECT f.file_id, w.line, w.wish, w.priority, w.is_left_out
FROM request_wishes w JOIN request_files f USING (ord) WHERE w.is_named
"""


def collect(
    connection: duckdb.DuckDBPyConnection,
    district: str,
    next_year: int | None,
    courses: Sequence[str],
    meant: Mapping[str, str],
) -> None:
    """Bring the lines of all open files together, in temporary tables.

    Args:
        connection: On the warehouse, in a transaction.
        district: District id.
        next_year: First calendar year of the coming school year; None before any pull.
        courses: The catalogue; empty if it was never pulled.
        meant: Courses that ids without their zeros may mean.
    """
    table = pa.table(
        [pa.array(list(meant), pa.string()), pa.array(list(meant.values()), pa.string())],
        names=["course_id", "proposed"],
    )
    connection.register("incoming_meant", table)
    connection.execute("CREATE OR REPLACE TEMP TABLE request_meant AS FROM incoming_meant")
    connection.unregister("incoming_meant")
    order_files(connection, district)
    offered = pa.table({"course_id": pa.array(courses, pa.string())})
    connection.register("incoming_courses", offered)
    connection.execute(
        _LINES,
        {"district": district, "next_year": next_year or 0, "has_catalogue": bool(courses)},
    )
    connection.execute(_SAID)
    connection.unregister("incoming_courses")


def order_files(connection: duckdb.DuckDBPyConnection, district: str) -> None:
    """Bring the files of a district into the order in which they speak."""
    connection.execute(_FILES, {"district": district})


def name(connection: duckdb.DuckDBPyConnection, without: int = 0) -> None:
    """Find what the newest plan of each student is, as if one file had not come.

    Args:
        connection: Has what ``collect`` has made.
        without: Place of the file in the order of all; 0 for none.
    """
    connection.execute(_LATEST, {"without": without})
    connection.execute(_NAMED, {"without": without})


def place(connection: duckdb.DuckDBPyConnection, district: str, moment: datetime) -> None:
    """Write the state of every line that carries no request itself."""
    connection.execute(_WISHES)
    connection.execute(_PLACED)
    changed = """
        FROM request_placed p JOIN request_files f USING (ord)
        WHERE r.district = $district AND r.file_id = f.file_id AND r.line = p.line
          AND p.role <> 'carries'
          AND (p.state IS DISTINCT FROM p.role OR p.reason IS DISTINCT FROM p.why)
    """
    connection.execute(
        "UPDATE core.course_requests AS r "
        f"SET state = p.role, reason = p.why, decided_at = $moment {changed}",
        {"district": district, "moment": moment},
    )
    # By itself, since DuckDB writes a row anew of which a list is written.
    connection.execute(
        f"UPDATE core.course_requests AS r SET warnings = [] {changed} AND len(r.warnings) > 0",
        {"district": district},
    )
    connection.execute(
        """
        UPDATE core.course_requests AS r SET priority = c.priority FROM request_carriers c
        WHERE r.district = ? AND r.file_id = c.file_id AND r.line = c.line
          AND c.priority <> coalesce(r.priority, -1)
        """,
        [district],
    )


def follow_carriers(connection: duckdb.DuckDBPyConnection, district: str) -> None:
    """Give lines that repeat a request the school of the line that carries it."""
    connection.execute(
        f"""
        WITH carried AS (
            SELECT c.wish, r.school FROM request_carriers c JOIN core.course_requests r
              ON r.district = $district AND r.file_id = c.file_id AND r.line = c.line
        ), moved AS (
            SELECT f.file_id, p.line, c.school
            FROM request_placed p JOIN carried c USING (wish) JOIN request_files f USING (ord)
            WHERE p.role = '{State.REPEATED}' AND p.school IS DISTINCT FROM c.school
        )
        UPDATE core.course_requests AS r SET school = m.school FROM moved m
        WHERE r.district = $district AND r.file_id = m.file_id AND r.line = m.line
        """,
        {"district": district},
    )
    for table in (
        "carriers", "placed", "wishes", "named", "latest", "proposed", "said", "lines", "files",
        "meant",
    ):  # fmt: skip
        connection.execute(f"DROP TABLE temp.request_{table}")
