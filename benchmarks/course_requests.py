"""Course requests: 25,000 to 200,000 of them, as ratios of time to number.

Reads a file, decides every request, writes every school's files, then does it
again without any change. A time that grows with the number of requests and no
faster gives ratios of about 1. Then ten weekly exports of the same size, in
each of which one wish in fifty has changed: what the tenth costs beside the
first. Run it with ``make bench-requests``.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from aeries_pipeline.course_requests.compute import compute
from aeries_pipeline.course_requests.intake import take
from aeries_pipeline.course_requests.sss.deliver import export
from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import now

A_STUDENT = 6
A_SCHOOL = 2000
COURSES = 400
CHANGED = 0.02
"""Share of the wishes that change from one week to the next."""


def stock(warehouse: Warehouse, students: int) -> list[int]:
    """Write what pulls would have; return the schools."""
    schools = [100 + n for n in range(-(-students // A_SCHOOL))]
    with warehouse.open() as connection:
        prepare(connection)
        connection.execute(
            f"""
            INSERT INTO meta.pulls BY NAME
            SELECT 'p' AS pull_id, 'bench' AS district, unnest({schools}) AS school,
                   'students' AS resource, 'complete' AS status, now()::TIMESTAMP AS started_at,
                   now()::TIMESTAMP AS finished_at, '2026-2027' AS database_year;
            CREATE TABLE raw.schools AS
            SELECT 'bench' AS district, unnest({schools}) AS "SchoolCode", 9 AS "LowGradeLevel",
                   12 AS "HighGradeLevel", 'High' AS "Name";
            CREATE TABLE raw.courses AS
            SELECT 'bench' AS district, printf('C%05d', n) AS "ID", 'Title' AS "Title",
                   '' AS "InactiveStatusCode", '' AS "NextYearInactiveStatusCode", 9 AS "LowGrade",
                   12 AS "HighGrade", '' AS "PrerequisiteCourse" FROM range({COURSES}) t(n);
            CREATE TABLE raw.students AS
            SELECT 'bench' AS district, 100 + n // {A_SCHOOL} AS school, 1000 + n AS "StudentID",
                   100 + n // {A_SCHOOL} AS "SchoolCode", 1 + n % {A_SCHOOL} AS "StudentNumber",
                   '' AS "InactiveStatusCode", 10 AS "Grade", 0 AS "NextSchoolCode",
                   11 AS "NextGrade", '' AS "AttendanceProgramCodePrimary",
                   DATE '2025-08-20' AS "SchoolEnterDate" FROM range({students}) t(n);
            """
        )
    return schools


def lines(requests: int) -> str:
    """Return a file with as many requests; one in twenty has a mistake."""
    rng = random.Random(1)
    found = ["StudentID,CourseID,Priority"]
    for number in range(requests):
        student = 1000 + number // A_STUDENT
        course = f"C{rng.randrange(COURSES):05}" if rng.random() > 0.05 else "none"
        found.append(f"{student},{course},{1 + number % A_STUDENT}")
    return "\n".join(found)


def measure(requests: int) -> dict[str, float]:
    """Return the seconds of each step."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        schools = stock(warehouse, -(-requests // A_STUDENT))
        district = District(
            id="bench", name="Bench", url="https://bench.example/aeries", certificate_env="X",
            schools=schools,
        )  # fmt: skip
        content = lines(requests).encode()
        out = Path(folder) / "out"

        def write() -> None:
            for school in schools:
                export(warehouse, district, school, out)

        steps = {
            "read": lambda: take(warehouse, district, "bench.csv", content, now()),
            "decide": lambda: compute(warehouse, district),
            "write": write,
            "decide again": lambda: compute(warehouse, district),
            "write again": write,
        }
        seconds = {}
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[name] = time.perf_counter() - started
        return seconds


def weeks(requests: int, number: int) -> None:
    """Print what each of several weekly exports costs, in seconds and in seconds of processor.

    The first is taken once more after the others, into an empty warehouse: a machine that is
    busier in the end than in the beginning is seen by it.
    """
    rng = random.Random(2)
    header, *wishes = lines(requests).splitlines()
    first = list(wishes)
    students = -(-requests // A_STUDENT)
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner(Path(folder), students)
        base: tuple[float, float] | None = None
        for week in range(1, number + 1):
            spent = planner.hand_in(week, [header, *wishes])
            base = base or spent
            _told(f"export {week:>2} of {requests:,}", spent, base)
            for place, wish in enumerate(wishes):
                if rng.random() < CHANGED:
                    student, _course, priority = wish.split(",")
                    wishes[place] = f"{student},C{rng.randrange(COURSES):05},{priority}"
    with tempfile.TemporaryDirectory() as folder:
        again = Planner(Path(folder), students).hand_in(1, [header, *first])
        _told("the first once more", again, base or again)


class Planner:
    """A warehouse that takes the planner's exports, week by week."""

    def __init__(self, folder: Path, students: int) -> None:
        """Make the warehouse, with what pulls would have brought."""
        self._folder = folder
        self._warehouse = Warehouse(folder / "warehouse.duckdb")
        self._schools = stock(self._warehouse, students)
        self._district = District(
            id="bench", name="Bench", url="https://bench.example/aeries", certificate_env="X",
            schools=self._schools,
        )  # fmt: skip

    def hand_in(self, week: int, rows: list[str]) -> tuple[float, float]:
        """Return the seconds, on the clock and of the processor, that an export takes."""
        moment = now() + timedelta(days=7 * week)
        content = "\n".join([f"Export {week}", *rows, ""]).encode()
        began = time.perf_counter(), time.process_time()
        take(self._warehouse, self._district, "bench.csv", content, moment)
        compute(self._warehouse, self._district, moment=moment)
        for school in self._schools:
            export(self._warehouse, self._district, school, self._folder / "out", moment=moment)
        return time.perf_counter() - began[0], time.process_time() - began[1]


def _told(what: str, spent: tuple[float, float], base: tuple[float, float]) -> None:
    wall, cpu = spent
    print(
        f"{what}: {wall:.2f} s (x{wall / base[0]:.2f}), "
        f"{cpu:.2f} s of processor (x{cpu / base[1]:.2f})", flush=True,
    )  # fmt: skip


def main() -> None:
    """Print seconds, and seconds for each request as a ratio to the smallest size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="25000,50000,100000,200000")
    parser.add_argument("--weekly", type=int, default=200_000, help="Lines of a weekly export.")
    parser.add_argument("--weeks", type=int, default=10)
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",") if size]
    base: dict[str, float] = {}
    for size in sizes:
        seconds = measure(size)
        base = base or {name: value / size for name, value in seconds.items()}
        shown = ", ".join(
            f"{name} {value:.2f} s (x{value / size / base[name]:.2f})"
            for name, value in seconds.items()
        )
        total = sum(seconds.values())
        ratio = total / size / sum(base.values())
        print(f"{size:>8,} requests: {shown}; all {total:.2f} s (x{ratio:.2f})")
    if given.weekly:
        weeks(given.weekly, given.weeks)


if __name__ == "__main__":
    main()
