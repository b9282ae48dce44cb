"""Forgetting a student or a district: everywhere, and proved.

Files come first and the warehouse last: the warehouse knows which files are about a
student, so a command that was interrupted can be given again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.publishing.lake_access import lake_of
from aeries_pipeline.analytics.publishing.publish import (
    DISTRICTS,
    NothingToPublishError,
    publish,
)
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.districts.roster import Roster
from aeries_pipeline.ingest.session import take_district
from aeries_pipeline.operations.privacy.erase import (
    count_district,
    erase_district,
    erase_student,
    looking_at,
)
from aeries_pipeline.operations.privacy.folders import (
    forget_folders,
    forget_in_files,
    is_in_landing,
    waiting_for,
)
from aeries_pipeline.operations.privacy.person import Person, find_person, is_known
from aeries_pipeline.operations.privacy.search import Found, search_district, search_student
from aeries_pipeline.operations.privacy.tables import FORGOTTEN_COLUMNS, prepare
from aeries_pipeline.operations.rehearsal import remove_left
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.backup import announce, backups, settle
from aeries_pipeline.stores.connection import CATALOG, Warehouse
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.words import counted, verb

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
    store = Store(settings.data)
    _check_known(store, settings, roster, wish)
    lock = take_district(wish.district, settings)
    try:
        if wish.student is None:
            return _forget_district(settings, roster, store, wish, moment or now())
        return _forget_student(settings, roster, store, wish, moment or now())
    finally:
        lock.release()


def _check_known(store: Store, settings: Settings, roster: Roster, wish: Wish) -> None:
    """Refuse a name that nothing is known of, such as one that was mistyped."""
    if store.has(wish.district):
        return
    folders = (settings.landing, settings.out, settings.inbox, settings.backups)
    is_known = any((one / wish.district).exists() for one in folders)
    is_known = is_known or wish.district in {one.id for one in roster.districts}
    if wish.student is not None or not is_known:
        raise NotForgottenError(
            f"{wish.district}: there is no warehouse of this district in {settings.data}; see "
            "aeries-pipeline roster show for how it is called"
        )


def _forget_student(
    settings: Settings, roster: Roster, store: Store, wish: Wish, moment: datetime
) -> Forgotten:
    if wish.student is None:
        raise TypeError("a student is meant")
    warehouse = store.warehouse(wish.district)
    with warehouse.open() as connection:
        person = find_person(connection, wish.district, wish.student)
        is_loaded = is_known(connection, CATALOG, person)
    places = {store.backups, roster.backups.place(store.backups)}
    _check_student(settings, wish, person)
    _check_list(roster, person)
    files = rows = 0
    if is_loaded or _is_elsewhere(settings, store, person, places):
        files = forget_in_files(settings, person) + remove_left(settings, wish.district)
        for place in places:
            files += _in_backups(place, wish.district, partial(erase_student, person=person))
        rows = _rewrite(warehouse, lambda path: erase_student(path, person))
    return _prove(
        settings, roster, store, (wish, moment, rows, files),
        lambda: search_student(settings, person, lake_of(settings, roster.publish)),
    )  # fmt: skip


def _check_student(settings: Settings, wish: Wish, person: Person) -> None:
    if person.is_in(wish.why) or person.is_in(wish.who):
        raise NotForgottenError(
            "the reason is kept permanently and must not identify the student; "
            "leave out id and address"
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
            f"{wish.district}: {counted(len(waiting), 'file')} in the inbox "
            f"{verb(len(waiting), 'is', 'are')} about this student and not "
            "taken yet; take them (aeries-pipeline requests export) or remove them, then give "
            "the command again"
        )


def _check_list(roster: Roster, person: Person) -> None:
    """Refuse while the district's list of opt-outs, which is not ours, names the student."""
    share = next((one.share for one in roster.districts if one.id == person.district), None)
    if share is None or not share.opted_out:
        return
    path = roster.get(person.district).beside(share.opted_out)
    with suppress(OSError):
        if person.is_in(path.read_text(encoding="utf-8", errors="replace")):
            raise NotForgottenError(
                f"{person.district}: {share.opted_out}, the list of students who opted out, names "
                "this student; take the line out once Aeries no longer has the student, then give "
                "the command again"
            )


