"""Views over school years: cohorts, credits then and now, courses over the years.

A closed year is as its last pull found it; the current one is as it is now.
"""

from __future__ import annotations

from aeries_pipeline.analytics.view import SHARED, Column, Grain, Measure, View
from aeries_pipeline.catalog.blank import is_blank

_YEAR = Column("school_year", "VARCHAR", "Such as 2026-2027")
_STUDENT_IN_YEAR = (SHARED.district, _YEAR, SHARED.school, SHARED.student_id, SHARED.grade)


def _now(resource: str, alias: str) -> str:
    """Return the join that says of which school year the rows in raw are."""
    return f"""JOIN (
        SELECT district, school, arg_max(database_year, finished_at) AS school_year
        FROM meta.pulls WHERE resource = '{resource}' AND status = 'complete' GROUP BY ALL
    ) AS y ON y.district = {alias}.district AND y.school = {alias}.school"""


STUDENTS_BY_YEAR = View(
    name="students_by_year",
    title="One row for each student, school and school year in which the student was enrolled at "
    "the end of it, or is now",
    grain=Grain.STUDENT,
    query=f"""
WITH rows AS (
    SELECT h.district, h.school_year, h."SchoolCode", h."StudentID", h."Grade",
           h."InactiveStatusCode", h."StudentNumber"
    FROM history.students AS h WHERE h."SchoolCode" = h.school
    UNION ALL
    SELECT s.district, y.school_year, s."SchoolCode", s."StudentID", s."Grade",
           s."InactiveStatusCode", s."StudentNumber"
    FROM raw.students AS s {_now("students", "s")}
    WHERE s."SchoolCode" = s.school
), enrolled AS (
    SELECT r.district, r.school_year, CAST(r."SchoolCode" AS INTEGER) AS school,
           r."StudentID" AS student_id, CAST(r."Grade" AS INTEGER) AS grade
    FROM rows AS r WHERE {is_blank('r."InactiveStatusCode"')}
    QUALIFY row_number() OVER (
        PARTITION BY r.district, r.school_year, r."SchoolCode", r."StudentID"
        ORDER BY r."StudentNumber" DESC) = 1
)
SELECT e.district, e.school_year, e.school, e.student_id, e.grade,
       min(e.school_year) OVER who AS entry_year,
       first_value(e.grade) OVER (
           PARTITION BY e.district, e.student_id ORDER BY e.school_year, e.school) AS entry_grade
FROM enrolled AS e
WINDOW who AS (PARTITION BY e.district, e.student_id)
""",
    columns=(
        *_STUDENT_IN_YEAR,
        Column("entry_year", "VARCHAR", "The first school year that is kept of the student"),
        Column("entry_grade", "INTEGER", "The grade in that year"),
    ),
    note="Years before the first one that this pipeline has pulled are not known: whoever was "
    "there in that year has it as entry year.",
)

