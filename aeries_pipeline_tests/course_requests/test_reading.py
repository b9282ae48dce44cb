"""Files as districts send them: encodings, delimiters, workbooks, and broken ones."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from aeries_pipeline.course_requests.columns import Received, look_with, map_columns, received
from aeries_pipeline.course_requests.model import Reason, Warn
from aeries_pipeline.course_requests.reading import read_sheets
from aeries_pipeline.course_requests.sheets import Sheet, UnreadableFileError

LIMIT = 50 * 2**20
TEXT = "StudentID,CourseID,Name\r\n99400001,0315,Núñez\r\n99400002,0608,O'Brien\r\n"


def sheets(content: bytes) -> list[Sheet]:
    return read_sheets(content, LIMIT, look_with({}))


def requests(content: bytes) -> list[Received]:
    return received(sheets(content), {})


def rows(content: bytes) -> list[tuple[str, ...]]:
    return [cells for sheet in sheets(content) for _line, cells in sheet.rows]


@pytest.mark.parametrize(
    ("codec", "mark", "form"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", b"\xef\xbb\xbf", "UTF-8"),
        ("utf-16-le", b"\xff\xfe", "UTF-16"),
        ("utf-16-be", b"\xfe\xff", "UTF-16"),
        ("utf-16-le", b"", "UTF-16"),
        ("utf-16-be", b"", "UTF-16"),
        ("cp1252", b"", "Windows-1252"),
    ],
)
@pytest.mark.parametrize(
    ("delimiter", "name"), [(",", "comma"), ("|", "pipe"), ("\t", "tab"), (";", "semicolon")]
)
def test_every_encoding_and_delimiter_gives_the_same(
    codec: str, mark: bytes, form: str, delimiter: str, name: str
) -> None:
    (sheet,) = sheets(mark + TEXT.replace(",", delimiter).encode(codec))
    assert sheet.header == ("StudentID", "CourseID", "Name")
    assert [cells for _line, cells in sheet.rows] == [
        ("99400001", "0315", "Núñez"),
        ("99400002", "0608", "O'Brien"),
    ]
    assert sheet.form == f"{form}, {name}"


def workbook(*lines: tuple[object, ...], formats: dict[str, str] | None = None) -> bytes:
    book = Workbook()
    sheet = book.active
    for line in lines:
        sheet.append(line)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_keeps_zeros_where_the_sheet_shows_them() -> None:
    content = workbook(
        ("StudentID", "CourseID", "Requested"),
        (99400001, "0315", datetime(2027, 2, 3)),
        (99400002.0, 608, None),
        (None, None, None),
        ("99400003", 315, "x"),
        formats={"B3": "0000"},
    )
    (sheet,) = sheets(content)
    assert sheet.form == "XLSX"
    assert sheet.rows == (
        (2, ("99400001", "0315", "2027-02-03T00:00:00")),
        (3, ("99400002", "0608", "")),
        (5, ("99400003", "315", "x")),
    )


def test_a_formula_that_keeps_zeros_is_read_and_any_other_is_told() -> None:
    text = 'StudentID,CourseID\r\n99400001,"=""0315"""\r\n99400002,=1+1\r\n-5,@SUM(A1)\r\n'
    found = requests(text.encode())
    assert [one.course_id for one in found] == ["0315", "", ""]
    assert [one.problem for one in found] == [None, Reason.FORMULA, Reason.FORMULA]
    assert [one.stated_course for one in found][1:] == ["(a formula)", "(a formula)"]
    book = workbook(("StudentID", "CourseID"), (99400001, "=HYPERLINK(1)"), (1, '="0315"'))
    assert [one.problem for one in requests(book)] == [Reason.FORMULA, None]


BOMB = io.BytesIO()
with zipfile.ZipFile(BOMB, "w", zipfile.ZIP_DEFLATED) as made:
    made.writestr("xl/worksheets/sheet1.xml", b"0" * (501 * 2**20))
ENTITIES = io.BytesIO()
with zipfile.ZipFile(io.BytesIO(workbook(("StudentID", "CourseID"), (1, "2")))) as good:
    parts = {name: good.read(name) for name in good.namelist()}
