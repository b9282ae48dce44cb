"""What every command shares: consoles, help, and mistakes as sentences with an exit status.

Nothing that is printed is read as markup: a roster's ``[mon, tue]`` is text.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import click
from rich.console import Console
from rich.text import Text

from aeries_pipeline.districts.errors import AeriesError, ConfigurationError
from aeries_pipeline.settings import DataDirectoryError, NoRosterError, load_settings

if TYPE_CHECKING:
    from aeries_pipeline.districts.roster import District

console = Console(highlight=False, markup=False, emoji=False)
errors = Console(stderr=True, highlight=False, markup=False, emoji=False)


def stop(message: str, status: int) -> NoReturn:
    """Print a sentence to standard error and end."""
    errors.print(Text.assemble(("error:", "red"), " ", message), soft_wrap=True)
    sys.exit(status)


def warn(console: Console, sentence: object) -> None:
    """Print a sentence that a person should see to."""
    console.print(Text.assemble(("!", "yellow"), " ", str(sentence)), soft_wrap=True)


def item(console: Console, lead: str, sentence: str) -> None:
    """Print a sentence behind its lead: wrapped below itself on a terminal, else as one line."""
    if not console.is_terminal:
        console.print(Text(lead + sentence), soft_wrap=True)
        return
    width = max(console.width - len(lead), 20)
    lines = wrap(sentence, width, break_long_words=False, break_on_hyphens=False) or [""]
    for place, line in enumerate(lines):
        console.print(Text((" " * len(lead) if place else lead) + line), soft_wrap=True)


def schools_of(district: District, school: int | None) -> list[int]:
    """Return the one school that is meant, or all of a district.

    Raises:
        ConfigurationError: If the roster has no such school there.
    """
    if school is None:
        return list(district.schools)
    if school not in district.schools:
        listed = ", ".join(map(str, district.schools))
        raise ConfigurationError(
            "unknown_school",
            f"{district.id}: school {school} is not in the roster (it has: {listed})",
        )
    return [school]


class Commands(click.Group):
    """A group whose help is never cut off, on a terminal that shows any characters."""

    group_class = type

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - as click has it
        """Run a command; a character that the terminal lacks must not end it."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*args, **extra)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command, uncut."""
        del ctx
        rows = [
            (name, command.get_short_help_str(limit=1000))
            for name, command in sorted(self.commands.items())
            if not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


P = ParamSpec("P")


def sentences(command: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into a sentence and an exit status."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Exception as error:
            status = _status_of(error)
            if status is not None:
                stop(str(error), status)
            from aeries_pipeline.stores.diagnose import was_interrupted

            if was_interrupted(error):
                stop("stopped from outside; what was committed stays, start it again", 1)
            sentence = _sentence_of(error)
            if sentence is None:
                raise
            stop(sentence, 1)

    return run


def _sentence_of(error: Exception) -> str | None:
    """Return what an error of the system means, None for what nobody foresaw."""
    from aeries_pipeline.cli.troubles import sentence_of

    try:
        settings = load_settings(or_demo=True)
    except DataDirectoryError:
        return None
    home = os.environ.get("DAGSTER_HOME")
    return sentence_of(error, settings.data, Path(home) if home else settings.dagster_home)


def _status_of(error: Exception) -> int | None:
    """Return the exit status of an expected error, None for any other."""
    # Imported late: they load Dagster and DuckDB, and most commands end well.
    from aeries_pipeline.analytics.publishing.publish import (
        NothingToPublishError,
        NotPublishedError,
    )
    from aeries_pipeline.deliveries.deliver import NotDeliveredError
    from aeries_pipeline.deliveries.parcels import NothingToSendError
    from aeries_pipeline.emulator.serve import PortInUseError
    from aeries_pipeline.ingest.session import DistrictBusyError
    from aeries_pipeline.operations.privacy.erase import NotErasedError
    from aeries_pipeline.operations.privacy.forget import NotForgottenError
    from aeries_pipeline.stores.backup import BackupError
    from aeries_pipeline.stores.connection import WarehouseBusyError, WarehouseUnusableError
    from aeries_pipeline.stores.memory import MemorySettingError
    from aeries_pipeline.stores.place import PlaceError

    expected = (
        AeriesError, BackupError, DistrictBusyError, NotDeliveredError, NotErasedError,
        NotForgottenError, NotPublishedError, NothingToPublishError, NothingToSendError,
        WarehouseBusyError, WarehouseUnusableError, PortInUseError,
    )  # fmt: skip
    mistakes = (
        ConfigurationError, DataDirectoryError, MemorySettingError, NoRosterError, PlaceError,
    )  # fmt: skip
    if isinstance(error, mistakes):
        return 2
    return 1 if isinstance(error, expected) else None
