"""What the columns of a file mean, and its rows as requests.

The names that Course Planner and similar tools write are known; a district may map
others in the roster. A row with a mistake stays a request, with the mistake as reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aeries_pipeline.course_requests.lost_columns import refuse_lost_columns
from aeries_pipeline.course_requests.model import ANY_REQUEST, MAX_COURSE_ID, Reason, Warn
from aeries_pipeline.course_requests.sheets import (
    FORMULA,
    Headline,
    Look,
    Sheet,
    UnreadableFileError,
)

KNOWN = {
    "student_id": (
        "studentid", "stuid", "permanentid", "permid", "studentpermid", "studentpermanentid",
        "permanentidnumber", "permidnumber", "districtstudentid", "aeriesid", "perm", "student#",
        "stu#", "id",
    ),
    "course_id": (
        "courseid", "coursecode", "coursenumber", "course#", "courseno", "crs#", "crsid", "course",
        "cn",
    ),
    "priority": ("priority", "rank", "choice", "order", "preference", "choice#"),
    "alternate_for": ("alternatefor", "alternateto", "alternateof", "primarycourseid"),
    "school_year": ("schoolyear", "year", "planyear", "academicyear"),
    "requested_at": (
        "requestedat", "requestdate", "daterequested", "submittedat", "submitted", "datesubmitted",
        "dateadded", "date",
    ),
}  # fmt: skip
"""Spellings of each column, small letters, digits and # alone; earlier ones first."""
REQUIRED = ("student_id", "course_id")
_WISH = re.compile(
    r"(?:course|class|elective)?(?:request|choice|wish|selection|pick|course|class|elective)"
    r"(?:id|code|number|#)?(\d{1,2})"
)
"""A column for each wish, such as ``Request 1`` or ``Course Choice #2``."""
_ALTERNATE_WISH = re.compile(
    r"alt(?:ernate|ernative)?(?:course|request|choice)?(?:id|code|#)?(\d{1,2})"
)
_VAGUE = {"id", "student#", "stu#"}
"""They may be the permanent ID, or the number inside the school."""
_OTHER_NUMBER = re.compile(r"(student|stu|pupil|perm|local)\w*(number|num|no|id|#)|sn")
"""A column that may be the student's number as well, beside one with a vague name."""
_MAX_STUDENT = 2**31 - 1
_ANY = {"*", "any", "all"}
_DATES = (
    "%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%y", "%m/%d/%y %H:%M", "%m/%d/%y %I:%M %p", "%m-%d-%Y", "%d-%b-%Y", "%d-%b-%y",
    "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_NUMBER_CELL = re.compile(r"\d(?:\.\d+)?E\+\d{1,3}", re.ASCII | re.IGNORECASE)
"""How a spreadsheet shows a course such as 3E5, which is a number to it."""
_DATE_CELL = re.compile(
    r"\d{4}-\d\d-\d\d(T[\d:.]+)?|\d{1,2}[-/]\d{1,2}[-/]\d{2,4}|\d{1,2}-[A-Za-z]{3}(-\d{2,4})?"
)


@dataclass(frozen=True, slots=True)
class Received:
    """One row of a file.

    Attributes:
        line: Line of the file; where a line holds several wishes or there are
            several sheets, the number of the request in the file.
        stated_student: What stood there, at most 40 characters.
        stated_course: What stood there, at most 40 characters.
        student_id: The student, None if it cannot be read.
        course_id: The course as text; leading zeros count.
        priority: 1 is the first wish; None if there is none.
        alternate_for: The request that this is an alternate of, ``*`` for any;
            empty if it is no alternate.
        school_year: First of the two calendar years; None if not stated.
        requested_at: When the student asked, without a zone; None if not stated.
        problem: Why the row cannot be a request.
        warnings: What could not be read and is not needed.
        place: Where it stands, for people; empty if ``line`` tells.
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
    place: str = ""


def plain_name(name: str) -> str:
    """Return a column's name as it is compared."""
    return re.sub(r"[^a-z0-9#]", "", name.lower())


@dataclass(frozen=True, slots=True)
class Wish:
    """A column that holds a course for each student.

    Attributes:
        column: Its place.
        rank: The number in its name.
        is_alternate: Whether it is an alternate of no request in particular.
    """

    column: int
    rank: int
    is_alternate: bool

    @property
    def name(self) -> str:
        """What the column is, for people."""
        return f"{'alternate' if self.is_alternate else 'request'} {self.rank}"


def wishes(header: Sequence[str]) -> list[Wish]:
    """Return the columns that hold one wish each, in order; they are numbered."""
    found = []
    for column, name in enumerate(header):
        plain = plain_name(name)
        for pattern, is_alternate in ((_WISH, False), (_ALTERNATE_WISH, True)):
            if match := pattern.fullmatch(plain):
                found.append(Wish(column, int(match[1]), is_alternate))
    return found


def look_with(settled: Mapping[str, str]) -> Look:
    """Return what decides whether a line can be the header of a list of requests.

    Args:
        settled: Names that the district's roster gives, by our names.
    """

    def look(cells: Sequence[str]) -> Headline:
        names = [plain_name(cell) for cell in cells]
        student = _place("student_id", names, settled)
        course = _place("course_id", names, settled)
        if course is not None:
            return Headline(student, (course,))
        return Headline(student, tuple(one.column for one in wishes(cells)))

    return look


def _spellings(column: str, settled: Mapping[str, str]) -> tuple[str, ...]:
    return (plain_name(settled[column]),) if column in settled else KNOWN[column]


def _place(column: str, names: Sequence[str], settled: Mapping[str, str]) -> int | None:
    wanted = _spellings(column, settled)
    return next((names.index(one) for one in wanted if one and one in names), None)


def map_columns(header: Sequence[str], settled: Mapping[str, str]) -> dict[str, int]:
    """Return the place of each column that is there.

    Args:
        header: The names in the file.
        settled: Names that the district's roster gives, by our names.

    Raises:
        UnreadableFileError: If a required column is missing, stands twice or is doubtful.
    """
    names = [plain_name(name) for name in header]
    found: dict[str, int] = {}
    for column in KNOWN:
        place = _place(column, names, settled)
        if place is not None:
            if names.count(names[place]) > 1:
                raise _column_error(
                    "column_twice", f"two columns could be {column}; remove one, or name the right "
                    "one",
                )  # fmt: skip
            found[column] = place
        elif column in settled or (
            column in REQUIRED and not (column == "course_id" and wishes(header))
        ):
            raise _column_error(
                "column_missing",
                f"none of the {len(header)} columns is {' or '.join(_shown(column, settled))}; "
                f"correct the header, or name the column that holds {column}",
            )
    _refuse_doubtful_id(names, found, settled)
    return found


def _column_error(code: str, text: str) -> UnreadableFileError:
    return UnreadableFileError(code, f"{text} under course_requests.columns in the roster")


def _refuse_doubtful_id(
    names: Sequence[str], found: Mapping[str, int], settled: Mapping[str, str]
) -> None:
    """Refuse a column called Id or Student # beside another that may be the student's number."""
    student = found["student_id"]
    if "student_id" in settled or names[student] not in _VAGUE:
        return
    others = [name for place, name in enumerate(names) if place != student]
    if any(name in _VAGUE or _OTHER_NUMBER.fullmatch(name) for name in others):
        raise _column_error(
            "column_doubtful",
            "two columns may be the student's number, and it is not certain which is the permanent "
            "ID of Aeries; call that one StudentID and hand the file in again, or name it",
        )


def _shown(column: str, settled: Mapping[str, str]) -> list[str]:
    usual = {"student_id": ["StudentID"], "course_id": ["CourseID", "Course Code"]}
    return [settled[column]] if column in settled else usual.get(column, [column])


def received(sheets: Sequence[Sheet], settled: Mapping[str, str]) -> list[Received]:
    """Return every row of a file's sheets as a request, in order; none is left out.

    Where a row has a column for each wish, it is as many requests as it has
    wishes; one without any stays a request without a course.

    Raises:
        UnreadableFileError: If a required column is missing.
    """
    found: list[Received] = []
    for sheet in sheets:
        rows = _of_sheet(sheet, settled)
        is_alone = len(sheets) == 1 and "course_id" in map_columns(sheet.header, settled)
        if is_alone:
            return rows
        where = f"sheet {sheet.name[:40]}, " if len(sheets) > 1 else ""
        found += [
            replace(
                row,
                line=len(found) + number,
                place=f"{where}line {row.line}{row.place and f', {row.place}'}",
            )
            for number, row in enumerate(rows, start=1)
        ]
    return found


def _of_sheet(sheet: Sheet, settled: Mapping[str, str]) -> list[Received]:
    places = map_columns(sheet.header, settled)
    columns = wishes(sheet.header)
    in_columns = {one.column for one in columns}
    names = [plain_name(name) for name in sheet.header]
    if "course_id" in places:
        refuse_lost_columns(sheet, names, {*places.values()}, in_columns)
        return [
            _received(line, {name: cells[place] for name, place in places.items()})
            for line, cells in sheet.rows
        ]
    refuse_lost_columns(sheet, names, {*places.values(), *in_columns}, ())
    found = []
    for line, cells in sheet.rows:
        of_row = {name: cells[place] for name, place in places.items()}
        asked = [one for one in columns if cells[one.column]]
        for one in asked:
            wish = {
                "course_id": cells[one.column],
                "priority": str(one.rank),
                "alternate_for": ANY_REQUEST if one.is_alternate else "",
            }
            found.append(replace(_received(line, {**of_row, **wish}), place=one.name))
        if not asked:
            found.append(_received(line, {**of_row, "course_id": ""}))
    return found


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
    if any(_DATE_CELL.fullmatch(cell) for cell in needed):
        return Reason.DATE_IN_CELL
    if any(_NUMBER_CELL.fullmatch(cell) for cell in needed):
        return Reason.NUMBER_IN_CELL
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
