"""``aeries-pipeline backup`` and ``restore``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aeries_pipeline.cli.common import warn
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.backup import LEDGER_PREFIX, BackupError, backups, check_backup
from aeries_pipeline.stores.deliveries import deliveries
from aeries_pipeline.stores.restore_many import (
    Restored,
    newest_of,
    rehearse,
    restore_file,
    take_backups,
    taken_of,
)
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted, verb


def backup_now(
    settings: Settings, districts: Sequence[str], to: Path | None, console: Console
) -> None:
    """Take a backup of each named district, or of all, and say where they are."""
    store = Store(settings.data)
    missing = [one for one in districts if not store.has(one)]
    if missing:
        raise BackupError(
            f"{missing[0]}: there is no warehouse of this district; nothing to back up; see "
            "aeries-pipeline roster show for how it is called"
        )
    for _district, made in take_backups(store, to or settings.backups, districts or None):
        rows = sum(made.tables.values())
        console.print(
            f"{made.path}: {made.bytes / 1e6:.1f} MB, {counted(len(made.tables), 'table')}, "
            f"{counted(rows, 'row')}, "
            "read from end to end",
            soft_wrap=True,
        )


def list_backups(
    settings: Settings, districts: Sequence[str], folder: Path | None, console: Console
) -> None:
    """Show the backups, each held against its manifest, by the names that restore takes."""
    root = folder or settings.backups
    shown = 0
    for path in sorted(backups(root), key=lambda one: (one.parent == root, one)):
        owner = "" if path.parent == root else path.parent.name
        if districts and owner not in districts:
            continue
        shown += 1
        try:
            one = check_backup(path)
        except BackupError as error:
            warn(console, f"{path.relative_to(root)}: {error}")
            continue
        of = owner or ("ledger" if path.name.startswith(LEDGER_PREFIX) else "several districts")
        console.print(
            f"{path.relative_to(root)}: {of}, taken {one.taken_at:%Y-%m-%d %H:%M} UTC, "
            f"{one.bytes / 1e6:.1f} MB, schema {one.schema_version}, "
            f"{sum(one.tables.values()):,} rows",
            soft_wrap=True,
        )
    if not shown:
        of = f" of {', '.join(districts)}" if districts else ""
        console.print(f"there is no backup{of} in {root}; aeries-pipeline backup takes one")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which backups are put back.

    Attributes:
        file: The backup, also from the folder of backups; None for the newest of each district.
        district: The district that is meant; all where empty.
        folder: Where the backups are; None for those of the data directory.
    """

    file: Path | None = None
    district: str = ""
    folder: Path | None = None


def restore_backup(settings: Settings, wish: Wish, console: Console) -> None:
    """Put backups back and say what to see to."""
    store = Store(settings.data)
    names: list[str] = []
    for path, district in _meant(settings, wish):
        for one in restore_file(store, path, district):
            names += [one.district] if one.district else []
            of = f"{one.district}: the warehouse" if one.district else "the ledger"
            console.print(f"{of} is as it was at {one.taken_at:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
            if one.before is not None:
                console.print(f"the file that was there until now: {one.before}", soft_wrap=True)
            if one.district:
                _tell_exports(settings, one, console)
    steps = [f"aeries-pipeline sync {one}" for one in names]
    console.print(f"Next: {', '.join([*steps, 'aeries-pipeline publish'])}", soft_wrap=True)


def rehearse_backup(settings: Settings, wish: Wish, console: Console) -> None:
    """Put backups back in a folder of their own, and show what they would bring back."""
    store = Store(settings.data)
    for path, district in _meant(settings, wish):
        for one in rehearse(store, path, district):
            table = Table("table", "rows in the backup", "rows now")
            for name in sorted({*one.tables, *one.present}):
                numbers = one.tables.get(name, 0), one.present.get(name, 0)
                if numbers[0] != numbers[1]:
                    table.add_row(name, *(f"{number:,}" for number in numbers))
            console.print(
                f"{one.district}: {path.name} of {one.taken_at:%Y-%m-%d %H:%M} UTC reads as it "
                f"was taken, {sum(one.tables.values()):,} rows; nothing was changed; "
                + ("what differs from now:" if table.rows else "no table has more or fewer now"),
                soft_wrap=True,
            )
            if table.rows:
                console.print(table)


def _meant(settings: Settings, wish: Wish) -> list[tuple[Path, str]]:
    """Return the backups that are meant, each with its district."""
    folder = wish.folder or settings.backups
    if wish.file is not None:
        # As --list shows it, or anywhere else.
        return [(wish.file if wish.file.exists() else folder / wish.file, wish.district)]
    named = [wish.district] if wish.district else _backed_up(folder)
    if not named:
        raise BackupError(f"there is no backup in {folder}; aeries-pipeline backup takes one")
    # All are looked for before the first is put back.
    return [(newest_of(folder, one), one) for one in named]


def _backed_up(folder: Path) -> list[str]:
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return [one.name for one in places if one.is_dir() and taken_of(folder, one.name)]


def _tell_exports(settings: Settings, restored: Restored, console: Console) -> None:
    name = f"{restored.taken_at:%Y%m%dT%H%M%SZ}"
    for place, newer in _newer_exports(settings, restored.district, name):
        warn(
            console,
            f"{restored.district}, school {place.name}: {counted(newer, 'export')} "
            f"of course requests {verb(newer, 'is', 'are')} newer than this backup, and the "
            "numbers that were given there are not in it; import them into Aeries and pull course "
            "requests before the next export",
        )


def _newer_exports(settings: Settings, district: str, name: str) -> Iterator[tuple[Path, int]]:
    for place in sorted((settings.out / district).glob("sss/*")):
        if place.is_dir():
            newer = sum(one.name > name for one in deliveries(place))
            if newer:
                yield place, newer