COHORTS = View(
    name="cohorts",
    title="Students by the year and grade of entry, over the school years",
    grain=Grain.COUNT,
    query="""
SELECT s.district, s.entry_year, s.entry_grade, s.school_year, s.grade,
       count(DISTINCT s.student_id) AS students,
       false AS suppressed
FROM analytics.students_by_year AS s
GROUP BY s.district, s.entry_year, s.entry_grade, s.school_year, s.grade
""",
    columns=(
        SHARED.district,
        Column("entry_year", "VARCHAR", "The first school year that is kept of these students"),
        Column("entry_grade", "INTEGER", "Their grade in that year"),
        _YEAR,
        SHARED.grade,
        Column("students", "BIGINT", "Students of the cohort who were enrolled in that year"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"),),
    within=("district", "entry_year", "entry_grade", "school_year"),
)

CREDITS_BY_YEAR = View(
    name="credits_by_year",
    title="Credits of each student of grades 9 to 12 against those required, by school year, where "
    "the graduation status is granted",
    grain=Grain.STUDENT,
    query=f"""
WITH told AS (
    SELECT h.district, h.school_year, CAST(h."SchoolCode" AS INTEGER) AS school,
           h."StudentID" AS student_id, h."CreditsRequired", h."CreditsCompleted"
    FROM history.graduation_status AS h
    UNION ALL
    SELECT g.district, y.school_year, CAST(g."SchoolCode" AS INTEGER), g."StudentID",
           g."CreditsRequired", g."CreditsCompleted"
    FROM raw.graduation_status AS g {_now("graduation_status", "g")}
), summed AS (
    SELECT t.district, t.school_year, t.school, t.student_id,
           CAST(sum(t."CreditsRequired") AS DOUBLE) AS credits_required,
           CAST(sum(t."CreditsCompleted") AS DOUBLE) AS credits_completed
    FROM told AS t GROUP BY t.district, t.school_year, t.school, t.student_id
)
SELECT u.district, u.school_year, u.school, u.student_id, s.grade,
       u.credits_required, u.credits_completed,
       u.credits_completed >= u.credits_required * (s.grade - 9) / 4 AS is_on_track
FROM summed AS u
JOIN analytics.students_by_year AS s ON s.district = u.district
    AND s.school_year = u.school_year AND s.school = u.school AND s.student_id = u.student_id
WHERE s.grade BETWEEN 9 AND 12
""",
    columns=(
        *_STUDENT_IN_YEAR,
        Column("credits_required", "DOUBLE", "Credits required in all subject areas"),
        Column("credits_completed", "DOUBLE", "Credits earned by the end of the year, or so far"),
        Column("is_on_track", "BOOLEAN", "Whether they keep the pace of `on_track`"),
    ),
    note="The pace is that of [`on_track`](#analyticson_track): what an even pace would have "
    "brought by the beginning of the grade. A closed year is as it was at its end, so compare a "
    "year's end with another year's end.",
)

ON_TRACK_BY_YEAR = View(
    name="on_track_by_year",
    title="Students on track for graduation, by school year, school and grade",
    grain=Grain.COUNT,
    query="""
SELECT c.district, c.school_year, c.school, c.grade,
       count(*) AS students,
       count(*) FILTER (c.is_on_track) AS students_on_track,
       false AS suppressed
FROM analytics.credits_by_year AS c
GROUP BY c.district, c.school_year, c.school, c.grade
""",
    columns=(
        SHARED.district,
        _YEAR,
        SHARED.school,
        SHARED.grade,
        Column("students", "BIGINT", "Students with a graduation status"),
        Column("students_on_track", "BIGINT", "Of these, whose credits keep an even pace"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"), Measure("students_on_track", of="students")),
    within=("district", "school_year", "school"),
)

COURSE_ENROLLMENT_BY_YEAR = View(
    name="course_enrollment_by_year",
    title="Students who sat in each course of each school, by school year",
    grain=Grain.COUNT,
    query=f"""
WITH seats AS (
    SELECT h.district, h.school_year, CAST(h."SchoolCode" AS INTEGER) AS school,
           h."StudentID" AS student_id, h."CourseID" AS course_id
    FROM history.classes AS h
    UNION ALL
    SELECT c.district, y.school_year, CAST(c."SchoolCode" AS INTEGER), c."StudentID", c."CourseID"
    FROM raw.classes AS c {_now("classes", "c")}
), titles AS (
    SELECT k.district, k."ID" AS course_id, max_by(k."Title", k.year) AS course_title
    FROM (
        SELECT h.district, h."ID", h."Title", h.school_year AS year FROM history.courses AS h
        UNION ALL
        SELECT r.district, r."ID", r."Title", '9999' FROM raw.courses AS r
    ) AS k GROUP BY k.district, k."ID"
)
SELECT s.district, s.school_year, s.school, s.course_id, t.course_title,
       count(DISTINCT s.student_id) AS students,
       false AS suppressed
FROM seats AS s
LEFT JOIN titles AS t ON t.district = s.district AND t.course_id = s.course_id
GROUP BY s.district, s.school_year, s.school, s.course_id, t.course_title
""",
    columns=(
        SHARED.district,
        _YEAR,
        SHARED.school,
        Column("course_id", "VARCHAR", "Course of the district catalogue, with leading zeros"),
        Column("course_title", "VARCHAR", "Its newest title"),
        Column("students", "BIGINT", "Students with a class of the course at any time of the year"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"),),
    within=("district", "school_year", "school"),
)

VIEWS = (STUDENTS_BY_YEAR, COHORTS, CREDITS_BY_YEAR, ON_TRACK_BY_YEAR, COURSE_ENROLLMENT_BY_YEAR)