def _is_elsewhere(settings: Settings, store: Store, person: Person, places: set[Path]) -> bool:
    """Look beside the warehouse, and refuse an id that nobody has: it is others' number, too.

    Where the last forgetting in the district was not proved it may be of the same
    student, of whom only the search is left: nothing is taken out then.
    """
    district = person.district
    files = [
        settings.published / DISTRICTS / f"{district}.duckdb",
        *(one for place in places for one in _of_district(place, district)),
    ]
    for path in files:
        # A damaged file is named when it is to be written.
        with suppress(duckdb.Error):
            if path.exists():
                with looking_at(path) as connection:
                    if is_known(connection, "old", person):
                        return True
    if is_in_landing(settings, person):
        return True
    if not _is_unproved(store, district):
        raise NotForgottenError(
            f"{district}: no student has or had this StudentID in its warehouse, its backups, the "
            "published copy or its answers as received, so nothing was changed; see that it is "
            "Aeries' StudentID, and not the number that a school gives"
        )
    return False


def _is_unproved(store: Store, district: str) -> bool:
    with store.ledger.open() as connection:
        prepare(connection, CATALOG)
        last = connection.execute(
            "SELECT bool_or(status = $proved) FROM meta.forgotten WHERE district = $district "
            "AND what = 'student' GROUP BY forgotten_id ORDER BY forgotten_id DESC LIMIT 1",
            {"proved": PROVED, "district": district},
        ).fetchone()
    return last is not None and not last[0]


def _forget_district(
    settings: Settings, roster: Roster, store: Store, wish: Wish, moment: datetime
) -> Forgotten:
    known = {one.id: one for one in roster.districts}
    if wish.district in known and not known[wish.district].paused and not wish.although_listed:
        raise NotForgottenError(
            f"{wish.district} is still in the roster and would be pulled again; set paused: true "
            "or take it out, or give --although-listed"
        )
    files = forget_folders(settings, wish.district) + remove_left(settings, wish.district)
    for place in {store.backups, roster.backups.place(store.backups)}:
        own = place / wish.district
        if own.exists():
            files += sum(1 for one in own.rglob("*") if one.is_file())
            shutil.rmtree(own)
        files += _in_backups(place, wish.district, partial(erase_district, district=wish.district))
    rows = 0
    if store.has(wish.district):
        with store.warehouse(wish.district).locked():
            rows = count_district(store.path(wish.district), wish.district)
        store.remove(wish.district)
    store.notes.forget(wish.district)
    return _prove(
        settings, roster, store, (wish, moment, rows, files),
        lambda: search_district(settings, wish.district, lake_of(settings, roster.publish)),
    )  # fmt: skip


def _in_backups(place: Path, district: str, erase: Callable[..., int]) -> int:
    """Take somebody out of the district's own backups, and of those that are of several."""
    changed = 0
    for path in _of_district(place, district):
        # The file is rewritten even if no row of it goes.
        changed += erase(path, ready=partial(announce, path)) > 0
        settle(path)
    return changed


def _of_district(place: Path, district: str) -> list[Path]:
    return [one for one in backups(place) if one.parent in {place, place / district}]


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
    store: Store,
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
    _record(store.ledger, row)
    _publish_without(settings, roster)
    with ExitStack() as stack:
        if store.is_shared and store.has(wish.district):
            # What is at home elsewhere is fetched, so that the search reads it, too.
            stack.enter_context(store.reading(wish.district))
        found = search()
    outcome = Forgotten(rows, files, found.files, found.places)
    _record(
        store.ledger,
        row
        | {
            "status": REMAINS if found.places else PROVED,
            "searched_files": found.files,
            "still_found_in": list(found.places),
        },
    )
    return outcome


def _publish_without(settings: Settings, roster: Roster) -> None:
    """Make the copy again, so that nothing of what is gone stays in its pages."""
    # Without any district left there is nothing to publish, and no copy that could tell.
    with suppress(NothingToPublishError):
        publish(settings, roster, versions=1, whole=True)


def _record(ledger: Warehouse, row: dict[str, Any]) -> None:
    with writing(ledger, "the record of what was forgotten", "forget again") as connection:
        prepare(connection, CATALOG)
        values = [[row[name] for name, _kind in FORGOTTEN_COLUMNS]]
        insert_rows(connection, "meta.forgotten", FORGOTTEN_COLUMNS, values)
