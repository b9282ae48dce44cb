"""The report next to a file in ``processed`` or ``failed``, for the district's registrar."""

from __future__ import annotations

from aeries_pipeline.course_requests.intake import Taken
from aeries_pipeline.course_requests.model import Reason, State, Warn
from aeries_pipeline.course_requests.sentences import STATES, WARNINGS, what_to_do
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.words import doing


def failed_report(district: District, name: str, found: Taken) -> str:
    """Return the report of a file that could not be used."""
    return (
        f"Course requests of {district.name}\n"
        f"File {found.file_id}, {found.size:,} bytes: {name}\n\n"
        f"Nothing of this file was taken: {found.reason}.\n"
        f"(code {found.code})\n"
    )


def taken_report(warehouse: Warehouse, district: District, name: str, found: Taken) -> str:
    """Return the report of a file that was taken: counts, then each line that needs somebody."""
    lines = [
        f"Course requests of {district.name}",
        f"File {found.file_id}, {found.size:,} bytes: {name}",
        "",
        f"{doing(found.rows, 'request', 'was', 'were')} read ({found.form}).",
    ]
    if found.status == "known":
        lines.append("The same file was taken before, so nothing was done.")
    with warehouse.open() as connection:
        counts = connection.execute(
            "SELECT state, count(*) FROM core.course_requests "
            "WHERE district = ? AND file_id = ? AND state IS NOT NULL "
            "GROUP BY state ORDER BY state",
            [district.id, found.file_id],
        ).fetchall()
        hold = connection.execute(
            "SELECT hold FROM core.course_request_files WHERE district = ? AND file_id = ? "
            "AND standing = 'held'",
            [district.id, found.file_id],
        ).fetchone()
        rows = connection.execute(
            "SELECT coalesce(place, 'line ' || line), stated_student, stated_course, state, "
            "reason, warnings, proposed "
            "FROM core.course_requests WHERE district = ? AND file_id = ? "
            "AND (reason IS NOT NULL OR len(warnings) > 0) ORDER BY line",
            [district.id, found.file_id],
        ).fetchall()
    if not counts and found.rows:
        lines.append("They will be decided in a moment; this report is then written again.")
    if hold:
        lines.append(f"The file does not count yet; a person has to accept it: {hold[0]}.")
    lines += [f"{number:>9,}  {STATES[State(state)]}" for state, number in counts]
    if rows:
        lines += ["", "Lines to look at:"]
    for place, student, course, state, reason, warnings, proposed in rows:
        told = [what_to_do(Reason(reason), proposed)] if reason else []
        told += [f"Note: {WARNINGS[Warn(one)]}." for one in warnings]
        who = f"StudentID {student or '-'}, CourseID {course or '-'}"
        lines.append(f"{place}: {who}: {STATES[State(state)]}. {' '.join(told)}")
    return "\n".join(lines) + "\n"