with zipfile.ZipFile(ENTITIES, "w") as made:
    for part, data in parts.items():
        doctype = b'<!DOCTYPE x [<!ENTITY a "b">]>' if part == "xl/worksheets/sheet1.xml" else b""
        made.writestr(part, doctype + data)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "empty", "the file is empty"),
        (b"\r\n  \r\n", "empty", "the file is empty"),
        (b"StudentID,CourseID\r\n", "empty", "no line below its header"),
        (b"StudentID\r\n1\r\n", "delimiter", "comma, semicolon, pipe or tab"),
        (b"A,B\r\n1,2\r\n", "column_missing", "none of the 2 columns is StudentID"),
        (b"StudentID,Title\r\n1,2\r\n", "column_missing", "is CourseID or Course Code"),
        (b"StudentID,Student ID,CourseID\r\n1,1,2\r\n", "column_twice", "student_id"),
        (b"StudentID,CourseID\r\n1,03\r\n2\r\n", "cells", "line 3 has 1 cell"),
        (b"StudentID,CourseID\r\n1,03,9\r\n", "cells", "line 2 has 3 cells"),
        (b'StudentID,CourseID\r\n1,"03\r\n2,04\r\n', "quotes", "quotation mark is missing"),
        (b"StudentID,CourseID\r\n1," + b"9" * 20_000, "too_long", "a cell is longer"),
        (b"StudentID,CourseID\r\n" + b"9" * 200_000, "too_long", "a line is longer"),
        (b"9" * 200_000, "too_long", "a line is longer"),
        (b"9" * (LIMIT + 1), "too_large", "more than the 50 MB"),
        (bytes(range(256)) * 9, "binary", "not a text file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "binary", "not a text file"),
        (b"StudentID,CourseID\r\n1,\x81\x8d\r\n", "encoding", "Windows-1252"),
        (b"\xef\xbb\xbfStudentID,\xff\r\n", "encoding", "UTF-8"),
        (b"\xff\xfeS\x00t\x00u", "encoding", "UTF-16"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "workbook", "locked by a password"),
        (b"PK\x03\x04 broken", "workbook", "cannot be opened"),
        (workbook(("StudentID", "CourseID"), (1, "2"))[:-400], "workbook", "not completely copied"),
        (BOMB.getvalue(), "too_large", "unpacks to more than 500 MB"),
        (ENTITIES.getvalue(), "workbook", "cannot be opened"),
        (workbook(("StudentID", "CourseID")), "empty", "no line below its header"),
    ],
)
def test_a_broken_file_gives_one_sentence(content: bytes, code: str, says: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        requests(content)
    assert caught.value.code == code
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    with suppress(UnreadableFileError):
        assert requests(content)


def test_a_refusal_quotes_nothing_of_the_file() -> None:
    for content in (b"Marker,Person\r\n1,2\r\n", b'StudentID,CourseID\r\n"Marker,1\r\n'):
        with pytest.raises(UnreadableFileError) as caught:
            requests(content)
        assert "Marker" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "settled", "found"),
    [
        (["Student ID", "Course Code"], {}, {"student_id": 0, "course_id": 1}),
        (["COURSE_NUMBER", "Perm ID", "Rank"], {},
         {"student_id": 1, "course_id": 0, "priority": 2}),
        (["Kennung", "Fach"], {"student_id": "kennung", "course_id": "Fach"},
         {"student_id": 0, "course_id": 1}),
        # What the district names wins over the usual spellings.
        (["StudentID", "LocalID", "CourseID"], {"student_id": "LocalID"},
         {"student_id": 1, "course_id": 2}),
        (["id", "StudentID", "course"], {}, {"student_id": 1, "course_id": 2}),
        (["StudentID", "CourseID", "Alternate For", "School Year", "Requested At"], {},
         {"student_id": 0, "course_id": 1, "alternate_for": 2, "school_year": 3,
          "requested_at": 4}),
    ],
)  # fmt: skip
def test_columns_are_found(
    header: list[str], settled: dict[str, str], found: dict[str, int]
) -> None:
    assert map_columns(header, settled) == found


HEADER = b"StudentID,CourseID,Priority,Alternate For,School Year,Requested At\r\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"99400001,0315,2,,2027-2028,2027-02-03 10:15",
         {"student_id": 99400001, "course_id": "0315", "priority": 2.0, "school_year": 2027,
          "requested_at": datetime(2027, 2, 3, 10, 15), "problem": None}),
        (b"99400001.0,0315,,,,", {"student_id": 99400001, "problem": None}),
        (b"99400001,0315,,,2027-28,2/3/2027",
         {"school_year": 2027, "requested_at": datetime(2027, 2, 3)}),
        (b"99400001,0315,,,2027/2028,", {"school_year": 2027}),
        (b"99400001,0315,,,2027,", {"school_year": 2027}),
        (b"99400001,0315,,,2027-2029,", {"problem": Reason.YEAR_UNREADABLE}),
        (b"99400001,0315,,,next,", {"problem": Reason.YEAR_UNREADABLE}),
        (b"99400001,0315,,0608,,", {"alternate_for": "0608"}),
        (b"99400001,0315,,any,,", {"alternate_for": "*"}),
        (b"99400001,0315,first,,,", {"priority": None, "warnings": (Warn.PRIORITY_UNREADABLE,),
                                     "problem": None}),
        (b"99400001,0315,,,,soon", {"requested_at": None, "warnings": (Warn.DATE_UNREADABLE,)}),
        (b",0315,,,,", {"student_id": None, "problem": Reason.STUDENT_MISSING}),
        (b"jdoe,0315,,,,", {"student_id": None, "problem": Reason.STUDENT_UNREADABLE}),
        (b"0,0315,,,,", {"problem": Reason.STUDENT_UNREADABLE}),
        (b"9999999999,0315,,,,", {"problem": Reason.STUDENT_UNREADABLE}),
        ("٣,0315,,,,".encode(), {"problem": Reason.STUDENT_UNREADABLE}),
        (b"99400001,,,,,", {"course_id": "", "problem": Reason.COURSE_MISSING}),
        (b"99400001,1234567,,,,", {"problem": Reason.COURSE_TOO_LONG}),
        (b"99400001,English 9 Honors,,,,", {"problem": Reason.COURSE_TOO_LONG}),
        (b"99400001, 0315 ,,,,", {"course_id": "0315", "problem": None}),
    ],
)  # fmt: skip
def test_a_row_is_read(line: bytes, expected: dict[str, object]) -> None:
    (row,) = requests(HEADER + line + b"\r\n")
    assert {name: getattr(row, name) for name in expected} == expected
