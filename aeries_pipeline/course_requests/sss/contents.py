"""The files that Aeries imports and those that people open, as text. Pure.

What Aeries imports is exact: UTF-8, CRLF, the column codes as header, course
ids as they are. What people open in a spreadsheet has no cell that the
spreadsheet would run as a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.sentences import STATES, what_to_do
from aeries_pipeline.course_requests.sss.plan import Plan, Row

ACA_HEADER = ("SC", "SN", "SSS_SQ", "ACR_SQ")
"""Aeries does not publish the column codes of ACA; a district may settle them."""
REJECTS_HEADER = (
    "File", "Line", "StudentID", "CourseID", "State", "Code", "What to do",
)  # fmt: skip
_RUNS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Reject:
    """A request that cannot be imported now.

    Attributes:
        file: Name of the file.
        line: Its line there, with sheet and column where there are several.
        student: What stood there as StudentID.
        course: What stood there as CourseID.
        state: Where it stands.
        reason: Why.
        proposed: The course that an unknown one may mean.
    """

    file: str
    line: str
    student: str
    course: str
    state: State
    reason: Reason
    proposed: str | None = None


def sss_csv(rows: Iterable[Row], school: int, *, section_staff: bool) -> str:
    """Return the rows of SSS: school, student number, sequence, course, no section, no teacher.

    Args:
        rows: Requests of one school.
        school: SSS.SC.
        section_staff: Whether the school is of the type whose requests name
            staff (PS) and not teacher numbers (TN).
    """
    header = ("SC", "SN", "SQ", "CN", "SE", "PS" if section_staff else "TN")
    return csv_text(
        header,
        (
            (school, row.wanted.student_number, row.sequence, row.wanted.course_id, 0, 0)
            for row in rows
        ),
    )


def acr_csv(rows: Iterable[Row], school: int) -> str:
    """Return the rows of ACR: alternates and their order."""
    return csv_text(
        ("SC", "SN", "SQ", "CN", "SRT"),
        (
            (school, row.wanted.student_number, row.sequence, row.wanted.course_id, row.sort_order)
            for row in rows
        ),
    )


def aca_csv(rows: Iterable[Row], school: int, header: Sequence[str] = ACA_HEADER) -> str:
    """Return the rows of ACA: which request an alternate belongs to."""
    return csv_text(
        header,
        (
            (school, row.wanted.student_number, row.linked, row.sequence)
            for row in rows
            if row.linked is not None
        ),
    )


def import_files(
    plan: Plan, school: int, *, section_staff: bool, aca_columns: Sequence[str]
) -> dict[str, str]:
    """Return the files of a plan by name; ACR and ACA only if there are alternates."""
    files = {"SSS.csv": sss_csv(plan.requests, school, section_staff=section_staff)}
    if plan.alternates:
        files["ACR.csv"] = acr_csv(plan.alternates, school)
        files["ACA.csv"] = aca_csv(plan.alternates, school, aca_columns or ACA_HEADER)
    return files


def rejects_csv(rejects: Iterable[Reject]) -> str:
    """Return what cannot be imported, with what to do, for a person's spreadsheet."""
    return csv_text(
        REJECTS_HEADER,
        (
            [
                harmless(str(cell))
                for cell in (
                    one.file, one.line, one.student, one.course, STATES[one.state],
                    one.reason, what_to_do(one.reason, one.proposed),
                )
            ]
            for one in rejects
        ),
        mark=True,
    )  # fmt: skip


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs as a formula: an apostrophe makes it text."""
    return f"'{cell}" if cell.startswith(_RUNS) else cell


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]], *, mark: bool = False) -> str:
    """Return a table as CSV with the line ends of Windows.

    Args:
        header: Names of the columns.
        rows: Values in their order.
        mark: Whether it opens with the byte order mark by which Excel knows UTF-8.
    """
    out = io.StringIO()
    if mark:
        # A spreadsheet takes a file without it for Windows-1252.
        out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
