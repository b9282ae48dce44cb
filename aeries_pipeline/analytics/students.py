"""Views about students and schools: who is there now, enrollment by day, schedules."""

from __future__ import annotations

from aeries_pipeline.analytics.view import SHARED, STUDENT_AT_SCHOOL, Column, Grain, Measure, View
from aeries_pipeline.catalog.blank import is_blank

WHERE_GRANTED = "; empty where the district does not grant codes"
"""Ends the meaning of a name that the list of codes gives."""

_COURSE = (
    Column("course_id", "VARCHAR", "Course of the district catalogue, with leading zeros"),
    Column("course_title", "VARCHAR", "Title in the catalogue"),
    Column("subject_area", "VARCHAR", "First subject area that the course counts for"),
    Column("subject_area_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
)

CODES = View(
    name="codes",
    title="What each district calls its codes, where it grants the resource codes",
    grain=Grain.PLACE,
    query=f"""
SELECT c.district,
       c."Table" || '.' || c."Field" AS field,
       c."Code" AS code,
       nullif(trim(c."Description"), '') AS name,
       nullif(trim(c."AeriesCode"), '') AS kept_as,
       nullif(trim(c."Category"), '') AS category,
       NOT {is_blank('c."Status"')} AS is_retired
FROM raw.codes AS c
QUALIFY row_number() OVER (
    PARTITION BY c.district, c."Table", c."Field", c."Code"
    ORDER BY {is_blank('c."Status"')} DESC, c."Description") = 1
""",
    columns=(
        SHARED.district,
        Column("field", "VARCHAR", "Table and field of Aeries, such as STU.GR for the grade"),
        Column("code", "VARCHAR", "The code"),
        Column("name", "VARCHAR", "What the district calls it"),
        Column("kept_as", "VARCHAR", "What rows have, where that is not the code: K is grade 0"),
        Column("category", "VARCHAR", "A group of codes, where the district makes any"),
        Column("is_retired", "BOOLEAN", "Whether it is no longer given; older rows still have it"),
    ),
    note="STU.GR grade, STU.SX gender, STU.ETH ethnicity, STU.LF language fluency, STU.HL home "
    "language, STU.SP attendance program, STU.TG status, CRS.S1 subject area, PGM.CD special "
    "program, TRM.TM term. Codes of absence are in `raw.absence_codes`, by school.",
)


def named(field: str, code: str, alias: str, district: str) -> str:
    """Return the join by which a code gets its name; without a name it stays alone.

    Args:
        field: Field of the view of codes.
        code: The column with the code, as SQL.
        alias: Of the join; its ``name`` is the name.
        district: The column with the district, as SQL.
    """
    return (
        f"LEFT JOIN analytics.codes AS {alias} ON {alias}.district = {district} "
        f"AND {alias}.field = '{field}' AND {alias}.code = {code}"
    )


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
       cg.name AS grade_name,
       CAST(s."NextGrade" AS INTEGER) AS next_grade,
       a.next_school,
       a.gender,
       cs.name AS gender_name,
       nullif(s."EthnicityCode", '') AS ethnicity,
       ce.name AS ethnicity_name,
       s."LanguageFluencyCode" AS language_fluency,
       cf.name AS language_fluency_name,
       s."AttendanceProgramCodePrimary" AS attendance_program,
       cp.name AS attendance_program_name,
       s."CounselorNumber" AS counselor_number,
       CAST(s."SchoolEnterDate" AS DATE) AS entered_school_on,
       e.is_current AS is_main_school
FROM core.account_enrolments AS e
JOIN core.accounts AS a ON a.district = e.district AND a.student_id = e.student_id
LEFT JOIN (
    SELECT r.district, r."SchoolCode", r."StudentID", r."Grade", r."NextGrade",
           r."EthnicityCode", r."LanguageFluencyCode", r."AttendanceProgramCodePrimary",
           r."CounselorNumber", r."SchoolEnterDate"
    FROM raw.students AS r
    QUALIFY row_number() OVER (
        PARTITION BY r.district, r."SchoolCode", r."StudentID"
        ORDER BY {is_blank('r."InactiveStatusCode"')} DESC, r."StudentNumber" DESC) = 1
) AS s ON s.district = e.district AND s."SchoolCode" = e.school AND s."StudentID" = e.student_id
LEFT JOIN analytics.schools AS n ON n.district = e.district AND n.school = e.school
LEFT JOIN (
    SELECT district, coalesce(kept_as, code) AS grade, min(name) AS name
    FROM analytics.codes WHERE field = 'STU.GR' GROUP BY ALL
) AS cg ON cg.district = e.district AND cg.grade = CAST(coalesce(s."Grade", a.grade) AS VARCHAR)
{named("STU.SX", "a.gender", "cs", "e.district")}
{named("STU.ETH", 's."EthnicityCode"', "ce", "e.district")}
{named("STU.LF", 's."LanguageFluencyCode"', "cf", "e.district")}
{named("STU.SP", 's."AttendanceProgramCodePrimary"', "cp", "e.district")}
""",
    columns=(
        *STUDENT_AT_SCHOOL,
        SHARED.grade,
        Column("grade_name", "VARCHAR", f"The grade in words{WHERE_GRANTED}"),
        Column("next_grade", "INTEGER", "Grade of next year; 13 marks a graduating senior"),
        Column("next_school", "INTEGER", "School of next year, where it is another one"),
        Column("gender", "VARCHAR", "Aeries code"),
        Column("gender_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
        Column("ethnicity", "VARCHAR", "Aeries code, whether Hispanic or Latino"),
        Column("ethnicity_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
        Column("language_fluency", "VARCHAR", "Aeries code, such as E, I, L, R"),
        Column("language_fluency_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
        Column("attendance_program", "VARCHAR", "Aeries code of the main program"),
        Column("attendance_program_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
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
    query=f"""
SELECT c.district,
       CAST(c."SchoolCode" AS INTEGER) AS school,
       c."StudentID" AS student_id,
       c."CourseID" AS course_id,
       k."Title" AS course_title,
       k."SubjectArea1Code" AS subject_area,
       ca.name AS subject_area_name,
       nullif(CAST(c."SectionNumber" AS INTEGER), 0) AS section,
       m."Period" AS period,
       m."Semester" AS term,
       ct.name AS term_name,
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
{named("CRS.S1", 'k."SubjectArea1Code"', "ca", "c.district")}
{named("TRM.TM", 'm."Semester"', "ct", "c.district")}
""",
    columns=(
        SHARED.district,
        SHARED.school,
        SHARED.student_id,
        *_COURSE,
        Column("section", "INTEGER", "Section of the master schedule; empty where none"),
        Column("period", "VARCHAR", "Period; empty where the district does not grant sections"),
        Column("term", "VARCHAR", "Term code of the section; empty as period is"),
        Column("term_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
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
       any_value(s.subject_area_name) AS subject_area_name,
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
        *_COURSE,
        Column("sections", "BIGINT", "Sections in which these students sit"),
        Column("students", "BIGINT", "Students now in the course"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"),),
    within=("district", "school"),
)

VIEWS = (
    CODES,
    SCHOOLS,
    STUDENTS_NOW,
    STUDENT_NAMES,
    SCHEDULES,
    ENROLLMENT_BY_DAY,
    COURSE_ENROLLMENT,
)
