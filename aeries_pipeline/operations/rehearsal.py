"""A dry run of a sync: pulled and computed on a copy that is thrown away.

The district's warehouse is copied into a scratch folder of its own below the data
directory, together with its last delivery. Everything that a sync would write is written
there, compared with that delivery, and removed. What stays is one row in
``meta.rehearsals`` of the ledger: a district must be able to learn when its server was
contacted, and how often.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aeries_pipeline.accounts.ask import Confirmed, asking, confirm
from aeries_pipeline.accounts.compute import Computed, compute
from aeries_pipeline.accounts.xello.contents import NothingToDeliverError
from aeries_pipeline.accounts.xello.deliver import deliver
from aeries_pipeline.accounts.xello.layout import DELIMITER, LAYOUTS, Layout
from aeries_pipeline.catalog.registry import of_grain
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.ingest.progress import OnProgress
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import PullOptions, Session, take_district, whole_sync
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import CATALOG, private_directory
from aeries_pipeline.stores.deliveries import newest
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import PullRow, new_id, now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.transaction import insert_rows, writing
from aeries_pipeline.stores.versions import make_tables

REHEARSALS_COLUMNS = (
    ("rehearsal_id", "VARCHAR"),
    ("district", "VARCHAR"),
    ("began_at", "TIMESTAMP"),
    ("ended_at", "TIMESTAMP"),
    ("requests", "BIGINT"),
    ("bytes", "BIGINT"),
    ("who", "VARCHAR"),
    ("ended_with", "VARCHAR"),
)
"""Columns of ``meta.rehearsals``: when a district's server was asked for nothing but a look."""

