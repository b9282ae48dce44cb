"""What goes into each file of a OneRoster package: queries on one published district.

Each query gives some columns of its file by name; the rest stay blank. Every reference
leads to a row of the same package, so a file is made from those it refers to. End dates
are exclusive in OneRoster and inclusive in Aeries.
"""

from __future__ import annotations

from aeries_pipeline.catalog.blank import is_blank, trimmed
from aeries_pipeline.catalog.tables import literal

_GRADE = (
    "CASE WHEN {0} IN (-2, -1) THEN 'PK' WHEN {0} = 0 THEN 'KG' "
    "WHEN {0} BETWEEN 1 AND 12 THEN lpad(CAST({0} AS VARCHAR), 2, '0') "
    "WHEN {0} >= 13 THEN 'Other' ELSE '' END"
)
"""A grade as the CEDS codes that OneRoster names."""


def prepare(district: str, name: str) -> list[str]:
    """Return statements that make what several files need, on an attached district ``p``.

    Args:
        district: District id; the first part of every sourcedId.
        name: Its name.
    """
    d, n = literal(district), literal(name)
    return [
        f"""
        CREATE TABLE own_terms AS
        SELECT {d} || '-term-' || school || '-' || url_encode({trimmed('"TermCode"')}) AS id,
               school, {trimmed('"TermCode"')} AS code,
               coalesce(nullif({trimmed('"TermDescription"')}, ''), "TermCode") AS title,
               CAST("StartDate" AS DATE) AS starts, CAST("EndDate" AS DATE) + 1 AS ends
        FROM p.raw.terms
        WHERE "StartDate" IS NOT NULL AND "EndDate" >= "StartDate"
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY "EndDate" DESC) = 1
        """,
        # OneRoster names a school year by the year in which it ends.
        f"""
        CREATE TABLE own_year AS
        SELECT {d} || '-year' AS id, min(starts) AS starts, max(ends) AS ends,
               CAST(year(min(starts)) + CASE WHEN month(min(starts)) < 7 THEN 0 ELSE 1 END
                    AS VARCHAR) AS named
        FROM own_terms HAVING count(*) > 0
        """,
        f"""
        CREATE TABLE own_orgs AS
        SELECT {d} || '-district' AS id, {n} AS name, 'district' AS type, '' AS code, '' AS parent,
               NULL::INTEGER AS school
        UNION ALL
        SELECT {d} || '-school-' || "SchoolCode", {trimmed('"Name"')}, 'school',
               CAST("SchoolCode" AS VARCHAR), {d} || '-district', CAST("SchoolCode" AS INTEGER)
        FROM p.raw.schools
        WHERE "SchoolCode" IN (SELECT school FROM p.core.accounts WHERE state = 'active')
          AND NOT {is_blank('"Name"')}
        """,
        f"""
        CREATE TABLE own_students AS
        SELECT {d} || '-student-' || a.student_id AS id, a.student_id, a.school, a.grade,
               {trimmed("a.first_name")} AS first, {trimmed("a.last_name")} AS last,
               coalesce({trimmed("a.email")}, '') AS email, a.birthdate, a.gender, o.id AS org,
               a.other_schools
        FROM p.core.accounts a JOIN own_orgs o ON o.school = a.school
        WHERE a.state = 'active' AND NOT {is_blank("a.first_name")}
          AND NOT {is_blank("a.last_name")}
          AND a.student_id NOT IN (SELECT student_id FROM not_shared)
        """,
        f"""
        CREATE TABLE own_courses AS
        SELECT {d} || '-course-' || url_encode({trimmed('"ID"')}) AS id, {trimmed('"ID"')} AS code,
               coalesce(nullif({trimmed('"Title"')}, ''), {trimmed('"ID"')}) AS title
        FROM p.raw.courses WHERE NOT {is_blank('"ID"')}
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY "ID") = 1
        """,
        f"""
        CREATE TABLE own_classes AS
        SELECT {d} || '-class-' || s.school || '-' || s."SectionNumber" AS id, s.school,
               s."SectionNumber" AS section, c.id AS course, o.id AS org,
               c.title || ' (' || s."SectionNumber" || ')' AS title,
               coalesce({trimmed('s."Room"')}, '') AS room,
               coalesce({trimmed('s."Period"')}, '') AS period, coalesce(t.id, y.id) AS term
        FROM p.raw.sections s
        JOIN own_courses c ON c.code = {trimmed('s."CourseID"')}
        JOIN own_orgs o ON o.school = s.school
        CROSS JOIN own_year y
        LEFT JOIN own_terms t ON t.school = s.school AND t.code = {trimmed('s."Semester"')}
        WHERE {is_blank('s."InactiveStatusCode"')}
        """,
        f"""
        CREATE TABLE own_teaching AS
        SELECT DISTINCT k.id AS class, k.org, k.school, k.section,
               {d} || '-staff-' || t."StaffID" AS id, t."StaffID" AS staff,
               coalesce(t."IsPrimaryTeacher", false)
                 AND row_number() OVER (PARTITION BY k.id ORDER BY
                     coalesce(t."IsPrimaryTeacher", false) DESC, t."StaffID") = 1 AS is_first
        FROM p.raw.section_staff t
        JOIN own_classes k ON k.school = t.school AND k.section = t."SectionNumber"
        JOIN p.raw.staff f ON f."ID" = t."StaffID"
        WHERE {is_blank('t."InactiveStatusCode"')} AND {is_blank('f."InactiveStatusCode"')}
          AND NOT {is_blank('f."FirstName"')} AND NOT {is_blank('f."LastName"')}
        """,
    ]


