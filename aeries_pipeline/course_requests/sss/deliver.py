"""Writes what one school imports, and records the numbers that were given.

The folder appears and the record is written in one step: both or, after a
crash in between, the same rows with the same numbers again.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock

from aeries_pipeline.accounts.policy import policy_of
from aeries_pipeline.course_requests.evidence import read_district
from aeries_pipeline.course_requests.model import Course, State
from aeries_pipeline.course_requests.sss.contents import Reject, import_files, rejects_csv
from aeries_pipeline.course_requests.sss.plan import NumbersUsedUpError, Plan, make_plan
from aeries_pipeline.course_requests.sss.preview import CourseLine, Preview, html
from aeries_pipeline.course_requests.sss.reading import (
    School,
    read_courses,
    read_name,
    read_numbers,
    read_rejects,
    read_rejects_without_school,
    read_seats,
    read_states,
    read_wanted,
)
from aeries_pipeline.course_requests.sss.script import sss_sql
from aeries_pipeline.course_requests.sss.students import Group, read_groups, read_prerequisites
from aeries_pipeline.course_requests.sss.withdrawals import (
    WITHDRAWALS,
    Withdrawal,
    read_withdrawals,
    record_withdrawals,
    withdrawals_csv,
)
from aeries_pipeline.course_requests.tables import EXPORTS_COLUMNS, prepare
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import (
    Warehouse,
    WarehouseUnusableError,
    private_directory,
)
from aeries_pipeline.stores.deliveries import (
    checksums,
    deliveries,
    free_name,
    keep,
    newest,
    publish,
)
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.scratch import clear_scratch, scratch_folder
from aeries_pipeline.stores.transaction import insert_rows, writing

WHOLE = "whole"
UNPLACED = "rejects_without_school.csv"
_HOW_TO = """\
Course requests of {school} for {year}

SSS.csv, ACR.csv, ACA.csv    new since the files before. Import these.
sss.sql                      the same as a script for SQL Server. Use this or the CSV files.
whole/                       everything that is not known to be in Aeries. Use it instead after
                             Initialize Scheduling has blanked the requests, or when earlier
                             files were not imported.
withdrawals.csv              requests of earlier files that are no longer asked for: take these
                             out in Aeries, student by student. Only there when there are any.
rejects.csv                  requests that cannot be imported, with what to do.
preview.html                 how many students ask for each course.

1. Initialize Scheduling first; it empties the table of requests.
2. Look at preview.html and rejects.csv.
3. In Aeries: School Info, Imports and Exports, Import Data into Aeries. Choose the table SSS, drop
   SSS.csv, check that each column is mapped to the field of the same name, look at the errors that
   are shown, and only then import. Then ACR.csv into ACR and ACA.csv into ACA, if they are there.
4. Import each file once. A second import of the same file is refused row by row, since the numbers
   in column SQ are taken.
