"""What is known about a district's last pulls, and what its feeds say has changed since.

Read once per session, before the first request for a resource. Nobody else
writes a district's partitions meanwhile, because the session holds its lock.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Feed, Resource
from aeries_pipeline.catalog.tables import quoted, schema_hash
from aeries_pipeline.districts.configuration import IncrementalSettings
from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.ingest.api.answer import Seen
from aeries_pipeline.ingest.api.client import AeriesClient, Tally
from aeries_pipeline.ingest.extraction_mode import LastRead, changed_since, mode_of
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import Mode

READER = 1
"""Grows when the same bytes would give other rows than before."""

Keys = Mapping[int | None, frozenset[str]]
"""Changed keys by school; those of a district stand under None."""


def reader_of(resource: Resource) -> str:
    """Return the name of what reads a resource: this program's version and its columns."""
    return "-".join((str(READER), *(schema_hash(table) for table in resource.tables)))


Reads = Mapping[int | None, LastRead]
"""The last complete pull of each partition of a resource that has one, by school."""


def last_reads(warehouse: Warehouse, district: str) -> dict[str, dict[int | None, LastRead]]:
    """Return the last complete pull of every partition of a district, by resource and school.

    Args:
        warehouse: Holds the ledger.
        district: District id.
    """
    whole = "FILTER (coalesce(mode, '') <> 'changes') OVER (PARTITION BY m.resource, m.school)"
    rows = warehouse.dicts(
        "WITH mine AS (FROM meta.pulls WHERE district = ?), refused AS ("
        "SELECT resource, school, max(finished_at) AS at FROM mine WHERE status = 'refused' "
        "GROUP BY ALL) "
        "SELECT m.resource, m.school, rows, quarantined, duplicates, conflicts, schema_hash, "
        "drift, mode, database_year, server_time, reader, answers, "
        "coalesce(r.at > m.finished_at, false) AS was_refused, "
        f"max(m.finished_at) {whole} AS whole_at, max_by(requests, m.finished_at) {whole} "
        f"AS requests, max_by(bytes, m.finished_at) {whole} AS bytes "
        "FROM mine m LEFT JOIN refused r ON r.resource = m.resource "
        "AND r.school IS NOT DISTINCT FROM m.school "
        "WHERE m.status = 'complete' QUALIFY row_number() OVER "
        "(PARTITION BY m.resource, m.school ORDER BY m.finished_at DESC, m.started_at DESC) = 1",
        [district],
    )
    readers = {name: reader_of(resource) for name, resource in RESOURCES.items()}
    found: dict[str, dict[int | None, LastRead]] = {}
    for row in rows:
        reader = readers.get(row["resource"], "")
        found.setdefault(row["resource"], {})[row["school"]] = _last_read(row, reader)
    return found


class Memory:
    """What was known of a district's pulls when a session began, read once for all resources.

    Args:
        warehouse: Holds the ledger.
        district: District id.

    Attributes:
        widest: Records of the fullest page of a paged list that the server is known to send.
    """

    def __init__(self, warehouse: Warehouse, district: str) -> None:
        """Nothing is read yet."""
        self.widest = 0
        self._warehouse = warehouse
        self._district = district
        self._kept: dict[str, dict[int | None, LastRead]] | None = None
        self._used: set[str] = set()
        self._sizes: Counter[int | None] = Counter()

    def take(self, resource: str) -> Reads:
        """Return what is known of a resource; read again when it is asked for again."""
        if self._kept is None or resource in self._used:
            self._kept = last_reads(self._warehouse, self._district)
            self._used.clear()
            self.widest = max(self.widest, _widest(self._kept))
        self._used.add(resource)
        return self._kept.get(resource, {})

    def students(self) -> dict[int | None, int]:
        """Return how many students each school had when it was last read completely.

        Lists are numbered by students, also those in which not every student is.
        """
        rows = self._warehouse.rows(
            "SELECT school, max(students) FROM (SELECT school, arg_max(rows + quarantined, "
            "finished_at) AS students FROM meta.pulls WHERE district = ? AND status = 'complete' "
            "AND resource IN ('students', 'students_extended', 'gpas') GROUP BY school, resource) "
            "GROUP BY school",
            [self._district],
        )
        return dict(rows)

    def note(self, school: int | None, size: int) -> None:
        """Note the bytes that a school has sent."""
        self._sizes[school] += size

    def size_of(self, school: int | None) -> int:
        """Return how large a school is compared to others, by what it sent or used to send."""
        last = sum(reads[school].bytes for reads in (self._kept or {}).values() if school in reads)
        return self._sizes[school] + last


def _widest(kept: Mapping[str, Reads]) -> int:
    """Return the records of the fullest page among the last answers to paged lists."""
    return max(
        (
            page.records
            for name, reads in kept.items()
            if (paging := RESOURCES[name].paging) is not None
            for read in reads.values()
            for page in read.pages
            if page.records <= paging.size
        ),
        default=0,
    )


