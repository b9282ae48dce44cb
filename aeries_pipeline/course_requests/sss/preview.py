"""The page a registrar reads before an import: courses, grades, seats, what is new. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.sentences import SENTENCES, STATES
from aeries_pipeline.course_requests.sss.students import Group
from aeries_pipeline.words import counted

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; max-width: 70rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .25rem .8rem; border-top: 1px solid #ddd; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.full td { background: #fdecea; }
small { color: #555; }
td.bar { min-width: 16rem; }
.demand, .seats { height: .6rem; }
.demand { background: #2b6cb0; }
tr.full .demand { background: #c53030; }
.seats { background: #cbd5e0; margin-top: .1rem; }
@media print {
  body { margin: 0; font-size: 10px; max-width: none; }
  table { page-break-inside: auto; }
  tr { page-break-inside: avoid; }
  thead { display: table-header-group; }
  .demand, .seats, tr.full td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


@dataclass(frozen=True, slots=True)
class CourseLine:
    """One course in the table.

    Attributes:
        course_id: CourseID.
        title: Its title; empty if the catalogue has none.
        by_grade: Requests by grade of next year; None if it is not known.
        new: Requests that are in these files for the first time.
        seats: Seats of this year's sections; None if sections are not granted.
        withdrawn: Requests that are to be taken out for the first time.
        unprepared: Requests of students who lack the course that should come before.
    """

    course_id: str
    title: str
    by_grade: Mapping[int | None, int]
    new: int
    seats: int | None = None
    withdrawn: int = 0
    unprepared: int = 0

    @property
    def total(self) -> int:
        """All requests of the course."""
        return sum(self.by_grade.values())


@dataclass(frozen=True, slots=True)
class Preview:
    """What the page shows.

    Attributes:
        school: Code and name.
        year: The coming school year.
        courses: One line for each course that is asked for.
        states: Requests in each state.
        reasons: Requests for each reason that need somebody.
        since: Name of the delivery before; empty for the first.
        files: Rows of each file.
        groups: Students by grade and counselor.
        bounds: The fewest and the most requests that a student should have.
    """

    school: str
    year: str
    courses: Sequence[CourseLine]
    states: Mapping[State, int]
    reasons: Mapping[Reason, int]
    since: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    bounds: tuple[int, int] = (1, 99)


def html(page: Preview) -> str:
    """Return the page as one HTML file without anything from elsewhere."""
    new = f"new since {page.since}" if page.since else "new"
    title = escape(f"Course requests for {page.year}, {page.school}")
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n",
            _list(
                f"{counted(number, 'request')}: {STATES[state]}"
                for state, number in page.states.items()
            ),
            "<h2>Files</h2>\n",
            _list(f"{name}: {counted(rows, 'row')}" for name, rows in page.files.items()),
            "<h2>Requests by course and grade</h2>\n",
            _courses(page.courses, new),
            _students(page.groups, page.bounds),
            _needs(page.reasons),
            "</body></html>\n",
        ]
    )


def _list(items: Iterable[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{escape(item)}</li>\n" for item in items) + "</ul>\n"


def _courses(courses: Sequence[CourseLine], new: str) -> str:
    if not courses:
        return "<p>No course is asked for.</p>\n"
    grades = sorted(
        {grade for one in courses for grade in one.by_grade},
        key=lambda grade: (grade is None, grade),
    )
    with_seats = any(one.seats is not None for one in courses)
    numbers = [*map(grade_name, grades), "all", new]
    numbers += ["withdrawn"] if any(one.withdrawn for one in courses) else []
    numbers += ["without the course before"] if any(one.unprepared for one in courses) else []
    numbers += ["seats this year"] if with_seats else []
    head = "<th>course</th><th>title</th>" + "".join(
        f'<th class="n">{escape(name)}</th>' for name in numbers
    )
    highest = max(max(one.total, one.seats or 0) for one in courses) or 1
    lines = [f"<table><thead><tr>{head}<th>demand and seats</th></tr></thead><tbody>\n"]
    for one in courses:
        cells = [*(one.by_grade.get(grade, 0) or "" for grade in grades), one.total, one.new or ""]
        cells += [one.withdrawn or ""] if "withdrawn" in numbers else []
        cells += [one.unprepared or ""] if "without the course before" in numbers else []
        if with_seats:
            cells.append("" if one.seats is None else one.seats)
        full = one.seats is not None and one.total > one.seats
        numbers_shown = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        lines.append(
            f'<tr class="{"full" if full else "fits"}"><td>{escape(one.course_id)}</td>'
            f"<td>{escape(one.title)}</td>{numbers_shown}{_bars(one, highest)}</tr>\n"
        )
    note = "<p><small>Red: more requests than this year's sections have seats.</small></p>\n"
    return "".join([*lines, "</tbody></table>\n", note if with_seats else ""])


def grade_name(grade: int | None) -> str:
    """Return what a column of a grade is called."""
    if grade is None:
        return "grade not known"
    return "kindergarten" if grade == 0 else f"grade {grade}"


def _bars(one: CourseLine, highest: int) -> str:
    """Return the demand for a course as a bar, above its seats where they are known."""
    bars = [("demand", one.total, counted(one.total, "request"))]
    if one.seats is not None:
        bars.append(("seats", one.seats, f"{one.seats:,} seats"))
    drawn = "".join(
        f'<div class="{kind}" style="width:{100 * number / highest:.1f}%" title="{told}"></div>'
        for kind, number, told in bars
    )
    return f'<td class="bar">{drawn}</td>'


def _students(groups: Sequence[Group], bounds: tuple[int, int]) -> str:
    """Return the students by grade and counselor of whom somebody should know."""
    if not groups:
        return ""
    least, most = bounds
    head = ("grade", "counselor", "students", "without requests", f"fewer than {least}",
            f"more than {most}")  # fmt: skip
    rows = "".join(
        f"<tr><td>{grade_name(one.grade)}</td><td>{one.counselor or 'none'}</td>"
        + "".join(
            f'<td class="n">{number or ""}</td>'
            for number in (one.students, one.without, one.too_few, one.too_many)
        )
        + "</tr>\n"
        for one in groups
    )
    heads = "".join(f"<th>{name}</th>" for name in head)
    return (
        "<h2>Students by grade and counselor</h2>\n"
        f"<table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table>\n"
    )


def _needs(reasons: Mapping[Reason, int]) -> str:
    if not reasons:
        return ""
    items = [f"{number:,}: {SENTENCES[reason]}" for reason, number in sorted(reasons.items())]
    return "<h2>What needs somebody</h2>\n<p>rejects.csv names each line.</p>\n" + _list(items)
