"""Tables and views of course requests in the warehouse. DDL only.

No keys, indexes or sequences, so that the SQL also runs on DuckLake. All times are UTC,
except ``requested_at``, which is as the file states it.
"""

from __future__ import annotations

import duckdb

from aeries_pipeline.course_requests.model import ASKED
from aeries_pipeline.stores.connection import CATALOG
from aeries_pipeline.stores.versions import make_tables

FILES_COLUMNS = (
    ("file_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("name", "VARCHAR"),
    ("sha256", "VARCHAR"),
    ("bytes", "BIGINT"),
    ("rows", "BIGINT"),
    ("form", "VARCHAR"),
    ("status", "VARCHAR"),
    ("code", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("received_at", "TIMESTAMP"),
    ("run_id", "VARCHAR"),
    ("covers", "VARCHAR"),
    ("covers_school", "INTEGER"),
    ("stated_at", "TIMESTAMP"),
    ("standing", "VARCHAR"),
    ("hold", "VARCHAR"),
    ("missing", "VARCHAR"),
    ("answered_by", "VARCHAR"),
    ("answered_at", "TIMESTAMP"),
)
"""Columns of ``core.course_request_files``: one row each time that a file was taken up."""

REQUESTS_COLUMNS = (
    ("district", "VARCHAR"),
    ("file_id", "VARCHAR"),
    ("line", "BIGINT"),
    ("received_at", "TIMESTAMP"),
    ("stated_student", "VARCHAR"),
    ("stated_course", "VARCHAR"),
    ("student_id", "BIGINT"),
    ("course_id", "VARCHAR"),
    ("priority", "DOUBLE"),
    ("alternate_for", "VARCHAR"),
    ("school_year", "INTEGER"),
    ("requested_at", "TIMESTAMP"),
    ("problem", "VARCHAR"),
    ("unread", "VARCHAR[]"),
    ("state", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("warnings", "VARCHAR[]"),
    ("school", "INTEGER"),
    ("student_number", "BIGINT"),
    ("grade", "INTEGER"),
    ("decided_at", "TIMESTAMP"),
    ("place", "VARCHAR"),
    ("proposed", "VARCHAR"),
)
"""Columns of ``core.course_requests``: one row for each line of each file, for ever."""

_ONE_REQUEST = (
    ("district", "VARCHAR"),
    ("school", "INTEGER"),
    ("student_id", "BIGINT"),
    ("student_number", "BIGINT"),
    ("file_id", "VARCHAR"),
    ("line", "BIGINT"),
    ("course_id", "VARCHAR"),
    ("kind", "VARCHAR"),
)
"""Which request was numbered or written: whose it is, and on which line it stands."""

EXPORTS_COLUMNS = (
    ("export_id", "VARCHAR"),
    *_ONE_REQUEST,
    ("sequence_number", "INTEGER"),
    ("linked_sequence", "INTEGER"),
    ("sort_order", "DOUBLE"),
    ("school_year", "INTEGER"),
    ("exported_at", "TIMESTAMP"),
    ("action", "VARCHAR"),
)
"""Columns of ``core.course_request_exports``: the number that each request was given, and when.

``kind`` is request (SSS) or alternate (ACR). ``linked_sequence`` is the SSS.SQ
to which ACA ties an alternate. ``action`` is insert or withdraw: the newest one
of a request tells whether it is meant to be in Aeries.
"""

WRITES_COLUMNS = (
    ("write_id", "VARCHAR"),
    ("call_number", "INTEGER"),
    *_ONE_REQUEST,
    ("call", "VARCHAR"),
    ("outcome", "VARCHAR"),
    ("status", "INTEGER"),
    ("sequence_number", "INTEGER"),
    ("answer", "VARCHAR"),
    ("asked_at", "TIMESTAMP"),
    ("answered_at", "TIMESTAMP"),
)
"""Columns of ``core.course_request_writes``: what was shown, sent and answered through the API.

``kind`` is request, alternate or link. ``call`` is POST or PUT, and empty if
nothing was sent. An ``outcome`` asked without ``answered_at`` was stopped before
its answer came. ``answer`` is the server's own text, and no one else's to read.
"""

TABLES = {
    "core.course_request_files": FILES_COLUMNS,
    "core.course_requests": REQUESTS_COLUMNS,
    "core.course_request_exports": EXPORTS_COLUMNS,
    "core.course_request_writes": WRITES_COLUMNS,
}

OF_YEAR = """(r.school_year = $year OR (
    r.reason = 'other_year' AND r.received_at >= make_date($year - 1, 7, 1)))"""
"""Requests of the coming year, and those for another year that came since this one began."""

_NO_REQUESTS = """(SELECT NULL::VARCHAR AS district, NULL::INTEGER AS "SchoolCode",
    NULL::BIGINT AS "StudentID", NULL::INTEGER AS "SequenceNumber", NULL::VARCHAR AS "CourseID",
    NULL::VARCHAR AS "ActualPrimaryCourseID", NULL::VARCHAR AS "AlternateTag" WHERE false)"""

_ARRIVALS = """
WITH pulled AS (
    SELECT district, school, max(started_at) AS pulled_at FROM meta.pulls
    WHERE resource = 'course_requests' AND status = 'complete' GROUP BY ALL
), sent AS (
    SELECT * FROM core.course_request_exports WHERE kind = 'request' AND {of}
    QUALIFY coalesce(action, 'insert') = 'insert' AND row_number() OVER (
        PARTITION BY district, file_id, line
        ORDER BY exported_at DESC, export_id DESC, action DESC) = 1
), seen AS (
    SELECT s.district, s.file_id, s.line,
           bool_or(trim(r."CourseID") = s.course_id) AS is_there,
           bool_or(trim(r."AlternateTag") = 'X'
                   AND trim(r."ActualPrimaryCourseID") = s.course_id) AS is_swapped,
           bool_or(r."SequenceNumber" = s.sequence_number) AS number_is_taken
    FROM sent s JOIN {requests} r
      ON r.district = s.district AND r."SchoolCode" = s.school
     AND r."StudentID" = s.student_id
    GROUP BY ALL
)
SELECT s.district, s.school, s.student_id, s.student_number, s.course_id,
       s.sequence_number, s.school_year, s.export_id, s.exported_at, p.pulled_at,
       CASE WHEN p.pulled_at IS NULL THEN 'not_granted'
            WHEN seen.is_there THEN 'arrived'
            WHEN seen.is_swapped OR seen.number_is_taken THEN 'changed_in_aeries'
            WHEN p.pulled_at <= s.exported_at THEN 'not_known_yet'
            ELSE 'not_arrived' END AS arrival,
       s.file_id, s.line
FROM sent s
LEFT JOIN pulled p ON p.district = s.district AND p.school = s.school
LEFT JOIN seen ON seen.district = s.district AND seen.file_id = s.file_id
              AND seen.line = s.line
"""

_VIEWS = {
    "core.course_request_counts": """
        SELECT district, school_year, school, state, reason, count(*) AS requests,
               count(DISTINCT student_id) AS students
        FROM core.course_requests GROUP BY ALL
    """,
    "core.course_requests_by_course": f"""
        SELECT district, school_year, school, course_id, grade, state, count(*) AS requests
        FROM core.course_requests
        WHERE alternate_for = '' AND state IN {ASKED}
        GROUP BY ALL
    """,
    "core.course_request_arrivals": "{arrivals}",
}
VIEWS = tuple(_VIEWS)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make missing tables and views in the current catalog.

    The view of arrivals reads the requests in Aeries once they have been pulled.
    """
    found = connection.execute("SELECT current_database()").fetchone()
    current = str(found[0]) if found else ""
    make_tables(connection, current, TABLES)
    for name, query in _VIEWS.items():
        text = query.replace("{arrivals}", arrivals(connection, catalog=current))
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {text}")


def arrivals(
    connection: duckdb.DuckDBPyConnection, of: str = "true", catalog: str = CATALOG
) -> str:
    """Return the query of the view of arrivals, limited to some lines if that is enough.

    Args:
        connection: On the warehouse.
        of: Condition on ``core.course_request_exports``. It takes in all exports of a line
            or none, since the last one of a line counts, at whatever school.
        catalog: Where the tables are.
    """
    # Where several districts are asked at once their tables are views.
    granted = connection.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_catalog = ? AND table_schema = 'raw' "
        "AND table_name = 'course_requests'",
        [catalog],
    ).fetchone()
    requests = "raw.course_requests" if granted else _NO_REQUESTS
    return _ARRIVALS.replace("{requests}", requests).replace("{of}", of)
