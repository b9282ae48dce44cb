"""A district that lives night by night, and a server whose lists are wrong in every way known.

The lists go through the real load and its safeguards, the answers about single
students through the real asking, and the accounts through the real computation,
all on a real DuckDB file. What is true is known here, so every mistake is counted.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aeries_pipeline.accounts.ask import Ask, confirm
from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.accounts.duplicates import Verdict
from aeries_pipeline.accounts.review import Wish, Word, pairs_of, say, say_of_pair
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import TransientError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.share import ShareSettings
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.load import load
from aeries_pipeline.stores.outcomes import Fetched, PullRow
from aeries_pipeline.stores.report import record
from aeries_pipeline.stores.tables import Landed

Row = dict[str, Any]
Lists = dict[int, list[Row]]
SCHOOLS = (991, 992, 993, 994)
YEAR = "2026-2027"
FIRST = datetime(2026, 9, 1, 20, 0)
NEW_ID = "new_id"
"""Not a fault of a server: a child gets another StudentID."""
SHARE = "share"
"""A list of opt-outs that is cut, another district's, blank or missing."""
AFTER = 3
"""Nights after a fault in which its traces may still be seen."""


@dataclass
class Child:
    """One id of a child: the rows that Aeries has, and where it really is.

    Attributes:
        id: StudentID.
        grade: Grade.
        school: Where the child is under this id; None where nowhere.
        since: The night since which.
        rows: Status code by school.
        first_id: The first id of the same child; 0 where this is it.
        is_replaced: Whether the child has another id since.
        is_opted_out: Whether the family does not want the child to be shared.
    """

    id: int
    grade: int
    school: int | None
    since: int
    rows: dict[int, str] = field(default_factory=dict)
    first_id: int = 0
    is_replaced: bool = False
    is_opted_out: bool = False

    @property
    def is_due(self) -> bool:
        """Whether the child is to have an account under this id."""
        return self.school is not None and not self.is_opted_out


