"""What it costs to compute accounts, as a ratio to a bare join, in one run.

A district of a million accounts, of which one in a hundred has changed; beside
them three rows in ten of students who are not current. The floor is DuckDB's
full join of the same two tables. The computation finds, decides, bounds,
applies and records the changes in a real warehouse file. Machines are noisy,
so only ratios of one run count.

    make bench-accounts
    make bench-accounts BENCH="--accounts 50000 --rounds 5"
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import create_quarantine, create_raw
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import PullRow
from aeries_pipeline.stores.report import record

FIRST = datetime(2026, 10, 1, 20, 0)  # noqa: DTZ001 - as the warehouse keeps it
SCHOOLS = list(range(1, 501))
DISTRICT = District(
    id="county",
    name="County",
    url="http://127.0.0.1:9/aeries",
    certificate_env="NONE",
    schools=SCHOOLS,
    # One round is enough here and nobody is asked for, so that every change is applied.
    accounts={"leaving_rounds": 1, "confirm_alone": False},
)

_ROWS = """
INSERT INTO raw.students BY NAME
SELECT 'county' AS district, CAST(1 + i % 500 AS INTEGER) AS school, $pull AS _pull_id,
       $at AS _pulled_at, i AS "StudentID", 1 + i % 500 AS "SchoolCode", i AS "StudentNumber",
       0 AS "OldStudentID", printf('%010d', i) AS "StateStudentID",
       CASE WHEN i % 133 = 3 AND $changed THEN 'Newname' ELSE 'Lastname' END || i % 9973
         AS "LastName",
       'First' || i % 997 AS "FirstName", CASE i % 2 WHEN 0 THEN 'F' ELSE 'M' END AS "Gender",
       CAST(i % 13 AS INTEGER) AS "Grade",
       TIMESTAMP '2010-01-01' + INTERVAL 1 DAY * (i % 3000) AS "Birthdate",
       TIMESTAMP '2024-08-20' AS "SchoolEnterDate", '' AS "AttendanceProgramCodePrimary",
       CASE WHEN i > $accounts THEN 'I' WHEN i % 401 = 5 AND $changed THEN 'I' ELSE '' END
         AS "InactiveStatusCode",
       's' || i || '@students.example.org' AS "StudentEmailAddress", 0 AS "NextSchoolCode",
       CAST(i % 13 + 1 AS INTEGER) AS "NextGrade"
FROM range(1, CAST($accounts * 1.3 AS BIGINT)) t(i)
"""

_KEPT = """
CREATE OR REPLACE TEMP TABLE joined AS
SELECT * FROM raw.students r FULL JOIN core.accounts a ON a.student_id = r."StudentID"
"""
_COMPARED = """
SELECT count(*) FROM raw.students r FULL JOIN core.accounts a ON a.student_id = r."StudentID"
WHERE a.student_id IS NULL OR r."StudentID" IS NULL OR r."InactiveStatusCode" <> ''
   OR r."SchoolCode" <> a.school OR r."Grade" <> a.grade OR r."LastName" <> a.last_name
   OR r."FirstName" <> a.first_name OR r."Gender" <> a.gender
   OR CAST(r."Birthdate" AS DATE) <> a.birthdate OR r."StudentEmailAddress" <> a.email
   OR r."StateStudentID" <> a.state_student_id
"""


def pulled(warehouse: Warehouse, number: int, accounts: int) -> datetime:
    """Replace the rows as the pulls of a night would; return its moment."""
    moment = FIRST + timedelta(days=number)
    values = {"pull": f"night-{number}", "at": moment, "accounts": accounts, "changed": number > 0}
    with warehouse.open() as connection:
        connection.execute(create_raw(RESOURCES["students"].main, "warehouse"))
        connection.execute(create_quarantine(RESOURCES["students"].main, "warehouse"))
        connection.execute("DELETE FROM raw.students")
        connection.execute(_ROWS, values)
    pull = partial(PullRow, f"night-{number}", "county", resource="students")
    record(
        warehouse,
        [
            pull(
                school=school, status=Status.COMPLETE, started_at=moment, finished_at=moment,
                database_year="2026-2027",
            )
            for school in SCHOOLS
        ],
    )  # fmt: skip
    return moment + timedelta(hours=1)


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def one_round(warehouse: Warehouse, accounts: int) -> tuple[dict[str, float], Computed]:
    """Return the seconds of everything that is compared, from a warehouse of its own."""
    moment = pulled(warehouse, 0, accounts)
    found = {
        "first computation, all created": timed(lambda: compute(warehouse, DISTRICT, moment=moment))
    }
    later = pulled(warehouse, 1, accounts)
    with warehouse.open() as connection:
        connection.execute("SELECT count(*) FROM raw.students").fetchall()
        found["full join, all columns kept"] = timed(lambda: connection.execute(_KEPT))
        found["full join, compared and counted"] = timed(
            lambda: connection.execute(_COMPARED).fetchall()
        )
    kept: list[Computed] = []
    found["computation, 1 % changed"] = timed(
        lambda: kept.append(compute(warehouse, DISTRICT, moment=later))
    )
    found["the same again"] = timed(lambda: compute(warehouse, DISTRICT, moment=later))
    return found, kept[0]


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.rounds):
            warehouse = Warehouse(Path(folder) / f"{number}.duckdb")
            seconds, computed = one_round(warehouse, chosen.accounts)
            rounds.append(seconds)
            warehouse.path.unlink()
    changes = ", ".join(f"{n:,} {kind}" for kind, n in computed.applied.items())
    table = Table(title=f"{chosen.accounts:,} accounts; applied: {changes}; medians")
    table.add_column("")
    for heading in ("seconds", "to the join kept", "to the join compared"):
        table.add_column(heading, justify="right")
    for name in rounds[0]:
        ratios = (
            f"{statistics.median(one[name] / one[base] for one in rounds):.2f}"
            for base in ("full join, all columns kept", "full join, compared and counted")
        )
        table.add_row(name, f"{statistics.median(one[name] for one in rounds):.2f}", *ratios)
    Console().print(table)


if __name__ == "__main__":
    main()
