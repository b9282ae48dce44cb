"""The data dictionary: every table and column that analysts find, in words.

Made from the catalog and from what each package says about its own tables. It is
written to ``docs/data-dictionary.md`` and to ``meta.data_dictionary``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from aeries_pipeline.accounts import columns as account_columns
from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.publishing import tables as published
from aeries_pipeline.analytics.registry import VIEWS
from aeries_pipeline.analytics.view import Grain
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import PROVENANCE
from aeries_pipeline.course_requests import columns_of_table as request_columns
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.stores.history import SCHEMA, YEAR
from aeries_pipeline.stores.ledger_columns import PULLS, PULLS_COLUMNS

DICTIONARY_COLUMNS = (
    ("schema_name", "VARCHAR"),
    ("table_name", "VARCHAR"),
    ("column_name", "VARCHAR"),
    ("position", "INTEGER"),
    ("data_type", "VARCHAR"),
    ("meaning", "VARCHAR"),
    ("aeries_column", "VARCHAR"),
    ("comes_from", "VARCHAR[]"),
    ("about_students", "BOOLEAN"),
)
"""Columns of ``meta.data_dictionary``."""

MEANINGS = {
    "schema_name": "Schema of the table",
    "table_name": "Table or view",
    "column_name": "Column",
    "position": "Place in the table, from 1",
    "data_type": "DuckDB type",
    "meaning": "What it holds",
    "aeries_column": "Table and column of the Aeries database behind it, such as STU.GR",
    "comes_from": "Columns of other tables that it is made from",
    "about_students": "Whether the rows of the table are about single students",
}

PROVENANCE_MEANINGS = {
    "district": "District of the roster",
    "school": "School that was asked; empty for a resource of the whole district",
    "_pull_id": "Pull that brought the row, see meta.pulls",
    "_pulled_at": "When that pull began, UTC",
    "_extra": "Properties that the catalogue does not know, as JSON",
}

_Columns = Sequence[tuple[str, str]]
_OURS: Mapping[str, tuple[str, _Columns, Mapping[str, str], bool]] = {
    "core.accounts": (
        "One row for each district and student: the account and its state",
        accounts.ACCOUNTS_COLUMNS,
        account_columns.ACCOUNTS,
        True,
    ),
    "core.enrollment_counts": (
        "Active accounts by school and grade, counted on each day",
        accounts.ENROLLMENT_COLUMNS,
        account_columns.ENROLLMENT,
        False,
    ),
    "core.account_changes": (
        "What was created, updated, transferred, deactivated and reactivated; only appended to",
        accounts.CHANGES_COLUMNS,
        account_columns.CHANGES,
        True,
    ),
    "core.course_requests": (
        "One row for each line of each file of course requests",
        requests.REQUESTS_COLUMNS,
        request_columns.MEANINGS,
        True,
    ),
    "core.course_request_files": (
        "One row each time that a file of course requests was taken up",
        requests.FILES_COLUMNS,
        request_columns.FILES,
        False,
    ),
    "core.course_request_exports": (
        "The number that each course request was given, and when",
        requests.EXPORTS_COLUMNS,
        request_columns.EXPORTS,
        True,
    ),
    "meta.pulls": (
        "The ledger: one row for each district, school, resource and pull",
        tuple(one for one in PULLS_COLUMNS if one[0] != "answers"),
        PULLS,
        False,
    ),
    "meta.published": (
        "One row for each publication; in a published copy its own alone",
        published.PUBLISHED_COLUMNS,
        published.MEANINGS,
        False,
    ),
    "meta.data_dictionary": (
        "This dictionary: one row for each column of each table",
        DICTIONARY_COLUMNS,
        MEANINGS,
        False,
    ),
}
_CORE_VIEWS = {
    "core.account_changes_now": "The newest state of each account change",
    "core.account_holds": "Account changes that wait for a person, by batch, kind and school",
    "core.account_changes_by_day": "Account changes by day, kind and status",
    "core.account_history": "Which student was at which school from when to when",
    "core.account_enrolments": "One row for each active account and school",
    "core.students_in_several_schools": "Active accounts with more than one school",
    "core.course_request_counts": "Course requests by school, state and reason",
    "core.course_requests_by_course": "Course requests by school, course and grade",
    "core.course_request_arrivals": "Whether each exported request was found in Aeries since",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One column of the dictionary; see :data:`MEANINGS` for its parts."""

    schema_name: str
    table_name: str
    column_name: str
    position: int
    data_type: str
    meaning: str
    aeries_column: str
    comes_from: tuple[str, ...]
    about_students: bool

    @property
    def row(self) -> list[Any]:
        """The values in the order of :data:`DICTIONARY_COLUMNS`."""
        return [getattr(self, name) for name, _kind in DICTIONARY_COLUMNS]


