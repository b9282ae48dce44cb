"""Credits from the transcript: Aeries' rules, one by one, against a plain reckoning, and Aeries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.build import make_views, with_empty_tables
from aeries_pipeline.analytics.transcript_credits import CREDITS_BY_TRANSCRIPT
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline_tests.conftest import MakeWorld

REQUIRED = {"A": 10, "B": 5, "C": 5, "Z": 20}
COURSES: dict[str, tuple[tuple[str, ...], int]] = {
    "ENG": (("A",), 0),
    "ART": (("B", "C"), 0),
    "SCI": (("C", "A", "B"), 0),
    "PE": (("C",), 5),
    "YRB": (("Z",), 0),
    "OUT": (("Q",), 0),
    "NON": ((), 0),
}
"""Subject areas in their order, and the greatest credit over all takes; 0 for none."""

Line = tuple[str, int, bool]
lines = st.lists(
    st.tuples(st.sampled_from(sorted(COURSES)), st.sampled_from([0, 3, 5]), st.booleans()),
    max_size=12,
)


def reckoned(transcript: list[Line]) -> dict[str, float]:
    """Reckon in plain words: takes first, then each line through its areas, stage by stage."""
    counted: list[tuple[tuple[str, ...], int]] = []
    earned: dict[str, int] = {}
    credits_of: dict[int, int] = {}
    order = sorted(range(len(transcript)), key=lambda place: (transcript[place][2], place))
    for place in order:
        course, credit, is_repeat = transcript[place]
        most = COURSES[course][1]
        if most:
            credits_of[place] = max(min(credit, most - earned.get(course, 0)), 0)
        elif is_repeat and any(c == course and n and not r for c, n, r in transcript):
            credits_of[place] = 0
        else:
            credits_of[place] = credit
        earned[course] = earned.get(course, 0) + credit
    counted = [(COURSES[c][0], credits_of[p]) for p, (c, _n, _r) in enumerate(transcript)]
    filled = dict.fromkeys(REQUIRED, 0.0)
    left = [float(credit) if areas else 0.0 for areas, credit in counted]
    for stage in range(3):
        for place, (areas, _credit) in enumerate(counted):
            area = areas[stage] if stage < len(areas) else ""
            if area in REQUIRED and area != "Z":
                used = min(left[place], max(REQUIRED[area] - filled[area], 0))
                filled[area] += used
                left[place] -= used
    return {**filled, "Z": sum(left)}


@pytest.fixture(scope="module")
def asked() -> duckdb.DuckDBPyConnection:
    """A database with one student and the requirements of two tracks."""
    connection = duckdb.connect()
    for schema in ("raw", "analytics"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(
        "CREATE TABLE analytics.students_now AS SELECT 'd' AS district, 1 AS school, "
        "7::BIGINT AS student_id, 12 AS grade, true AS is_main_school"
    )
    connection.execute(
        "CREATE TABLE raw.students_extended AS SELECT 'd' AS district, 1 AS \"SchoolCode\", "
        '7::BIGINT AS "StudentID", 1 AS "StudentNumber", \'X\' AS "GraduationRequirementsTrack"'
    )
    names = [f'"RequiredCreditFor{grade}thGraders"' for grade in (12, 11, 10, 9)]
    areas = [
        (track, area, credit * times)
        for track, times in (("", 9), ("X", 1))
        for area, credit in REQUIRED.items()
    ]
    rows = ", ".join(
        f"('d', 1, '{track}', '{area}', 'words', {', '.join([str(n)] * 4)})"
        for track, area, n in areas
    )
    connection.execute(
        f"CREATE TABLE raw.graduation_requirements AS FROM (VALUES {rows}) AS t(district, "
        '"SchoolCode", "GraduationRequirementTrack", "SubjectAreaCode", '
        f'"SubjectAreaDescription", {", ".join(names)})'
    )
    padded = {course: (*found, *[""] * (3 - len(found))) for course, (found, _m) in COURSES.items()}
    rows = ", ".join(
        f"('d', '{course}', {COURSES[course][1]}, '{a}', '{b}', '{c}')"
        for course, (a, b, c) in padded.items()
    )
    connection.execute(
        f'CREATE TABLE raw.courses AS FROM (VALUES {rows}) AS t(district, "ID", "CreditMax", '
        '"SubjectArea1Code", "SubjectArea2Code", "SubjectArea3Code")'
    )
    return connection


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines)
def test_the_query_reckons_as_a_person_does(asked: Any, transcript: list[Line]) -> None:
    rows = [
        # The same transcript comes with each school of the student.
        ("d", school, 7, number, course, Decimal(credit), 11, "2025-2026", 1, "R" * is_repeat)
        for number, (course, credit, is_repeat) in enumerate(transcript, start=1)
        for school in (1, 2)
    ]
    asked.execute(
        'CREATE OR REPLACE TABLE raw.transcripts (district VARCHAR, "SchoolCode" INTEGER, '
        '"StudentID" BIGINT, "SequenceNumber" BIGINT, "CourseID" VARCHAR, '
        '"CreditCompleted" DECIMAL(18,4), "StudentGrade" INTEGER, "SchoolYear" VARCHAR, '
        '"Term" INTEGER, "RepeatTagCode" VARCHAR)'
    )
    if rows:
        asked.executemany(f"INSERT INTO raw.transcripts VALUES ({', '.join('?' * 10)})", rows)
    present = {"raw.transcripts", "raw.courses", "raw.students_extended",
               "raw.graduation_requirements"}  # fmt: skip
    query = with_empty_tables(CREDITS_BY_TRANSCRIPT.query, present)
    found = asked.execute(
        f"SELECT subject_area, credits_completed, credits_required FROM ({query})"
    ).fetchall()
    assert {area: required for area, _done, required in found} == REQUIRED, "of the own track"
    assert {area: done for area, done, _required in found} == reckoned(transcript)


def test_it_agrees_with_aeries_own_status_where_both_are_granted(make_world: MakeWorld) -> None:
    world = make_world(schools=2, students=120)
    with world.session() as session:
        for name in ("schools", "students", "courses", "transcripts", "graduation_requirements",
                     "graduation_status"):  # fmt: skip
            pull_resource(session, RESOURCES[name], world.schools)
    compute(world.warehouse, world.district)
    with world.warehouse.open() as connection:
        prepare(connection)
        make_views(connection, "warehouse")
        found = connection.execute(
            "SELECT sum(students), sum(students_agreeing) FROM analytics.credits_agreement"
        ).fetchall()
        told = connection.execute("SELECT DISTINCT reckoned_by FROM analytics.on_track").fetchall()
        connection.execute("DELETE FROM raw.graduation_status")
        without = connection.execute(
            "SELECT DISTINCT reckoned_by FROM analytics.on_track"
        ).fetchall()
    ((students, agreeing),) = found
    assert students > 100
    assert agreeing == students
    assert (told, without) == ([("aeries",)], [("transcript",)])
