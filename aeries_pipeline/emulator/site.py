"""One emulated Aeries site: district, certificates, rights, answers.

Turns a path and a query into a status and JSON text, as version 5 of the API
would. Knows nothing of sockets; ``server`` puts it behind HTTP.
"""
# ruff: noqa: E501 - the table of routes reads best with a line for each

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.emulator import feeds
from aeries_pipeline.emulator.codes import absence_codes_of, codes_of
from aeries_pipeline.emulator.days import advance, touch
from aeries_pipeline.emulator.district import District, Row, School
from aeries_pipeline.emulator.endpoints import Endpoints
from aeries_pipeline.emulator.from_samples import AREAS, Sample, paths_of, sample_of, unserved
from aeries_pipeline.emulator.switches import Switches

XELLO_GRANT = frozenset(
    {
        "Student Data",
        "Class Schedules/History",
        "Course Data",
        "Transcripts",
        "Graduation Requirements",
        "Graduation Status",
    }
)
"""Areas that Xello asks a district for."""

EVERYTHING = XELLO_GRANT | AREAS
DEMO_CERTIFICATE = "477abe9e7d27439681d62f4e0de1f5e1"  # pragma: allowlist secret
"""The certificate of the vendor's public demo site; no secret."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body of an answer."""

    status: int
    body: str
    content_type: str = "application/json; charset=utf-8"


class ReplyError(Exception):
    """Ends the handling of a request with this reply."""

    def __init__(self, status: int, message: str) -> None:
        """Answer with Aeries' error body."""
        super().__init__(message)
        self.reply = Reply(status, f'{{"Message":"{message}"}}')


Query = Mapping[str, str]
Handler = Callable[[re.Match[str], Query], str]
Shown = TypeVar("Shown")


