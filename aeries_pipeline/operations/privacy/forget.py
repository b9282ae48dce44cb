"""Forgetting a student or a district: everywhere, and proved.

Files come first and the warehouse last: what tells which files are about a
student stands in the warehouse, so a command that was interrupted can be given
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.publishing.publish import publish
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.districts.roster import Roster
from aeries_pipeline.ingest.session import take_district
from aeries_pipeline.operations.privacy.erase import erase_district, erase_student
from aeries_pipeline.operations.privacy.folders import forget_folders, forget_in_files, waiting_for
from aeries_pipeline.operations.privacy.person import Person, find_person
from aeries_pipeline.operations.privacy.search import Found, search_district, search_student
from aeries_pipeline.operations.privacy.tables import FORGOTTEN_COLUMNS, prepare
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.backup import backups, rewrite_manifest
from aeries_pipeline.stores.connection import CATALOG, Warehouse
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.transaction import insert_rows, writing

REMOVED, PROVED, REMAINS = "removed", "proved", "remains"


class NotForgottenError(RuntimeError):
    """Something speaks against it, or it could not be done; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants forgotten, and who and why.

    Attributes:
        district: District id.
        who: Who decides.
        why: The reason, for the audit trail; it must not say of whom.
        student: StudentID; None for the whole district.
        although_listed: Whether to go on although the next pull brings it back.
    """

    district: str
    who: str
    why: str
    student: int | None = None
    although_listed: bool = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done; counts and places only.

    Attributes:
        rows: Rows that went from the warehouse.
        files: Files that were changed or removed, backups included.
        searched: Files that were searched afterwards.
        places: Where something is still found; empty is the proof.
    """

    rows: int
    files: int
    searched: int
    places: tuple[str, ...]


def forget(
    settings: Settings, roster: Roster, wish: Wish, *, moment: datetime | None = None
) -> Forgotten:
    """Take a student or a district out of everything below the data directory.

    Args:
        settings: Where that is.
        roster: Says who is still pulled, and what analysts may see.
        wish: Of whom, by whom, and why.
        moment: The present, UTC without a zone; tests give another.

    Returns:
        What was done, with the result of a search of every file.

    Raises:
        NotForgottenError: If something speaks against it; nothing was changed.
        NotErasedError: If a file cannot be written; the command can be given again.
        DistrictBusyError: If the district is being pulled.
    """
    warehouse = Warehouse(settings.warehouse)
    if not settings.warehouse.exists():
        raise NotForgottenError(f"there is no warehouse at {settings.warehouse}")
    lock = take_district(wish.district, settings)
    try:
        if wish.student is None:
            return _forget_district(settings, roster, warehouse, wish, moment or now())
        return _forget_student(settings, roster, warehouse, wish, moment or now())
    finally:
        lock.release()


def _forget_student(
    settings: Settings, roster: Roster, warehouse: Warehouse, wish: Wish, moment: datetime
) -> Forgotten:
    if wish.student is None:
        raise TypeError("a student is meant")
    with warehouse.open() as connection:
        person = find_person(connection, wish.district, wish.student)
    _check_student(settings, wish, person)
    files = forget_in_files(settings, person)
    files += _in_backups(settings, lambda path: erase_student(path, person))
    rows = _rewrite(warehouse, lambda path: erase_student(path, person))
    return _prove(
        settings, roster, warehouse, (wish, moment, rows, files),
        lambda: search_student(settings, person),
    )  # fmt: skip


def _check_student(settings: Settings, wish: Wish, person: Person) -> None:
    if person.is_in(wish.why) or person.is_in(wish.who):
        raise NotForgottenError(
            "the reason is kept for ever and must not say of whom; leave out id and address"
        )
    if person.is_listed and not wish.although_listed:
        raise NotForgottenError(
            f"{wish.district}: Aeries still lists this student, so the next pull would bring "
            "everything back; have the district take the student out of Aeries and pull, or give "
            "--although-listed"
        )
    waiting = waiting_for(settings, person)
    if waiting:
        raise NotForgottenError(
            f"{wish.district}: {len(waiting)} files in the inbox are about this student and were "
            "not taken yet; take them (aeries-pipeline requests export) or remove them, then give "
            "the command again"
        )


def _forget_district(
    settings: Settings, roster: Roster, warehouse: Warehouse, wish: Wish, moment: datetime
) -> Forgotten:
    known = {one.id: one for one in roster.districts}
    if wish.district in known and not known[wish.district].paused and not wish.although_listed:
        raise NotForgottenError(
            f"{wish.district} is still in the roster and would be pulled again; set paused: true "
            "or take it out, or give --although-listed"
        )
    files = forget_folders(settings, wish.district)
    files += _in_backups(settings, lambda path: erase_district(path, wish.district))
    rows = _rewrite(warehouse, lambda path: erase_district(path, wish.district))
    return _prove(
        settings, roster, warehouse, (wish, moment, rows, files),
        lambda: search_district(settings, wish.district),
    )  # fmt: skip


def _in_backups(settings: Settings, erase: Callable[[Path], int]) -> int:
    changed = 0
    for path in backups(settings.backups):
        if erase(path):
            rewrite_manifest(path)
            changed += 1
    return changed


def _rewrite(warehouse: Warehouse, erase: Callable[[Path], int]) -> int:
    with warehouse.locked():
        rows = erase(warehouse.path)
    with warehouse.open() as connection:
        # Views are not copied; the code that knows them makes them.
        accounts.prepare(connection)
        requests.prepare(connection)
    return rows


def _prove(
    settings: Settings,
    roster: Roster,
    warehouse: Warehouse,
    done: tuple[Wish, datetime, int, int],
    search: Callable[[], Found],
) -> Forgotten:
    """Note what was removed, publish without it, search, and note what the search found."""
    wish, moment, rows, files = done
    row: dict[str, Any] = {
        "forgotten_id": new_id(moment),
        "district": wish.district,
        "what": "district" if wish.student is None else "student",
        "status": REMOVED,
        "decided_by": wish.who,
        "why": wish.why,
        "forgotten_at": moment,
        "rows": rows,
        "files": files,
        "searched_files": None,
        "still_found_in": None,
    }
    _record(warehouse, row)
    publish(warehouse, settings, roster, versions=1)
    found = search()
    outcome = Forgotten(rows, files, found.files, found.places)
    _record(
        warehouse,
        row
        | {
            "status": REMAINS if found.places else PROVED,
            "searched_files": found.files,
            "still_found_in": list(found.places),
        },
    )
    return outcome


def _record(warehouse: Warehouse, row: dict[str, Any]) -> None:
    with writing(warehouse, "the record of what was forgotten", "forget again") as connection:
        prepare(connection, CATALOG)
        values = [[row[name] for name, _kind in FORGOTTEN_COLUMNS]]
        insert_rows(connection, "meta.forgotten", FORGOTTEN_COLUMNS, values)
