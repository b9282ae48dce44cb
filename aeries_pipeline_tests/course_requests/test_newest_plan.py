"""The newest plan of each student counts: sequences of files against a replay from scratch."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.course_requests.compute import compute
from aeries_pipeline.course_requests.holds import Answer, Vanishing, answer, held_because
from aeries_pipeline.course_requests.intake import take
from aeries_pipeline.course_requests.sss.deliver import export
from aeries_pipeline.course_requests.statement import Covers
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline_tests.breadth import many
from aeries_pipeline_tests.course_requests.sss.test_golden import DISTRICT as PLAIN
from aeries_pipeline_tests.course_requests.sss.test_golden import MOMENT, stock
from aeries_pipeline_tests.course_requests.test_conservation import AERIES

NOON = MOMENT.replace(hour=20)
"""In the district, so that a date is the same there and in UTC."""
SHARE, LEAST = 0.4, 2
SETTLED = {"max_vanishing": SHARE, "min_vanishing": LEAST}
DISTRICT = PLAIN.model_copy(
    update={"course_requests": PLAIN.course_requests.model_copy(update=SETTLED)}
)
STUDENTS = ["99300007", "99300008", "99400001", "99400002", "99400004", "5", "x"]
COURSES = ["0315", "0608", "0630", "0001", "E7", "=1"]
GOOD = {"0315", "0608", "0630", "0001"}
"""What the catalogue has and a line can name."""
NO_COURSES = "DELETE FROM raw.courses"
ROLLOVER = "UPDATE meta.pulls SET database_year = '2027-2028'"
LINES = st.lists(
    st.tuples(st.sampled_from(STUDENTS), st.sampled_from(COURSES)), min_size=1, max_size=10
)


@dataclass(frozen=True)
class Step:
    """One night: a file arrives, Aeries changes, a person answers.

    Attributes:
        lines: Student and course of each line.
        covers: For whom the file speaks.
        days_late: Its name states an export so many days before; None states nothing.
        aeries: What changes in Aeries that night.
        accepts: Whether a person accepts the file where it is held.
    """

    lines: list[tuple[str, str]]
    covers: Covers
    days_late: int | None
    aeries: str
    accepts: bool


STEPS = st.lists(
    st.builds(
        Step,
        LINES,
        st.sampled_from([Covers.STUDENTS, Covers.STUDENTS, Covers.DISTRICT, Covers.ADDITIONS]),
        st.sampled_from([None, None, 1, 2, 5]),
        st.sampled_from(["SELECT 1", ROLLOVER]) | AERIES,
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@dataclass
class File:
    """What the model knows of a file."""

    name: str
    order: tuple[object, ...]
    covers: Covers
    lines: list[tuple[str, str]]
    year: int
    standing: str = ""


Wants = dict[tuple[str, int], set[str]]


@dataclass
class Replay:
    """The files in their order, one by one: what each student wants, and who was left out."""

    wants: Wants = field(default_factory=lambda: defaultdict(set))
    left_out: dict[tuple[str, int], bool] = field(default_factory=dict)


def replay(files: list[File], without: File | None = None) -> Replay:
    found = Replay()
    for file in sorted(files, key=lambda one: one.order):
        if file.standing != "counts" or file is without:
            continue
        plan: dict[str, list[str]] = defaultdict(list)
        for student, course in file.lines:
            plan[student].append(course)
        for student, courses in plan.items():
            key = (student, file.year)
            is_clear = "=1" not in courses and student != "x"
            if file.covers is not Covers.ADDITIONS and is_clear:
                found.wants[key] = set()
            found.wants[key] |= set(courses)
            found.left_out[key] = False
        if file.covers is Covers.DISTRICT:
            for key in found.left_out:
                found.left_out[key] |= key[0] not in plan and key[1] == file.year
    return found


def judged(files: list[File], new: File, catalogue: set[str]) -> str:
    """Decide as ``holds`` has to, from two replays."""
    new.standing = "counts"
    others = [one for one in files if one is not new and one.standing == "counts"]
    if new.covers is Covers.ADDITIONS or not others:
        return ""
    before, after = replay(files, without=new), replay(files)
    named = {student for student, _course in new.lines}
    good = {
        key: len(wants & catalogue) for key, wants in before.wants.items()
        if wants & catalogue and key[0] != "x"
    }  # fmt: skip
    spoken = [key for key in good if key[0] in named and key[1] == new.year]
    gone = sum(max(good[key] - len(after.wants[key] & catalogue), 0) for key in spoken)
    whole = {
        key for key in good
        if new.covers is Covers.DISTRICT and key[0] != "x" and key[1] == new.year
    }  # fmt: skip
    newest = {
        key: max(one.order for one in others for who, _c in one.lines if (who, one.year) == key)
        for key in whole
    }
    left = [key for key in whole if key[0] not in named and new.order > newest[key]]
    found = Vanishing(len(whole), len(left), sum(good[key] for key in spoken), gone)
    return held_because(found, SHARE, LEAST)


def expected(files: list[File], year: int) -> Counter[tuple[str, str]]:
    """Return role and standing of every open line."""
    wants = replay(files).wants
    lines = [
        (file, student, course) for file in files for student, course in file.lines
        if file.year == year
    ]  # fmt: skip
    found: Counter[tuple[str, str]] = Counter()
    seen = set()
    for file, student, course in lines:
        key = (student, course)
        if file.standing == "held":
            found["held", ""] += 1
        elif course not in wants[student, year]:
            found["withdrawn", student] += 1
        else:
            found["repeated" if key in seen else "carries", student] += 1
            seen.add(key)
    return found


def found_in(warehouse: Warehouse, year: int) -> Counter[tuple[str, str]]:
    rows = warehouse.rows(
        "SELECT CASE WHEN reason = 'file_is_held' THEN 'held' "
        "WHEN state IN ('repeated', 'withdrawn') THEN state ELSE 'carries' END, "
        "CASE WHEN reason = 'file_is_held' THEN '' ELSE stated_student END, count(*) "
        "FROM core.course_requests WHERE school_year = ? GROUP BY ALL",
        [year],
    )
    return Counter({(role, student): number for role, student, number in rows})


def pass_steps(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        stock(warehouse)
        files: list[File] = []
        received, year, catalogue = 0, 2027, GOOD
        for night, step in enumerate(steps):
            moment = NOON + timedelta(days=night)
            with warehouse.open() as connection:
                connection.execute(step.aeries)
            year = 2028 if step.aeries == ROLLOVER else year
            stated = moment - timedelta(days=step.days_late) if step.days_late else None
            name = f"planner-{stated:%Y-%m-%d}.csv" if stated else "planner.csv"
            text = "\n".join([f"List {night}", "StudentID,CourseID",
                              *(",".join(line) for line in step.lines), ""])  # fmt: skip
            taken = take(warehouse, DISTRICT, name, text.encode(), moment, covers=step.covers)
            received += len(step.lines)
            # A date alone is the end of its day.
            at = (stated.date() if stated else moment.date(), stated is not None)
            file = File(taken.file_id, (*at, moment), step.covers, step.lines, year)
            files.append(file)
            # Without a catalogue nobody knows better.
            catalogue = catalogue | {"E7"} if step.aeries == NO_COURSES else catalogue
            reason = judged(files, file, catalogue)
            file.standing = "held" if reason else "counts"
            computed = compute(warehouse, DISTRICT, moment=moment)
            assert computed.waiting.get(file.name, "") == reason
            if reason and step.accepts:
                answer(warehouse, DISTRICT, file.name, Answer.ACCEPT, "somebody", moment)
                file.standing = "counts"
                computed = compute(warehouse, DISTRICT, moment=moment)
            assert found_in(warehouse, year) == expected(files, year)
            ((total,),) = warehouse.rows(
                "SELECT count(*) FROM core.course_requests WHERE state IS NOT NULL"
            )
            assert total == received, "every line is in one state"
            left = replay(files).left_out
            told = warehouse.rows(
                "SELECT DISTINCT stated_student FROM core.course_requests "
                "WHERE reason = 'student_left_out' AND school_year = ?", [year],
            )  # fmt: skip
            assert all(left[student, year] for (student,) in told)
            for school in DISTRICT.schools:
                export(warehouse, DISTRICT, school, Path(folder) / "out", moment=moment)
            assert compute(warehouse, DISTRICT, moment=moment).changed == 0
            again = [
                export(warehouse, DISTRICT, school, Path(folder) / "out", moment=moment)
                for school in DISTRICT.schools
            ]
            assert not any(one.is_new for one in again)
            twice = warehouse.rows(
                "SELECT school, student_number, kind, sequence_number FROM "
                "core.course_request_exports GROUP BY ALL "
                "HAVING count(DISTINCT (file_id, line)) > 1"
            )
            assert twice == [], "a number belongs to one request"


def one(student: str, *courses: str) -> list[tuple[str, str]]:
    return [(student, course) for course in courses]


PLAIN_STEP = Step(one("99400001", "0608", "0001"), Covers.STUDENTS, None, "SELECT 1", False)


@settings(max_examples=6)
@given(STEPS)
def test_the_states_are_those_of_a_replay_from_scratch(steps: list[Step]) -> None:
    pass_steps(steps)


@pytest.mark.long
@settings(max_examples=many(30, wide=120))
@given(STEPS)
def test_the_states_are_those_of_a_replay_over_many_more_sequences(steps: list[Step]) -> None:
    pass_steps(steps)


def test_a_rollover_leaves_last_years_requests_as_they_are() -> None:
    def step(*courses: str, aeries: str = "SELECT 1") -> Step:
        return Step(one("99400004", *courses), Covers.STUDENTS, None, aeries, accepts=True)

    pass_steps([step("0608", "0001"), step("0608"), step("0630", aeries=ROLLOVER), step("0001")])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (Vanishing(100, 10, 600, 60), ""),
        (Vanishing(100, 11, 600, 60), ""),
        (Vanishing(1000, 101, 6000, 600), "it would take away 101 of 1,000 students"),
        (Vanishing(1000, 101, 6000, 601),
         "it would take away 101 of 1,000 students and 601 of 6,000 requests"),
        (Vanishing(0, 0, 30, 25), "it would take away 25 of 30 requests"),
        (Vanishing(0, 0, 3, 3), ""),
    ],
)  # fmt: skip
def test_when_a_file_is_held(found: Vanishing, says: str) -> None:
    assert held_because(found, 0.10, 20) == says