@dataclass
class Site:
    """One emulated Aeries site.

    Attributes:
        district: The district behind it.
        certificates: Areas that each certificate may read.
        switches: Behaviours on which sources disagree.
        years: First years of the databases that are open; the newest is the
            default.
        version: Version of Aeries.
        clock_offset: Seconds by which the server's clock is wrong.
    """

    district: District
    certificates: dict[str, frozenset[str]] = field(
        default_factory=lambda: {DEMO_CERTIFICATE: EVERYTHING}
    )
    switches: Switches = field(default_factory=Switches)
    version: str = "9.26.10.14"
    clock_offset: float = 0.0
    forced_year: int | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Prepare the routes."""
        self.endpoints = Endpoints(self.district, self.switches)
        self._routes = [
            (re.compile(pattern, re.IGNORECASE), area, handler)
            for pattern, area, handler in self._table()
        ]
        made_up = [pattern for pattern, _area, _handler in self._routes]
        self._routes += [
            (
                re.compile(path, re.IGNORECASE),
                one.area.name if one.area else None,
                self._sampled(one),
            )
            for one in unserved(made_up)
            for path in paths_of(one)
        ]

    def now(self) -> datetime:
        """Return the server's clock, local time with its offset."""
        return datetime.now().astimezone() + timedelta(seconds=self.clock_offset)

    def advance(self, days: int) -> dict[str, int]:
        """Move the district on by school days."""
        with self.lock, self._noting_seats() as at:
            return advance(self.district, days, at)

    def touch(self, share: float) -> dict[str, int]:
        """Change student row and schedule of a share of the current students."""
        with self.lock, self._noting_seats() as at:
            return touch(self.district, share, at)

    @contextmanager
    def _noting_seats(self) -> Iterator[datetime]:
        """Yield the server's local time, and let the feed name everybody whose classes change.

        One who leaves may move others to another section.
        """
        at = self.now().replace(tzinfo=None)
        before = self._seats()
        yield at
        after = self._seats()
        for key in before.keys() | after.keys():
            old, new = before.get(key), after.get(key)
            if old is None or new is None or old[1:] != new[1:]:
                row = (new or old or ())[0]
                self.district.note(row, "class", at)

    def _seats(self) -> dict[tuple[int, int], tuple[Any, ...]]:
        """Return the row and the seats of everybody, by school and student."""
        found: dict[tuple[int, int], tuple[Any, ...]] = {}
        for school in self.district.real_schools():
            schedule = self.endpoints.academics.schedule(school)
            for student, seats in schedule.by_student.items():
                shown = [
                    (one.sequence, one.section.number, one.started, one.ended) for one in seats
                ]
                found[school.code, student] = (seats[0].row, *shown)
        return found

    @property
    def start_year(self) -> int:
        """The first year of the default database."""
        return self.forced_year or self.district.year

    def answer(self, path: str, query: Query, certificate: str | None) -> Reply:
        """Answer one GET request.

        Args:
            path: Path below ``/api/v5/``, without slashes at its ends.
            query: Query parameters; names are matched without regard to case.
            certificate: Value of the certificate header, None if absent.
        """
        lowered = {name.lower(): value for name, value in query.items()}
        if path.lower() == "systeminfo":
            return Reply(200, self._systeminfo())
        areas = self.certificates.get(certificate or "")
        if areas is None:
            return Reply(401, '{"Message":"Invalid Certificate"}')
        for pattern, area, handler in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if area is not None and area not in areas:
                message = "Permission to this resource is not granted"
                return Reply(self.switches.missing_permission, f'{{"Message":"{message}"}}')
            try:
                with self.lock:
                    return Reply(200, self._spelled(handler(match, lowered)))
            except ReplyError as error:
                return error.reply
        return Reply(404, '{"Message":"No HTTP resource was found that matches the request"}')

    def _spelled(self, body: str) -> str:
        if self.switches.early_warning_as_text:
            body = re.sub(r'"EarlyWarningPoints":([\d.]+)', r'"AtRiskPoints":"\1"', body)
        if self.switches.null_dates_as_year_one:
            body = re.sub(r'(Date[A-Za-z]*"):null', r'\1:"0001-01-01T00:00:00"', body)
        return body

    def _systeminfo(self) -> str:
        # There is one database, so every year that is asked for gives the default.
        year = self.start_year
        newest = self.district.year
        moment = self.now()
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}1{moment:%z}"
        stamp = f"{stamp[:-2]}:{stamp[-2:]}"
        return (
            f'{{"AeriesVersion":"{self.version}","DatabaseYear":"{year}-{year + 1}",'
            f'"AvailableDatabaseYears":["{newest}-{newest + 1}"],'
            f'"LocalTimeZoneName":{json.dumps(self.switches.time_zone)},'
            f'"CurrentDateTime":"{stamp}"}}'
        )

    # -- routes ----------------------------------------------------------

    def _table(self) -> list[tuple[str, str | None, Handler]]:
        e = self.endpoints
        student, graduation = "Student Data", "Graduation Status"
        requests = "Student Scheduling Schedules (Course Requests)"
        school = r"schools/(?P<school>\d+)"
        return [
            (r"schools", None, self._schools),
            (school, None, self._one_school),
            (rf"{school}/terms", None, lambda m, _q: self._list(e.terms(self._school(m)))),
            (rf"{school}/calendar", "Calendar", self._calendar),
            (rf"{school}/students", student, self._rows(e.student, page="record")),
            (rf"{school}/students/grade/(?P<grade>-?\d+)", student, self._rows(e.student, page="record")),
            (rf"{school}/students/sn/(?P<number>\d+)", student, self._rows(e.student)),
            (rf"{school}/students/(?P<student>\d+)", student, self._rows(e.student)),
            (rf"{school}/students/(?P<student>\d+)/extended", student, self._rows(e.extended, page="record")),
            (rf"{school}/students/grade/(?P<grade>-?\d+)/extended", student, self._rows(e.extended, page="record")),
            (rf"{school}/students/sn/(?P<number>\d+)/extended", student, self._rows(e.extended)),
            (rf"{school}/gpas(/(?P<student>\d+))?", student, self._rows(e.gpa, page="record", once=True)),
            (rf"{school}/Transcript(/(?P<student>\d+))?", "Transcripts", self._transcript),
            (rf"{school}/GraduationRequirements", "Graduation Requirements",
             lambda m, _q: self._list(e.graduation_requirements(self._school(m)))),
            (rf"{school}/GraduationStatusSummary(/(?P<student>\d+))?", graduation,
             self._rows(e.graduation_status, page="record", once=True, high=True)),
            (rf"{school}/GraduationStatusSummary/grade/(?P<grade>-?\d+)", graduation, self._rows(e.graduation_status, page="record", once=True, high=True)),
            (rf"{school}/classes(/(?P<student>\d+))?", "Class Schedules/History", self._classes),
            (rf"{school}/sections/(?P<section>\d+)/students", "Class Schedules/History", self._classes),
            (r"codes/(?P<table>\w+)/(?P<field>\w+)", None, lambda m, _q: self._list(codes_of(m["table"], m["field"]))),
            (rf"{school}/AbsenceCodes", "Absence Code Table", lambda m, _q: self._list(absence_codes_of(self._school(m).code))),
            (r"courses", "Course Data", lambda _m, _q: self._list([e.course(c) for c in self.district.courses])),
            (r"courses/(?P<course>[^/]+)", "Course Data", self._course),
            (rf"{school}/sections", "Master Schedule", self._sections),
            (rf"{school}/sections/(?P<section>\d+)", "Master Schedule", self._sections),
            (r"staff", "Staff Data", lambda _m, _q: self._list(e.staff())),
            (r"staff/(?P<staff>\d+)", "Staff Data", self._staff),
            (rf"{school}/contacts(/(?P<student>\d+))?", "Contacts", self._contacts),
            (rf"{school}/students/(?P<student>\d+)/programs", "Student Programs", self._many(e.program)),
            (rf"({school}/)?enrollment/(?P<student>\d+)(/year/(?P<year>\d+))?", "Enrollment History", self._enrollment),
            (rf"{school}/(scheduling|students/(?P<student>\d+))/courserequests", requests, self._many(e.requests)),
            (rf"{school}/(scheduling|students/(?P<student>\d+))/alternatecourserequests", requests, self._many(e.alternates)),
            (r"StudentDataChanges/(?P<area>\w+)/" + _WHEN, student, self._student_changes),
            (r"CourseDataChanges/" + _WHEN, "Course Data", self._course_changes),
            (r"SectionRosterDataChanges/" + _WHEN, "Class Schedules/History", self._roster_changes),
            # No day of the emulator touches staff or a section itself.
            (r"StaffDataChanges/" + _WHEN, "Staff Data", self._no_changes),
            (r"SectionDataChanges/" + _WHEN, "Master Schedule", self._no_changes),
        ]  # fmt: skip

    @staticmethod
    def _list(elements: Sequence[str]) -> str:
        return f"[{','.join(elements)}]"

    def _school(self, match: re.Match[str]) -> School:
        school = self.district.schools.get(int(match["school"]))
        if school is None:
            raise ReplyError(404, "Invalid School Code")
        return school

    def _schools(self, _match: re.Match[str], _query: Query) -> str:
        return self._list([self.endpoints.school(s) for s in self.district.schools.values()])

    def _one_school(self, match: re.Match[str], _query: Query) -> str:
        rendered = self.endpoints.school(self._school(match))
        return rendered if self.switches.school_shape == "object" else f"[{rendered}]"

    def _calendar(self, match: re.Match[str], _query: Query) -> str:
        return self._list(self.endpoints.calendar(self._school(match)))

    def _course(self, match: re.Match[str], _query: Query) -> str:
        for course in self.district.courses:
            if course.id == match["course"]:
                return self.endpoints.course(course)
        raise ReplyError(404, "Invalid Course ID")

    def _staff(self, match: re.Match[str], _query: Query) -> str:
        for rendered in self.endpoints.staff():
            if f'"ID":{match["staff"]},' in rendered:
                return rendered
        raise ReplyError(404, "Invalid Staff ID")

    def _selected(self, match: re.Match[str]) -> list[Row]:
        """Return the rows that a path names; an unknown school has none."""
        groups: dict[str, Any] = match.groupdict()
        code = int(groups["school"]) if groups.get("school") else None
        student = int(groups.get("student") or 0)
        if code is None or (student and self.switches.student_by_id == "all_rows"):
            rows = [row for rows in self.district.rows.values() for row in rows]
        else:
            rows = self.district.rows.get(code, [])
        if student:
            rows = [row for row in rows if row.person.id == student]
        if groups.get("grade"):
            rows = [row for row in rows if row.grade == int(groups["grade"])]
        if groups.get("number"):
            rows = [row for row in rows if row.number == int(groups["number"])]
        return rows

    def _rows(
        self,
        render: Callable[[Row], str],
        *,
        page: str | None = None,
        once: bool = False,
        high: bool = False,
    ) -> Handler:
        def handle(match: re.Match[str], query: Query) -> str:
            rows = self._selected(match)
            if high:
                rows = [row for row in rows if row.grade >= 9]
            if once:
                rows = list({row.person.id: row for row in rows}.values())
            if page:
                rows = self._page(rows, query, page)
            return self._list([render(row) for row in rows])

        return handle

    def _sampled(self, resource: Resource) -> Handler:
        """Answer with the sample of a resource for which no rows are made up."""
        sample = Sample(resource, self.district, sample_of(resource.name))

        def handle(match: re.Match[str], query: Query) -> str:
            found = sample.answer(match.groupdict(), self._selected(match))
            pages = self._page(found, query, sample.unit) if sample.unit else found
            return self._list([element for elements in pages for element in elements])

        return handle

    def _page(self, rows: Sequence[Shown], query: Query, unit: str) -> list[Shown]:
        first, last = query.get(f"starting{unit}"), query.get(f"ending{unit}")
        if first is None and last is None:
            return list(rows)
        start = max(int(first or 1), 1)
        numbers = self.switches.numbers(start, int(last) if last else len(rows), len(rows))
        if numbers is None:
            raise ReplyError(404, "No records found")
        return [rows[number - 1] for number in numbers]

    def _transcript(self, match: re.Match[str], query: Query) -> str:
        rows = list({row.person.id: row for row in self._selected(match)}.values())
        if self.switches.empty_transcript == "absent":
            rows = [row for row in rows if row.grade > 6]
        rows = self._page(rows, query, self.switches.transcript_paging)
        return self._list([self.endpoints.transcript(row) for row in rows])

    def _classes(self, match: re.Match[str], _query: Query) -> str:
        school = self.district.schools.get(int(match["school"]))
        if school is None or not school.is_real:
            return "[]"
        schedule = self.endpoints.academics.schedule(school)
        groups = match.groupdict()
        seats = schedule.seats
        if groups.get("student"):
            seats = schedule.by_student.get(int(groups["student"]), [])
        if groups.get("section"):
            seats = [seat for seat in seats if seat.section.number == int(groups["section"])]
        return self._list([self.endpoints.seat(seat) for seat in seats])

    def _sections(self, match: re.Match[str], _query: Query) -> str:
        school = self.district.schools.get(int(match["school"]))
        if school is None or not school.is_real:
            return "[]"
        schedule = self.endpoints.academics.schedule(school)
        wanted = match.groupdict().get("section")
        rendered = [
            self.endpoints.section(school, section, schedule.taken[section.number])
            for section in schedule.sections
            if wanted is None or section.number == int(wanted)
        ]
        if wanted is None:
            return self._list(rendered)
        if not rendered:
            raise ReplyError(404, "Invalid Section Number")
        return rendered[0]

    def _many(self, render: Callable[[Row], list[str]]) -> Handler:
        def handle(match: re.Match[str], _query: Query) -> str:
            rows = {row.person.id: row for row in self._selected(match)}.values()
            return self._list([element for row in rows for element in render(row)])

        return handle

    def _contacts(self, match: re.Match[str], query: Query) -> str:
        """Answer with the contacts of a school, or all of one student whatever the school."""
        if not match["student"]:
            return self._many(self.endpoints.contact)(match, query)
        rows = [
            row
            for rows in self.district.rows.values()
            for row in rows
            if row.person.id == int(match["student"])
        ]
        return self._list(self.endpoints.contact(rows[0]) if rows else [])

    def _enrollment(self, match: re.Match[str], _query: Query) -> str:
        year = int(match["year"] or self.district.year)
        rows = self._selected(match)
        return self._list([x for row in rows for x in self.endpoints.enrollment(row, year)])

    def _student_changes(self, match: re.Match[str], _query: Query) -> str:
        return self._list(feeds.students(self.district, match["area"], _since(match)))

    def _course_changes(self, match: re.Match[str], _query: Query) -> str:
        return self._list(feeds.courses(self.district, _since(match)))

    def _roster_changes(self, match: re.Match[str], _query: Query) -> str:
        return self._list(
            feeds.sections(self.district, self.endpoints.academics.schedule, _since(match))
        )

    @staticmethod
    def _no_changes(match: re.Match[str], _query: Query) -> str:
        _since(match)
        return "[]"


def _since(match: re.Match[str]) -> datetime:
    try:
        return datetime(*(int(match[part]) for part in ("y", "m", "d", "h", "n")))  # type: ignore[arg-type]  # noqa: DTZ001 - the server speaks local time
    except ValueError:
        raise ReplyError(400, "The date and time are not valid") from None


_WHEN = r"(?P<y>\d+)/(?P<m>\d+)/(?P<d>\d+)/(?P<h>\d+)/(?P<n>\d+)"
