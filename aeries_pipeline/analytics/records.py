"""Views of single records with the names of their codes: status, programs, absences.

One row for each record in Aeries. What is counted or compared belongs in the other
modules.
"""

from __future__ import annotations

from aeries_pipeline.analytics.students import WHERE_GRANTED, named
from aeries_pipeline.analytics.view import SHARED, STUDENT_AT_SCHOOL, Column, Grain, View

STUDENT_RECORDS = View(
    name="student_records",
    title="One row for each record that a school has of a student, those who have left included",
    grain=Grain.STUDENT,
    query=f"""
SELECT r.district,
       CAST(r."SchoolCode" AS INTEGER) AS school,
       n.school_name,
       r."StudentID" AS student_id,
       CAST(r."Grade" AS INTEGER) AS grade,
       nullif(trim(r."InactiveStatusCode"), '') AS status,
       ct.name AS status_name,
       CAST(r."SchoolEnterDate" AS DATE) AS entered_school_on,
       CAST(r."SchoolLeaveDate" AS DATE) AS left_school_on
FROM raw.students AS r
LEFT JOIN analytics.schools AS n ON n.district = r.district AND n.school = r."SchoolCode"
{named("STU.TG", 'trim(r."InactiveStatusCode")', "ct", "r.district")}
""",
    columns=(
        *STUDENT_AT_SCHOOL,
        SHARED.grade,
        Column("status", "VARCHAR", "Aeries code; empty for a student who is there"),
        Column("status_name", "VARCHAR", f"Its name{WHERE_GRANTED}"),
        Column("entered_school_on", "DATE", "When the student came to this school"),
        Column("left_school_on", "DATE", "When the student left it"),
    ),
    note="A student can have several records. Who has an account is in `students_now`.",
)

STUDENT_PROGRAMS = View(
    name="student_programs",
    title="One row for each time that a student takes or took part in a special program",
    grain=Grain.STUDENT,
    query=f"""
SELECT p.district,
       p.school,
       n.school_name,
       p."StudentID" AS student_id,
       p."ProgramCode" AS program,
       coalesce(cp.name, nullif(trim(p."ProgramDescription"), '')) AS program_name,
       CAST(p."EligibilityStartDate" AS DATE) AS eligible_from,
       CAST(p."EligibilityEndDate" AS DATE) AS eligible_until,
       CAST(p."ParticipationStartDate" AS DATE) AS takes_part_from,
       CAST(p."ParticipationEndDate" AS DATE) AS takes_part_until
FROM raw.programs AS p
LEFT JOIN analytics.schools AS n ON n.district = p.district AND n.school = p.school
{named("PGM.CD", 'p."ProgramCode"', "cp", "p.district")}
""",
    columns=(
        *STUDENT_AT_SCHOOL,
        Column("program", "VARCHAR", "Aeries code of the program"),
        Column("program_name", "VARCHAR", "Its name from the list of codes, else from the record"),
        Column("eligible_from", "DATE", "First day on which the student may take part"),
        Column("eligible_until", "DATE", "Last such day"),
        Column("takes_part_from", "DATE", "First day on which the student takes part"),
        Column("takes_part_until", "DATE", "Last such day"),
    ),
    note="Empty for a district that does not list the optional resource `programs`.",
)

ABSENCES = View(
    name="absences",
    title="One row for each day on which a student was marked absent, late or otherwise",
    grain=Grain.STUDENT,
    query="""
SELECT t.district,
       t.school,
       n.school_name,
       t."StudentID" AS student_id,
       CAST(t."CalendarDate" AS DATE) AS day,
       nullif(trim(t."AllDayAttendanceCode"), '') AS absence_code,
       nullif(trim(a."Title"), '') AS absence_name,
       nullif(trim(a."TypeDescription"), '') AS absence_type
FROM raw.attendance AS t
LEFT JOIN analytics.schools AS n ON n.district = t.district AND n.school = t.school
LEFT JOIN raw.absence_codes AS a ON a.district = t.district AND a."SchoolCode" = t.school
    AND a."AbsenceCode" = t."AllDayAttendanceCode"
""",
    columns=(
        *STUDENT_AT_SCHOOL,
        Column("day", "DATE", "The day"),
        Column("absence_code", "VARCHAR", "Code of the whole day; empty where classes differ"),
        Column("absence_name", "VARCHAR", "Its name; empty without `absence_codes`"),
        Column("absence_type", "VARCHAR", "Its kind, such as Excused Absence"),
    ),
    note="Empty for a district that does not list the optional resource `attendance`.",
)

VIEWS = (STUDENT_RECORDS, STUDENT_PROGRAMS, ABSENCES)