@dataclass
class Report:
    """What a simulation found.

    Attributes:
        nights: Nights that were lived through.
        faults: Nights with a fault, by its kind.
        deactivated: Deactivations applied.
        wrong_deactivations: Those of children who were at a school.
        wrong_accounts: New and returning accounts of children who were at none.
        stood_still: Nights more than three after the last fault with a school unread.
        without: Children who had no account after their second night without a fault.
        overdue: Who had gone and kept an account for more than four nights without a fault.
        quiet_nights: Nights without a fault or a trace of one.
        quiet_holds: Changes held in such nights.
        requests: Requests for single students, by night.
    """

    nights: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    deactivated: int = 0
    wrong_deactivations: list[tuple[int, int]] = field(default_factory=list)
    wrong_accounts: list[tuple[int, int]] = field(default_factory=list)
    stood_still: int = 0
    without: set[int] = field(default_factory=set)
    overdue: set[int] = field(default_factory=set)
    quiet_nights: int = 0
    quiet_holds: int = 0
    requests: list[int] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether nothing happened that must not."""
        wrong = (self.wrong_deactivations, self.wrong_accounts, self.without, self.overdue)
        return not any(wrong) and not self.stood_still


class Simulation:
    """A district, its server and its warehouse."""

    def __init__(self, folder: Path, seed: int, kinds: Sequence[str], rate: float) -> None:
        self.rng = random.Random(f"{seed}/{'+'.join(kinds)}")
        self.kinds, self.rate, self.folder = kinds, rate, folder
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.opt_outs = folder / "opted-out.csv"
        self.district = District(
            id="eagle-usd", name="Eagle", url="http://127.0.0.1:9/aeries",
            certificate_env="NONE", schools=list(SCHOOLS), max_concurrent_requests=1,
            share=ShareSettings(opted_out=str(self.opt_outs)) if SHARE in kinds else None,
        )  # fmt: skip
        self.children: dict[int, Child] = {}
        self.next_id = 1000
        self.history: list[Lists] = []
        self.night = 0
        self.active: dict[str, int] = {}
        self.place: dict[str, int] = {}
        self.lost: dict[str, set[int]] = {}
        self.lasted: dict[str, int] = {}
        self.quiet_since = 0
        self.broken = ""
        self.report = Report()
        for school in SCHOOLS:
            for _ in range(60):
                self.arrive(school)
            for _ in range(12):
                child = self.arrive(school)
                child.school, child.rows[school] = None, "I"
        if SHARE in kinds:
            for child in self.rng.sample(self.enrolled(), 16):
                child.is_opted_out = True

    # -- what really happens --------------------------------------------

    def arrive(self, school: int | None = None) -> Child:
        self.next_id += 1
        school = school or self.rng.choice(SCHOOLS)
        child = Child(self.next_id, self.rng.randint(6, 12), school, self.night, {school: ""})
        self.children[child.id] = child
        return child

    def enrolled(self) -> list[Child]:
        return [one for one in self.children.values() if one.school is not None]

    def move(self, child: Child) -> None:
        other = self.rng.choice([one for one in SCHOOLS if one != child.school])
        if child.school is not None:
            child.rows[child.school] = "I"
        child.school, child.rows[other] = other, ""

    def leave(self, child: Child) -> None:
        if child.school is None:
            return
        if self.rng.random() < 0.05:
            del child.rows[child.school]
        else:
            child.rows[child.school] = self.rng.choice(["I", "N", "T"])
        child.school, child.since = None, self.night

    def live(self) -> None:
        """Let a day pass."""
        for happens, chance in ((self.arrive, 0.3), (self._someone(self.leave), 0.3),
                                (self._someone(self.move), 0.5), (self._return, 0.1)):  # fmt: skip
            if self.rng.random() < chance:
                happens()

    def _someone(self, happens: Callable[[Child], None]) -> Callable[[], Any]:
        return lambda: happens(self.rng.choice(self.enrolled()))

    def renumber(self, child: Child) -> None:
        """Give a child another StudentID, as a school office does that does not find the first."""
        school = child.school or 0
        other = self.arrive(school)
        other.grade, other.first_id = child.grade, child.first_id or child.id
        child.rows[school], child.school, child.since = "I", None, self.night
        child.is_replaced = True

    def _return(self) -> None:
        gone = [
            one
            for one in self.children.values()
            if one.school is None and one.rows and not one.is_replaced
        ]
        if gone:
            child = self.rng.choice(gone)
            child.school, child.since = self.rng.choice(list(child.rows)), self.night
            child.rows[child.school] = ""

    def choose(self) -> None:
        """Let a family change its mind, and let the list of opt-outs be as it is tonight."""
        if SHARE not in self.kinds:
            return
        out = [one for one in self.children.values() if one.is_opted_out]
        if SHARE not in self.active and self.rng.random() < 0.3:
            # One comes for one that goes, so that half of the list is always many.
            back, gone = self.rng.choice(out), self.rng.choice(self.enrolled())
            back.is_opted_out, gone.is_opted_out = False, True
            back.since = gone.since = self.night
        listed = [one.id for one in self.children.values() if one.is_opted_out]
        if SHARE in self.active:
            listed = {
                "cut": listed[: len(listed) // 2],
                "foreign": [one + 10**6 for one in listed],
                "blank": [],
                "missing": listed,
            }[self.broken]
        self.opt_outs.write_text("\n".join(["StudentID", *map(str, listed)]), encoding="utf-8")
        if SHARE in self.active and self.broken == "missing":
            self.opt_outs.unlink()

    # -- what the server says --------------------------------------------

    def element(self, child: Child, school: int) -> Row:
        person = child.first_id or child.id
        return {
            "StudentID": child.id, "SchoolCode": school, "StudentNumber": child.id,
            "LastName": f"Last{person}", "FirstName": f"First{person}", "Gender": "F",
            "Grade": child.grade, "InactiveStatusCode": child.rows[school], "OldStudentID": 0,
            "Birthdate": f"{2026 - 6 - child.grade}-0{1 + person % 9}-11T00:00:00",
            "StateStudentID": f"{person:010}", "NextSchoolCode": 0,
            "NextGrade": child.grade + 1, "SchoolEnterDate": "2026-08-20T00:00:00",
        }  # fmt: skip

    def list_of(self, school: int) -> list[Row]:
        return [self.element(one, school) for one in self.children.values() if school in one.rows]

    def opened(self) -> Ask:
        def ask(school: int, student: int) -> list[Row]:
            if "single_fails" in self.active and self.rng.random() < 0.5:
                raise TransientError("http_503", "the server answered 503")
            child = self.children.get(student)
            return [self.element(child, school)] if child and school in child.rows else []

        return ask

    def wrong(self, kind: str, school: int, rows: list[Row]) -> list[Row] | None:
        """Return a list as a fault makes it; None where none comes."""
        rng = self.rng
        if kind in {"lacks", "drip"}:
            here = [row["StudentID"] for row in rows if not row["InactiveStatusCode"]]
            missing = self.lost.setdefault(kind, set())
            if here and (kind == "drip" or not missing):
                missing |= set(rng.sample(here, min(len(here), 1 if kind == "drip" else 3)))
            return [row for row in rows if row["StudentID"] not in missing]
        changes: Mapping[str, Callable[[], list[Row] | None]] = {
            "short": lambda: rows[: round(len(rows) * rng.choice([0.1, 0.5, 0.85, 0.97]))],
            "shift": lambda: rows[:20] + rows[22:] + rows[-2:],
            "empty": list,
            "fails": lambda: None,
            "older": lambda: self.history[max(0, self.night - rng.randint(2, 20))][school],
            "frozen": lambda: self.history[max(0, self.night - 1 - self.age("frozen"))][school],
            "last_year": lambda: [
                row | {"Grade": row["Grade"] - 1, "InactiveStatusCode": "",
                       "SchoolEnterDate": "2025-08-20T00:00:00"} for row in rows],
            "other_school": lambda: self.list_of(next(s for s in SCHOOLS if s != school)),
            "null": lambda: [
                row | ({"InactiveStatusCode": None} if row["InactiveStatusCode"] else {})
                for row in rows],
            "uncoded": lambda: [row | {"InactiveStatusCode": ""} for row in rows],
            "only_active": lambda: [row for row in rows if not row["InactiveStatusCode"]],
        }  # fmt: skip
        return changes[kind]() if kind in changes else rows

    def age(self, kind: str) -> int:
        return self.lasted.get(kind, 0)

    # -- a night ---------------------------------------------------------

    def begin_faults(self) -> None:
        for kind in list(self.active):
            self.active[kind] -= 1
            self.lasted[kind] = self.lasted.get(kind, 0) + 1
            if self.active[kind] <= 0:
                del self.active[kind]
                self.lost.pop(kind, None)
        for kind in self.kinds:
            if kind not in self.active and self.night > 3 and self.rng.random() < self.rate:
                self.active[kind] = LASTS.get(kind, lambda rng: rng.randint(1, 3))(self.rng)
                self.place[kind] = self.rng.choice(SCHOOLS)
                self.broken = self.rng.choice(["cut", "foreign", "blank", "missing"])
                self.lasted[kind] = 0
        for kind in self.active:
            self.report.faults[kind] += 1

    def pull(self, moment: datetime, lists: Mapping[int, list[Row] | None]) -> None:
        """Load the lists of a night through the real safeguards."""
        fetched, failed = [], []
        for place, (school, rows) in enumerate(lists.items()):
            at = moment + timedelta(minutes=place)
            pull = PullRow(f"night-{moment:%m%d%H%M}", "eagle-usd", school, "students",
                           Status.FAILED, at, at, database_year=YEAR, reason="no answer",
                           code="http_503", transient=True)  # fmt: skip
            if rows is None:
                failed.append(pull)
                continue
            path = self.folder / f"{school}.json"
            path.write_text(json.dumps(rows), encoding="utf-8")
            fetched.append(Fetched(Landed("eagle-usd", school, pull.pull_id, at, (path,)), pull))
        load(self.warehouse, RESOURCES["students"], fetched, self.district.bounds)
        record(self.warehouse, failed)
        with self.warehouse.open() as connection:
            # What is loaded in the same second was read in the same night.
            connection.execute(
                "UPDATE meta.pulls SET finished_at = started_at + INTERVAL 20 SECOND "
                "WHERE pull_id = ?",
                [f"night-{moment:%m%d%H%M}"],
            )

    def one_night(self) -> None:
        self.live()
        self.begin_faults()
        self.choose()
        mended: list[tuple[Child, int]] = []
        if "typed" in self.active:
            for child in self.rng.sample(self.enrolled(), 2):
                school = child.school or 0
                child.rows[school] = "X"
                mended.append((child, school))
        if NEW_ID in self.active:
            self.renumber(self.rng.choice(self.enrolled()))
        lists: dict[int, list[Row] | None] = {one: self.list_of(one) for one in SCHOOLS}
        if "moving" in self.active:
            mover = self.rng.choice(self.enrolled())
            old = mover.school or 0
            self.move(mover)
            lists[old] = self.list_of(old)
        self.history.append({one: list(rows or ()) for one, rows in lists.items()})
        for kind in self.active:
            school = self.place[kind]
            rows = lists[school]
            lists[school] = None if rows is None else self.wrong(kind, school, rows)
        moment = FIRST + timedelta(days=self.night)
        self.round(moment, lists)
        if "twice" in self.active:
            school = self.place["twice"]
            self.round(moment + timedelta(minutes=10),
                       {one: self.wrong("lacks", one, self.list_of(one)) if one == school
                        else self.list_of(one) for one in SCHOOLS})  # fmt: skip
            if "lacks" not in self.active:
                self.lost.pop("lacks", None)
        for child, school in mended:
            if child.rows.get(school) == "X":
                child.rows[school] = ""
        self.night += 1
        self.report.nights += 1

    def round(self, moment: datetime, lists: Mapping[int, list[Row] | None]) -> None:
        self.pull(moment, lists)
        later = moment + timedelta(minutes=5)
        asked = confirm(self.warehouse, self.district, self.opened, moment=later)
        before = self.accounts()
        computed = compute(self.warehouse, self.district, moment=later + timedelta(seconds=1))
        self.report.requests.append(asked.requests)
        self.judge(before, computed)
        if computed.open_holds:
            self.person(computed)
            compute(self.warehouse, self.district, moment=later + timedelta(seconds=2))

    def person(self, computed: Computed) -> None:
        """A person compares every held batch with Aeries, and says what is true."""
        groups: dict[tuple[str, str, int | None], list[bool]] = {}
        for hold in computed.open_holds:
            if self.children[hold.student_id].first_id and hold.kind == "create":
                self.join(hold.student_id)
                continue
            here = self.children[hold.student_id].is_due
            right = here != (hold.kind == "deactivate")
            groups.setdefault((hold.batch_id, hold.kind, hold.school), []).append(right)
        for (batch, kind, school), right in groups.items():
            if all(right):
                wish = Wish(batch, "approve", "Kim", "compared", kind, school)
                say(self.warehouse, "eagle-usd", wish)

    def join(self, student: int) -> None:
        """Say that a new id is the same child as the one that has the account."""
        for pair in pairs_of(self.warehouse, "eagle-usd"):
            if pair.student_id == student:
                word = Word(Verdict.SAME, pair.related_student_id, student, "Kim", "compared")
                say_of_pair(self.warehouse, "eagle-usd", word)

    def accounts(self) -> dict[int, str]:
        if not self.warehouse.has_table("core", "accounts"):
            return {}
        return dict(self.warehouse.rows("SELECT student_id, state FROM core.accounts"))

    def judge(self, before: Mapping[int, str], computed: Computed) -> None:
        now, report = self.accounts(), self.report
        for student, state in now.items():
            child, was = self.children[student], before.get(student)
            if state == "inactive" and was == "active":
                report.deactivated += 1
                if child.is_due:
                    report.wrong_deactivations.append((self.night, student))
            if state == "active" and was != "active" and not child.is_due:
                report.wrong_accounts.append((self.night, student))
        if self.active:
            self.quiet_since = self.night + 1
        quiet = self.night - self.quiet_since
        if quiet > AFTER:
            report.quiet_nights += 1
            report.quiet_holds += sum(computed.held.values())
            report.stood_still += bool(computed.picture.troubles)
        for child in self.children.values():
            nights = min(quiet, self.night - child.since)
            is_active = now.get(child.id) == "active"
            if child.is_due and nights >= 2 and not is_active:
                report.without.add(child.id)
            if not child.is_due and nights > 4 and is_active:
                report.overdue.add(child.id)


LASTS: Mapping[str, Callable[[random.Random], int]] = {
    "lacks": lambda rng: rng.randint(2, 8),
    "frozen": lambda rng: rng.randint(2, 5),
    "drip": lambda _rng: 25,
    "typed": lambda _rng: 1,
    "moving": lambda _rng: 1,
    "twice": lambda _rng: 1,
    "new_id": lambda _rng: 1,
}
FAULTS = (
    "lacks", "drip", "typed", "moving", "short", "shift", "older", "frozen", "last_year",
    "other_school", "null", "uncoded", "only_active", "empty", "fails", "single_fails", "twice",
    SHARE,
)  # fmt: skip


def simulate(kinds: Sequence[str], seed: int, nights: int, rate: float = 0.06) -> Report:
    """Live through nights and return what was found."""
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(Path(folder), seed, kinds, rate)
        for _ in range(nights):
            simulation.one_night()
        return simulation.report
