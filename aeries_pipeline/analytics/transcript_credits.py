"""Credits calculated from the transcript, and how far they agree with Aeries' own status.

The rules are Aeries' own, as its documentation gives them: a student's own track, three
subject areas of a course in their order, electives last in the list of requirements, and
a maximum that a course brings over all takes.
"""

from __future__ import annotations

from aeries_pipeline.analytics.view import SHARED, Column, Grain, Measure, View

SUBJECT = (
    Column("subject_area", "VARCHAR", "Code of the subject area, see raw.graduation_requirements"),
    Column("subject", "VARCHAR", "The subject area in words"),
)

STUDENT_IN_SUBJECT = (
    SHARED.district,
    SHARED.school,
    SHARED.student_id,
    SHARED.grade,
    *SUBJECT,
)

_WHO = "district, student_id"


def _fill(stage: int, before: str) -> str:
    """Return the steps that put what is left of each line into its n-th subject area.

    Lines fill an area in the order of the transcript until its requirement is met.

    Args:
        stage: Which of the three.
        before: Credits that earlier stages have put into the same area, as SQL.
    """
    source = f"rest_{stage - 1}" if stage > 1 else "counted"
    return f"""
room_{stage} AS (
    SELECT l.*, r.area IS NOT NULL AS has_room,
           coalesce(r.credits_required, 0) - {before} AS room,
           sum(l.credit) OVER (PARTITION BY l.district, l.student_id, l.area_{stage}
                               ORDER BY l.place) - l.credit AS ahead
    FROM {source} AS l
    LEFT JOIN required AS r ON r.district = l.district AND r.student_id = l.student_id
        AND r.area = l.area_{stage} AND NOT r.is_elective
), used_{stage} AS (
    SELECT district, student_id, place, area_1, area_2, area_3, credit,
           CASE WHEN has_room THEN least(credit, greatest(room - ahead, 0)) ELSE 0 END AS used
    FROM room_{stage}
), filled_{stage} AS (
    SELECT {_WHO}, area_{stage} AS area, sum(used) AS used FROM used_{stage} GROUP BY ALL
), rest_{stage} AS (
    SELECT district, student_id, place, area_1, area_2, area_3, credit - used AS credit
    FROM used_{stage}
)"""


def _filled(stage: int, of: int) -> str:
    """Return what a stage has put into the area that another stage is about."""
    return (
        f"coalesce((SELECT f.used FROM filled_{stage} AS f WHERE f.district = l.district "
        f"AND f.student_id = l.student_id AND f.area = l.area_{of}), 0)"
    )


