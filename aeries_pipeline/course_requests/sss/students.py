"""How many requests each student of a school has: who asks for nothing, too little, too much.

Counts by grade and counselor; the counselor looks up the students.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.course_requests.model import ASKED
from aeries_pipeline.course_requests.sss.reading import School
from aeries_pipeline.stores.connection import CATALOG, table_exists


@dataclass(frozen=True, slots=True)
class Group:
    """Students of one grade and counselor.

    Attributes:
        grade: Grade of next year; None if it is not known.
        counselor: Number of the counselor; None if there is none.
        students: All of them.
        without: Those who ask for nothing.
        too_few: Those with fewer requests than the district expects.
        too_many: Those with more.
    """

    grade: int | None
    counselor: int | None
    students: int
    without: int
    too_few: int
    too_many: int


_QUERY = """
WITH rows AS (
    SELECT "StudentID" AS student_id, "NextGrade" AS next_grade, "Grade" AS grade,
           nullif({counselor}, 0) AS counselor, trim("InactiveStatusCode") AS code,
           "SchoolCode" AS school, nullif("NextSchoolCode", 0) AS next_school
    FROM raw.students WHERE district = $district AND school = "SchoolCode"
), mine AS (
    -- Next year's students: those who stay, and the pre-enrolled.
    SELECT student_id, max(counselor) AS counselor,
           max(CASE WHEN next_grade > 0 THEN next_grade ELSE grade + 1 END) AS grade
    FROM rows
    WHERE school = $school AND coalesce(next_school, school) = school
      AND list_contains($codes, code)
      AND coalesce(next_grade, 0) <> 13 AND NOT (grade >= 12 AND coalesce(next_grade, 0) = 0)
    GROUP BY ALL
), asked AS (
    SELECT student_id, count(*) AS requests FROM core.course_requests
    WHERE district = $district AND school_year = $year AND alternate_for = ''
      AND state IN {asked} GROUP BY ALL
)
SELECT grade, counselor, count(*), count(*) FILTER (requests IS NULL),
       count(*) FILTER (requests < $least), count(*) FILTER (requests > $most)
FROM mine LEFT JOIN asked USING (student_id)
GROUP BY ALL ORDER BY grade NULLS LAST, counselor NULLS LAST
"""


def read_groups(
    connection: duckdb.DuckDBPyConnection,
    school: School,
    policy: Policy,
    bounds: tuple[int, int],
) -> list[Group]:
    """Return the students of a school by grade and counselor.

    Args:
        connection: On the warehouse.
        school: Of which school and year.
        policy: How the district's status codes are read.
        bounds: The fewest and the most requests that a student should have.
    """
    if not table_exists(connection, "raw", "students"):
        return []
    has_counselor = connection.execute(
        "SELECT 1 FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'raw' "
        "AND table_name = 'students' AND column_name = 'CounselorNumber'",
        [CATALOG],
    ).fetchone()
    query = _QUERY.format(asked=ASKED, counselor='"CounselorNumber"' if has_counselor else "0")
    codes = ["", *policy.active_codes, *policy.pre_enrolled_codes]
    least, most = bounds
    rows = connection.execute(
        query, {**school.bound, "codes": codes, "least": least, "most": most}
    ).fetchall()
    return [Group(*row) for row in rows]


def read_prerequisites(connection: duckdb.DuckDBPyConnection, school: School) -> dict[str, int]:
    """Return the requests by course of students who lack the course that should come before."""
    rows = connection.execute(
        "SELECT course_id, count(*) FROM core.course_requests WHERE district = $district "
        "AND school = $school AND school_year = $year "
        f"AND state IN {ASKED} "
        "AND list_contains(warnings, 'prerequisite_not_seen') GROUP BY ALL ORDER BY ALL",
        school.bound,
    ).fetchall()
    return dict(rows)
