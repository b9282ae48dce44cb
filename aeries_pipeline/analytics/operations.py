"""Views about course demand, account changes, and how well the data arrives."""

from __future__ import annotations

from aeries_pipeline.analytics.view import SHARED, Column, Grain, Measure, View
from aeries_pipeline.catalog.blank import is_blank
from aeries_pipeline.course_requests.model import ASKED

COURSE_DEMAND = View(
    name="course_demand",
    title="How many students ask for each course next year, and the seats that it has now",
    grain=Grain.COUNT,
    query=f"""
SELECT r.district, r.school_year, r.school, n.school_name, r.course_id,
       any_value(k."Title") AS course_title,
       count(DISTINCT r.student_id) FILTER (r.alternate_for = '') AS students,
       count(DISTINCT r.student_id) FILTER (r.alternate_for <> '') AS students_alternate,
       count(DISTINCT r.student_id) FILTER (r.state = 'already_in_aeries') AS students_in_aeries,
       any_value(m.sections_now) AS sections_now,
       any_value(m.seats_now) AS seats_now,
       false AS suppressed
FROM core.course_requests AS r
LEFT JOIN raw.courses AS k ON k.district = r.district AND k."ID" = r.course_id
LEFT JOIN analytics.schools AS n ON n.district = r.district AND n.school = r.school
LEFT JOIN (
    SELECT s.district, s."SchoolCode" AS school, s."CourseID" AS course_id,
           count(*) AS sections_now, CAST(sum(s."MaxStudents") AS BIGINT) AS seats_now
    FROM raw.sections AS s
    WHERE {is_blank('s."InactiveStatusCode"')}
    GROUP BY s.district, s."SchoolCode", s."CourseID"
) AS m ON m.district = r.district AND m.school = r.school AND m.course_id = r.course_id
WHERE r.state IN {ASKED}
GROUP BY r.district, r.school_year, r.school, n.school_name, r.course_id
""",
    columns=(
        SHARED.district,
        Column("school_year", "INTEGER", "First calendar year of the school year asked for"),
        Column("school", "INTEGER", "School of next year, where it is known"),
        SHARED.school_name,
        Column("course_id", "VARCHAR", "Course of the district catalogue, with leading zeros"),
        Column("course_title", "VARCHAR", "Title in the catalogue"),
        Column("students", "BIGINT", "Students who ask for it"),
        Column("students_alternate", "BIGINT", "Students who name it as an alternate"),
        Column("students_in_aeries", "BIGINT", "Students whose request was in Aeries before"),
        Column("sections_now", "BIGINT", "Sections of this year; empty if not granted"),
        Column("seats_now", "BIGINT", "Seats of these sections"),
        SHARED.suppressed,
    ),
    measures=(
        Measure("students"),
        Measure("students_alternate"),
        Measure("students_in_aeries"),
    ),
    within=("district", "school_year", "school"),
    note="Requests that cannot be imported are left out, see [Course requests](course-requests.md)."
    " A student who asked for a course in several files counts once.",
)

ACCOUNT_CHANGES = View(
    name="account_changes",
    title="What became of each proposed change of an account, without anything about the person",
    grain=Grain.STUDENT,
    query="""
SELECT c.district, c.student_id, c.kind, c.from_school, c.to_school,
       c.changed_fields, c.code, c.reason, c.status, c.status_reason,
       c.detected_at, c.recorded_at, c.effective_at AS effective_on, c.batch_id
FROM core.account_changes_now AS c
""",
    columns=(
        SHARED.district,
        SHARED.student_id,
        Column("kind", "VARCHAR", "create, update, transfer, deactivate or reactivate"),
        Column("from_school", "INTEGER", "School before; empty for a new account"),
        Column("to_school", "INTEGER", "School afterwards; empty for a deactivation"),
        Column("changed_fields", "VARCHAR[]", "Names of the fields that an update changes"),
        Column("code", "VARCHAR", "Stable code of the reason"),
        Column("reason", "VARCHAR", "The reason in words"),
        Column("status", "VARCHAR", "applied, held or rejected"),
        Column("status_reason", "VARCHAR", "Why it is held, or what became of it"),
        Column("detected_at", "TIMESTAMP", "When it was first proposed, UTC"),
        Column("recorded_at", "TIMESTAMP", "When it got its present status, UTC"),
        Column("effective_on", "DATE", "The district's date for it"),
        Column("batch_id", "VARCHAR", "Computation in which it was first proposed"),
    ),
)