CREDITS_BY_TRANSCRIPT = View(
    name="credits_by_transcript",
    title="Credits reckoned from the transcript against those required to graduate, by student and "
    "subject area, grades 9 to 12",
    grain=Grain.STUDENT,
    query=f"""
WITH enrolled AS (
    SELECT district, school, student_id, grade FROM analytics.students_now
    WHERE is_main_school AND grade BETWEEN 9 AND 12
), tracks AS (
    SELECT DISTINCT district, "SchoolCode" AS school,
           trim(coalesce("GraduationRequirementTrack", '')) AS track
    FROM raw.graduation_requirements
), own AS (
    SELECT e.district, e.school, e.student_id, e.grade, coalesce(t.track, '') AS track
    FROM enrolled AS e
    LEFT JOIN raw.students_extended AS x ON x.district = e.district
        AND x."SchoolCode" = e.school AND x."StudentID" = e.student_id
    LEFT JOIN tracks AS t ON t.district = e.district AND t.school = e.school
        AND t.track = trim(coalesce(x."GraduationRequirementsTrack", ''))
    QUALIFY row_number() OVER (PARTITION BY e.district, e.school, e.student_id
                               ORDER BY x."StudentNumber" DESC) = 1
), required AS (
    SELECT o.district, o.school, o.student_id, o.grade, q."SubjectAreaCode" AS area,
           q."SubjectAreaDescription" AS subject,
           CASE o.grade WHEN 12 THEN q."RequiredCreditFor12thGraders"
                        WHEN 11 THEN q."RequiredCreditFor11thGraders"
                        WHEN 10 THEN q."RequiredCreditFor10thGraders"
                        ELSE q."RequiredCreditFor9thGraders" END AS credits_required,
           q."SubjectAreaCode" = max(q."SubjectAreaCode") OVER (
               PARTITION BY o.district, o.student_id) AS is_elective
    FROM own AS o
    JOIN raw.graduation_requirements AS q ON q.district = o.district
        AND q."SchoolCode" = o.school
        AND trim(coalesce(q."GraduationRequirementTrack", '')) = o.track
), lines AS (
    SELECT e.district, e.student_id, t."SequenceNumber" AS number, t."CourseID" AS course,
           coalesce(t."CreditCompleted", 0) AS credit, coalesce(t."SchoolYear", '') AS year,
           coalesce(t."Term", 0) AS term, coalesce(trim(t."RepeatTagCode"), '') <> '' AS is_repeat,
           coalesce(k."CreditMax", 0) AS most,
           trim(k."SubjectArea1Code") AS area_1, trim(k."SubjectArea2Code") AS area_2,
           trim(k."SubjectArea3Code") AS area_3
    FROM enrolled AS e
    JOIN raw.transcripts AS t ON t.district = e.district AND t."StudentID" = e.student_id
    JOIN raw.courses AS k ON k.district = t.district AND k."ID" = t."CourseID"
    WHERE t."StudentGrade" BETWEEN 9 AND 12 AND coalesce(trim(k."SubjectArea1Code"), '') <> ''
    QUALIFY row_number() OVER (PARTITION BY e.district, e.student_id, t."SequenceNumber"
                               ORDER BY t."SchoolCode" = e.school DESC, t."SchoolCode") = 1
), takes AS (
    SELECT l.*,
           sum(l.credit) OVER (PARTITION BY l.district, l.student_id, l.course
                               ORDER BY l.is_repeat, l.year, l.term, l.number) - l.credit AS ahead,
           sum(l.credit) FILTER (NOT l.is_repeat) OVER (
               PARTITION BY l.district, l.student_id, l.course) AS first_takes
    FROM lines AS l
), counted AS (
    SELECT k.district, k.student_id, k.area_1, k.area_2, k.area_3,
           row_number() OVER (PARTITION BY k.district, k.student_id
                              ORDER BY k.year, k.term, k.number) AS place,
           CASE WHEN k.most > 0 THEN greatest(least(k.credit, k.most - k.ahead), 0)
                WHEN k.is_repeat AND coalesce(k.first_takes, 0) > 0 THEN 0
                ELSE k.credit END AS credit
    FROM takes AS k
),{_fill(1, "0")},{_fill(2, _filled(1, 2))},{_fill(3, f"{_filled(1, 3)} - {_filled(2, 3)}")},
sums AS (
    SELECT {_WHO}, area, sum(used) AS used
    FROM (FROM filled_1 UNION ALL FROM filled_2 UNION ALL FROM filled_3) AS f GROUP BY ALL
), electives AS (
    SELECT {_WHO}, sum(credit) AS used FROM rest_3 GROUP BY ALL
)
SELECT r.district, r.school, r.student_id, r.grade, r.area AS subject_area, r.subject,
       CAST(r.credits_required AS DOUBLE) AS credits_required,
       CAST(CASE WHEN r.is_elective THEN coalesce(x.used, 0) ELSE coalesce(s.used, 0) END AS DOUBLE)
           AS credits_completed
FROM required AS r
LEFT JOIN sums AS s ON s.district = r.district AND s.student_id = r.student_id AND s.area = r.area
LEFT JOIN electives AS x ON x.district = r.district AND x.student_id = r.student_id
""",
    columns=(
        *STUDENT_IN_SUBJECT,
        Column("credits_required", "DOUBLE", "Credits required of the student's class and track"),
        Column("credits_completed", "DOUBLE", "Credits of the transcript that count there"),
    ),
    note="Of the student's own track, or of the default one where the school has no such track. A "
    "course fills its first subject area, then its second and third, each up to what is required; "
    "what is left over counts as an elective, which is the last code of the list. Over all takes a "
    "course brings no more than its greatest credit; where none is set, a line with a repeat tag "
    "counts only where no other take has brought any. Lines of grades 9 to 12 alone, of courses in "
    "the catalogue. Waivers (mark X) are not reckoned.",
)

CREDITS_AGREEMENT = View(
    name="credits_agreement",
    title="How many students' credits agree, by transcript and by Aeries' own status, where both "
    "are granted",
    grain=Grain.COUNT,
    query="""
SELECT c.district, c.school, c.subject_area, any_value(c.subject) AS subject,
       count(*) AS students,
       count(*) FILTER (abs(c.credits_completed - CAST(g."CreditsCompleted" AS DOUBLE)) < 0.01)
           AS students_agreeing,
       false AS suppressed
FROM analytics.credits_by_transcript AS c
JOIN raw.graduation_status AS g ON g.district = c.district AND g."SchoolCode" = c.school
    AND g."StudentID" = c.student_id AND g."SubjectAreaCode" = c.subject_area
WHERE EXISTS (SELECT 1 FROM raw.transcripts AS t
              WHERE t.district = c.district AND t."StudentID" = c.student_id)
GROUP BY c.district, c.school, c.subject_area
""",
    columns=(
        SHARED.district,
        SHARED.school,
        *SUBJECT,
        Column("students", "BIGINT", "Students with a transcript and a status"),
        Column("students_agreeing", "BIGINT", "Of these, whose credits are the same either way"),
        SHARED.suppressed,
    ),
    measures=(Measure("students"), Measure("students_agreeing", of="students")),
    within=("district", "school"),
    note="The share that agrees says how far `credits_by_transcript` may be believed elsewhere.",
)

VIEWS = (CREDITS_BY_TRANSCRIPT, CREDITS_AGREEMENT)
