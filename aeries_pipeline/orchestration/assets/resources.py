"""Dagster resources: the warehouses, and the open pulls of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import PrivateAttr

from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.progress import Progress
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.orchestration.automation.pulse import Beating, begin_pulse
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse, WarehouseUnusableError
from aeries_pipeline.stores.store import Store

OUTSIDE_WINDOW_TAG = "aeries/outside_window"
ACCEPT_SHRUNKEN_TAG = "aeries/accept_shrunken"
FULL_TAG = "aeries/full"
OPENING_TAG = "aeries/opening"
"""On the runs of the sensor of pull windows: which opening they are for."""


class WarehouseResource(DuckDBResource):
    """The districts' warehouses, configured as a ``DuckDBResource``.

    ``database`` is the data directory, below which each district has a file.
    Connections are opened under that file's lock and closed whatever happens,
    which the base class does not do when its body raises.
    """

    def of(self, district: str) -> Warehouse:
        """Return a district's warehouse."""
        return Store(Path(self.database)).warehouse(district)

    @contextmanager
    def get_connection(self, district: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection to a district's warehouse; other processes wait meanwhile.

        Raises:
            ValueError: If no district is named.
        """
        if not district:
            raise ValueError("each district has a warehouse of its own: name the district")
        with self.of(district).open() as connection:
            yield connection


class AeriesResource(dg.ConfigurableResource):
    """Opens one pull for each district that a run touches.

    The first step of a run that needs a district opens its session, with the lock, the system
    information and the certificate check; later steps share it.
    """

    roster_path: str
    data_dir: str

    _sessions: dict[str, Session] = PrivateAttr(default_factory=dict)
    _roster: Roster | None = PrivateAttr(default=None)
    _options: PullOptions = PrivateAttr(default_factory=PullOptions)
    _pulse: Beating | None = PrivateAttr(default=None)
    _on_progress: Callable[[Progress], None] | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Read the roster again, and the reasons in the run's tags."""
        run = context.run
        tags = dict(run.tags) if run else {}
        self._sessions = {}
        self._roster = load_roster(Path(self.roster_path))
        self._options = PullOptions(
            run_id=run.run_id if run else None,
            outside_window=tags.get(OUTSIDE_WINDOW_TAG),
            accept_shrunken=tags.get(ACCEPT_SHRUNKEN_TAG),
            full=FULL_TAG in tags,
        )
        # Last, since nothing lets go of it where the preparation fails.
        self._pulse = begin_pulse(self.settings, run.run_id) if run else None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Release every district."""
        for session in self._sessions.values():
            try:
                session.close()
            except WarehouseUnusableError as error:
                # What was told of is in the file's log; the others are let go all the same.
                if context.log is not None:
                    context.log.error(str(error))  # noqa: TRY400 - the sentence is all there is
        self._sessions.clear()
        if self._pulse is not None:
            self._pulse.end()
            self._pulse = None

    @property
    def roster(self) -> Roster:
        """The roster as it was when the run began."""
        if self._roster is None:
            self._roster = load_roster(Path(self.roster_path))
        return self._roster

    @property
    def settings(self) -> Settings:
        """Paths of the installation."""
        return Settings(Path(self.roster_path), Path(self.data_dir))

    def session(self, district: str, warehouse: Warehouse) -> Session:
        """Return the open pull of a district, opening it if needed.

        Raises:
            DistrictBusyError: If another process is pulling the district.
            ConfigurationError: If its certificate is missing.
        """
        found = self._sessions.get(district)
        if found is None:
            found = Session(self.roster.get(district), self.settings, warehouse, self._options)
            self._sessions[district] = found
        return found
