"""One pull of one district: its lock, its client, and what the server reports about itself.

A session requests ``systeminfo`` before anything else, pins the DatabaseYear of
the response and refuses an unexpected year. It holds the district's lock, so
that no second process reads from the same server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from aeries_pipeline.districts.errors import (
    AeriesError,
    ConfigurationError,
    PermanentError,
    StoppedError,
)
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.server_zone import zone_trouble
from aeries_pipeline.districts.windows import Windows
from aeries_pipeline.ingest.api.client import AeriesClient, Tally, is_system_info
from aeries_pipeline.ingest.api.retry import RetryPolicy
from aeries_pipeline.ingest.api.transport import Timeouts
from aeries_pipeline.ingest.extraction_plan import Memory
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.clock import is_ahead
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.home import NotFreeError, Right
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline.stores.store import Store


def window_is_closed(
    district: District, moment: datetime, windows: Windows | None = None
) -> str | None:
    """Return the sentence that refuses a request at this moment, None if it may go.

    Args:
        district: The roster's entry.
        moment: The present, aware.
        windows: Its windows, where they were read already.
    """
    windows = windows or district.windows
    if windows.contains(moment):
        return None
    opening = windows.next_opening(moment)
    when = f"{opening.astimezone(district.zone):%A %Y-%m-%d %H:%M %Z}" if opening else ""
    return (
        f"{district.id}: the pull window ({windows}) is closed; it opens "
        f"{when or 'on no day of the coming year'}; wait for it, or sync with "
        "--outside-window REASON"
    )


class DistrictBusyError(RuntimeError):
    """Another process is pulling this district just now."""


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What a server says of itself.

    Attributes:
        version: Version of Aeries.
        database_year: The year that answered, such as ``2026-2027``.
        server_time: The server's clock, aware; None if it does not tell.
        zone: The name of its time zone, as Windows shows it; empty if it does not tell.
    """

    version: str
    database_year: str
    server_time: datetime | None = None
    zone: str = ""

    @property
    def start_year(self) -> int:
        """The first of the two calendar years."""
        return int(self.database_year[:4])


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What a person or a sensor says about one pull.

    Attributes:
        run_id: The Dagster run, for the ledger.
        outside_window: Why requests may be sent outside the window.
        accept_shrunken: Why fewer rows than last time are right.
        full: Whether every list is read whole.
        retry: How patient the client is.
        timeouts: How long one attempt may take.
        clock: The present, aware; that of the right to ask if None. Tests replace it.
    """

    run_id: str | None = None
    outside_window: str | None = None
    accept_shrunken: str | None = None
    full: bool = False
    retry: RetryPolicy | None = None
    timeouts: Timeouts | None = None
    clock: Callable[[], datetime] | None = None


def take_district(district_id: str, settings: Settings, run_id: str | None = None) -> Right:
    """Take the one right to ask a district's server, across all processes.

    With it the district's limits on concurrent requests and on their rate hold
    for everything that this installation runs, on however many machines.

    Raises:
        DistrictBusyError: If another process has it.
    """
    return _taken(
        settings,
        district_id,
        f"{district_id}: another process is pulling this district just now, or sends its course "
        "requests; wait for it to end (the Dagster UI shows a pull) and start again",
        run_id,
    )


@contextmanager
def whole_sync(district_id: str, settings: Settings) -> Iterator[None]:
    """Keep a second command from pulling a district between two runs of the first.

    Raises:
        DistrictBusyError: If another command has it; nothing was asked for yet.
    """
    with _taken(
        settings,
        f"{district_id}.sync",
        f"{district_id}: another command is syncing this district just now; wait for it to end "
        "and start again; nothing was asked for",
    ):
        yield


def _taken(settings: Settings, name: str, busy: str, run_id: str | None = None) -> Right:
    try:
        return Store(settings.data).right(name, run_id)
    except NotFreeError:
        raise DistrictBusyError(busy) from None


def server_clock(text: object) -> datetime | None:
    """Read the clock of ``systeminfo``, with its seven digits; None without an offset."""
    match = re.fullmatch(r"(.{19})(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)", str(text))
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}.{match[2] or 0}{match[3]}")
    except ValueError:
        return None


class Session:
    """An open pull of one district. Close it to release the district.

    Attributes:
        district: The roster's entry.
        client: The HTTP client, with the district's limits and gate.
        pull_id: Sorts by time; unique among all pulls.
        started_at: UTC without a zone.
        system: What the server said, after :meth:`preflight`.
        memory: What is known of earlier pulls.
        warnings: What the preflight noticed, to be told to a person.
    """

    def __init__(
        self,
        district: District,
        settings: Settings,
        warehouse: Warehouse,
        options: PullOptions | None = None,
    ) -> None:
        """Take the district's lock and make the client; nothing is sent yet.

        Raises:
            DistrictBusyError: If another process is pulling the district.
            ConfigurationError: If the certificate is not where the roster says,
                or the district is paused.
        """
        self.district = district
        self.settings = settings
        self.warehouse = warehouse
        self.options = options or PullOptions()
        self.started_at = now()
        self.pull_id = new_id(self.started_at)
        self.system: SystemInfo | None = None
        self.memory = Memory(warehouse, district.id)
        self.warnings: list[str] = []
        self._refusal: AeriesError | None = None
        if district.paused:
            raise ConfigurationError("paused", district.why_paused)
        certificate = district.certificate()
        authorities = district.authorities()
        self._windows = district.windows
        self._right = take_district(district.id, settings, self.options.run_id)
        self._present = self.options.clock or self._right.present
        self._open = ExitStack()
        self._open.enter_context(warehouse.staying_open())
        self.client = AeriesClient(
            district.url,
            certificate,
            concurrent=district.max_concurrent_requests,
            per_second=district.max_requests_per_second,
            retry=self.options.retry,
            timeouts=self.options.timeouts,
            gate=self._gate,
            ca_file=authorities,
        )

    def close(self) -> None:
        """Close connections and release the district."""
        self.client.close()
        try:
            self._open.close()
        finally:
            self._right.release()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _gate(self) -> None:
        """Stop a request that would start outside the district's window, or without the right."""
        refusal = self._right.refusal()
        if refusal:
            raise StoppedError("right_lost", f"{self.district.id}: {refusal}")
        if self.options.outside_window is not None:
            return
        closed = window_is_closed(self.district, self._present(), self._windows)
        if closed:
            raise StoppedError("outside_window", closed)

    @property
    def landing_keep(self) -> int:
        """How many pulls of a partition stay as received; none if any machine may have them."""
        return 0 if Store(self.settings.data).is_shared else self.district.landing_keep

    def preflight(self) -> SystemInfo:
        """Ask the server who it is, once, and prove that its year is the expected one.

        Raises:
            AeriesError: Each time it is asked, once it has been refused.
        """
        if self._refusal is not None:
            raise self._refusal
        if self.system is None:
            try:
                self.system = self._ask()
                last, latest, zone = self._ledger()
                self._check_year(self.system, last, latest)
                self._check_zone(self.system, zone)
            except AeriesError as error:
                self._refusal = error
                raise
        return self.system

    def _ask(self) -> SystemInfo:
        year = self.district.database_year
        what = f"{self.district.id}, system information"
        answer = self.client.get(
            "systeminfo",
            params={"DatabaseYear": year} if year else {},
            what=what,
            tally=Tally(),
        )
        row = answer.rows[0] if answer.rows else {}
        stated = str(row.get("DatabaseYear", ""))
        if not is_system_info(answer.rows):
            raise PermanentError(
                "no_database_year",
                f"{what}: the server does not say its version and which school year it serves; "
                "check that the url in the roster leads to Aeries",
            )
        clock = server_clock(row.get("CurrentDateTime"))
        zone = row.get("LocalTimeZoneName")
        return SystemInfo(
            str(row.get("AeriesVersion", "")), stated, clock, zone if isinstance(zone, str) else ""
        )

    def _check_zone(self, system: SystemInfo, told: str | None) -> None:
        district = self.district
        trouble = zone_trouble(
            system.zone,
            ZoneInfo(district.server_timezone or district.timezone),
            self._present(),
            is_told=told == system.zone,
            is_bound=self.options.outside_window is None and not self._windows.is_always,
        )
        if trouble is None:
            return
        sentence, is_refused = trouble
        if is_refused:
            raise ConfigurationError(
                "server_zone", f"{district.id}: {sentence}; nothing was loaded"
            )
        self.warnings.append(f"{district.id}: {sentence}")

    def _check_year(self, system: SystemInfo, last: str | None, latest: datetime | None) -> None:
        wanted = self.district.database_year
        if wanted is not None and system.start_year != wanted:
            raise ConfigurationError(
                "wrong_year",
                f"{self.district.id}: the server answers for {system.database_year} although "
                f"{wanted} was asked for; nothing was loaded; correct database_year in the roster "
                "or ask the district to open that year for the certificate",
            )
        if is_ahead(latest, now()):
            raise ConfigurationError(
                "clock",
                f"{self.district.id}: the ledger has moments from the future "
                f"({latest:%Y-%m-%d %H:%M} UTC), so this machine's clock is or was wrong; nothing "
                "was loaded; run: aeries-pipeline clock",
            )
        if wanted is None and last is not None and last != system.database_year:
            raise ConfigurationError(
                "year_changed",
                f"{self.district.id}: the server now answers for {system.database_year}, the last "
                f"good pull was for {last}; nothing was loaded; when the district has rolled over, "
                f"set database_year: {system.start_year} in the roster",
            )

    def _ledger(self) -> tuple[str | None, datetime | None, str | None]:
        """Return year and zone of the last pull that has them, and the latest end of any.

        The year is that of a complete pull.
        """
        ((year, latest, zone),) = self.warehouse.rows(
            "SELECT arg_max(database_year, finished_at) FILTER (status = 'complete'), "
            "max(finished_at), arg_max(server_zone, finished_at) FROM meta.pulls"
        )
        return year, latest, zone
