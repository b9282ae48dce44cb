"""Short ways to say: this row, this account, these pulls, this warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from aeries_pipeline.accounts.ask import Ask, Confirmed, Row, confirm
from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.accounts.evidence import Picture, SchoolPull, picture_of
from aeries_pipeline.accounts.model import Account, Standing, State, StudentRow
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import create_quarantine, create_raw
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import PullRow
from aeries_pipeline.stores.report import record
from aeries_pipeline.stores.store import Store

FIRST = datetime(2026, 10, 1, 20, 0)
DAY = timedelta(days=1)
SCHOOLS = (991, 992, 993)
YEAR = "2026-2027"
POLICY = Policy(schools=frozenset(SCHOOLS))


def night(number: float) -> datetime:
    """The evening of a pull; the schools follow each other by a minute."""
    return FIRST + number * DAY


def row(
    school: int = 991, standing: Standing = Standing.ACTIVE, *, night_of: int = 1, **values: Any
) -> StudentRow:
    pulled_at = night(night_of) + timedelta(minutes=school % 10)
    base: dict[str, Any] = {
        "student_id": 7, "school": school, "student_number": 70, "standing": standing,
        "pulled_at": pulled_at, "pull_id": f"night-{night_of}", "entered": date(2026, 8, 20),
        "grade": 9, "first_name": "Ana", "last_name": "Lopez", "gender": "F",
        "birthdate": date(2012, 3, 4), "email": "ana@example.org",
        "state_student_id": "0123456789", "next_grade": 10,
    }  # fmt: skip
    return StudentRow(**{**base, **values})


def account(school: int = 991, state: State = State.ACTIVE, **values: Any) -> Account:
    base: dict[str, Any] = {
        "student_id": 7, "state": state, "school": school, "grade": 9, "first_name": "Ana",
        "last_name": "Lopez", "gender": "F", "birthdate": date(2012, 3, 4),
        "email": "ana@example.org", "state_student_id": "0123456789",
        "first_seen_at": night(0), "last_seen_at": night(0) + timedelta(minutes=school % 10),
        "state_since": night(0), "pull_id": "night-0", "student_number": 70,
    }  # fmt: skip
    return Account(**{**base, **values})


def picture(
    night_of: int = 1,
    *,
    failed: Iterable[int] = (),
    older: Mapping[int, int] | None = None,
    schools: Iterable[int] = SCHOOLS,
    year: str = YEAR,
) -> Picture:
    """A night on which every school was pulled, but for those named."""
    pulls = []
    for school in schools:
        number = (older or {}).get(school, night_of)
        started = night(number) + timedelta(minutes=school % 10)
        trouble = "a login page came" if school in failed else ""
        pulls.append(SchoolPull(school, f"night-{number}", started, started, year, trouble))
    return picture_of(pulls, tuple(schools), 5)


class Ward:
    """A real warehouse whose ``raw.students`` a test fills by hand, night by night."""

    def __init__(self, folder: Path, **roster: Any) -> None:
        self.warehouse = Store(folder).warehouse("eagle-usd")
        self.roster = {"schools": list(SCHOOLS), **roster}
        self.moment = night(0)
        self.says: dict[tuple[int, int], Any] = {}
        self.requests: list[tuple[int, int]] = []
        self.confirmed = Confirmed()

    @property
    def district(self) -> District:
        return District.model_validate(
            {
                "id": "eagle-usd",
                "name": "Eagle",
                "url": "http://127.0.0.1:9/aeries",
                "certificate_env": "TEST_AERIES_CERT",
                **self.roster,
            }
        )

    def pulls(
        self,
        number: float,
        rows: Iterable[Mapping[str, Any]],
        *,
        failed: Iterable[int] = (),
        year: str = YEAR,
        bad: Iterable[tuple[int, str]] = (),
    ) -> None:
        """Load the rows of a night; a failed school keeps the rows it had.

        ``bad`` are rows in quarantine, by school, as JSON.
        """
        failed = set(failed)
        good = [school for school in self.roster["schools"] if school not in failed]
        made = [student(number, **one) for one in rows if one.get("school", 991) in good]
        with self.warehouse.open() as connection:
            connection.execute(create_raw(RESOURCES["students"].main, "warehouse"))
            connection.execute(create_quarantine(RESOURCES["students"].main, "warehouse"))
            connection.execute(
                "DELETE FROM quarantine.students WHERE list_contains(?, school)", [good]
            )
            for school, element in bad:
                connection.execute(
                    "INSERT INTO quarantine.students (district, school, reason, record) "
                    "VALUES (?, ?, ?, ?)",
                    ["eagle-usd", school, reason_for(element), element],
                )
            connection.execute("DELETE FROM raw.students WHERE list_contains(?, school)", [good])
            if made:
                connection.register("made", pa.Table.from_pylist(made))
                connection.execute("INSERT INTO raw.students BY NAME FROM made")
        ledger = []
        for school in self.roster["schools"]:
            started = night(number) + timedelta(minutes=school % 10)
            status = Status.FAILED if school in failed else Status.COMPLETE
            ledger.append(
                PullRow(
                    f"night-{number}",
                    "eagle-usd",
                    school,
                    "students",
                    status,
                    started,
                    started,
                    reason="a login page came" if school in failed else "",
                    database_year=year,
                )
            )
        record(self.warehouse, ledger)
        self.moment = night(number) + timedelta(hours=1)

    def opened(self) -> Ask:
        """What a server says of one student: what the lists say, but where told otherwise."""
        rows = self.warehouse.rows(
            'SELECT school, "StudentID", "SchoolCode", "InactiveStatusCode" FROM raw.students'
        )
        found: dict[tuple[int, int], list[Row]] = {}
        for school, student_id, named, code in rows:
            one = {"StudentID": student_id, "SchoolCode": named, "InactiveStatusCode": code}
            found.setdefault((school, student_id), []).append(one)

        def ask(school: int, student_id: int) -> list[Row]:
            self.requests.append((school, student_id))
            said = self.says.get((school, student_id), found.get((school, student_id), []))
            if isinstance(said, Exception):
                raise said
            return said

        return ask

    def confirm(self) -> Confirmed:
        return confirm(self.warehouse, self.district, self.opened, moment=self.moment)

    def compute(self, later: timedelta = timedelta()) -> Computed:
        self.moment += timedelta(seconds=1) + later
        self.confirmed = self.confirm()
        return compute(self.warehouse, self.district, moment=self.moment)

    def night(self, number: float, rows: Iterable[Mapping[str, Any]], **how: Any) -> Computed:
        self.pulls(number, rows, **how)
        return self.compute()

    def rounds(self, number: int, rows: Iterable[Mapping[str, Any]], **how: Any) -> Computed:
        """Two rounds that say the same; the later one is the night of that number."""
        rows = list(rows)
        self.night(number - 0.6, rows, **how)
        return self.night(number, rows, **how)

    def accounts(self) -> dict[int, tuple[str, int]]:
        rows = self.warehouse.rows("SELECT student_id, state, school FROM core.accounts")
        return {student: (state, school) for student, state, school in rows}

    def changes(self, where: str = "true") -> list[tuple[Any, ...]]:
        return self.warehouse.rows(
            f"SELECT student_id, kind, status FROM core.account_changes_now WHERE {where} "
            "ORDER BY ALL"
        )


def reason_for(element: str) -> str:
    """Say what staging would say of a bad row: its id, if that is it, else its grade."""
    number = json.loads(element)["StudentID"]
    if isinstance(number, int) and number >= 1:
        return "Grade: not a whole number"
    return "StudentID: not a whole number" if isinstance(number, str) else "StudentID: too small"


def student(night_of: float, school: int = 991, **values: Any) -> dict[str, Any]:
    """A row of ``raw.students`` as a pull of a night would have it."""
    number = values.get("StudentID", 7)
    base: dict[str, Any] = {
        "district": "eagle-usd", "school": school, "_pull_id": f"night-{night_of}",
        "_pulled_at": night(night_of) + timedelta(minutes=school % 10),
        "StudentID": number, "SchoolCode": school, "StudentNumber": number % 10_000 + 1,
        "OldStudentID": 0, "StateStudentID": f"{number:010}", "LastName": f"Last{number}",
        "FirstName": f"First{number}", "Gender": "F", "Grade": 9,
        "Birthdate": datetime(2012, 3, 1 + number % 28), "InactiveStatusCode": "",
        "StudentEmailAddress": f"s{number}@example.org", "NextSchoolCode": 0, "NextGrade": 10,
        "SchoolEnterDate": datetime(2026, 8, 20), "AttendanceProgramCodePrimary": "",
    }  # fmt: skip
    return {**base, **values}
