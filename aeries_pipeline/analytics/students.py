"""Views about students and schools: who is there now, enrollment by day, schedules."""

from __future__ import annotations

from aeries_pipeline.analytics.view import SHARED, Column, Grain, Measure, View
from aeries_pipeline.catalog.blank import is_blank

SCHOOLS = View(
    name="schools",
    title="One row for each school of the roster's districts that Aeries lists as active",
    grain=Grain.PLACE,
    query=f"""
SELECT s.district,
       CAST(s."SchoolCode" AS INTEGER) AS school,
       s."Name" AS school_name,
       CAST(s."LowGradeLevel" AS INTEGER) AS lowest_grade,
       CAST(s."HighGradeLevel" AS INTEGER) AS highest_grade
FROM raw.schools AS s
WHERE {is_blank('s."InactiveStatusCode"')}
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.school_name,
        Column("lowest_grade", "INTEGER", "Lowest grade taught"),
        Column("highest_grade", "INTEGER", "Highest grade taught"),
    ),
)

STUDENTS_NOW = View(
    name="students_now",
    title="One row for each student and school in which the student is enrolled now",
    grain=Grain.STUDENT,
    query=f"""
SELECT e.district,
       e.school,
       n.school_name,
       e.student_id,
       CAST(coalesce(s."Grade", a.grade) AS INTEGER) AS grade,
       CAST(s."NextGrade" AS INTEGER) AS next_grade,
       a.next_school,
       a.gender,
       s."LanguageFluencyCode" AS language_fluency,
       s."AttendanceProgramCodePrimary" AS attendance_program,
       s."CounselorNumber" AS counselor_number,
       CAST(s."SchoolEnterDate" AS DATE) AS entered_school_on,
       e.is_current AS is_main_school
FROM core.account_enrolments AS e
JOIN core.accounts AS a ON a.district = e.district AND a.student_id = e.student_id
LEFT JOIN (
    SELECT r.district, r."SchoolCode", r."StudentID", r."Grade", r."NextGrade",
           r."LanguageFluencyCode", r."AttendanceProgramCodePrimary", r."CounselorNumber",
           r."SchoolEnterDate"
    FROM raw.students AS r
    QUALIFY row_number() OVER (
        PARTITION BY r.district, r."SchoolCode", r."StudentID"
        ORDER BY {is_blank('r."InactiveStatusCode"')} DESC, r."StudentNumber" DESC) = 1
) AS s ON s.district = e.district AND s."SchoolCode" = e.school AND s."StudentID" = e.student_id
LEFT JOIN analytics.schools AS n ON n.district = e.district AND n.school = e.school
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.school_name,
        SHARED.student_id,
        SHARED.grade,
        Column("next_grade", "INTEGER", "Grade of next year; 13 marks a graduating senior"),
        Column("next_school", "INTEGER", "School of next year, where it is another one"),
        Column("gender", "VARCHAR", "Aeries code"),
        Column("language_fluency", "VARCHAR", "Aeries code, such as E, I, L, R"),
        Column("attendance_program", "VARCHAR", "Aeries code of the main program"),
        Column("counselor_number", "BIGINT", "Number of the counselor; 0 where there is none"),
        Column("entered_school_on", "DATE", "When the student came to this school"),
        Column("is_main_school", "BOOLEAN", "False for a further school of the same student"),
    ),
    note="Enrolled is who has an active account, see [Accounts](accounts.md). Count each student "
    "once with `WHERE is_main_school`.",
)

STUDENT_NAMES = View(
    name="student_names",
    title="Names of students with an active account, to be joined only where a person must be "
    "addressed",
    grain=Grain.STUDENT,
    query="""
SELECT a.district, a.student_id, a.first_name, a.last_name
FROM core.accounts AS a
WHERE a.state = 'active'
""",
    columns=(
        SHARED.district,
        SHARED.student_id,
        Column("first_name", "VARCHAR", "Legal first name", is_identifier=True),
        Column("last_name", "VARCHAR", "Legal last name", is_identifier=True),
    ),
    note="The only view with names. Everything else in `analytics` does without.",
)

