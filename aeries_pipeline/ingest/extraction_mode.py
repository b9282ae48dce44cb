"""How a partition is read tonight: whole, or only what a feed says has changed.

Pure functions. A whole list is authoritative; a feed is trusted for what it names
and never for what it leaves out, so every partition is read whole again on a
configurable schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.districts.configuration import IncrementalSettings
from aeries_pipeline.ingest.api.answer import Seen
from aeries_pipeline.stores.outcomes import Mode

MANY_GONE = 5


@dataclass(frozen=True, slots=True)
class LastRead:
    """What is known of the last complete pull of a partition.

    Attributes:
        rows: Rows of the main table.
        quarantined: Rows that were set aside.
        duplicates: Rows that another row repeated.
        conflicts: Different rows that share a natural key.
        schema_hash: Of the columns that came.
        drift: Differences from the catalogue, as JSON.
        was_refused: Whether a newer answer was refused since.
        mode: How it came about.
        database_year: The school year that answered.
        server_time: The server's clock before it, aware; None if unknown.
        whole_at: End of the newest whole read, UTC without a zone.
        requests: Requests of the newest whole read.
        bytes: What these brought.
        pages: The pages from which the rows were made; empty if a change was
            read since, or another version of this program read them.
    """

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    conflicts: int = 0
    schema_hash: str | None = None
    drift: str | None = None
    was_refused: bool = False
    mode: Mode = Mode.FULL
    database_year: str = ""
    server_time: datetime | None = None
    whole_at: datetime | None = None
    requests: int = 0
    bytes: int = 0
    pages: tuple[Seen, ...] = ()

    @property
    def is_flawed(self) -> bool:
        """Whether only a whole list can tell what is in quarantine, or which row is right."""
        return self.was_refused or self.quarantined > 0 or self.conflicts > 0


def mode_of(
    resource: Resource,
    last: LastRead | None,
    settings: IncrementalSettings,
    moment: datetime,
    database_year: str,
) -> Mode:
    """Return how to read a partition: ``FULL`` or ``CHANGES``.

    Args:
        resource: What to read.
        last: Its last complete pull; None if there is none.
        settings: The settings in the roster.
        moment: The present, UTC without a zone.
        database_year: The school year that answers now.
    """
    if resource.feed is None or resource.name in settings.whole or last is None:
        return Mode.FULL
    if last.server_time is None or last.whole_at is None or last.is_flawed:
        return Mode.FULL
    if last.database_year != database_year:
        return Mode.FULL
    due = last.whole_at + timedelta(days=settings.full_every_days)
    return Mode.FULL if moment >= due else Mode.CHANGES


def changed_since(last: datetime, present: datetime, overlap_minutes: int) -> datetime:
    """Return the wall-clock time from which to ask a feed for changes.

    The feeds speak the server's local time and do not say of which offset. In
    the nights in which clocks change, the earlier of the two readings is taken.

    Args:
        last: The server's clock at the last pull, aware.
        present: The server's clock now, aware.
        overlap_minutes: How much earlier to ask.

    Returns:
        A time without a zone, in whole minutes.
    """
    readings = (last, last.astimezone(present.tzinfo))
    earliest = min(reading.replace(tzinfo=None) for reading in readings)
    return (earliest - timedelta(minutes=overlap_minutes)).replace(second=0, microsecond=0)


def is_worth_it(changed: int, last: LastRead, settings: IncrementalSettings) -> bool:
    """Tell whether so many changed records are read one by one, or the list whole.

    Reading the list costs its requests and its bytes, of which so many cost as
    much as one request more.

    Args:
        changed: Records that a feed names.
        last: Has requests and bytes of the last whole list.
        settings: Has the bytes that cost as much as a request.
    """
    list_costs = last.requests + last.bytes / (1000 * settings.kilobytes_per_request)
    return changed <= list_costs


def is_believed(resource: Resource, asked: int, gone: int) -> bool:
    """Tell whether so many records may have vanished of those that a feed named.

    A server in trouble answers single requests with nothing as readily as
    lists. What may never be empty is read whole as soon as one is gone.
    """
    if gone and not resource.may_be_empty:
        return False
    return gone <= max(MANY_GONE, asked // 2)