@cache
def lineage() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return, for each view of analytics, the columns that each of its columns is made from.

    The file is made from the queries by ``make docs``; a test keeps it current.
    """
    text = files("aeries_pipeline.analytics").joinpath("lineage.json").read_text("utf-8")
    return {
        view: {column: tuple(found) for column, found in columns.items()}
        for view, columns in json.loads(text).items()
    }


@cache
def entries() -> tuple[Entry, ...]:
    """Return the dictionary, by schema and table, in the order of the columns."""
    return (*_analytics(), *_ours("core"), *_ours("meta"), *_raw(), *_history())


@cache
def titles() -> Mapping[str, str]:
    """Return what a row of each table or view is, by its name with the schema."""
    raw = {
        f"raw.{table.name}": one.title
        if table is one.main
        else f"{one.title}: {table.nested}, one row for each"
        for one in RESOURCES.values()
        for table in one.tables
    }
    closed = {
        name.replace("raw.", "history.", 1): f"{text}; closed years" for name, text in raw.items()
    }
    ours = {name: parts[0] for name, parts in _OURS.items()}
    views = {view.full_name: view.title for view in VIEWS.values()}
    return {**views, **ours, **_CORE_VIEWS, **raw, **closed}


def _analytics() -> Iterator[Entry]:
    for view in VIEWS.values():
        made_from = lineage()[view.name]
        for place, column in enumerate(view.columns, start=1):
            yield Entry(
                "analytics",
                view.name,
                column.name,
                place,
                column.kind,
                column.meaning,
                "",
                made_from[column.name],
                view.grain is Grain.STUDENT,
            )


def _ours(schema: str) -> Iterator[Entry]:
    for name, (_title, columns, meanings, about) in _OURS.items():
        at, _, table = name.partition(".")
        if at != schema:
            continue
        for place, (column, kind) in enumerate(columns, start=1):
            source = core_lineage(name).get(column, ())
            yield Entry(schema, table, column, place, kind, meanings[column], "", source, about)


def _raw() -> Iterator[Entry]:
    for one in RESOURCES.values():
        for table in one.tables:
            place = 0
            for place, (name, kind) in enumerate(PROVENANCE, start=1):
                meaning = PROVENANCE_MEANINGS[name]
                yield Entry("raw", table.name, name, place, kind, meaning, "", (), one.personal)
            for further, field in enumerate(table.stored, start=place + 1):
                yield Entry(
                    "raw",
                    table.name,
                    field.name,
                    further,
                    field.sql_type,
                    field.description,
                    field.column,
                    (),
                    one.personal,
                )


def _history() -> Iterator[Entry]:
    """Yield the same columns of closed years, each table with its year before them."""
    last = ""
    for one in _raw():
        if one.table_name != last:
            last = one.table_name
            name, kind = YEAR
            meaning = "School year that was closed, such as 2026-2027"
            yield replace(
                one, schema_name=SCHEMA, column_name=name, position=1, data_type=kind,
                meaning=meaning, aeries_column="",
            )  # fmt: skip
        yield replace(one, schema_name=SCHEMA, position=one.position + 1)


_ACCOUNT_FIELDS = {
    "student_id": "StudentID",
    "state": "InactiveStatusCode",
    "school": "SchoolCode",
    "next_school": "NextSchoolCode",
    "grade": "Grade",
    "first_name": "FirstName",
    "last_name": "LastName",
    "gender": "Gender",
    "birthdate": "Birthdate",
    "email": "StudentEmailAddress",
    "state_student_id": "StateStudentID",
    "other_schools": "SchoolCode",
}


def core_lineage(table: str) -> Mapping[str, tuple[str, ...]]:
    """Return which columns those of a table of ``core`` are made from.

    The rules in between are in ``accounts`` and in ``docs/accounts.md``.
    """
    if table == "core.accounts":
        return {name: (f"raw.students.{field}",) for name, field in _ACCOUNT_FIELDS.items()}
    if table == "core.account_changes":
        return {
            "student_id": ("raw.students.StudentID",),
            "from_school": ("core.accounts.school",),
            "to_school": ("raw.students.SchoolCode",),
            "related_student_id": ("raw.students.OldStudentID",),
        }
    if table == "core.enrollment_counts":
        return {
            "school": ("core.accounts.school",),
            "grade": ("core.accounts.grade",),
            "students": ("core.accounts.state",),
        }
    return {}


def markdown() -> str:
    """Return the page for people."""
    lines = [
        "# Data dictionary",
        "",
        "Made from the catalog and the schemas by `make docs`; the same text is in",
        "`meta.data_dictionary` of the published copy, and in comments on its tables and columns.",
        "[For analysts](analysts.md) explains how to open it.",
    ]
    words = titles()
    seen = ""
    for entry in entries():
        name = f"{entry.schema_name}.{entry.table_name}"
        if entry.schema_name == SCHEMA:
            continue
        if name != seen:
            seen = name
            lines += ["", f"## {name}", "", f"{words[name]}.", ""]
            view = VIEWS.get(entry.table_name) if entry.schema_name == "analytics" else None
            if view is not None and view.note:
                lines += [view.note, ""]
            last = "Aeries" if entry.schema_name == "raw" else "made from"
            lines += [f"| column | type | meaning | {last} |", "|---|---|---|---|"]
        source = entry.aeries_column or ", ".join(f"`{one}`" for one in entry.comes_from)
        lines.append(f"| `{entry.column_name}` | {entry.data_type} | {entry.meaning} | {source} |")
    lines += [
        "",
        "## history",
        "",
        "Each table of `raw` stands there again, with the column `school_year` before its own: the",
        "rows of closed school years, as the last complete pull of each had found them.",
    ]
    lines += ["", "## Views of core", "", "| view | a row is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in _CORE_VIEWS.items()]
    return "\n".join(lines) + "\n"
