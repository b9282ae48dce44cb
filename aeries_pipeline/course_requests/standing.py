"""Which line of all files speaks for each request: the newest plan of each student.

A file speaks for the students whom it names. What it says replaces what files
before it said of them; a file of additions replaces nothing. Each line then
carries a request, repeats one, or is withdrawn. SQL over all lines, since there
are many more of them than requests; a model in the tests replays it one by one.
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
    )
)  # fmt: skip
"""What such a line asks for nobody knows, so it may be any wish that is missing beside it."""

_FILES = """
CREATE OR REPLACE TEMP TABLE request_files AS
SELECT file_id, covers, covers_school, standing, missing, received_at,
       row_number() OVER (ORDER BY coalesce(stated_at, received_at), received_at, file_id) AS ord
FROM core.course_request_files WHERE district = $district AND status = 'taken'
"""
_LINES = """
CREATE OR REPLACE TEMP TABLE request_lines AS
SELECT r.file_id, r.line, f.ord, f.covers, f.standing, r.school, r.priority, r.course_id,
       r.alternate_for, r.problem,
       coalesce(CAST(r.student_id AS VARCHAR), '?' || coalesce(r.stated_student, '')) AS who,
       coalesce(r.school_year, 0) AS year,
       concat_ws(chr(31), r.course_id, r.alternate_for,
                 CASE WHEN r.problem <> '' THEN r.problem || chr(31) || r.stated_course END
       ) AS what,
       e.file_id IS NOT NULL AS is_exported
FROM core.course_requests r
JOIN request_files f ON f.file_id = r.file_id
LEFT JOIN (SELECT DISTINCT file_id, line FROM core.course_request_exports
           WHERE district = $district) e ON e.file_id = r.file_id AND e.line = r.line
WHERE r.district = $district
  AND (r.state IS NULL OR r.school_year IS NULL OR r.school_year >= $next_year
       OR ((r.reason = 'other_year' OR r.problem <> '')
           AND r.received_at >= make_date(greatest($next_year, 2) - 1, 7, 1)))
"""
_LATEST = f"""
CREATE OR REPLACE TEMP TABLE request_latest AS
WITH said AS (
    SELECT who, year, ord, any_value(covers) AS covers, max(school) AS school,
           bool_or(problem IN ({_DOUBTFUL})) AS is_doubtful
    FROM request_lines WHERE standing = 'counts' AND ord <> $without GROUP BY ALL
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
_NAMED = """
CREATE OR REPLACE TEMP TABLE request_named AS
WITH now AS (
    SELECT l.* FROM request_lines l JOIN request_latest s USING (who, year)
    WHERE l.standing = 'counts' AND l.ord <> $without AND l.ord >= s.last
)
SELECT who, year, what, max_by(priority, ord * 10000000 - line) FILTER (priority IS NOT NULL)
       AS priority FROM now GROUP BY ALL
UNION ALL
-- A course id that has lost its zeros may mean the course that was asked for before.
SELECT DISTINCT n.who, n.year, concat_ws(chr(31), m.proposed, n.alternate_for) AS what, NULL
FROM now n JOIN request_meant m USING (course_id) WHERE n.problem = ''
AND NOT EXISTS (FROM now o WHERE o.who = n.who AND o.year = n.year
                AND o.what = concat_ws(chr(31), m.proposed, n.alternate_for))
"""
_PLACED = """
CREATE OR REPLACE TEMP TABLE request_placed AS
WITH ranked AS (
    SELECT l.file_id, l.line, n.what IS NOT NULL AS is_named, n.priority,
           row_number() OVER same AS place,
           first_value(l.file_id) OVER same AS carrier_file,
           first_value(l.line) OVER same AS carrier_line, s.is_left_out
    FROM request_lines l
    LEFT JOIN request_named n USING (who, year, what)
    LEFT JOIN request_latest s USING (who, year)
    WHERE l.standing <> 'held'
    WINDOW same AS (PARTITION BY l.who, l.year, l.what
                    ORDER BY l.is_exported DESC, l.standing = 'counts' DESC, l.ord DESC, l.line)
)
SELECT file_id, line, CASE WHEN NOT is_named THEN 'withdrawn'
                           WHEN place = 1 THEN 'carries' ELSE 'repeated' END AS role,
       priority, carrier_file, carrier_line, coalesce(is_left_out, false) AS is_left_out
FROM ranked
UNION ALL
SELECT file_id, line, 'held', NULL, NULL, NULL, false FROM request_lines WHERE standing = 'held'
"""
_GOOD = """
CREATE OR REPLACE TEMP TABLE request_good AS
SELECT DISTINCT what FROM request_lines WHERE problem = ''
"""
"""What can be imported, as far as the line alone tells."""
_OF_CATALOGUE = "AND course_id IN (SELECT course_id FROM incoming_courses)"


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
        courses: The catalogue; empty where it was never pulled.
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
    connection.execute(_LINES, {"district": district, "next_year": next_year or 0})
    offered = pa.table({"course_id": pa.array(courses or (), pa.string())})
    connection.register("incoming_courses", offered)
    connection.execute(_GOOD + (_OF_CATALOGUE if courses else ""))
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
    connection.execute(_PLACED)
    connection.execute(
        f"""
        UPDATE core.course_requests AS r
        SET state = p.role, reason = CASE WHEN p.role = 'held' THEN '{Reason.FILE_IS_HELD}' END,
            warnings = [], decided_at = $moment
        FROM request_placed p
        WHERE r.district = $district AND r.file_id = p.file_id AND r.line = p.line
          AND p.role <> 'carries' AND (r.state IS DISTINCT FROM p.role OR r.reason IS DISTINCT FROM
              CASE WHEN p.role = 'held' THEN '{Reason.FILE_IS_HELD}' END)
        """,
        {"district": district, "moment": moment},
    )
    connection.execute(
        """
        UPDATE core.course_requests AS r SET priority = p.priority FROM request_placed p
        WHERE r.district = ? AND r.file_id = p.file_id AND r.line = p.line
          AND p.role = 'carries' AND p.priority <> coalesce(r.priority, -1)
        """,
        [district],
    )


def follow_carriers(connection: duckdb.DuckDBPyConnection, district: str) -> None:
    """Let lines that repeat a request stand at the school of the line that carries it."""
    connection.execute(
        f"""
        UPDATE core.course_requests AS r SET school = c.school
        FROM request_placed p JOIN core.course_requests c
          ON c.district = $district AND c.file_id = p.carrier_file AND c.line = p.carrier_line
        WHERE r.district = $district AND r.file_id = p.file_id AND r.line = p.line
          AND p.role = '{State.REPEATED}' AND r.school IS DISTINCT FROM c.school
        """,
        {"district": district},
    )
    for table in ("placed", "named", "latest", "good", "lines", "files", "meant"):
        connection.execute(f"DROP TABLE temp.request_{table}")