SCHEDULES = View(
    name="schedules",
    title="One row for each class that a student attends or attended this year",
    grain=Grain.STUDENT,
    query="""
SELECT c.district,
       CAST(c."SchoolCode" AS INTEGER) AS school,
       c."StudentID" AS student_id,
       c."CourseID" AS course_id,
       k."Title" AS course_title,
       k."SubjectArea1Code" AS subject_area,
       nullif(CAST(c."SectionNumber" AS INTEGER), 0) AS section,
       m."Period" AS period,
       m."Semester" AS term,
       CAST(c."DateStarted" AS DATE) AS started_on,
       CAST(c."DateEnded" AS DATE) AS ends_on,
       coalesce(c."DateStarted" <= p.today, true)
           AND coalesce(c."DateEnded" >= p.today, true) AS is_current
FROM raw.classes AS c
JOIN (
    SELECT district, school, max(CAST(finished_at AS DATE)) AS today
    FROM meta.pulls WHERE resource = 'classes' AND status = 'complete' GROUP BY ALL
) AS p ON p.district = c.district AND p.school = c.school
LEFT JOIN raw.courses AS k ON k.district = c.district AND k."ID" = c."CourseID"
LEFT JOIN raw.sections AS m ON m.district = c.district AND m."SchoolCode" = c."SchoolCode"
    AND m."SectionNumber" = c."SectionNumber"
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.student_id,
        Column("course_id", "VARCHAR", "Course of the district catalogue, with leading zeros"),
        Column("course_title", "VARCHAR", "Title in the catalogue"),
        Column("subject_area", "VARCHAR", "First subject area that the course counts for"),
        Column("section", "INTEGER", "Section of the master schedule; empty where none"),
        Column("period", "VARCHAR", "Period; empty where the district does not grant sections"),
        Column("term", "VARCHAR", "Term code of the section; empty as period is"),
        Column("started_on", "DATE", "First day of the student in the class"),
        Column("ends_on", "DATE", "Last day, for a running class the planned one"),
        Column("is_current", "BOOLEAN", "Whether the class ran when the list was last pulled"),
    ),
)

ENROLLMENT_BY_DAY = View(
    name="enrollment_by_day",
    title="Students by school, grade and day, as counted each day on which accounts were computed",
    grain=Grain.COUNT,
    query="""
SELECT c.district, c.day, c.school, n.school_name, c.grade, c.students, false AS suppressed
FROM core.enrollment_counts AS c
LEFT JOIN analytics.schools AS n ON n.district = c.district AND n.school = c.school
""",
    columns=(
        SHARED.district,
        Column("day", "DATE", "The district's date"),
        SHARED.school,
        SHARED.school_name,
        SHARED.grade,
        Column("students", "BIGINT", "Students with an active account and this main school"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"),),
    within=("district", "day", "school"),
    note="Counted from the first day that the pipeline ran; nothing is reckoned backwards. A day "
    "without a computation has no rows.",
)

COURSE_ENROLLMENT = View(
    name="course_enrollment",
    title="Students now in each course of each school",
    grain=Grain.COUNT,
    query="""
SELECT s.district, s.school, n.school_name, s.course_id,
       any_value(s.course_title) AS course_title,
       any_value(s.subject_area) AS subject_area,
       count(DISTINCT s.section) AS sections,
       count(DISTINCT s.student_id) AS students,
       false AS suppressed
FROM analytics.schedules AS s
JOIN analytics.students_now AS e ON e.district = s.district AND e.school = s.school
    AND e.student_id = s.student_id
LEFT JOIN analytics.schools AS n ON n.district = s.district AND n.school = s.school
WHERE s.is_current
GROUP BY s.district, s.school, n.school_name, s.course_id
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.school_name,
        Column("course_id", "VARCHAR", "Course of the district catalogue, with leading zeros"),
        Column("course_title", "VARCHAR", "Title in the catalogue"),
        Column("subject_area", "VARCHAR", "First subject area that the course counts for"),
        Column("sections", "BIGINT", "Sections in which these students sit"),
        Column("students", "BIGINT", "Students now in the course"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"),),
    within=("district", "school"),
)

VIEWS = (SCHOOLS, STUDENTS_NOW, STUDENT_NAMES, SCHEDULES, ENROLLMENT_BY_DAY, COURSE_ENROLLMENT)
