"""What to take out of Aeries: requests that were exported and are no longer wanted.

A row is listed until a pull shows that it is gone, or, if course requests are not
granted, for the rest of the year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from aeries_pipeline.course_requests.sss.contents import csv_text, harmless
from aeries_pipeline.course_requests.sss.reading import School
from aeries_pipeline.course_requests.tables import EXPORTS_COLUMNS
from aeries_pipeline.stores.connection import table_exists
from aeries_pipeline.stores.transaction import insert_rows

WITHDRAWALS = "withdrawals.csv"
HEADER = ("SC", "SN", "StudentID", "Table", "SQ", "CN", "Title", "In files since")


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One row of SSS or ACR that this pipeline wrote and nobody asks for any more.

    Attributes:
        student_id: STU.ID.
        student_number: STU.SN at the school.
        kind: request or alternate.
        sequence: The number that it was given.
        course_id: The course that it was given for.
        file_id: The file that had brought it.
        line: Its line there.
        exported_at: When it was exported.
        is_new: Whether it was in no list as yet.
    """

    student_id: int
    student_number: int
    kind: str
    sequence: int
    course_id: str
    file_id: str
    line: int
    exported_at: datetime
    is_new: bool

    @property
    def table(self) -> str:
        """The table of Aeries that holds it."""
        return "ACR" if self.kind == "alternate" else "SSS"


_QUERY = """
WITH given AS (
    SELECT *, min(exported_at) OVER same AS first_exported FROM core.course_request_exports
    WHERE district = $district AND school = $school AND school_year = $year
    WINDOW same AS (PARTITION BY file_id, line, student_number)
    QUALIFY row_number() OVER (PARTITION BY file_id, line, student_number
                               ORDER BY exported_at DESC, export_id DESC, action DESC) = 1
)
SELECT g.student_id, g.student_number, g.kind, g.sequence_number, g.course_id, g.file_id, g.line,
       g.first_exported, coalesce(g.action, 'insert') = 'insert'
FROM given g
JOIN core.course_requests r
  ON r.district = g.district AND r.file_id = g.file_id AND r.line = g.line
WHERE r.state = 'withdrawn' AND NOT {gone}
ORDER BY g.student_number, g.kind DESC, g.sequence_number
"""
_GONE = """(g.kind = '{kind}' AND EXISTS (
    SELECT 1 FROM meta.pulls p WHERE p.district = g.district AND p.school = g.school
    AND p.resource = '{resource}' AND p.status = 'complete' AND p.started_at > g.exported_at)
  AND NOT EXISTS (
    SELECT 1 FROM raw.{resource} x WHERE x.district = g.district AND x."SchoolCode" = g.school
    AND x."StudentID" = g.student_id AND trim(x."CourseID") = g.course_id
    -- The same course may be asked for once more, as an alternate of another.
    AND (x."SequenceNumber" = g.sequence_number OR NOT EXISTS (
        SELECT 1 FROM core.course_requests o WHERE o.district = g.district
        AND o.student_id = g.student_id AND o.course_id = g.course_id
        AND (o.alternate_for <> '') = (g.kind = 'alternate')
        AND o.state IN ('ready', 'exported', 'already_in_aeries')))))"""


def read_withdrawals(connection: duckdb.DuckDBPyConnection, school: School) -> list[Withdrawal]:
    """Return what is to be taken out at a school, student by student."""
    gone = [
        _GONE.format(kind=kind, resource=resource)
        for kind, resource in (
            ("request", "course_requests"), ("alternate", "alternate_course_requests"),
        )
        if table_exists(connection, "raw", resource)
    ]  # fmt: skip
    query = _QUERY.replace("{gone}", f"({' OR '.join(gone)})" if gone else "false")
    return [Withdrawal(*row) for row in connection.execute(query, school.bound).fetchall()]


def withdrawals_csv(withdrawals: Sequence[Withdrawal], school: int, titles: dict[str, str]) -> str:
    """Return the list for a person's spreadsheet."""
    return csv_text(
        HEADER,
        (
            (
                school, one.student_number, one.student_id, one.table, one.sequence,
                one.course_id, harmless(titles.get(one.course_id, "")),
                f"{one.exported_at:%Y-%m-%d}",
            )
            for one in withdrawals
        ),
        mark=True,
    )  # fmt: skip


def record_withdrawals(
    connection: duckdb.DuckDBPyConnection,
    school: School,
    withdrawals: Sequence[Withdrawal],
    export_id: str,
    moment: datetime,
) -> None:
    """Remember what was listed, so that a request that comes back is given out again."""
    insert_rows(
        connection,
        "core.course_request_exports",
        EXPORTS_COLUMNS,
        [
            (
                export_id, school.district, school.code, one.student_id, one.student_number,
                one.file_id, one.line, one.course_id, one.kind, one.sequence, None, None,
                school.year, moment, "withdraw",
            )
            for one in withdrawals
            if one.is_new
        ],
    )  # fmt: skip
