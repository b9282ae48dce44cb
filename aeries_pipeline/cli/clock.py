"""``aeries-pipeline clock``: what a clock that was ahead has left behind, and how to repair it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console

from aeries_pipeline.cli.common import warn
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.clock import furthest, is_ahead, mend
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.deliveries import MANIFEST, free_name
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.transaction import writing

_STAMP = re.compile(r"(\d{8}T\d{6})Z(.*)")
_MOMENTS = ("changes_through", "made_at")


def show_clock(settings: Settings, console: Console) -> bool:
    """Say what the clock shows and what was noted last; return whether nothing lies ahead."""
    moment = now()
    console.print(f"this machine's clock: {moment:%Y-%m-%d %H:%M:%S} UTC")
    store = Store(settings.data)
    moments = []
    for one in _all(store):
        with one.open() as connection:
            moments.append(furthest(connection))
    latest = max((at for at in moments if at is not None), default=None)
    if latest is not None:
        console.print(f"the latest moment noted: {latest:%Y-%m-%d %H:%M:%S} UTC")
    ahead = is_ahead(latest, moment)
    if ahead:
        warn(
            console,
            "that lies in the future. Where the first line is right, run: "
            "aeries-pipeline clock --mend. Where it is wrong, set the clock.",
        )
    return not ahead


def mend_clock(settings: Settings, console: Console) -> None:
    """Move everything from the future back: moments of the warehouses, names of folders.

    Each district by itself: what counts is the order of its own moments. A
    command that was interrupted can be given again.
    """
    store, moment = Store(settings.data), now()
    if not store.districts():
        raise WarehouseUnusableError(f"there is no warehouse in {settings.data}")
    found = False
    for district in store.districts():
        with writing(store.warehouse(district), district, "give the command again") as open_one:
            shift = mend(open_one, moment)
            if shift is None:
                continue
            renamed = list(_rename(settings, district, shift, moment))
            for old, new in renamed:
                open_one.execute(
                    "UPDATE core.course_request_exports SET export_id = ? WHERE export_id = ?",
                    [new, old],
                )
        found = True
        console.print(
            f"{district}: moments from the future were moved back by {shift}, {len(renamed)} "
            f"folders renamed; next: aeries-pipeline sync {district} --full",
            soft_wrap=True,
        )
    with writing(store.ledger, "the ledger", "give the command again") as open_one:
        found = mend(open_one, moment) is not None or found
    if not found:
        console.print("nothing lies in the future")


def _all(store: Store) -> Iterator[Warehouse]:
    yield from (one for _district, one in store.warehouses())
    yield store.ledger


def _rename(
    settings: Settings, district: str, shift: timedelta, moment: datetime
) -> Iterator[tuple[str, str]]:
    """Rename folders of answers and deliveries that are named by a moment from the future."""
    landing, out = settings.landing / district, settings.out / district
    places = [*landing.glob("*/*"), *out.glob("xello")]
    places += [one for one in out.glob("sss/*") if one.is_dir()]
    for place in places:
        for folder in sorted(one for one in place.iterdir() if one.is_dir()):
            found = _STAMP.fullmatch(folder.name)
            stamp = datetime.strptime(found[1], "%Y%m%dT%H%M%S") if found else None  # noqa: DTZ007
            if found is None or stamp is None or stamp <= moment:
                continue
            target = place / free_name(place, stamp - shift)
            if found[2].startswith("-") and len(found[2]) == len("-0a1b2c"):
                target = target.with_name(f"{target.name}{found[2]}")
            folder.rename(target)
            _restate(target, shift)
            yield folder.name, target.name


def _restate(folder: Path, shift: timedelta) -> None:
    """Bring a manifest into line with the name that its folder has now."""
    path = folder / MANIFEST
    if not path.exists():
        return
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["name"] = folder.name
    for name in _MOMENTS:
        if name in manifest:
            end = "Z" if str(manifest[name]).endswith("Z") else ""
            at = datetime.fromisoformat(str(manifest[name]).removesuffix("Z")) - shift
            manifest[name] = f"{at.isoformat()}{end}"
    write_atomically(path, json.dumps(manifest, indent=2) + "\n")
