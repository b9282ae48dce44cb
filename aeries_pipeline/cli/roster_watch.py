"""Lets the UI reload the code location when the roster has changed.

Partitions are made from the roster when the code location is loaded. A daemon on a server
reloads it every minute; ``dagster dev`` never does by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import requests

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.orchestration.automation.origin import LOCATION

SETTLED_SECONDS = 2
"""An editor may write a file in several steps; it has settled when it was left alone so long."""

_RELOAD = (
    "mutation($name: String!) "
    "{ reloadRepositoryLocation(repositoryLocationName: $name) { __typename } }"
)
_PATIENCE = 60
_logger = logging.getLogger(__name__)


class RosterWatch:
    """Looks at a roster now and then, and has it loaded when it is another than before."""

    def __init__(self, roster: Path, address: str) -> None:
        """Take the roster as it is now for what the UI has loaded.

        Args:
            roster: The file.
            address: Of the UI.
        """
        self._roster = roster
        self._address = address
        self._loaded = self._seen = self._mark()
        self._since = time.monotonic()

    def follow(self, ended: threading.Event) -> None:
        """Look every half second until the UI ends."""
        while not ended.wait(0.5):
            self.look()

    def look(self) -> bool:
        """Have the code location reloaded if the roster has changed and can be read.

        If it cannot be read, the UI continues with what it has until the roster is repaired.

        Returns:
            Whether it was loaded again.
        """
        mark = self._mark()
        if mark != self._seen:
            self._seen, self._since = mark, time.monotonic()
        is_settled = time.monotonic() - self._since >= SETTLED_SECONDS
        if mark is None or mark == self._loaded or not is_settled:
            return False
        self._loaded = mark
        try:
            load_roster(self._roster)
            answer = requests.post(
                f"{self._address}/graphql",
                json={"query": _RELOAD, "variables": {"name": LOCATION}},
                timeout=_PATIENCE,
            )
            answer.raise_for_status()
        except (ConfigurationError, requests.RequestException) as error:
            _logger.warning(
                "the roster has changed and was not loaded: %s; reload the code location in the "
                "UI once it is mended",
                error,
            )
            return False
        return True

    def _mark(self) -> tuple[int, int] | None:
        """Return what tells one state of the file from another; None if there is no file."""
        try:
            found = self._roster.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