def queries(district: str, day: str) -> dict[str, str]:
    """Return the query of each file.

    Args:
        district: District id.
        day: The day for which the package speaks, as an ISO date.
    """
    d = literal(district)
    iso = "strftime({0}, '%Y-%m-%d')"
    return {
        "academicSessions": f"""
            SELECT id AS "sourcedId", named || ' school year' AS title, 'schoolYear' AS type,
                   {iso.format("starts")} AS "startDate", {iso.format("ends")} AS "endDate",
                   '' AS "parentSourcedId", named AS "schoolYear" FROM own_year
            UNION ALL
            SELECT t.id, t.title, 'term', {iso.format("t.starts")}, {iso.format("t.ends")}, y.id,
                   y.named FROM own_terms t CROSS JOIN own_year y
        """,
        "orgs": 'SELECT id AS "sourcedId", name, type, code AS identifier, '
        'parent AS "parentSourcedId" FROM own_orgs',
        "courses": f"""
            SELECT c.id AS "sourcedId", y.id AS "schoolYearSourcedId", c.title,
                   c.code AS "courseCode", {d} || '-district' AS "orgSourcedId"
            FROM own_courses c CROSS JOIN own_year y
        """,
        "classes": """
            SELECT id AS "sourcedId", title, course AS "courseSourcedId",
                   CAST(section AS VARCHAR) AS "classCode", 'scheduled' AS "classType",
                   room AS location, org AS "schoolSourcedId", term AS "termSourcedIds",
                   period AS periods
            FROM own_classes
        """,
        "users": f"""
            SELECT id AS "sourcedId", 'true' AS "enabledUser",
                   coalesce(nullif(email, ''), id) AS username, first AS "givenName",
                   last AS "familyName", CAST(student_id AS VARCHAR) AS identifier, email,
                   {_GRADE.format("grade")} AS grades, org AS "primaryOrgSourcedId"
            FROM own_students
            UNION ALL
            SELECT t.id, 'true', coalesce(nullif({trimmed('f."EmailAddress"')}, ''), t.id),
                   {trimmed('f."FirstName"')}, {trimmed('f."LastName"')},
                   CAST(t.staff AS VARCHAR), coalesce({trimmed('f."EmailAddress"')}, ''), '', t.org
            FROM (SELECT id, staff, min(org) AS org FROM own_teaching GROUP BY ALL) t
            JOIN p.raw.staff f ON f."ID" = t.staff
        """,
        "roles": """
            SELECT id || '-role-' || school AS "sourcedId", id AS "userSourcedId",
                   'primary' AS "roleType", 'student' AS role, org AS "orgSourcedId"
            FROM own_students
            UNION ALL
            SELECT s.id || '-role-' || o.school, s.id, 'secondary', 'student', o.id
            FROM (SELECT id, school AS main, unnest(other_schools) AS school FROM own_students) s
            JOIN own_orgs o ON o.school = s.school WHERE s.school <> s.main
            UNION ALL
            SELECT id || '-role-' || school, id,
                   CASE WHEN org = min(org) OVER (PARTITION BY id) THEN 'primary'
                        ELSE 'secondary' END, 'teacher', org
            FROM (SELECT DISTINCT id, org, school FROM own_teaching)
        """,
        "enrollments": f"""
            SELECT k.id || '-' || s.id AS "sourcedId", k.id AS "classSourcedId",
                   k.org AS "schoolSourcedId", s.id AS "userSourcedId", 'student' AS role,
                   'false' AS primary,
                   coalesce({iso.format('min(c."DateStarted")')}, '') AS "beginDate",
                   coalesce({iso.format('CAST(max(c."DateEnded") AS DATE) + 1')}, '') AS "endDate"
            FROM p.raw.classes c
            JOIN own_classes k ON k.school = c.school AND k.section = c."SectionNumber"
            JOIN own_students s ON s.student_id = c."StudentID"
            WHERE coalesce(CAST(c."DateEnded" AS DATE) >= DATE {literal(day)}, true)
              AND coalesce(c."DateEnded" >= c."DateStarted", true)
            GROUP BY k.id, k.org, s.id
            UNION ALL
            SELECT class || '-' || id, class, org, id, 'teacher',
                   CASE WHEN is_first THEN 'true' ELSE 'false' END, '', ''
            FROM own_teaching
        """,
        "demographics": """
            SELECT id AS "sourcedId", coalesce(strftime(birthdate, '%Y-%m-%d'), '') AS "birthDate",
                   CASE upper(gender) WHEN 'M' THEN 'male' WHEN 'F' THEN 'female'
                        ELSE 'unspecified' END AS sex
            FROM own_students
        """,
    }