ACCOUNT_CHANGES_BY_DAY = View(
    name="account_changes_by_day",
    title="Account changes by day, school, kind and status",
    grain=Grain.COUNT,
    query="""
SELECT c.district, CAST(c.recorded_at AS DATE) AS day,
       coalesce(c.to_school, c.from_school) AS school,
       c.kind, c.status,
       count(DISTINCT c.student_id) AS students,
       false AS suppressed
FROM analytics.account_changes AS c
GROUP BY c.district, CAST(c.recorded_at AS DATE), coalesce(c.to_school, c.from_school),
         c.kind, c.status
""",
    columns=(
        SHARED.district,
        Column("day", "DATE", "Day on which the status was reached, UTC"),
        Column("school", "INTEGER", "School afterwards; for a deactivation the school before"),
        Column("kind", "VARCHAR", "create, update, transfer, deactivate or reactivate"),
        Column("status", "VARCHAR", "applied, held or rejected"),
        Column("students", "BIGINT", "Students concerned"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"),),
    within=("district", "day", "school"),
)

DATA_QUALITY = View(
    name="data_quality",
    title="How the newest pull of each school and resource ended, and how old the good data is",
    grain=Grain.PLACE,
    query="""
WITH newest AS (
    SELECT * FROM meta.pulls
    QUALIFY row_number() OVER (PARTITION BY district, school, resource
                               ORDER BY finished_at DESC, pull_id DESC) = 1
), good AS (
    SELECT district, school, resource, max(finished_at) AS complete_at,
           arg_max(rows, finished_at) AS rows, arg_max(quarantined, finished_at) AS quarantined
    FROM meta.pulls WHERE status = 'complete' GROUP BY district, school, resource
)
SELECT n.district, n.school, s.school_name, n.resource, n.status, n.code, n.reason,
       n.finished_at, g.complete_at, g.rows, g.quarantined,
       n.missed AS missed_by_feed
FROM newest AS n
LEFT JOIN good AS g ON g.district = n.district AND g.school IS NOT DISTINCT FROM n.school
    AND g.resource = n.resource
LEFT JOIN analytics.schools AS s ON s.district = n.district AND s.school = n.school
""",
    columns=(
        SHARED.district,
        Column("school", "INTEGER", "Aeries code of the school; empty for the whole district"),
        SHARED.school_name,
        Column("resource", "VARCHAR", "Aeries resource, also the name of the raw table"),
        Column("status", "VARCHAR", "complete, refused, failed, not_granted or skipped"),
        Column("code", "VARCHAR", "Stable code of the reason; empty where all is well"),
        Column("reason", "VARCHAR", "The reason in one sentence; empty where all is well"),
        Column("finished_at", "TIMESTAMP", "End of the newest pull, UTC"),
        Column("complete_at", "TIMESTAMP", "End of the newest complete pull, UTC"),
        Column("rows", "BIGINT", "Rows that are in the raw table since then"),
        Column("quarantined", "BIGINT", "Rows of that pull that failed validation"),
        Column("missed_by_feed", "BIGINT", "Changes that the change feed had not named"),
    ),
)

PULL_HISTORY = View(
    name="pull_history",
    title="One row for each district, school, resource and pull",
    grain=Grain.PLACE,
    query="""
SELECT p.district, p.school, p.resource, p.pull_id, p.status, p.mode, p.code, p.reason,
       p.started_at, p.finished_at, p.seconds, p.rows, p.quarantined, p.requests, p.retries,
       p.bytes, p.database_year, p.run_id
FROM meta.pulls AS p
""",
    columns=(
        SHARED.district,
        Column("school", "INTEGER", "Aeries code of the school; empty for the whole district"),
        Column("resource", "VARCHAR", "Aeries resource, also the name of the raw table"),
        Column("pull_id", "VARCHAR", "The pull; rows in raw carry it as _pull_id"),
        Column("status", "VARCHAR", "complete, refused, failed, not_granted or skipped"),
        Column("mode", "VARCHAR", "full, unchanged or changes"),
        Column("code", "VARCHAR", "Stable code of the reason; empty where all is well"),
        Column("reason", "VARCHAR", "The reason in one sentence; empty where all is well"),
        Column("started_at", "TIMESTAMP", "UTC"),
        Column("finished_at", "TIMESTAMP", "UTC"),
        Column("seconds", "DOUBLE", "How long it took"),
        Column("rows", "BIGINT", "Rows afterwards"),
        Column("quarantined", "BIGINT", "Rows that failed validation"),
        Column("requests", "BIGINT", "Requests sent"),
        Column("retries", "BIGINT", "Requests that had to be repeated"),
        Column("bytes", "BIGINT", "Bytes received"),
        Column("database_year", "VARCHAR", "School year that the server answered for"),
        Column("run_id", "VARCHAR", "The Dagster run"),
    ),
)

VIEWS = (COURSE_DEMAND, ACCOUNT_CHANGES, ACCOUNT_CHANGES_BY_DAY, DATA_QUALITY, PULL_HISTORY)