def _last_read(row: Mapping[str, Any], reader: str) -> LastRead:
    pages = row["answers"] if row["reader"] == reader and not row["was_refused"] else None
    return LastRead(
        rows=row["rows"] or 0,
        quarantined=row["quarantined"],
        duplicates=row["duplicates"],
        conflicts=row["conflicts"],
        schema_hash=row["schema_hash"],
        drift=row["drift"],
        was_refused=row["was_refused"],
        mode=Mode(row["mode"] or Mode.FULL),
        database_year=row["database_year"] or "",
        server_time=datetime.fromisoformat(row["server_time"]) if row["server_time"] else None,
        whole_at=row["whole_at"],
        requests=row["requests"] or 0,
        bytes=row["bytes"] or 0,
        pages=tuple(map(Seen.from_text, pages or ())),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How each partition of a resource is read.

    Attributes:
        modes: ``FULL`` or ``CHANGES``, by school.
        last: The last complete pulls, by school.
        since: From when a feed is asked, in the server's local time; None
            where no feed is needed.
    """

    modes: Mapping[int | None, Mode] = field(default_factory=dict)
    last: Reads = field(default_factory=dict)
    since: datetime | None = None


def plan_of(
    resource: Resource,
    last: Reads,
    settings: IncrementalSettings,
    moment: datetime,
    database_year: str,
    server_time: datetime | None,
) -> Plan:
    """Decide for every partition of a resource.

    Args:
        resource: What to read.
        last: The last complete pull of each partition that has one.
        settings: The settings in the roster.
        moment: The present, UTC without a zone.
        database_year: The school year that answers.
        server_time: The server's clock, aware.
    """
    modes = {
        school: mode_of(resource, one, settings, moment, database_year)
        for school, one in last.items()
    }
    if server_time is None:
        return Plan(dict.fromkeys(modes, Mode.FULL), last)
    # A whole read after nights of changes tells what the feed has missed.
    clocks = [
        one.server_time
        for school, one in last.items()
        if one.server_time and Mode.CHANGES in {modes[school], one.mode}
    ]
    if resource.feed is None or not clocks:
        return Plan(modes, last)
    since = min(changed_since(one, server_time, settings.overlap_minutes) for one in clocks)
    return Plan(modes, last, since)


class Feeds:
    """Asks each feed once in a session, whoever comes first.

    Args:
        client: Sends the requests.
        district: District id, for messages.
        year: First year of the school year that answers.
    """

    def __init__(self, client: AeriesClient, district: str, year: int) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._district = district
        self._year = year
        self._locks: dict[tuple[str, datetime], threading.Lock] = {}
        self._found: dict[tuple[str, datetime], Keys | None] = {}
        self._lock = threading.Lock()

    def keys(self, feed: Feed, since: datetime, tally: Tally) -> Keys | None:
        """Return the changed keys since a moment; None if the feed cannot be had.

        Raises:
            StoppedError: If the district's window has closed.
        """
        name = (feed.path, since)
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._found:
                self._found[name] = self.ask(feed, since, tally)
            return self._found[name]

    def put(self, feed: Feed, since: datetime, keys: Keys) -> None:
        """Let :meth:`keys` return these from now on."""
        with self._lock:
            self._found[feed.path, since] = keys

    def ask(self, feed: Feed, since: datetime, tally: Tally) -> Keys | None:
        """Ask again, whatever was answered before.

        Raises:
            StoppedError: If the district's window has closed.
        """
        path = f"{feed.path}/{since.year}/{since.month}/{since.day}/{since.hour}/{since.minute}"
        try:
            answer = self._client.get(
                path,
                params={"DatabaseYear": self._year},
                what=f"{self._district}, {feed.path}",
                tally=tally,
            )
            return _by_school(feed, answer.rows)
        except StoppedError:
            raise
        except (AeriesError, KeyError, TypeError, ValueError):
            # Not granted, not there, or not what it should be: the lists are read whole.
            return None


def spread(named: Keys, held: Keys) -> Keys:
    """Name a record in every school that holds rows of it, whatever school the feed names.

    Args:
        named: What a feed names, by school.
        held: Records of which there are rows, by school.
    """
    anywhere = frozenset[str]().union(*named.values())
    schools = {*named, *held}
    return {
        one: named.get(one, frozenset()) | (held.get(one, frozenset()) & anywhere)
        for one in schools
    }


def held_records(warehouse: Warehouse, resource: Resource, district: str) -> Keys:
    """Return the records of which a resource with a feed has rows, by school."""
    if resource.feed is None or not warehouse.has_table("raw", resource.name):
        return {}
    field = quoted(resource.feed.field)
    rows = warehouse.rows(
        f"SELECT school, list(DISTINCT CAST({field} AS VARCHAR)) "
        f"FROM raw.{quoted(resource.name)} WHERE district = ? GROUP BY school",
        [district],
    )
    return {school: frozenset(keys) for school, keys in rows}


def _by_school(feed: Feed, rows: Sequence[Mapping[str, object]]) -> Keys:
    of_school = "{school}" in feed.one
    found: dict[int | None, set[str]] = {}
    for row in rows:
        school = int(str(row["SchoolCode"])) if of_school else None
        key = str(row[feed.key]).strip()
        if not key:
            raise ValueError("a feed names a record without a key")
        found.setdefault(school, set()).add(key)
    return {school: frozenset(keys) for school, keys in found.items()}
