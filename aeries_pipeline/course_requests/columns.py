"""What the columns of a file mean, and its rows as requests.

The names that Course Planner and its like write are known; a district may map
others in the roster. A row with a mistake stays a request, with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aeries_pipeline.course_requests.model import ANY_REQUEST, MAX_COURSE_ID, Reason, Warn
from aeries_pipeline.course_requests.reading import FORMULA, Sheet, UnreadableFileError

KNOWN = {
    "student_id": ("studentid", "stuid", "permanentid", "permid", "districtstudentid", "id"),
    "course_id": ("courseid", "coursecode", "coursenumber", "course", "cn"),
    "priority": ("priority", "rank", "choice", "order", "preference"),
    "alternate_for": ("alternatefor", "alternateto", "alternateof", "primarycourseid"),
    "school_year": ("schoolyear", "year", "planyear", "academicyear"),
    "requested_at": ("requestedat", "requestdate", "submittedat", "submitted", "dateadded", "date"),
}
"""Spellings of each column, small letters and digits alone; earlier ones first."""
REQUIRED = ("student_id", "course_id")
_MAX_STUDENT = 2**31 - 1
_ANY = {"*", "any", "all"}
_DATES = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%y")


@dataclass(frozen=True, slots=True)
class Received:
    """One row of a file.

    Attributes:
        line: Line of the file.
        stated_student: What stood there, at most 40 characters.
        stated_course: What stood there, at most 40 characters.
        student_id: The student, None where it cannot be read.
        course_id: The course as text; leading zeros count.
        priority: 1 is the first wish; None where there is none.
        alternate_for: The request that this is an alternate of, ``*`` for any;
            empty where it is no alternate.
        school_year: First of the two calendar years; None where not stated.
        requested_at: When the student asked, without a zone; None where not stated.
        problem: Why the row cannot be a request.
        warnings: What could not be read and is not needed.
    """

    line: int
    stated_student: str
    stated_course: str
    student_id: int | None = None
    course_id: str = ""
    priority: float | None = None
    alternate_for: str = ""
    school_year: int | None = None
    requested_at: datetime | None = None
    problem: Reason | None = None
    warnings: tuple[Warn, ...] = ()


def plain_name(name: str) -> str:
    """Return a column's name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def map_columns(header: Sequence[str], settled: Mapping[str, str]) -> dict[str, int]:
    """Return the place of each column that is there.

    Args:
        header: The names in the file.
        settled: Names that the district's roster gives, by our names.

    Raises:
        UnreadableFileError: If a required column is missing or stands twice.
    """
    names = [plain_name(name) for name in header]
    found: dict[str, int] = {}
    for column, spellings in KNOWN.items():
        wanted = [plain_name(settled[column])] if column in settled else list(spellings)
        for spelling in wanted:
            if spelling not in names:
                continue
            if names.count(spelling) > 1:
                raise UnreadableFileError(
                    "column_twice",
                    f"two columns could be {column}; remove one, or name the right one under "
                    "course_requests.columns in the roster",
                )
            found[column] = names.index(spelling)
            break
        if column not in found and (column in REQUIRED or column in settled):
            raise UnreadableFileError(
                "column_missing",
                f"none of the {len(header)} columns is {' or '.join(_shown(column, settled))}; "
                f"correct the header, or name the column that holds {column} under "
                "course_requests.columns in the roster",
            )
    return found


def _shown(column: str, settled: Mapping[str, str]) -> list[str]:
    usual = {"student_id": ["StudentID"], "course_id": ["CourseID", "Course Code"]}
    return [settled[column]] if column in settled else usual.get(column, [column])


def received(sheet: Sheet, settled: Mapping[str, str]) -> list[Received]:
    """Return every row of a sheet as a request, in order; none is left out.

    Raises:
        UnreadableFileError: If a required column is missing.
    """
    places = map_columns(sheet.header, settled)
    return [
        _received(line, {name: cells[place] for name, place in places.items()})
        for line, cells in sheet.rows
    ]


def _received(line: int, cells: Mapping[str, str]) -> Received:
    student, course = cells["student_id"], cells["course_id"]
    warnings: list[Warn] = []
    priority = _number(cells.get("priority", ""))
    if priority is None and cells.get("priority"):
        warnings.append(Warn.PRIORITY_UNREADABLE)
    requested = _moment(cells.get("requested_at", ""))
    if requested is None and cells.get("requested_at"):
        warnings.append(Warn.DATE_UNREADABLE)
    alternate = cells.get("alternate_for", "")
    year, year_is_wrong = _year(cells.get("school_year", ""))
    return Received(
        line=line,
        stated_student=_stated(student),
        stated_course=_stated(course),
        student_id=_student(student),
        course_id="" if course == FORMULA else course[: MAX_COURSE_ID * 2],
        priority=priority,
        alternate_for=ANY_REQUEST if alternate.lower() in _ANY else alternate[: MAX_COURSE_ID * 2],
        school_year=year,
        requested_at=requested,
        problem=_problem(cells, year_is_wrong=year_is_wrong),
        warnings=tuple(warnings),
    )


def _problem(cells: Mapping[str, str], *, year_is_wrong: bool) -> Reason | None:
    student, course = cells["student_id"], cells["course_id"]
    needed = (student, course, cells.get("alternate_for", ""))
    if FORMULA in needed:
        return Reason.FORMULA
    if _student(student) is None:
        return Reason.STUDENT_UNREADABLE if student else Reason.STUDENT_MISSING
    if not course:
        return Reason.COURSE_MISSING
    if max(len(course), len(cells.get("alternate_for", ""))) > MAX_COURSE_ID:
        return Reason.COURSE_TOO_LONG
    return Reason.YEAR_UNREADABLE if year_is_wrong else None


def _stated(cell: str) -> str:
    return "(a formula)" if cell == FORMULA else cell[:40]


def _student(cell: str) -> int | None:
    """Read a StudentID: digits alone, also as a spreadsheet writes whole numbers."""
    match = re.fullmatch(r"(\d{1,10})(?:\.0+)?", cell, re.ASCII)
    number = int(match[1]) if match else 0
    return number if 0 < number <= _MAX_STUDENT else None


def _number(cell: str) -> float | None:
    match = re.fullmatch(r"\d{1,6}(\.\d{1,6})?", cell, re.ASCII)
    return float(match[0]) if match else None


def _year(cell: str) -> tuple[int | None, bool]:
    """Read a school year such as 2027-2028, 2027-28 or 2027; tell a wrong one."""
    if not cell:
        return None, False
    match = re.fullmatch(r"(20\d\d)(?:\s*[-/]\s*(?:20)?(\d\d))?", cell, re.ASCII)
    if not match or (match[2] and int(match[2]) != (int(match[1]) + 1) % 100):
        return None, True
    return int(match[1]), False


def _moment(cell: str) -> datetime | None:
    if not cell or cell == FORMULA:
        return None
    try:
        return datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        pass
    for form in _DATES:
        try:
            return datetime.strptime(cell, form)  # noqa: DTZ007 - files state no zone
        except ValueError:
            continue
    return None
