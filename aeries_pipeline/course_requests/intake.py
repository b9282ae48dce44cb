"""One file into the warehouse: read, checked by pandera, kept line by line.

A file is taken once, by its content. It is kept whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from aeries_pipeline.course_requests.before import Before
from aeries_pipeline.course_requests.columns import Received, look_with, received
from aeries_pipeline.course_requests.holds import SAME_AS_OLDER
from aeries_pipeline.course_requests.model import MAX_COURSE_ID, Reason
from aeries_pipeline.course_requests.reading import read_sheets
from aeries_pipeline.course_requests.sheets import UnreadableFileError
from aeries_pipeline.course_requests.statement import Covers, stated_moment
from aeries_pipeline.course_requests.tables import FILES_COLUMNS, REQUESTS_COLUMNS, prepare
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.transaction import insert_rows, writing

SCHEMA = pa.DataFrameSchema(
    {
        "line": pa.Column("int64", pa.Check.ge(1), unique=True),
        "student_id": pa.Column("Int64", pa.Check.in_range(1, 2**31 - 1), nullable=True),
        "course_id": pa.Column(str, pa.Check.str_length(max_value=2 * MAX_COURSE_ID)),
        "priority": pa.Column("float64", pa.Check.ge(0), nullable=True),
        "alternate_for": pa.Column(str, pa.Check.str_length(max_value=2 * MAX_COURSE_ID)),
        "school_year": pa.Column("Int64", pa.Check.in_range(2000, 2099), nullable=True),
        "problem": pa.Column(str, pa.Check.isin(["", *Reason])),
    },
    checks=pa.Check(
        lambda frame: (
            (frame["problem"] != "")
            | (frame["student_id"].notna() & frame["course_id"].str.fullmatch(r"\S.{0,5}"))
        ),
        error="a row without a problem names a student and a course",
    ),
    strict=True,
)
"""What every row must be before it is written, whatever the parser did."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file.

    Attributes:
        file_id: First characters of its SHA-256.
        status: taken, known (the same content came before), failed, or stuck in
            the inbox.
        size: Bytes.
        rows: Requests in it.
        form: How it was read; empty if it could not be.
        code: Why it failed, for machines; empty otherwise.
        reason: Why it failed, in a sentence; empty otherwise.
    """

    file_id: str
    status: str
    size: int = 0
    rows: int = 0
    form: str = ""
    code: str = ""
    reason: str = ""


def take(  # noqa: PLR0913 - a file, where from and for whom
    warehouse: Warehouse,
    district: District,
    name: str,
    content: bytes,
    moment: datetime,
    *,
    size: int | None = None,
    run_id: str | None = None,
    covers: Covers | None = None,
) -> Taken:
    """Keep a file's requests, undecided as yet, unless the same content was taken before.

    Args:
        warehouse: Where requests are kept.
        district: The roster's entry.
        name: Name of the file, for the record.
        content: All of it; of one that is too large, more than is allowed.
        moment: The present, UTC without a zone.
        size: Bytes of the file, where ``content`` is not all of it.
        run_id: The Dagster run, for the record.
        covers: For whom the file speaks; None for the district's setting.

    Raises:
        WarehouseUnusableError: If the warehouse cannot be written; nothing was kept.
    """
    size = len(content) if size is None else size
    digest = hashlib.sha256(content).hexdigest()
    file_id = digest[:16]
    settled = district.course_requests
    try:
        limit = int(settled.max_megabytes * 2**20)
        sheets = read_sheets(content, limit, look_with(settled.columns))
        rows = received(sheets, settled.columns)
        validate(rows)
        remarks = [one for sheet in sheets for one in sheet.remarks]
        form = " + ".join(dict.fromkeys(sheet.form for sheet in sheets))
        found = Taken(file_id, "taken", size, len(rows), form)
    except UnreadableFileError as error:
        rows, remarks = [], []
        found = Taken(file_id, "failed", size, code=error.code, reason=str(error))
    speaks = covers or Covers(settled.covers)
    stated = stated_moment(name, remarks, district.zone, moment)
    what = f"{district.id}, course requests, file {file_id}"
    with writing(warehouse, what, "materialize core/course_requests again") as connection:
        prepare(connection)
        standing, hold = None, None
        if found.status == "taken":
            before = Before(connection, district.id, digest, speaks)
            if before.is_known(stated):
                return replace(found, status="known")
            if before.was_said:
                standing, hold = "held", SAME_AS_OLDER
            found = replace(found, file_id=before.next_id())
            before.let_grow(content, moment)
        record = (
            found.file_id, district.id, name, digest, size, found.rows, found.form, found.status,
            found.code, found.reason, moment, run_id, str(speaks), None, stated, standing, hold,
            None, None, None,
        )  # fmt: skip
        stored = [_stored(district.id, found.file_id, moment, row) for row in rows]
        insert_rows(connection, "core.course_request_files", FILES_COLUMNS, [record])
        insert_rows(connection, "core.course_requests", REQUESTS_COLUMNS, stored)
    return found


def validate(rows: Sequence[Received]) -> None:
    """Hold the rows against ``SCHEMA``.

    Raises:
        UnreadableFileError: If any differs; the sentence counts and quotes none.
    """
    frame = pd.DataFrame(
        {
            "line": pd.array([row.line for row in rows], dtype="int64"),
            "student_id": pd.array([row.student_id for row in rows], dtype="Int64"),
            "course_id": pd.array([row.course_id for row in rows], dtype="str"),
            "priority": pd.array([row.priority for row in rows], dtype="float64"),
            "alternate_for": pd.array([row.alternate_for for row in rows], dtype="str"),
            "school_year": pd.array([row.school_year for row in rows], dtype="Int64"),
            "problem": pd.array([str(row.problem or "") for row in rows], dtype="str"),
        }
    )
    try:
        SCHEMA.validate(frame, lazy=True)
    except SchemaErrors as error:
        wrong = sorted({str(one) for one in error.failure_cases["column"].dropna()})
        raise UnreadableFileError(
            "invalid",
            f"the file could not be read as requests (column {', '.join(wrong)}); please send it "
            "to the data team",
        ) from None


def _stored(district: str, file_id: str, moment: datetime, row: Received) -> tuple[object, ...]:
    return (
        district, file_id, row.line, moment, row.stated_student, row.stated_course,
        row.student_id, row.course_id, row.priority, row.alternate_for, row.school_year,
        row.requested_at, str(row.problem or ""), [str(one) for one in row.warnings],
        None, None, [], None, None, None, None, row.place or None, None,
    )  # fmt: skip
