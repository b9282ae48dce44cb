"""The calls of Aeries' API that read and write the course requests of one student.

Reading is tried again if that helps, writing never: a request without an answer may have
been carried out, and Aeries accepts the same course twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from aeries_pipeline.districts.errors import (
    NOT_FOUND,
    AeriesError,
    ConfigurationError,
    PermanentError,
    PermissionMissingError,
    TransientError,
)
from aeries_pipeline.ingest.api.answers import BOM, error_of
from aeries_pipeline.ingest.session import Session

REQUESTS = "courserequests"
ALTERNATES = "alternatecourserequests"
_NEVER_SENT = {"refused", "connect_timeout", "proxy"}
_TOO_MANY = 429
_LONGEST_ANSWER = 500


class Said(StrEnum):
    """What a server said to a request that was to write."""

    WRITTEN = "written"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request that was to write.

    Attributes:
        said: Whether it was carried out; unknown where it may have been.
        status: Of HTTP; None if no answer came.
        number: Sequence number that the server names.
        text: What it sent, shortened. For the record in the warehouse alone.
    """

    said: Said
    status: int | None = None
    number: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """One request, or alternate request, that Aeries holds.

    Attributes:
        number: Its sequence number.
        course: The course.
        primary: The course first asked for, where the scheduler put in an alternate; else empty.
        linked: Numbers of the alternates that are linked to it.
    """

    number: int
    course: str
    primary: str = ""
    linked: frozenset[int] = frozenset()


class Calls:
    """What may be asked of the server about one student at one school."""

    def __init__(self, session: Session, school: int, student: int) -> None:
        """Prepare; nothing is sent yet.

        Args:
            session: The open pull, in whose window and limits every request stays.
            school: School code.
            student: StudentID.
        """
        self._session = session
        self._school, self._student = school, student
        self._place = f"schools/{school}/students/{student}"
        self._what = f"{session.district.id}, school {school}, course requests of one student"

    def requests(self) -> list[Held]:
        """Return the student's requests at the school.

        Raises:
            AeriesError: If there is no usable answer.
        """
        return self._read(REQUESTS)

    def alternates(self) -> list[Held]:
        """Return the student's alternate requests at the school.

        Raises:
            AeriesError: If there is no usable answer.
        """
        return self._read(ALTERNATES)

    def create(self, course: str, alternates: Sequence[int]) -> Answered:
        """Ask for a course, with alternates that are there already."""
        links = {"AlternateCourseRequestReferences": list(alternates)} if alternates else {}
        return self._write("POST", REQUESTS, {"CourseID": course, **links}, course)

    def create_alternate(self, course: str) -> Answered:
        """Ask for a course as the last of the student's alternates."""
        return self._write("POST", ALTERNATES, {"CourseID": course}, course)

    def link(self, held: Held, alternates: Sequence[int]) -> Answered:
        """Link alternates to a request and leave everything else about it unchanged.

        Those that are linked already are named as well, so that none is lost if a server replaces
        what it should append. No course is sent, so nothing is created if the request has gone
        meanwhile.
        """
        body = {
            "AlternateCourseRequestReferences": sorted({*held.linked, *alternates}),
            "AlternateCourseRequestUpdateOptions": "Append",
        }
        return self._write("PUT", f"{REQUESTS}/{held.number}", body, held.course)

    @property
    def _params(self) -> dict[str, str | int]:
        return {"DatabaseYear": self._session.preflight().start_year}

    def _read(self, kind: str) -> list[Held]:
        try:
            answer = self._session.client.get(
                f"{self._place}/{kind}", params=self._params, what=self._what
            )
        except PermanentError as error:
            if error.code == NOT_FOUND:
                return []
            raise
        found = [_held(row, self._student, self._what) for row in answer.rows]
        # Some versions answer with the rows of every school of the student.
        return [
            one
            for one, row in zip(found, answer.rows, strict=True)
            if row["SchoolCode"] == self._school
        ]

    def _write(self, method: str, path: str, body: Mapping[str, Any], course: str) -> Answered:
        try:
            status, headers, answer = self._session.client.write(
                method, f"{self._place}/{path}", orjson.dumps(body), self._params, self._what
            )
        except TransientError as error:
            if error.code in _NEVER_SENT:
                raise
            return Answered(Said.UNKNOWN, text=error.code)
        text = answer.decode("utf-8", "replace")[:_LONGEST_ANSWER]
        if status in {200, 201}:
            return self._carried_out(status, answer, text, course)
        refusal = error_of(status, headers, answer, self._what)
        if isinstance(refusal, PermissionMissingError):
            raise ConfigurationError(
                "may_not_write",
                f"{self._session.district.id}: the certificate may not write course requests; ask "
                "the district for Insert and Update of Student Scheduling Schedules (Course "
                "Requests) on its API Security page",
            )
        if isinstance(refusal, ConfigurationError) or status == _TOO_MANY:
            raise refusal
        is_unknown = isinstance(refusal, TransientError) or not 400 <= status < 500
        return Answered(Said.UNKNOWN if is_unknown else Said.REFUSED, status, text=text)

    def _carried_out(self, status: int, answer: bytes, text: str, course: str) -> Answered:
        """Believe an answer that names the record that was meant, and that alone."""
        try:
            data = orjson.loads(answer.removeprefix(BOM))
            row = data[0] if isinstance(data, list) else data
            held = _held(row, self._student, self._what)
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            return Answered(Said.UNKNOWN, status, text=text)
        except AeriesError as error:
            if error.code == ANOTHER:
                raise
            return Answered(Said.UNKNOWN, status, text=text)
        if held.course != course or row["SchoolCode"] != self._school:
            raise _another(self._what)
        return Answered(Said.WRITTEN, status, held.number, text)


ANOTHER = "another_record"
"""Code of an answer that names another record than was meant."""


def _another(what: str) -> PermanentError:
    return PermanentError(
        ANOTHER,
        f"{what}: the server answers with another record than was meant; nothing more is sent; ask "
        "the district's Aeries administrator to look at the requests that were written last",
    )


def _held(row: Mapping[str, Any], student: int, what: str) -> Held:
    number, course, tag = row.get("SequenceNumber"), row.get("CourseID"), row.get("AlternateTag")
    links = row.get("AlternateCourseRequests") or []
    if not isinstance(number, int) or not isinstance(course, str) or "SchoolCode" not in row:
        raise PermanentError("unreadable", f"{what}: the answer lacks a number or a course")
    if row.get("StudentID") != student:
        raise _another(what)
    swapped = isinstance(tag, str) and tag.strip() == "X"
    primary = str(row.get("ActualPrimaryCourseID") or "").strip() if swapped else ""
    linked = frozenset(one["SequenceNumber"] for one in links if "SequenceNumber" in one)
    return Held(number, course.strip(), primary, linked)
