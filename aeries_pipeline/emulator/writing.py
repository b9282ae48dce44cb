"""The calls that change something: course requests and their alternates.

``POST`` and ``PUT`` with the bodies of the published samples. Turns a path and a body into
a status and JSON, as ``site`` does for reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aeries_pipeline.emulator.district import Entered, Row
from aeries_pipeline.emulator.site import Reply, ReplyError, Site

AREA = "Student Scheduling Schedules (Course Requests)"
WRITE_GRANT = frozenset({f"{AREA}: Insert", f"{AREA}: Update"})
"""Rights that a certificate needs to write course requests, besides the area to read them."""

Body = Mapping[str, Any]
_OF_STUDENT = r"schools/(?P<school>\d+)/students/(?P<student>\d+)"
_CREATED, _UPDATED = 201, 200
_LONGEST = {"CourseID": 6, "RejectCode": 2, "PermanentLockCode": 2, "AlternateTag": 1}


def write(site: Site, method: str, path: str, body: bytes, certificate: str | None) -> Reply:
    """Answer one request that changes something.

    Args:
        site: The emulated site.
        method: POST or PUT.
        path: Path below ``/api/v5/``.
        body: As received.
        certificate: Value of the certificate header, None if absent.
    """
    areas = site.certificates.get(certificate or "")
    if areas is None:
        return Reply(401, '{"Message":"Invalid Certificate"}')
    for verb, pattern, right, handler in _CALLS:
        match = re.fullmatch(pattern, path, re.IGNORECASE)
        if verb != method or match is None:
            continue
        if f"{AREA}: {right}" not in areas:
            message = "Permission to this resource is not granted"
            return Reply(site.switches.missing_permission, f'{{"Message":"{message}"}}')
        try:
            with site.lock:
                status, text = handler(site, match, _parsed(body))
                site.district.version += 1
                return Reply(status, text)
        except ReplyError as error:
            return error.reply
    return Reply(405, '{"Message":"The requested resource does not support this http method"}')


def _parsed(body: bytes) -> Body:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ReplyError(400, "The request is invalid")
    for name, longest in _LONGEST.items():
        if not isinstance(data.get(name, ""), str) or len(data.get(name, "")) > longest:
            raise ReplyError(400, f"Invalid {name}")
    return data


def _row(site: Site, match: re.Match[str]) -> Row:
    rows = site.district.rows.get(int(match["school"]))
    if rows is None:
        raise ReplyError(404, "Invalid School Code")
    for row in rows:
        if row.person.id == int(match["student"]):
            return row
    raise ReplyError(404, "Invalid Student ID")


def _course(site: Site, body: Body) -> str:
    course = str(body.get("CourseID") or "")
    if course not in {one.id for one in site.district.courses}:
        raise ReplyError(400, "Invalid CourseID")
    return course


def _check(site: Site, row: Row, body: Body) -> None:
    """Refuse what the reference calls an error; the other elements are not kept."""
    if body.get("SectionNumber"):
        raise ReplyError(400, "Invalid SectionNumber")
    # Schools with a flexible schedule staff their sections.
    staffed = site.district.schools[row.school].flexible
    if body.get("PreferredTeacherNumber" if staffed else "PreferredStaffID"):
        raise ReplyError(400, "Invalid preference of a teacher")
    if body.get("AlternateTag", "") not in {"", "X"}:
        raise ReplyError(400, "Invalid AlternateTag")


def _link(site: Site, row: Row, number: int, body: Body, entered: Entered) -> None:
    wanted = body.get("AlternateCourseRequestReferences") or []
    if not set(wanted) <= set(site.endpoints.alternates_of(row)):
        raise ReplyError(400, "Invalid AlternateCourseRequestReferences")
    way = str(body.get("AlternateCourseRequestUpdateOptions") or "append").lower()
    if way not in {"append", "replace"}:
        raise ReplyError(400, "Invalid AlternateCourseRequestUpdateOptions")
    if wanted or way == "replace":
        before = site.endpoints.links_of(row, number) if way == "append" else []
        entered.links[number] = sorted({*before, *wanted})


def _keep(site: Site, row: Row, number: int, body: Body, *, is_new: bool) -> str:
    _check(site, row, body)
    course = _course(site, body) if is_new or "CourseID" in body else None
    key = (row.school, row.person.id)
    entered = site.district.entered.get(key) or Entered()
    _link(site, row, number, body, entered)
    if course is not None:
        entered.courses[number] = course
    if is_new:
        entered.links.setdefault(number, [])
    site.district.entered[key] = entered
    return site.endpoints.request(row, number)


def _create(site: Site, match: re.Match[str], body: Body) -> tuple[int, str]:
    row = _row(site, match)
    taken = site.endpoints.courses_of(row)
    number = body.get("SequenceNumber")
    if number is None:
        number = max(taken, default=0) + 1
    if not isinstance(number, int) or number < 1 or number in taken:
        raise ReplyError(400, "Invalid SequenceNumber")
    return _CREATED, _keep(site, row, number, body, is_new=True)


def _update(site: Site, match: re.Match[str], body: Body) -> tuple[int, str]:
    row, number = _row(site, match), int(match["number"])
    is_new = number not in site.endpoints.courses_of(row)
    return _CREATED if is_new else _UPDATED, _keep(site, row, number, body, is_new=is_new)


def _create_alternate(site: Site, match: re.Match[str], body: Body) -> tuple[int, str]:
    row, course = _row(site, match), _course(site, body)
    taken = site.endpoints.alternates_of(row)
    position = body.get("RelativePrioritySortOrder")
    if position is not None and (not isinstance(position, int) or position < 1):
        raise ReplyError(400, "Invalid RelativePrioritySortOrder")
    orders = sorted(order for _course, order in taken.values())
    if position is None or position > len(orders):
        order = max(orders, default=0.0) + 8.0
    else:
        order = (orders[position - 1] + (orders[position - 2] if position > 1 else 0.0)) / 2
    number = max(taken, default=0) + 1
    entered = site.district.entered.setdefault((row.school, row.person.id), Entered())
    entered.alternates[number] = course, order
    return _CREATED, site.endpoints.alternate(row, number)


_CALLS: tuple[tuple[str, str, str, Callable[[Site, re.Match[str], Body], tuple[int, str]]], ...] = (
    ("POST", rf"{_OF_STUDENT}/courserequests", "Insert", _create),
    ("PUT", rf"{_OF_STUDENT}/courserequests/(?P<number>\d+)", "Update", _update),
    ("POST", rf"{_OF_STUDENT}/alternatecourserequests", "Insert", _create_alternate),
)