The page docs/course-requests.md of aeries_pipeline says more.
"""


class NotExportedError(Exception):
    """A school's files could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written for one school.

    Attributes:
        folder: The newest delivery; None if the school has no requests.
        is_new: False if the last delivery would be the same.
        new: Rows that are in a delivery for the first time.
        whole: Rows that are not known to be in Aeries.
        states: Requests in each state, after this export.
        rejects: Lines of ``rejects.csv``.
        withdrawals: Lines of ``withdrawals.csv``.
    """

    folder: Path | None
    is_new: bool = False
    new: int = 0
    whole: int = 0
    states: Mapping[State, int] = field(default_factory=dict)
    rejects: int = 0
    withdrawals: int = 0


@dataclass(frozen=True, slots=True)
class _Material:
    """Everything that the files of one school are made from."""

    school: School
    name: str
    plan: Plan
    rejects: list[Reject]
    withdrawals: list[Withdrawal]
    states: Counter[State]
    courses: list[CourseLine]
    titles: dict[str, str]
    groups: list[Group]


def export(
    warehouse: Warehouse,
    district: District,
    school: int,
    out: Path,
    *,
    moment: datetime | None = None,
) -> Export:
    """Write a school's files, unless they would be the same as the last ones.

    Args:
        warehouse: Where the decided requests are.
        district: The roster's entry.
        school: School code.
        out: The folder for everything that is delivered.
        moment: The present, UTC without a zone; tests give another.

    Raises:
        NotExportedError: If a student has no free sequence number.
        WarehouseUnusableError: If the record cannot be written; then there is no folder.
    """
    moment = moment or now()
    place = private_directory(out / district.id / "sss" / str(school))
    what = f"{district.id}, school {school}, course requests"
    found: Export | None = None
    with FileLock(place.with_name(f".{school}.lock"), timeout=300):
        clear_scratch(place)
        try:
            with writing(warehouse, what, "materialize out/sss_files again") as connection:
                prepare(connection)
                _forget_unrecorded(connection, district.id, school, place)
                material = _read(connection, district, school, moment)
                if material is None:
                    return Export(None)
                found = _write(connection, district, material, place, moment)
        except WarehouseUnusableError:
            if found is not None and found.is_new and found.folder is not None:
                shutil.rmtree(found.folder)
            raise
        keep(place, district.course_requests.deliveries_keep)
    return found


def _forget_unrecorded(
    connection: duckdb.DuckDBPyConnection, district: str, school: int, place: Path
) -> None:
    """Remove a delivery with new rows whose record was never written: it is made again."""
    known = connection.execute(
        "SELECT DISTINCT export_id FROM core.course_request_exports "
        "WHERE district = ? AND school = ?",
        [district, school],
    ).fetchall()
    manifest = newest(place)
    if manifest and manifest["new_rows"] and (manifest["name"],) not in known:
        shutil.rmtree(place / str(manifest["name"]))


def _read(
    connection: duckdb.DuckDBPyConnection, district: District, code: int, moment: datetime
) -> _Material | None:
    policy = policy_of(district, district.day_of(moment))
    known = read_district(connection, district.id, policy)
    if known.next_year is None:
        return None
    school = School(district.id, code, known.next_year)
    states = read_states(connection, school)
    if not states:
        return None
    wanted = read_wanted(connection, school)
    try:
        plan = make_plan(
            wanted,
            read_numbers(connection, school, wanted),
            district.course_requests.first_sequence,
        )
    except NumbersUsedUpError as error:
        raise NotExportedError(f"{district.id}, school {code}, course requests: {error}") from None
    withdrawals = read_withdrawals(connection, school)
    courses = _course_lines(connection, school, plan, withdrawals, known.courses or {})
    return _Material(
        school, read_name(connection, school), plan, read_rejects(connection, school),
        withdrawals, states, courses,
        {course: one.title for course, one in (known.courses or {}).items()},
        read_groups(connection, school, policy, district.course_requests.requests_a_student),
    )  # fmt: skip


def _course_lines(
    connection: duckdb.DuckDBPyConnection,
    school: School,
    plan: Plan,
    withdrawals: Sequence[Withdrawal],
    catalogue: Mapping[str, Course],
) -> list[CourseLine]:
    seats = read_seats(connection, school)
    new = Counter(row.wanted.course_id for row in plan.new.requests)
    gone = Counter(one.course_id for one in withdrawals if one.is_new and one.table == "SSS")
    unprepared = read_prerequisites(connection, school)
    asked = read_courses(connection, school)
    return [
        CourseLine(
            course,
            catalogue[course].title if course in catalogue else "",
            grades,
            new[course],
            seats.get(course, 0) if seats else None,
            gone[course],
            unprepared.get(course, 0),
        )
        for course, grades in sorted({**{course: {} for course in gone}, **asked}.items())
    ]


def _write(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    material: _Material,
    place: Path,
    moment: datetime,
) -> Export:
    plan, last = material.plan, newest(place)
    new, whole = plan.new, plan.whole
    states = material.states.copy()
    states[State.READY] -= len(new)
    states[State.EXPORTED] += len(new)
    found = Export(
        place,
        is_new=True,
        new=len(new),
        whole=len(whole),
        states=+states,
        rejects=len(material.rejects),
        withdrawals=len(material.withdrawals),
    )
    with scratch_folder(place) as scratch:
        rows = _files(scratch, district, material, +states, str(last["name"]) if last else "")
        sums = checksums(scratch)
        if last and not new and _same(last, sums):
            # After a crash in between the list is there and not yet recorded.
            record_withdrawals(
                connection, material.school, material.withdrawals, str(last["name"]), moment
            )
            return replace(found, folder=place / str(last["name"]), is_new=False)
        name = free_name(place, moment)
        manifest = _manifest(scratch, material, name, moment, rows, sums, found)
        _record(connection, material, name, moment)
        record_withdrawals(connection, material.school, material.withdrawals, name, moment)
        folder = publish(scratch, place, manifest)
    return replace(found, folder=folder)


def _files(
    scratch: Path, district: District, material: _Material, states: Counter[State], since: str
) -> dict[str, int]:
    """Write every file but the manifest; return the rows of each."""
    settled = district.course_requests
    school, year = material.school.code, material.school.year_name
    staff = school in settled.section_staff_schools
    deleted = material.withdrawals if settled.withdrawals_in_script else []
    (scratch / WHOLE).mkdir(mode=0o700)
    rows: dict[str, int] = {}
    for prefix, plan in (("", material.plan.new), (f"{WHOLE}/", material.plan.whole)):
        texts = import_files(plan, school, section_staff=staff, aca_columns=settled.aca_columns)
        for name, text in texts.items():
            _put(scratch / f"{prefix}{name}", text)
            rows[f"{prefix}{name}"] = text.count("\r\n") - 1
        script = sss_sql(
            plan, school, district=district.id, year=year, section_staff=staff,
            aca_columns=settled.aca_columns,
            withdrawals=() if prefix else deleted,
        )  # fmt: skip
        _put(scratch / f"{prefix}sss.sql", script)
        rows[f"{prefix}sss.sql"] = len(plan)
    _put(scratch / "rejects.csv", rejects_csv(material.rejects))
    rows["rejects.csv"] = len(material.rejects)
    if material.withdrawals:
        text = withdrawals_csv(material.withdrawals, school, material.titles)
        _put(scratch / WITHDRAWALS, text)
        rows[WITHDRAWALS] = len(material.withdrawals)
    page = Preview(
        material.name, year, material.courses, states,
        Counter(one.reason for one in material.rejects), since, dict(sorted(rows.items())),
        material.groups, settled.requests_a_student,
    )  # fmt: skip
    _put(scratch / "preview.html", html(page))
    _put(scratch / "how-to-import.txt", _HOW_TO.format(school=material.name, year=year))
    return rows


def _put(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _same(last: Mapping[str, Any], sums: Mapping[str, str]) -> bool:
    """Tell whether everything that a person acts on is as it was."""
    before = {name: one["sha256"] for name, one in last["files"].items()}
    names = {name for name in (*before, *sums) if name.startswith(f"{WHOLE}/")}
    names |= {"rejects.csv", WITHDRAWALS}
    return all(before.get(name) == sums.get(name) for name in names)


def _manifest(
    scratch: Path,
    material: _Material,
    name: str,
    moment: datetime,
    rows: Mapping[str, int],
    sums: Mapping[str, str],
    found: Export,
) -> dict[str, Any]:
    return {
        "name": name,
        "district": material.school.district,
        "school": material.school.code,
        "school_year": material.school.year_name,
        "made_at": f"{moment.isoformat()}Z",
        "new_rows": found.new,
        "whole_rows": found.whole,
        "requests": {str(state): number for state, number in sorted(found.states.items())},
        "files": {
            file: {
                "bytes": (scratch / file).stat().st_size,
                "sha256": digest,
                **({"rows": rows[file]} if file in rows else {}),
            }
            for file, digest in sums.items()
        },
    }


def _record(
    connection: duckdb.DuckDBPyConnection, material: _Material, name: str, moment: datetime
) -> None:
    """Write the numbers that were given, and mark the requests as exported."""
    school = material.school
    insert_rows(
        connection,
        "core.course_request_exports",
        EXPORTS_COLUMNS,
        [
            (
                name, school.district, school.code, row.wanted.student_id,
                row.wanted.student_number, row.wanted.file_id, row.wanted.line,
                row.wanted.course_id, "alternate" if row.is_alternate else "request",
                row.sequence, row.linked, row.sort_order, school.year, moment, "insert",
            )
            for row in (*material.plan.new.requests, *material.plan.new.alternates)
        ],
    )  # fmt: skip
    connection.execute(
        """
        UPDATE core.course_requests AS r SET state = 'exported'
        FROM core.course_request_exports e
        WHERE e.export_id = ? AND e.district = ? AND e.school = ? AND r.district = e.district
          AND r.file_id = e.file_id AND r.line = e.line
        """,
        [name, school.district, school.code],
    )


def write_unplaced(warehouse: Warehouse, district: District, out: Path) -> int:
    """Write the requests that belong to no school's files, such as unknown students.

    Returns:
        How many there are.
    """
    with warehouse.open() as connection:
        prepare(connection)
        rejects = read_rejects_without_school(connection, district.id)
    place = private_directory(out / district.id / "sss")
    if rejects or (place / UNPLACED).exists():
        write_atomically(place / UNPLACED, rejects_csv(rejects))
    return len(rejects)


def last_folder(out: Path, district: str, school: int) -> Path | None:
    """Return a school's newest delivery, None before the first."""
    place = out / district / "sss" / str(school)
    found = deliveries(place) if place.is_dir() else []
    return found[-1] if found else None
