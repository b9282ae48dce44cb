"""``aeries-pipeline roster sync``: which schools a district has, from Aeries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.cli.common import item
from aeries_pipeline.districts.errors import AeriesError, ConfigurationError, StoppedError
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.districts.roster_edit import with_schools
from aeries_pipeline.districts.school_codes import is_in
from aeries_pipeline.ingest.listed_schools import teaching_schools, why_left_out
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted


def sync_roster(
    settings: Settings,
    district_id: str,
    outside_window: str | None,
    console: Console,
    *,
    is_agreed: bool = False,
) -> None:
    """Write the schools that teach to the roster and say what changed.

    The first time, schools that teach and have no students are proposed to be
    left out for good, and a person is asked.

    Raises:
        AeriesError: If the district's server does not give a usable list, or
            nobody can be asked; the roster stays as it is.
    """
    district = load_roster(settings.roster).get(district_id)
    is_first = not district.schools
    options = PullOptions(outside_window=outside_window)
    warehouse = Store(settings.data).warehouse(district.id)
    with Session(district, settings, warehouse, options) as session:
        system = session.preflight()
        for sentence in session.warnings:
            console.print(sentence)
        year = system.start_year
        rows = session.client.get(
            "schools", params={"DatabaseYear": year}, what=f"{district_id}, schools"
        ).rows
        teaching = _teaching(district, rows)
        empty = _without_students(session, teaching, year) if is_first else []
    chosen = [code for code in teaching if code not in empty]
    if not chosen:
        raise ConfigurationError(
            "no_schools",
            f"{district_id}: no school that Aeries lists as teaching has a student; the roster "
            "stays as it is; check the database year and the permission 'Student Data'",
        )
    if is_first:
        _propose(district, rows, chosen, empty, console)
        if not _is_agreed(district_id, empty, console, is_agreed=is_agreed):
            console.print(f"{district_id}: nothing was written; edit the roster and sync again")
            return
    if chosen == sorted(district.schools):
        console.print(f"{district_id}: the roster already has its {counted(len(chosen), 'school')}")
        return
    text = settings.roster.read_text(encoding="utf-8")
    write_atomically(settings.roster, with_schools(text, district_id, chosen, empty))
    load_roster(settings.roster)
    _tell(district, chosen, console)


def _teaching(district: District, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    try:
        found = teaching_schools(rows, district.inactive_school, district.exclude_schools)
    except (KeyError, TypeError, ValueError):
        found = []
    if not found:
        raise ConfigurationError(
            "no_schools",
            f"{district.id}: Aeries lists no school that teaches; the roster stays as it is; check "
            "the url and the certificate's default database",
        )
    return found


def _without_students(session: Session, schools: Sequence[int], year: int) -> list[int]:
    """Return the schools whose list of students is empty: one request for one record each."""
    resource = RESOURCES["students"]
    paging = resource.paging
    assert paging is not None  # noqa: S101 - the catalogue says so
    empty = []
    for school in schools:
        try:
            answer = session.client.get(
                resource.path.format(school=school, year=year),
                params={"DatabaseYear": year, **paging.window(1, 1)},
                what=f"{session.district.id}, school {school}, students",
            )
        except StoppedError:
            raise
        except AeriesError:
            continue  # Whether there are any is not known; a pull will say why.
        if not answer.rows:
            empty.append(school)
    return empty


def _propose(
    district: District,
    rows: Sequence[Mapping[str, Any]],
    chosen: Sequence[int],
    empty: Sequence[int],
    console: Console,
) -> None:
    """Print every school that Aeries lists: pulled, or left out and why."""
    for row in sorted(rows, key=lambda one: int(one["SchoolCode"])):
        code = int(row["SchoolCode"])
        reason = why_left_out(row, district.inactive_school)
        if is_in(district.exclude_schools, code):
            reason = "in exclude_schools"
        elif code in empty:
            reason = "it has no students; goes into exclude_schools"
        said = "pulled" if code in chosen else f"left out: {reason}"
        item(console, f"  {code:>4}  ", f"{row.get('Name') or ''}: {said}")


def _is_agreed(
    district_id: str, empty: Sequence[int], console: Console, *, is_agreed: bool
) -> bool:
    """Ask whether the schools are right; who cannot be asked is asked nothing but doubt.

    Raises:
        ConfigurationError: If there is a doubt and nobody to ask.
    """
    if is_agreed:
        return True
    if console.is_terminal:
        return click.confirm("Write these schools to the roster?", default=True)
    if empty:
        listed = ", ".join(map(str, empty))
        raise ConfigurationError(
            "schools_without_students",
            f"{district_id}: schools {listed} teach and have no students; nothing was written; "
            "give --yes to leave them out for good, or list the schools in the roster",
        )
    return True


def _tell(district: District, chosen: Sequence[int], console: Console) -> None:
    added = sorted(set(chosen) - set(district.schools))
    gone = sorted(set(district.schools) - set(chosen))
    for word, codes in (("added", added), ("removed", gone)):
        if codes:
            listed = ", ".join(map(str, codes))
            console.print(f"{district.id}: {word} {listed}", soft_wrap=True)
    console.print(
        "the UI of aeries-pipeline ui shows the new partitions by itself; in one that was started "
        "otherwise, reload the code location",
        soft_wrap=True,
    )
