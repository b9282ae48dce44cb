"""Where things are: the roster, the data directory, and how they are named.

Reads the environment and looks for the roster, nothing else. What a district
looks like is in ``roster``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROSTER_VARIABLE = "AERIES_DISTRICTS"
DATA_VARIABLE = "AERIES_DATA_DIR"
DEMO_ROSTER = Path(__file__).parent / "emulator" / "demo" / "districts.yaml"
DEMO_PORT = 8431
DEFAULT_ROSTER = Path("data/districts.yaml")
"""Where the roster is looked for below the current directory."""

DEMO_FOLDER = "emulator"
"""Below the data directory: roster and day of the demo that was run there."""

NO_ROSTER = (
    "there is no roster here ({place} does not exist in {folder}); add a first district with "
    "aeries-pipeline add DISTRICT --name NAME --email FILE, or try the emulated districts with "
    "aeries-pipeline demo (AERIES_DISTRICTS names a roster elsewhere)"
)
_UNREAD_ROSTER = (
    "; the roster {place} in the data directory is not read, because AERIES_DATA_DIR moves only "
    "what the pipeline writes: set AERIES_DISTRICTS={place} to use it"
)

_UNUSABLE = "?%"
"""Dagster writes the path unquoted into an address of SQLite, where these mean something else."""


class NoRosterError(RuntimeError):
    """No roster is named, and none is where it is looked for."""


class DataDirectoryError(RuntimeError):
    """The data directory has a name that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths of one installation.

    Attributes:
        roster: The roster file.
        data: Directory for everything that the pipeline writes.
        is_demo: Whether the bundled demo roster is in use, by name or for want
            of another. Its servers run only while somebody starts them.
    """

    roster: Path
    data: Path
    is_demo: bool = False

    @property
    def landing(self) -> Path:
        """Answers as received."""
        return self.data / "landing"

    @property
    def out(self) -> Path:
        """What is made for others, one folder for each district."""
        return self.data / "out"

    @property
    def published(self) -> Path:
        """The copy that analysts open."""
        return self.data / "published"

    @property
    def backups(self) -> Path:
        """Copies of the warehouses to fall back on, one folder for each district."""
        return self.data / "backups"

    @property
    def inbox(self) -> Path:
        """What districts hand in, one folder for each."""
        return self.data / "inbox"

    @property
    def locks(self) -> Path:
        """One lock file for each district that is being pulled."""
        return self.data / "locks"

    @property
    def dagster_home(self) -> Path:
        """Runs and events of Dagster, where DAGSTER_HOME does not say otherwise."""
        return self.data / "dagster"


def load_settings(*, or_demo: bool = False) -> Settings:
    """Return the settings that the environment asks for.

    ``AERIES_DISTRICTS`` names the roster; without it ``data/districts.yaml``
    is taken, and without that the demo that was run in this data directory.
    ``AERIES_DATA_DIR`` names the data directory, ``data`` below the current
    one otherwise.

    Args:
        or_demo: Whether the bundled demo roster serves where there is no other.

    Raises:
        NoRosterError: If there is none.
        DataDirectoryError: If the data directory cannot be used.
    """
    data = Path(os.environ.get(DATA_VARIABLE) or "data").absolute()
    for sign in _UNUSABLE:
        if sign in str(data):
            raise DataDirectoryError(
                f"the data directory {data} has a '{sign}' in its name, which Dagster's files "
                "cannot have; name another with AERIES_DATA_DIR"
            )
    demo = data / DEMO_FOLDER / "districts.yaml"
    named = os.environ.get(ROSTER_VARIABLE)
    if named:
        roster = Path(named).absolute()
        return Settings(roster, data, is_demo=roster in {DEMO_ROSTER.absolute(), demo})
    default = DEFAULT_ROSTER.absolute()
    if default.exists():
        return Settings(default, data)
    if demo.exists():
        return Settings(demo, data, is_demo=True)
    if or_demo:
        return Settings(DEMO_ROSTER, data, is_demo=True)
    unread = data / DEFAULT_ROSTER.name
    more = _UNREAD_ROSTER.format(place=unread) if unread.exists() else ""
    raise NoRosterError(NO_ROSTER.format(place=DEFAULT_ROSTER, folder=Path.cwd()) + more)
