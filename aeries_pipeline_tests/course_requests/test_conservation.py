"""Over several nights of anything, on real DuckDB files: none is lost, no key comes twice."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aeries_pipeline.course_requests.columns import Received
from aeries_pipeline.course_requests.compute import compute
from aeries_pipeline.course_requests.intake import take, validate
from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.reading import UnreadableFileError
from aeries_pipeline.course_requests.sss.deliver import export
from aeries_pipeline.course_requests.statement import Covers
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline_tests.breadth import many
from aeries_pipeline_tests.course_requests.sss.test_golden import DISTRICT, MOMENT, stock

STUDENTS = ["99300007", "99300008", "99400001", "99400002", "99400003", "99400004", "5", "x", ""]
COURSES = ["0315", "0608", "0630", "0001", "0777", "315", "TOOLONG", "=1", ""]
LINE = st.tuples(
    st.sampled_from(STUDENTS),
    st.sampled_from(COURSES),
    st.sampled_from(["", "1", "2", "z"]),
    st.sampled_from(["", "", "", "any", "0608", "0001"]),
    st.sampled_from(["", "2027-2028", "2026-2027", "soon"]),
)
FILES = st.lists(LINE, min_size=1, max_size=12)
AERIES = st.sampled_from(
    [
        "SELECT 1",
        'UPDATE raw.students SET "InactiveStatusCode" = \'I\' WHERE "StudentID" = 99400001',
        'UPDATE raw.students SET "InactiveStatusCode" = \'\' WHERE "StudentID" = 99400001',
        'UPDATE raw.students SET "NextGrade" = 13 WHERE "StudentID" = 99400004',
        'DELETE FROM raw.students WHERE "StudentID" = 99300007 AND "SchoolCode" = 994',
        "INSERT INTO raw.students VALUES ('eagle-usd', 994, 99300008, 994, 301, '*', 8, 994, 9, "
        "'', DATE '2026-08-01')",
        'UPDATE raw.students SET "StudentNumber" = 77 WHERE "StudentNumber" = 4',
        "UPDATE raw.courses SET \"InactiveStatusCode\" = 'I' WHERE \"ID\" = '0001'",
        "UPDATE raw.courses SET \"InactiveStatusCode\" = '' WHERE \"ID\" = '0777'",
        "DELETE FROM raw.course_requests",
        "INSERT INTO raw.course_requests SELECT district, school, student_id, sequence_number, "
        "course_id, '', '' FROM core.course_request_exports WHERE kind = 'request'",
        "UPDATE meta.pulls SET status = 'failed', reason = 'x' WHERE school = 993",
        "DELETE FROM raw.courses",
    ]
)


Nights = list[tuple[list[tuple[str, ...]], str]]
NIGHTS = st.lists(st.tuples(FILES, AERIES), min_size=1, max_size=4)


RENUMBERED = [
    ([("99400004", "0608", "", "", "")], "SELECT 1"),
    (
        [("99400004", "0001", "", "", "")],
        'UPDATE raw.students SET "StudentNumber" = 77 WHERE "StudentNumber" = 4',
    ),
]


@settings(max_examples=8)
@example(RENUMBERED)
@given(NIGHTS)
def test_none_is_lost_and_no_key_comes_twice(nights: Nights) -> None:
    pass_nights(nights)


@pytest.mark.long
@settings(max_examples=many(12, wide=40))
@given(NIGHTS)
def test_none_is_lost_over_many_more_nights(nights: Nights) -> None:
    pass_nights(nights)


def pass_nights(nights: Nights) -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        out = Path(folder) / "out"
        stock(warehouse)
        received = 0
        known = set()
        for night, (lines, aeries) in enumerate(nights):
            moment = MOMENT + timedelta(days=night)
            text = "\n".join(["StudentID,CourseID,Priority,Alternate for,School year",
                              *(",".join(line) for line in lines)])  # fmt: skip
            taken = take(warehouse, DISTRICT, f"{night}.csv", text.encode(), moment)
            if taken.file_id not in known:
                received += len([line for line in lines if any(line)])
                known.add(taken.file_id)
            with warehouse.open() as connection:
                connection.execute(aeries)
            compute(warehouse, DISTRICT, moment=moment)
            for school in DISTRICT.schools:
                export(warehouse, DISTRICT, school, out, moment=moment)
            settled(warehouse, received)
            before = warehouse.rows("SELECT * EXCLUDE decided_at FROM core.course_requests")
            assert compute(warehouse, DISTRICT, moment=moment).changed == 0
            again = [export(warehouse, DISTRICT, s, out, moment=moment) for s in DISTRICT.schools]
            assert not any(one.is_new for one in again)
            after = warehouse.rows("SELECT * EXCLUDE decided_at FROM core.course_requests")
            assert Counter(map(str, after)) == Counter(map(str, before))


def settled(warehouse: Warehouse, received: int) -> None:
    states = dict(warehouse.rows("SELECT state, count(*) FROM core.course_requests GROUP BY state"))
    assert set(states) <= set(State)
    assert sum(states.values()) == received, "every line is in exactly one state"
    assert "ready" not in states, "what is ready was exported"
    keys = warehouse.rows(
        "SELECT school, student_number, kind, sequence_number, "
        "count(DISTINCT (file_id, line)) FROM core.course_request_exports GROUP BY ALL"
    )
    assert all(row[4] == 1 for row in keys), "a number belongs to one request"
    twice = warehouse.rows(
        "SELECT school, student_number, course_id FROM core.course_requests "
        "WHERE state = 'exported' AND reason IS NULL GROUP BY ALL HAVING count(*) > 1"
    )
    assert twice == [], "a course is asked for once"


@pytest.mark.parametrize(
    "wrong",
    [
        Received(2, "", "", None, "0315"),
        Received(2, "", "", 1, ""),
        Received(2, "", "", 1, "1234567"),
        Received(0, "", "", 1, "0315"),
        Received(2, "", "", -1, "0315"),
        Received(2, "", "", 1, "0315", school_year=1999),
        Received(2, "", "", 1, "0315", priority=-1.0),
    ],
)
def test_pandera_stops_what_a_parser_might_let_through(wrong: Received) -> None:
    validate(
        [Received(2, "", "", 1, "0315"), Received(3, "", "", None, "", problem=Reason.FORMULA)]
    )
    with pytest.raises(UnreadableFileError, match="please send it to the data team"):
        validate([wrong])
    with pytest.raises(UnreadableFileError):
        validate([Received(2, "", "", 1, "0315"), Received(2, "", "", 1, "0608")])


def test_many_students_are_decided_as_one_would_be(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    stock(warehouse)
    moment = datetime(2027, 2, 3)
    pairs = [(student, course) for student in STUDENTS[:6] for course in ("0608", "0001")]
    added = Covers.ADDITIONS
    for number, pair in enumerate(pairs):
        text = f"StudentID,CourseID\n{pair[0]},{pair[1]}\n"
        take(warehouse, DISTRICT, f"{number}.csv", text.encode(), moment, covers=added)
    compute(warehouse, DISTRICT)
    one_by_one = warehouse.rows(
        "SELECT student_id, course_id, state, reason, school FROM core.course_requests ORDER BY ALL"
    )
    other = Warehouse(tmp_path / "other.duckdb")
    stock(other)
    text = "StudentID,CourseID\n" + "".join(f"{a},{b}\n" for a, b in pairs)
    take(other, DISTRICT, "all.csv", text.encode(), moment, covers=added)
    compute(other, DISTRICT)
    assert one_by_one == other.rows(
        "SELECT student_id, course_id, state, reason, school FROM core.course_requests ORDER BY ALL"
    )
