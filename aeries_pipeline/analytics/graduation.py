"""Views about credits and graduation.

Aeries calculates what each student has and needs in the graduation status. If a district
does not grant it, the transcript is added up instead; a row says which of the two it
comes from.
"""

from __future__ import annotations

from aeries_pipeline.analytics.transcript_credits import STUDENT_IN_SUBJECT, SUBJECT
from aeries_pipeline.analytics.view import SHARED, STUDENT_AT_SCHOOL, Column, Grain, Measure, View

CREDITS_BY_SUBJECT = View(
    name="credits_by_subject",
    title="Credits earned against those required to graduate, by student and subject area, "
    "grades 9 to 12",
    grain=Grain.STUDENT,
    query="""
WITH enrolled AS (
    SELECT district, school, student_id, grade FROM analytics.students_now
    WHERE is_main_school AND grade BETWEEN 9 AND 12
), told AS (
    SELECT e.district, e.school, e.student_id, e.grade,
           g."SubjectAreaCode" AS subject_area,
           g."SubjectAreaDescription" AS subject,
           g."CreditsRequired" AS credits_required,
           g."CreditsCompleted" AS credits_completed,
           g."CreditsCurrentlyEnrolled" AS credits_in_progress,
           'aeries' AS reckoned_by
    FROM enrolled AS e
    JOIN raw.graduation_status AS g ON g.district = e.district AND g."SchoolCode" = e.school
        AND g."StudentID" = e.student_id
), reckoned AS (
    SELECT r.district, r.school, r.student_id, r.grade, r.subject_area, r.subject,
           r.credits_required, r.credits_completed,
           CAST(NULL AS DOUBLE) AS credits_in_progress, 'transcript' AS reckoned_by
    FROM analytics.credits_by_transcript AS r
    WHERE NOT EXISTS (SELECT 1 FROM raw.graduation_status AS h
                      WHERE h.district = r.district AND h."SchoolCode" = r.school)
), both_ways AS (
    SELECT * FROM told UNION ALL SELECT * FROM reckoned
)
SELECT district, school, student_id, grade, subject_area, subject,
       CAST(credits_required AS DOUBLE) AS credits_required,
       CAST(credits_completed AS DOUBLE) AS credits_completed,
       CAST(credits_in_progress AS DOUBLE) AS credits_in_progress,
       CAST(greatest(credits_required - credits_completed, 0) AS DOUBLE) AS credits_needed,
       CAST(credits_required * (grade - 9) / 4 AS DOUBLE) AS credits_expected,
       CAST(greatest(credits_required * (grade - 9) / 4 - credits_completed, 0) AS DOUBLE)
           AS credits_behind,
       reckoned_by
FROM both_ways
""",
    columns=(
        *STUDENT_IN_SUBJECT,
        Column("credits_required", "DOUBLE", "Credits required of the student's class"),
        Column("credits_completed", "DOUBLE", "Credits earned so far"),
        Column("credits_in_progress", "DOUBLE", "Credits of the classes of now; empty if unknown"),
        Column("credits_needed", "DOUBLE", "Required less completed, not below 0"),
        Column("credits_expected", "DOUBLE", "A quarter of the required for each finished grade"),
        Column("credits_behind", "DOUBLE", "Expected less completed, not below 0"),
        Column("reckoned_by", "VARCHAR", "aeries, or transcript where the status is not granted"),
    ),
    note="`credits_needed` is what is missing for graduation; every ninth grader needs all of it. "
    "`credits_behind` is what an even pace would have brought by the beginning of this grade and "
    "is not there (a junior is expected to have half), so it is what to ask for when somebody "
    "*lacks* credits. How the transcript is reckoned says `credits_by_transcript`.",
)

ON_TRACK = View(
    name="on_track",
    title="Whether each student of grades 9 to 12 is on track for graduation",
    grain=Grain.STUDENT,
    query="""
SELECT c.district, c.school, n.school_name, c.student_id, c.grade,
       sum(c.credits_required) AS credits_required,
       sum(c.credits_completed) AS credits_completed,
       sum(c.credits_needed) AS credits_needed,
       greatest(sum(c.credits_expected) - sum(c.credits_completed), 0) AS credits_behind,
       count(*) FILTER (c.credits_behind > 0) AS subjects_behind,
       any_value(CAST(g."GPA_CumulativeAcademic" AS DOUBLE)) AS gpa,
       sum(c.credits_completed) >= sum(c.credits_expected) AS is_on_track,
       any_value(c.reckoned_by) AS reckoned_by
FROM analytics.credits_by_subject AS c
LEFT JOIN raw.gpas AS g ON g.district = c.district AND g."SchoolCode" = c.school
    AND g."StudentID" = c.student_id
LEFT JOIN analytics.schools AS n ON n.district = c.district AND n.school = c.school
GROUP BY c.district, c.school, n.school_name, c.student_id, c.grade
""",
    columns=(
        *STUDENT_AT_SCHOOL,
        SHARED.grade,
        Column("credits_required", "DOUBLE", "Credits required in all subject areas"),
        Column("credits_completed", "DOUBLE", "Credits earned so far"),
        Column("credits_needed", "DOUBLE", "Missing for graduation, over all subject areas"),
        Column("credits_behind", "DOUBLE", "Missing from an even pace, all subject areas together"),
        Column("subjects_behind", "BIGINT", "Subject areas that are behind for themselves"),
        Column("gpa", "DOUBLE", "Cumulative academic GPA, weighted; empty where not calculated"),
        Column("is_on_track", "BOOLEAN", "Whether credits_behind is 0"),
        Column("reckoned_by", "VARCHAR", "aeries, or transcript where the status is not granted"),
    ),
    note="On track means that all credits together keep an even pace, see `credits_by_subject`; a "
    "subject area may well be taken later. It is this project's yardstick, not a rule of the state "
    "or of the district.",
)

CREDITS_BY_SCHOOL = View(
    name="credits_by_school",
    title="Students behind in each subject area, by school and grade",
    grain=Grain.COUNT,
    query="""
SELECT c.district, c.school, n.school_name, c.grade, c.subject_area, c.subject,
       count(*) AS students,
       count(*) FILTER (c.credits_behind > 0) AS students_behind,
       false AS suppressed
FROM analytics.credits_by_subject AS c
LEFT JOIN analytics.schools AS n ON n.district = c.district AND n.school = c.school
GROUP BY c.district, c.school, n.school_name, c.grade, c.subject_area, c.subject
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.school_name,
        SHARED.grade,
        *SUBJECT,
        Column("students", "BIGINT", "Students of whom the subject area is required"),
        Column("students_behind", "BIGINT", "Of these, who are behind an even pace"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"), Measure("students_behind", of="students")),
    within=("district", "school", "subject_area"),
)

ON_TRACK_BY_SCHOOL = View(
    name="on_track_by_school",
    title="Students on track for graduation, by school and grade",
    grain=Grain.COUNT,
    query="""
SELECT o.district, o.school, o.school_name, o.grade,
       count(*) AS students,
       count(*) FILTER (o.is_on_track) AS students_on_track,
       false AS suppressed
FROM analytics.on_track AS o
GROUP BY o.district, o.school, o.school_name, o.grade
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.school_name,
        SHARED.grade,
        Column("students", "BIGINT", "Students with graduation requirements"),
        Column("students_on_track", "BIGINT", "Of these, whose credits keep an even pace"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"), Measure("students_on_track", of="students")),
    within=("district", "school"),
)

VIEWS = (CREDITS_BY_SUBJECT, ON_TRACK, CREDITS_BY_SCHOOL, ON_TRACK_BY_SCHOOL)
