"""Files as counselors make them: sheets, titles, totals, wishes side by side, and doubtful ones."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from aeries_pipeline.course_requests.model import Reason
from aeries_pipeline.course_requests.reading import is_ended
from aeries_pipeline.course_requests.sheets import UnreadableFileError
from aeries_pipeline_tests.course_requests.test_reading import requests, sheets, workbook

OLD = Path(__file__).parent / "files" / "three-sheets.xls"
HEADER = ("StudentID", "CourseID")
Lines = list[tuple[object, ...]]


def book(*tabs: tuple[str, str, Lines]) -> bytes:
    """Return a workbook of sheets: name, state, lines."""
    made = Workbook()
    made.remove(made.active)
    for name, state, lines in tabs:
        sheet = made.create_sheet(name)
        for line in lines:
            sheet.append(line)
        sheet.sheet_state = state
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def asked(content: bytes) -> list[tuple[int | None, str]]:
    return [(one.student_id, one.course_id) for one in requests(content)]


def refusal(content: bytes) -> UnreadableFileError:
    with pytest.raises(UnreadableFileError) as caught:
        requests(content)
    return caught.value


def test_every_sheet_with_requests_is_read() -> None:
    content = book(
        ("Read me", "visible", [("One sheet for each grade",)]),
        ("Grade 9", "visible", [HEADER, (1, "0315"), (2, "0608")]),
        ("Grade 10", "visible", [("Requests of grade 10",), ("Course ID", "Perm ID"), ("0001", 3)]),
        ("Grade 11", "visible", [HEADER]),
        ("Courses", "visible", [("Course ID", "Title"), ("0315", "English")]),
        ("Empty", "visible", []),
    )
    found = requests(content)
    assert [(one.student_id, one.course_id) for one in found] == [
        (1, "0315"), (2, "0608"), (3, "0001"),
    ]  # fmt: skip
    assert [one.line for one in found] == [1, 2, 3], "a number is one request's"
    assert [one.place for one in found] == [
        "sheet Grade 9, line 2", "sheet Grade 9, line 3", "sheet Grade 10, line 3",
    ]  # fmt: skip
    assert sheets(content)[0].form == "XLSX, 3 sheets; not read, since without requests: sheet 1, 5"


def test_a_hidden_sheet_is_not_read_and_that_is_told() -> None:
    old, new = [HEADER, (9, "0001")], [HEADER, (1, "0315")]
    for state in ("hidden", "veryHidden"):
        content = book(("Last year", state, old), ("This year", "visible", new))
        assert asked(content) == [(1, "0315")]
        assert requests(content)[0].place == ""
        assert sheets(content)[0].form == "XLSX; not read, since hidden: sheet 1"
    error = refusal(book(("Requests", "hidden", new), ("Notes", "visible", [("Hello",)])))
    assert error.code == "hidden_sheet"
    assert "unhide it" in str(error)


def test_a_visible_table_that_may_be_requests_refuses_the_file() -> None:
    error = refusal(
        book(
            ("9", "visible", [HEADER, (1, "0315")]),
            ("10", "visible", [("StudentID", "Crs"), (2, "0315")]),
        )
    )
    assert error.code == "sheet_doubtful"
    assert str(error).startswith("sheet 2 has a table without the columns StudentID and CourseID")
    error = refusal(
        book(("9", "visible", [HEADER, (1, "0315")]), ("10", "visible", [HEADER, (2, "03", "x")]))
    )
    assert str(error).startswith("sheet 2: line 2 has 3 cells and the header has 2")


def test_a_false_dimension_loses_no_line() -> None:
    good = workbook(HEADER, *((number, "0315") for number in range(1, 5)))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as parts, zipfile.ZipFile(out, "w") as made:
        for name in parts.namelist():
            data = parts.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert b'<dimension ref="A1:B5"' in data
                data = data.replace(b'<dimension ref="A1:B5"', b'<dimension ref="A1:A2"')
            made.writestr(name, data)
    assert asked(out.getvalue()) == [(number, "0315") for number in range(1, 5)]


def test_an_old_workbook_is_read_with_all_its_visible_sheets() -> None:
    found = requests(OLD.read_bytes())
    assert [(one.student_id, one.course_id, one.place) for one in found] == [
        (99400001, "0315", "sheet Grade 9, line 2"),
        (99400002, "608", "sheet Grade 9, line 3"),
        (99400003, "0608", "sheet Grade 10, line 2"),
    ]
    assert found[0].requested_at == datetime(2027, 2, 3)
    form = "XLS, 2 sheets; not read, since hidden: sheet 4; not read, since without requests"
    assert sheets(OLD.read_bytes())[0].form.startswith(form)
    assert refusal(OLD.read_bytes()[:1500]).code == "workbook"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("StudentID;CourseID\r\n1;0315\r\n2;0608\r\n", "UTF-8, semicolon"),
        ("sep=;\r\nStudentID;CourseID\r\n1;0315\r\n2;0608\r\n", "UTF-8, semicolon"),
        ("\ufeffsep=,\nStudentID,CourseID\n1,0315\n2,0608\n", "UTF-8, comma"),
        ('"sep=|"\nStudentID|CourseID\n1|0315\n2|0608\n', "UTF-8, pipe"),
        # The title is cut by commas more often than the header by semicolons.
        ("Smith, Jones, Lee, Ng\nStudent ID;Course #\n1;0315\n2;0608\n",
         "UTF-8, semicolon; 1 line above the header not read"),
        ("Course requests\n\n2/3/2027\nPerm ID,Course Code\n1,0315\n2,0608\n",
         "UTF-8, comma; 2 lines above the header not read"),
        ("StudentID,CourseID\r\n1,0315\r\n2,0608\r\n\x1a", "UTF-8, comma"),
        ("StudentID,CourseID,Priority,Note\n1,0315\n2,0608,1\n", "UTF-8, comma"),
        ("StudentID,CourseID,Note\n1,0315\n2,0608", "UTF-8, comma"),
        ("StudentID,CourseID\n1,0315\n2,0608\n\nTotal,2\n",
         "UTF-8, comma; 1 line below the list not read"),
        ("StudentID,CourseID,A\n1,0315,\n2,0608,\n2 rows\nPrinted 2/3/2027 by the office\n",
         "UTF-8, comma; 2 lines below the list not read"),
        ("StudentID,CourseID\n1,0315\n2,0608\nThis list was made by Ms Smith\n",
         "UTF-8, comma; 1 line below the list not read"),
        ("StudentID,CourseID\n'1,'0315\n2,' 0608\n", "UTF-8, comma"),
        ("Perm ID,Student #,Course #\n1,77,0315\n2,78,0608\n", "UTF-8, comma"),
        ("Student #,Course #\n1,0315\n2,0608\n", "UTF-8, comma"),
        ("ID,Student Name,Course\n1,A,0315\n2,B,0608\n", "UTF-8, comma"),
    ],
)  # fmt: skip
def test_a_good_file_with_something_around_it_is_read(text: str, told: str) -> None:
    content = text.encode()
    assert asked(content) == [(1, "0315"), (2, "0608")]
    assert sheets(content)[0].form.replace("\ufeff", "") == told


def test_the_lines_keep_their_numbers() -> None:
    text = 'sep=,\nTitle\nStudentID,CourseID\n1,"03\n15"\n2,0608\n'
    assert [one.line for one in requests(text.encode())] == [5, 6]


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        # Half a line in the middle is no remark.
        ("StudentID,CourseID\n1,0315\n2\n3,0608\n", "cells", "line 3 has 1 cell"),
        ("StudentID,CourseID\n1,0315\n994000\n", "cells", "line 3 has 1 cell"),
        # A last line that is shorter than any other and has no end breaks off.
        ("CourseID,StudentID,Note\n0315,1,x\n0608,2", "cells", "line 3 has 2 cells"),
        ("Id,Student Number,CourseID\n1,77,0315\n", "column_doubtful", "it is not certain"),
        ("Id,Stu #,CourseID\n1,77,0315\n", "column_doubtful", "two columns may be"),
        ("Student Number,Student #,CourseID\n1,77,0315\n", "column_doubtful", "two columns"),
        ("Id,SN,CourseID\n1,77,0315\n", "column_doubtful", "call that one StudentID"),
        ("Id,Local ID,CourseID\n1,77,0315\n", "column_doubtful", "or name it under"),
        ("StudentID,CourseID,Status\n1,0315,Ok\n2,0608,Dropped\n", "column_lost", "line 3:"),
        ("StudentID,CourseID,Selected\n1,0315,No\n", "column_lost", "line 2:"),
        ("StudentID,CourseID,Deleted\n1,0315,TRUE\n", "column_lost", "do not count"),
        ("StudentID,CourseID,Action\n1,0315,Remove\n", "column_lost", "do not count"),
        ("StudentID,CourseID,Alternate Course ID\n1,0315,0608\n", "column_lost", "further"),
        ("StudentID,CourseID,Alternate 1\n1,0315,0608\n", "column_lost", "Alternate 1"),
        ("StudentID,Request 1,Status\n1,0315,Dropped\n", "column_lost", "line 2:"),
    ],
)
def test_a_doubtful_file_is_refused(text: str, code: str, says: str) -> None:
    error = refusal(text.encode())
    assert error.code == code
    assert says in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "StudentID,CourseID,Status\n1,0315,Approved\n2,0608,\n",
        "StudentID,CourseID,Deleted\n1,0315,FALSE\n2,0608,\n",
        "StudentID,CourseID,Alternate 1\n1,0315,\n2,0608,\n",
        "StudentID,CourseID,Note\n1,0315,no\n2,0608,dropped by\n",
    ],
)
def test_a_column_that_takes_nothing_away_does_no_harm(text: str) -> None:
    assert asked(text.encode()) == [(1, "0315"), (2, "0608")]


def test_a_column_for_each_wish() -> None:
    text = (
        "Perm ID,Name,Request 1,Request 2,Course Choice #3,Alternate 1\n"
        "1,A,0315,0608,,0001\n2,B,,,,\n,C,0315,,,\n"
    )
    found = requests(text.encode())
    assert [(one.student_id, one.course_id, one.priority, one.alternate_for) for one in found] == [
        (1, "0315", 1.0, ""), (1, "0608", 2.0, ""), (1, "0001", 1.0, "*"), (2, "", None, ""),
        (None, "0315", 1.0, ""),
    ]  # fmt: skip
    assert [one.place for one in found] == [
        "line 2, request 1", "line 2, request 2", "line 2, alternate 1", "line 3",
        "line 4, request 1",
    ]  # fmt: skip
    assert [one.problem for one in found][3:] == [Reason.COURSE_MISSING, Reason.STUDENT_MISSING]
    assert len({one.line for one in found}) == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("StudentID,CourseID\n1,0315\nStudentID,CourseID\n2,0608\n", "1 line between"),
        ("Student ID,Course #,A\n1,0315,\nSTUDENT ID , course #,a\n2,0608,\n", "1 line between"),
        ("StudentID,CourseID\n1,0315\nTotal,1\n\nGrade 10 Students\nStudentID,CourseID\n2,0608\n",
         "3 lines between"),
        ("StudentID,CourseID\n1,0315\n2,0608\nStudentID,CourseID\n", "1 line between"),
    ],
)  # fmt: skip
def test_a_header_that_stands_again_is_left_out_and_told(text: str, told: str) -> None:
    assert asked(text.encode()) == [(1, "0315"), (2, "0608")]
    assert f"{told} parts of the list not read" in sheets(text.encode())[0].form
    content = workbook(*(line.split(",") for line in text.splitlines()))
    assert asked(content) == [(1, "0315"), (2, "0608")]
    assert requests(text.encode())[-1].line == next(
        number for number, line in enumerate(text.splitlines(), start=1) if line.startswith("2,")
    )


@pytest.mark.parametrize(
    "second",
    [
        "CourseID,StudentID\n0608,2",
        "Course Code,Perm ID\n0608,2",
        "Class,Student ID\n0608,2",
        "Perm ID,Course Code\n2,0608",
        ",StudentID,CourseID\n,2,0608",
        "StudentID,Priority,CourseID\n2,1,0608",
        "CourseID,Student Name\n0608,Ann",
        "StudentID,Request 1\n2,0608",
    ],
)
def test_a_second_table_with_other_columns_refuses_the_file(second: str) -> None:
    text = f"StudentID,CourseID,Note\n1,0315\n{second}\n"
    for content in (text.encode(), workbook(*(line.split(",") for line in text.splitlines()))):
        error = refusal(content)
        assert error.code == "second_table"
        assert str(error).startswith("line 3: another table begins there, with other columns")


def test_a_second_table_beside_the_first_refuses_the_file() -> None:
    for names in (
        "StudentID,CourseID,,CourseID,StudentID",
        "Perm ID,CourseID,,,Course #,StudentID",
    ):
        error = refusal(f"{names}\n1,0315,,0608,2\n".encode())
        assert str(error).startswith("line 1: another table begins there, beside the first")
    assert asked(b"StudentID,CourseID,,Note\n1,0315,,x\n") == [(1, "0315")]


def test_courses_that_are_called_like_columns_are_courses() -> None:
    assert asked(b"StudentID,CourseID\n1,ID\n2,ALT1\n3,CN\nx,Course\n") == [
        (1, "ID"), (2, "ALT1"), (3, "CN"), (None, "Course"),
    ]  # fmt: skip


def test_numbers_in_cells() -> None:
    text = "StudentID,CourseID,Alternate For\n1,3.00E+05,\n1,3E+5,\n1,0315,1.2e+10\n1,3E5,\n1,E7,\n"
    text += "9.94E+07,0315,\n"
    found = [one.problem for one in requests(text.encode())]
    assert found == [*[Reason.NUMBER_IN_CELL] * 3, None, None, Reason.NUMBER_IN_CELL]


def test_dates_in_cells() -> None:
    text = (
        b"StudentID,CourseID,Date\n1,0315,3-Feb-2027\n1,0608,2/3/27 4:05 PM\n1,0001,Feb 3, 2027\n"
    ).replace(b"Feb 3, 2027", b'"Feb 3, 2027"')
    assert [one.requested_at and one.requested_at.date() for one in requests(text)] == [
        date(2027, 2, 3)
    ] * 3
    content = workbook((*HEADER, "Date"), (1, datetime(2027, 3, 15), datetime(2027, 2, 3)))
    (found,) = requests(content)
    assert (found.problem, found.requested_at) == (Reason.DATE_IN_CELL, datetime(2027, 2, 3))
    assert requests(b"StudentID,CourseID\n1,3/15/2027\n")[0].problem is Reason.DATE_IN_CELL
    assert requests(b"StudentID,CourseID\n1,15-Mar\n")[0].problem is Reason.DATE_IN_CELL


def test_whether_a_file_ends_where_a_line_does() -> None:
    for good in (b"a,b\n", b"a,b\r\n", b"a\r", b"a\n\x1a", "a\n".encode("utf-16-le")):
        assert is_ended(good[:8], good[-4:]), good
    for bad in (b"a,b", b"a\n1", "a".encode("utf-16-le"), b"a,\x1a"):
        assert not is_ended(bad[:8], bad[-4:]), bad
    assert is_ended(OLD.read_bytes()[:8], b"1234")


@given(
    st.lists(st.tuples(st.integers(1, 9999), st.sampled_from(["0315", "E7"])), min_size=1),
    st.integers(1, 200),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_that_breaks_off_never_gives_a_student_another_ones_request(
    lines: list[tuple[int, str]], cut: int, end: str
) -> None:
    """What is read of a beginning that ends where a line does stands in the whole file."""
    text = end.join(["CourseID,StudentID", *(f"{course},{who}" for who, course in lines), ""])
    beginning = text[: max(len(text) - cut, len("CourseID,StudentID") + len(end) + 1)].encode()
    if not is_ended(beginning[:8], beginning[-4:]):
        return
    assert asked(beginning) == lines[: len(asked(beginning))]
