"""The second server's HTTP: paths, numbers of paging, and answers in unusual clothes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline_tests.otherserver.population import (
    LATER,
    PARTNER,
    Records,
    Row,
    dressed,
    population,
)
from aeries_pipeline_tests.otherserver.readings import Readings

PREFIX = "/district/aeries/api/v5/"
FEEDS = {
    "StudentDataChanges/student": ("students", "StudentID"),
    "StudentDataChanges/class": ("classes", "StudentID"),
    "StudentDataChanges/contact": ("contacts", "StudentID"),
    "StudentDataChanges/program": ("programs", "StudentID"),
    "StudentDataChanges/enrollment": ("enrollment", "StudentID"),
    "CourseDataChanges": ("courses", "ID"),
    "StaffDataChanges": ("staff", "ID"),
}


def _path(one: Resource) -> str:
    return one.path.format(school=994, year=2020, part=(*one.parts, "")[0])


LISTS = {
    "terms": "terms",
    "students": "students",
    "students/0/extended": "students_extended",
    "gpas": "gpas",
    "classes": "classes",
    "Transcript": "transcripts",
    "GraduationRequirements": "graduation_requirements",
    "GraduationStatusSummary": "graduation_status",
    "sections": "sections",
    "contacts": "contacts",
    "students/0/programs": "programs",
    "enrollment/0/year/2020": "enrollment",
    "calendar": "calendar",
    "AbsenceCodes": "absence_codes",
    "scheduling/courserequests": "course_requests",
    "scheduling/alternatecourserequests": "alternate_course_requests",
    **{
        _path(one).removeprefix("schools/994/"): one.name
        for one in LATER
        if one.grain is Grain.SCHOOL
    },
}
WHOLE = {
    "schools": "schools",
    "courses": "courses",
    "staff": "staff",
    "codes/STU/GR": "codes",
    **{_path(one): one.name for one in LATER if one.grain is Grain.DISTRICT},
}
"""Lists of the district; it has no other list of codes."""

ONE = (
    (r"students/(\d+)", "students"),
    (r"students/(\d+)/extended", "students_extended"),
    (r"classes/(\d+)", "classes"),
    (r"contacts/(\d+)", "contacts"),
    (r"students/(\d+)/programs", "programs"),
    (r"enrollment/(\d+)/year/\d{4}", "enrollment"),
)
PAGED = {"students", "students_extended", "gpas", "graduation_status", "transcripts"} | {
    one.name for one in LATER if one.paging
}
Reply = tuple[int, str]
CLOCKS = {
    "offset": "2021-03-03T11:13:38.9539491-08:00",
    "Z": "2021-03-03T19:13:38.9539491Z",
    "no offset": "2021-03-03T11:13:38.9539491",
}


@dataclass
class OtherServer:
    """One site: what it has, how it reads the reference, and what was asked of it.

    Attributes:
        changed: What the feeds name, by resource.
        not_granted: Resources that the certificate may not read.
    """

    certificate: str
    readings: Readings = field(default_factory=Readings)
    records: Records = field(default_factory=population)
    changed: dict[str, list[Row]] = field(default_factory=dict)
    not_granted: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str], certificate: str) -> Reply:
        """Return status and body of one request."""
        if path == "systeminfo":
            return 200, self._dump(self._system())
        if certificate != self.certificate:
            return 401, self._dump({"Message": "Invalid certificate"})
        feed = re.fullmatch(r"(\w+(?:/[a-z]+)?)/\d{4}/\d\d?/\d\d?/\d\d?/\d\d?", path)
        if feed and feed[1] in FEEDS:
            return self._many(self.changed.get(FEEDS[feed[1]][0], []))
        if path in WHOLE:
            return self._list(WHOLE[path], None, query)
        first, _, rest = path.partition("/")
        if first in {"courses", "staff"}:
            return self._of_district(first, unquote(rest))
        code, _, rest = rest.partition("/")
        if first == "schools" and code.isdigit():
            if rest in LISTS:
                return self._list(LISTS[rest], int(code), query)
            for pattern, name in ONE:
                if found := re.fullmatch(pattern, rest):
                    return self._of_student(name, int(code), int(found[1]))
        return 404, self._dump({"Message": "No such end point"})

    def _list(self, name: str, code: int | None, query: dict[str, str]) -> Reply:
        rows = self.records.get((name, code), [])
        readings = self.readings
        if name in self.not_granted:
            return readings.refused, self._dump({"Message": "Not authorized"})
        if name == "transcripts" and readings.history == "no element":
            rows = [row for row in rows if row["CourseGrades"]]
        is_alone = name == "transcripts" and readings.history == "a number alone"
        unit = readings.transcript_pages if name == "transcripts" else "Record"
        if name not in PAGED or f"Starting{unit}" not in query:
            return self._many([row for row in rows if not is_alone or row["CourseGrades"]])
        start, end = int(query[f"Starting{unit}"]), int(query[f"Ending{unit}"])
        numbered: list[Row | None] = []
        for at, row in enumerate(rows, 1):
            numbered.append(None if is_alone and not row["CourseGrades"] else row)
            if readings.gap and at % readings.gap == 0 and at < len(rows):
                numbered.append(None)
        size = min(end - start + 1, readings.cap)
        page = numbered[start - 1 : start - 1 + size]
        if start > max(len(numbered), 1):
            if readings.behind == "404":
                return 404, self._dump({"Message": "No records found"})
            if readings.behind in {"204", "null"}:
                return self._none(readings.behind)
            page = numbered[-size:] if readings.behind == "last" else []
            if not page:
                return 200, "[]"
        return self._many([row for row in page if row is not None])

    def _of_district(self, name: str, key: str) -> Reply:
        for row in self.records[name, None]:
            if str(row["ID"]) == key:
                return 200, self._dump(dressed(row, self.readings))
        return self._gone()

    def _of_student(self, name: str, code: int, student: int) -> Reply:
        """Return a student's rows of one school, or of each, and of a school of a partner."""
        mine = [row for row in self.records[name, code] if row["StudentID"] == student]
        if self.readings.student == "every row" and name in {"students", "students_extended"}:
            every = [
                row
                for (resource, _code), rows in self.records.items()
                for row in rows
                if resource == name and row["StudentID"] == student
            ]
            mine = every and [every[0] | {"SchoolCode": PARTNER, "StudentNumber": 7777}, *every]
        return self._many(mine) if mine else self._gone()

    def _gone(self) -> Reply:
        if self.readings.gone == "404":
            return 404, self._dump({"Message": "Not found"})
        return self._none(self.readings.gone)

    def _none(self, way: str) -> Reply:
        return (204, "") if way == "204" else (200, way)

    def _many(self, rows: list[Row]) -> Reply:
        """Return a list, or what stands for one of one or of none."""
        if not rows:
            return self._none(self.readings.none)
        found = [dressed(row, self.readings) for row in rows]
        is_bare = len(found) == 1 and self.readings.one == "object"
        return 200, self._dump(found[0] if is_bare else found)

    def _dump(self, data: Any) -> str:
        is_plain = self.readings.dress == "plain"
        text = json.dumps(data, indent=None if is_plain else 2, ensure_ascii=is_plain)
        if self.readings.numbers != "four digits":
            return text
        return re.sub(r"(?<=: )-?\d+\.\d+(?=[,}\n])", lambda one: f"{float(one[0]):.4f}", text)

    def _system(self) -> Row:
        return {
            "CurrentDateTime": CLOCKS[self.readings.clock],
            "LocalTimeZoneName": self.readings.zone,
            "AvailableDatabaseYears": ["2020-2021"],
            "DatabaseYear": "2020-2021",
            "AeriesVersion": "9.21.2.25",
        }

    def encoded(self, body: str) -> tuple[str, bytes]:
        """Return the content type and the bytes of a body."""
        if self.readings.dress == "plain":
            return "application/json", body.encode()
        return "text/json; charset=utf-8", b"\xef\xbb\xbf" + body.encode() if body else b""


@contextmanager
def serving(site: OtherServer) -> Iterator[str]:
    """Serve a site on a free port; gives the address of one of its pages."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            path = parts.path.removeprefix(PREFIX).rstrip("/")
            site.asked.append(path)
            status, body = site.answer(path, query, self.headers.get("AERIES-CERT", ""))
            kind, data = site.encoded(body)
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/district/aeries/Login.aspx?page=x"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