_LEFT_BEHIND = timedelta(days=1)
"""What a rehearsal that was killed has left is removed after this, whoever else runs."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One file of the next delivery compared with that of the last one.

    Attributes:
        file: Its name.
        before: Lines in the last delivery, the header apart.
        after: Lines in the next one.
        new: Lines of keys that the last one lacks.
        gone: Lines of keys that the next one lacks.
        changed: Lines whose key is in both and whose content differs.
    """

    file: str
    before: int
    after: int
    new: int
    gone: int
    changed: int


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a sync would have brought; counts and sentences only.

    Attributes:
        pulls: What became of each partition.
        confirmed: What came of asking for single students.
        computed: What would become of the accounts; None if there are no students yet.
        last: Name of the last delivery; empty before the first.
        differences: Each file of the next delivery beside the last one.
        trouble: Why there would be no delivery; empty if there would be one.
        requests: Requests that were sent.
    """

    pulls: Sequence[PullRow]
    confirmed: Confirmed = field(default_factory=Confirmed)
    computed: Computed | None = None
    last: str = ""
    differences: Sequence[Difference] = ()
    trouble: str = ""
    requests: int = 0

    @property
    def is_good(self) -> bool:
        """Whether everything came that is granted, and there would be a delivery."""
        came = {Status.COMPLETE, Status.NOT_GRANTED}
        return not self.trouble and all(one.status in came for one in self.pulls)


def rehearsals(settings: Settings) -> Path:
    """Return the folder in which districts are rehearsed, each in one of its own."""
    return settings.data / "rehearsals"


def remove_left(settings: Settings, district: str | None = None, *, old: bool = False) -> int:
    """Remove what rehearsals that were killed have left; it holds students' data.

    Args:
        settings: Where things are.
        district: Of this one alone; of all where None.
        old: Whether only such as nobody can be at work on.

    Returns:
        How many files went.
    """
    place = rehearsals(settings)
    found = place.glob("*" if district is None else district) if place.is_dir() else ()
    limit = now() - _LEFT_BEHIND
    removed = 0
    for one in list(found):
        made = datetime.fromtimestamp(one.stat().st_mtime, UTC).replace(tzinfo=None)
        if old and made > limit:
            continue
        removed += sum(1 for path in one.rglob("*") if path.is_file())
        shutil.rmtree(one)
    _remove_where_empty(place)
    return removed


@contextmanager
def _scratch(settings: Settings, district: str) -> Iterator[Settings]:
    """Yield the settings of an installation that lives as long as the body."""
    remove_left(settings, district)
    place = rehearsals(settings) / district
    try:
        private_directory(place)
    except FileNotFoundError:
        # Another district's rehearsal has just ended and taken the empty folder away.
        private_directory(place)
    try:
        yield replace(settings, data=place)
    finally:
        shutil.rmtree(place)
        _remove_where_empty(place.parent)


def _remove_where_empty(place: Path) -> None:
    with suppress(OSError):
        place.rmdir()


def rehearse(
    settings: Settings,
    district: District,
    who: str,
    *,
    options: PullOptions | None = None,
    resources: Sequence[str] = (),
    tell: OnProgress | None = None,
) -> Rehearsed:
    """Pull and compute a district on a copy of its warehouse, and compare; nothing of it stays.

    Args:
        settings: Where things are.
        district: The roster's entry.
        who: Who wants to know, for the record.
        options: How patient the client is; it asks in the window alone.
        resources: Names of the resources to pull; all that are wanted where empty.
        tell: Told of each partition that was fetched and loaded.

    Raises:
        AeriesError: If the window is closed or the server may not be asked.
        DistrictBusyError: If another process pulls the district.
        NoRoomError: If there is no room for the copy.
        WarehouseBusyError: If the warehouse does not come free.
        WarehouseUnusableError: If it cannot be read.
    """
    began = now()
    requests: list[tuple[int, int]] = []
    ended = "killed or failed"
    # The district's own locks: the scratch installation's would keep nobody away.
    with whole_sync(district.id, settings), take_district(district.id, settings):
        try:
            with _scratch(settings, district.id) as scratch:
                _copy(settings, scratch, district.id)
                found = _on_copy(
                    scratch, district, options or PullOptions(), resources, tell, requests.append
                )
                ended = "complete" if found.is_good else "incomplete"
        finally:
            if requests:
                sent, size = (sum(column) for column in zip(*requests, strict=True))
                _record(settings, district.id, began, (sent, size), who, ended)
    return replace(found, requests=sum(number for number, _size in requests))


def _copy(settings: Settings, scratch: Settings, district: str) -> None:
    store, copy = Store(settings.data), Store(scratch.data)
    if store.has(district):
        private_directory(copy.folder)
        store.warehouse(district).copy_to(copy.path(district))
    place = settings.out / district / "xello"
    last = newest(place) if place.is_dir() else None
    if last is not None:
        target = private_directory(scratch.out / district / "xello") / str(last["name"])
        shutil.copytree(place / str(last["name"]), target)


def _on_copy(
    scratch: Settings,
    district: District,
    options: PullOptions,
    resources: Sequence[str],
    tell: OnProgress | None,
    note: Callable[[tuple[int, int]], None],
) -> Rehearsed:
    warehouse = Store(scratch.data).warehouse(district.id)
    place = scratch.out / district.id / "xello"
    last = newest(place) if place.is_dir() else None
    pulls: list[PullRow] = []
    with Session(district, scratch, warehouse, options) as session:
        _preflight(session, note)
        for resource in (*of_grain(Grain.DISTRICT), *of_grain(Grain.SCHOOL)):
            if district.wants(resource) and (not resources or resource.name in resources):
                loaded = pull_resource(session, resource, district.schools, tell)
                pulls += [one.pull for one in loaded]
                note((sum(p.pull.requests for p in loaded), sum(p.pull.bytes for p in loaded)))
        confirmed = confirm(warehouse, district, lambda: asking(session))
        note((confirmed.requests, 0))
    computed = compute(warehouse, district)
    found = Rehearsed(pulls, confirmed, computed, str(last["name"]) if last else "")
    try:
        delivery = deliver(warehouse, district, scratch.out)
    except NothingToDeliverError as error:
        return replace(found, trouble=str(error))
    before = place / found.last if last else None
    layouts = (*LAYOUTS, *delivery.more.queries)
    compared = [compare(layout, before, delivery.folder) for layout in layouts]
    return replace(found, differences=compared)


def _preflight(session: Session, note: Callable[[tuple[int, int]], None]) -> None:
    """Ask which year the server has, which no partition counts; a closed window asks nothing."""
    try:
        session.preflight()
    except StoppedError:
        raise
    except AeriesError:
        note((1, 0))
        raise
    note((1, 0))


def compare(layout: Layout, before: Path | None, after: Path) -> Difference:
    """Return how a file of one delivery differs from that of another one."""
    old = _lines(layout, before)
    new = _lines(layout, after)
    return Difference(layout.file_name, old.total(), new.total(), *difference(layout, old, new))


def difference(
    layout: Layout, old: Mapping[str, int], new: Mapping[str, int]
) -> tuple[int, int, int]:
    """Return how many lines are new, gone and changed. Pure.

    A key may be on several lines: those that both have and that differ are changed.

    Args:
        layout: Says which columns are the key.
        old: How often each line stands in the one file.
        new: The same of the other.
    """
    come, went = Counter(new), Counter(old)
    come.subtract(old)
    went.subtract(new)
    keys_come, keys_went = (_by_key(layout, +one) for one in (come, went))
    changed = keys_come & keys_went
    return (
        (keys_come - changed).total(), (keys_went - changed).total(), changed.total()
    )  # fmt: skip


def _by_key(layout: Layout, lines: Mapping[str, int]) -> Counter[tuple[str, ...]]:
    names = [column.name for column in layout.columns]
    places = [names.index(name) for name in layout.key]
    found: Counter[tuple[str, ...]] = Counter()
    for line, number in lines.items():
        cells = line.split(DELIMITER)
        found[tuple(cells[place] for place in places)] += number
    return found


def _lines(layout: Layout, folder: Path | None) -> Counter[str]:
    if folder is None or not (folder / layout.file_name).exists():
        # The first delivery, or one before a file was switched on.
        return Counter()
    with (folder / layout.file_name).open(encoding="utf-8", newline="") as file:
        next(file, None)
        return Counter(line.rstrip("\n") for line in file)


def _record(
    settings: Settings,
    district: str,
    began: datetime,
    sent: tuple[int, int],
    who: str,
    ended_with: str,
) -> None:
    what = "the record of rehearsals"
    with writing(Store(settings.data).ledger, what, "rehearse again") as connection:
        make_tables(connection, CATALOG, {"meta.rehearsals": REHEARSALS_COLUMNS})
        row = (new_id(began), district, began, now(), *sent, who, ended_with)
        insert_rows(connection, "meta.rehearsals", REHEARSALS_COLUMNS, [row])
