"""Makes the analysts' copy and puts it in the place of the last one, whole.

Analysts open ``published/aeries.duckdb``, the Parquet files below ``published/parquet``,
or one district's own file in ``published/districts``. Only the districts that have
changed are read: their own files are made again, and the rest is taken from the last
copy. Everything is made in a hidden folder and put in place by a rename: who has the old
files open keeps reading them, who opens them now gets the new ones, and nobody ever waits
for a lock of the pipeline. How one district's part is made is in ``part``, and how parts
become the one database in ``assemble``.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock

from aeries_pipeline.accounts.left_out import NotSharedError, look
from aeries_pipeline.analytics.publishing.assemble import assemble, link_parquet
from aeries_pipeline.analytics.publishing.contents import NAME
from aeries_pipeline.analytics.publishing.copy import (
    Copy,
    Held,
    Plan,
    is_all_published,
    is_as_put,
    left_out_mark,
    plan_of,
    read_copy,
    settings_of,
    write_copy,
)
from aeries_pipeline.analytics.publishing.due import Changes, fingerprint, read_changes
from aeries_pipeline.analytics.publishing.lake import write_lake
from aeries_pipeline.analytics.publishing.lake_access import (
    LakeNotWrittenError,
    check_extension,
    lake_of,
)
from aeries_pipeline.analytics.publishing.part import make_part, make_template, shape_of
from aeries_pipeline.analytics.publishing.tables import PUBLISHED_COLUMNS, prepare
from aeries_pipeline.districts.roster import District, Roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import (
    NoRoomError,
    Warehouse,
    WarehouseBusyError,
    WarehouseUnusableError,
    private_directory,
)
from aeries_pipeline.stores.diagnose import diagnose
from aeries_pipeline.stores.files import mark_of, sync
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.scratch import clear_scratch, scratch_folder
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.transaction import insert_rows, writing

DATABASE = f"{NAME}.duckdb"
PARQUET = "parquet"
DISTRICTS = "districts"
_VERSION = ".parquet-"
_STAYS = "its rows of the last copy stay"
_GONE = (
    "the copy has no rows of it until then, because it is not known whether everybody in the last "
    "one may still be seen"
)


class NothingToPublishError(RuntimeError):
    """Nothing was ever pulled."""


class NotPublishedError(RuntimeError):
    """The copy could not be made; the last one is as it was."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        row: Its row in ``meta.published``.
        rows: Rows by table or view, with its schema.
        database: The file that analysts open.
        parquet: The folder with a folder of files for each table and view.
        read: Districts that were read again.
        charts: Numbers for the charts, by view.
        left: Why a district's newest rows are not in it, by district.
    """

    row: Mapping[str, Any]
    rows: Mapping[str, int]
    database: Path
    parquet: Path
    read: tuple[str, ...] = ()
    charts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def publish(
    settings: Settings,
    roster: Roster,
    *,
    moment: datetime | None = None,
    run_id: str | None = None,
    versions: int = 2,
    whole: bool = False,
    again: bool = False,
) -> Published:
    """Publish what the warehouses hold now.

    A warehouse is locked only while its file is copied; the rest is made from that copy. One that
    cannot be read does not hold up the others: what the last copy had of that district stays if the
    same people may be seen as then, and goes otherwise.

    Args:
        settings: Says where warehouses and copies are.
        roster: Says which districts analysts may see, and how.
        moment: The present, UTC without a zone; tests give another.
        run_id: The Dagster run, for the record.
        versions: How many Parquet folders stay, the new one included.
        whole: Whether the database is rebuilt whatever has changed, so
            that nothing of what is gone stays in its pages.
        again: Whether every district is read again, changed or not.

    Raises:
        NothingToPublishError: If nothing was ever loaded.
        NotPublishedError: If the disk is full, or the copy or the lake cannot be made.
        WarehouseBusyError: If the ledger does not come free.
    """
    store = Store(settings.data)
    place = private_directory(settings.published)
    began = time.monotonic()
    force = _Force(whole or again, again)
    with ExitStack() as stack:
        stack.enter_context(FileLock(private_directory(settings.locks) / "publish.lock"))
        clear_scratch(place)
        lake = lake_of(settings, roster.publish)
        if lake:
            with _saying_what_failed():
                check_extension(lake)
        before = read_copy(place)
        changes = _changes_of(store, before, settings.data)
        folder = stack.enter_context(scratch_folder(place))
        row = _new_row(roster, moment or now(), run_id)
        with _saying_what_failed():
            made = _make(store, (place, folder), roster, (before, changes), row, force)
            linked = _linked(place)
            _put_in_place(folder, place, str(row["publication_id"]), roster)
            # What analysts may no longer see stays in no older folder either.
            _keep(place, 1 if made.plan.hides else versions, linked)
            copy = _held(place, roster, made, row)
            if lake:
                # Before the note, so that a lake that could not be written is tried again.
                write_lake(lake, place, copy, whole=force.database, modes=_modes(roster))
            write_copy(place, copy)
        row["seconds"] = round(time.monotonic() - began, 3)
        _record(store.ledger, row)
    return Published(
        row, made.rows, place / DATABASE, place / PARQUET, made.plan.make, _charts(copy), made.left
    )


def _changes_of(store: Store, before: Copy, data: Path) -> Changes:
    """Return when each district last changed.

    Raises:
        NothingToPublishError: If there never was anything to tell of.
        NotPublishedError: If no warehouse can be read.
    """
    is_first = before.published_at is None
    if is_first and not store.districts():
        raise NothingToPublishError(f"there is no warehouse in {data} yet; pull a district first")
    changed, unusable = read_changes(store)
    if unusable and not changed:
        why = "; ".join(unusable.values())
        raise NotPublishedError(f"no warehouse can be read, so there is nothing to publish: {why}")
    if is_first and not changed:
        raise NothingToPublishError(
            "nothing was loaded yet, so there is nothing to publish; pull a district first "
            "(aeries-pipeline status says what is missing)"
        )
    return changed, unusable


def _new_row(roster: Roster, moment: datetime, run_id: str | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(name for name, _kind in PUBLISHED_COLUMNS)
    return row | {
        "publication_id": new_id(moment),
        "published_at": moment,
        "districts": [one.id for one in roster.districts if one.analysts.access == "rows"],
        "counted_districts": [
            one.id for one in roster.districts if one.analysts.access == "counts"
        ],
        "settings": fingerprint(roster),
        "run_id": run_id,
    }


@dataclass(frozen=True, slots=True)
class _Force:
    """What is made again whatever has changed: the database, and the parts of all districts."""

    database: bool
    parts: bool


@dataclass(slots=True)
class _Made:
    """What was made in the hidden folder.

    Attributes:
        plan: What had to be done.
        shape: Of the tables, views and words.
        held: What the copy holds of each district.
        rows: Rows by table or view.
        left: Why a district's newest rows are not in it.
    """

    plan: Plan
    shape: str
    held: dict[str, Held]
    rows: dict[str, int]
    left: dict[str, str]


def _make(
    store: Store,
    places: tuple[Path, Path],
    roster: Roster,
    known: tuple[Copy, Changes],
    row: dict[str, Any],
    force: _Force,
) -> _Made:
    """Make the parts of the districts that changed, the database, and the Parquet files."""
    (place, folder), (before, (changed, unusable)) = places, known
    template = folder / "empty.duckdb"
    constant = make_template(template)
    shape = shape_of()
    wanted = {one.id: one for one in roster.districts if store.has(one.id)}
    sound = _sound(place, before, shape)
    settled = {name: _settled(store, one) for name, one in wanted.items()}
    plan = plan_of(
        before,
        settled,
        changed,
        is_intact=not force.database
        and before.shape == shape
        and is_as_put(place / DATABASE, before.mark),
        sound=frozenset() if force.parts else sound,
    )
    held = {one: before.districts[one] for one in plan.keep}
    left = {name: why for name, why in unusable.items() if name in held}
    parts = {one: place / DISTRICTS / f"{one}.duckdb" for one in plan.keep}
    (folder / DISTRICTS).mkdir(mode=0o700)
    (folder / PARQUET).mkdir(mode=0o700)
    for name in plan.make:
        try:
            told = {**row, "data_until": changed.get(name)}
            held[name] = make_part(store, wanted[name], folder, template, told, settled[name])
            parts[name] = folder / DISTRICTS / f"{name}.duckdb"
        except NoRoomError:
            raise
        except (WarehouseBusyError, WarehouseUnusableError, NotSharedError) as error:
            # Old rows are better than none; what may no longer be seen is not.
            stays = name in sound and before.districts[name].settings == settled[name]
            left[name] = f"{name}: {error}; {_STAYS if stays else _GONE}"
            if stays:
                held[name] = before.districts[name]
                parts[name] = place / DISTRICTS / f"{name}.duckdb"
    rows = dict(constant)
    for one in held.values():
        for table, number in one.rows.items():
            rows[table] = rows.get(table, 0) + number
    rows["meta.published"] = 1
    row["data_until"] = max((one.until for one in held.values() if one.until), default=None)
    row |= {"tables": len(rows), "rows": sum(rows.values())}
    assemble(folder, template, place / DATABASE, plan, parts, row)
    kept = [one for one in held if one not in plan.make or one in left]
    link_parquet(place / PARQUET, folder / PARQUET, kept)
    row["bytes"] = (folder / DATABASE).stat().st_size
    template.unlink()
    return _Made(plan, shape, held, rows, left)


def _settled(store: Store, district: District) -> str:
    """Return what analysts may see of a district, and may no longer where somebody is left out."""
    if is_all_published(district):
        return settings_of(district)
    with suppress(WarehouseBusyError, WarehouseUnusableError):
        found = look(store.warehouse(district.id), district)
        return settings_of(district, left_out_mark(found.causes))
    return settings_of(district)


def _sound(place: Path, before: Copy, shape: str) -> frozenset[str]:
    """Return the districts whose own files, and Parquet files, are as they were put there."""
    if before.shape != shape or not (place / PARQUET).is_dir():
        return frozenset()
    return frozenset(
        name
        for name, held in before.districts.items()
        if not held.rows
        or (
            is_as_put(place / DISTRICTS / f"{name}.duckdb", held.mark)
            and all(
                (place / PARQUET / f"{table}.parquet" / f"{name}.parquet").exists()
                for table in held.rows
            )
        )
    )


def _linked(place: Path) -> str | None:
    """Return the name of the Parquet folder that analysts see; None before the first."""
    link = place / PARQUET
    return link.readlink().name if link.is_symlink() else None


def _keep(place: Path, versions: int, before: str | None) -> None:
    """Remove older Parquet folders; some stay for whoever is reading them.

    What a publication that was killed had put beside them was never seen by
    anybody and is no older version.
    """
    now_linked = _linked(place)
    seen = [one for one in sorted(place.glob(f"{_VERSION}*")) if one.name != now_linked]
    unseen = [one for one in seen if before is None or one.name > before]
    older = [one for one in seen if one not in unseen]
    for old in (*unseen, *older[: max(len(older) - (versions - 1), 0)]):
        shutil.rmtree(old)


@contextmanager
def _saying_what_failed() -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.Error) as error:
        # The message of the database may quote a value of a row.
        found = diagnose(error)
    except LakeNotWrittenError as error:
        raise NotPublishedError(str(error)) from None
    else:
        return
    raise NotPublishedError(
        f"the analysts' copy could not be made ({found.cause}); the last one is as it was; "
        f"{found.remedy}, then run: aeries-pipeline publish"
    ) from None


def _modes(roster: Roster) -> tuple[int, int]:
    """Return the modes of files and folders."""
    return (0o640, 0o750) if roster.publish.readable_by_group else (0o600, 0o700)


def _put_in_place(folder: Path, place: Path, name: str, roster: Roster) -> None:
    """Make everything private and durable, then rename it to where analysts look."""
    file_mode, folder_mode = _modes(roster)
    districts = private_directory(place / DISTRICTS)
    for one in (place, districts):
        one.chmod(folder_mode)
    for one in districts.glob("*.duckdb"):
        one.chmod(file_mode)
    for one in (*folder.rglob("*"), folder):
        one.chmod(folder_mode if one.is_dir() else file_mode)
        # What is linked from the last copy has long reached the disk.
        if one.is_dir() or one.stat().st_nlink == 1:
            sync(one)
    version = place / f"{_VERSION}{name}"
    link = folder / "link"
    link.symlink_to(version.name, target_is_directory=True)
    (folder / PARQUET).rename(version)
    # Somebody who opened the last copy for writing may have left a log, which is not this one's.
    (place / f"{DATABASE}.wal").unlink(missing_ok=True)
    (folder / DATABASE).replace(place / DATABASE)
    link.replace(place / PARQUET)
    for one in (folder / DISTRICTS).glob("*.duckdb"):
        (districts / f"{one.name}.wal").unlink(missing_ok=True)
        one.replace(districts / one.name)
    sync(districts)
    sync(place)


def _held(place: Path, roster: Roster, made: _Made, row: Mapping[str, Any]) -> Copy:
    """Return what the copy in place holds; files of districts that it has not are removed."""
    for path in (place / DISTRICTS).glob("*.duckdb*"):
        name = path.name.partition(".")[0]
        if name not in made.held or not made.held[name].rows:
            path.unlink()
    held = {
        name: Held(
            one.until,
            one.settings,
            one.rows,
            mark_of(place / DISTRICTS / f"{name}.duckdb") if one.rows else "",
            one.chart,
        )
        for name, one in made.held.items()
    }
    return Copy(
        str(row["publication_id"]),
        row["published_at"],
        str(row["settings"]),
        made.shape,
        mark_of(place / DATABASE),
        held,
        [one.id for one in roster.districts if one.id not in held],
    )


def _charts(copy: Copy) -> dict[str, dict[str, int]]:
    """Return the numbers of all districts together, by view and label."""
    found: dict[str, dict[str, int]] = {}
    for held in copy.districts.values():
        for view, numbers in held.chart.items():
            of = found.setdefault(view, {})
            for label, number in numbers.items():
                of[label] = of.get(label, 0) + number
    return found


def _record(ledger: Warehouse, row: Mapping[str, Any]) -> None:
    with writing(ledger, "the record of publications", "publish again") as connection:
        prepare(connection)
        insert_rows(
            connection,
            "meta.published",
            PUBLISHED_COLUMNS,
            [[row[name] for name, _kind in PUBLISHED_COLUMNS]],
        )
