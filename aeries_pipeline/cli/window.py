"""``aeries-pipeline window``: how a district's words are read, and what a person accepts."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from getpass import getuser
from typing import Any

import click
from rich.console import Console

from aeries_pipeline.cli.common import warn
from aeries_pipeline.districts.configuration import AcceptedReading
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.readings import State
from aeries_pipeline.districts.roster import District, load_roster, read_roster
from aeries_pipeline.districts.roster_edit import with_reading
from aeries_pipeline.districts.window_pictures import (
    coming_month,
    exceptions,
    sentence,
    week_picture,
)
from aeries_pipeline.districts.windows import Windows, parse_windows
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.files import write_atomically


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of a reading.

    Attributes:
        accepts: Whether to accept without a question.
        words: Other words, whose reading is to count for those of the district.
        resumes: Whether a paused district is pulled from now on.
    """

    accepts: bool = False
    words: str | None = None
    resumes: bool = False


def moment_of(district: District, at: str | None) -> datetime:
    """Return the moment that a person names, or now; without a zone it is local.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    if at is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise ConfigurationError("bad_time", f"--at {at}: write 2026-03-08T01:30") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=district.zone)


def show_window(district: District, moment: datetime, console: Console) -> None:
    """Print the reading that counts, whether it is open, the next openings, the coming month."""
    windows = district.windows
    stated: Any = district.pull_window
    console.print(f"{district.id}: {stated!r}", soft_wrap=True, markup=False)
    console.print(f"read as  {windows} ({district.timezone})", soft_wrap=True, markup=False)
    show_reading(windows, moment, console)
    state = "open" if windows.contains(moment) else "closed"
    paused = "; the district is paused in the roster" if district.paused else ""
    if district.awaits_acceptance:
        paused = "; nothing is asked until the reading is accepted"
    console.print(f"{district.told(moment)}: {state}{paused}", soft_wrap=True)
    if district.reading.text:
        warn(console, district.reading.text)
    now = district.reading.now
    if now is not None and district.reading.needs_a_person:
        console.print(f"  this release reads the words as: {now}", soft_wrap=True, markup=False)


def show_reading(windows: Windows, moment: datetime, console: Console) -> None:
    """Print a reading as a sentence, a week, the next five openings and the month's exceptions."""
    console.print(sentence(windows), soft_wrap=True, markup=False)
    if windows.is_always:
        return
    console.print(f"\n{week_picture(windows)}\n", soft_wrap=True, markup=False)
    for opening, closing in windows.openings(moment, 5):
        console.print(
            f"  opens {windows.told(opening)}, closes {windows.told(closing)}", soft_wrap=True
        )
    if not (windows.never or windows.extra):
        return
    changed = exceptions(coming_month(windows, windows.day_of(moment)))
    console.print("in the coming month" if changed else "no exceptions in the coming month")
    for line in changed:
        console.print(f"  {line}", soft_wrap=True, markup=False)


def settle_window(
    settings: Settings, district_id: str, moment: datetime, wish: Wish, console: Console
) -> bool:
    """Show a district's window, and write the reading that a person accepts to the roster.

    At a terminal a reading that nobody has accepted is asked about.

    Returns:
        Whether all that was asked for happened.

    Raises:
        ConfigurationError: If there is nothing that could be accepted.
    """
    district = load_roster(settings.roster).get(district_id)
    if wish.words is None and not wish.accepts:
        show_window(district, moment, console)
        is_asked = district.reading.state in {State.NEVER_ACCEPTED, State.CHANGED, State.DIFFERS}
        if not (is_asked and district.reading.now is not None and is_terminal()):
            return True
    reading = _offered(district, wish)
    if wish.words is not None or district.reading.needs_a_person:
        console.print("to be accepted", style="bold")
        show_reading(reading, moment, console)
    elif wish.accepts:
        show_window(district, moment, console)
    if not wish.accepts and not (is_terminal() and click.confirm("Are these the times meant?")):
        console.print("nothing was changed; accept it with --accept", soft_wrap=True)
        return wish.words is None
    wish = replace(wish, resumes=_resumes(district, wish))
    _write(settings, district, reading, wish, console)
    return True


def _resumes(district: District, wish: Wish) -> bool:
    """Say whether a paused district is pulled from now on; at a terminal a person is asked."""
    if not district.paused or wish.resumes:
        return district.paused
    if district.until_accepted or wish.accepts or not district.url:
        return False
    return click.confirm(f"{district.id} is paused in the roster; pull it from now on?")


def is_terminal() -> bool:
    """Tell whether a person can be asked."""
    return sys.stdin.isatty()


def _offered(district: District, wish: Wish) -> Windows:
    """Return the reading that would be accepted.

    Raises:
        ConfigurationError: If the words cannot be read, or say nothing to accept.
    """
    stated = wish.words if wish.words is not None else district.pull_window
    if not isinstance(district.pull_window, str):
        raise ConfigurationError(
            "structured_window",
            f"{district.id}: its pull_window is in the structured form, which counts as it stands; "
            "change it in the roster",
        )
    try:
        return parse_windows(stated, district.timezone, holidays=district.holidays)
    except ValueError as error:
        raise ConfigurationError(
            "unread_window",
            f"{district.id}: {error}; state the same times in other words with --as, or write the "
            "structured form into the roster",
        ) from None


def accepted_reading(words: str, reading: Windows, *, corrected: bool = False) -> AcceptedReading:
    """Return a reading as the roster keeps it, with who accepted it and on which day."""
    return AcceptedReading(
        words=words,
        windows=reading.structured,
        corrected=corrected,
        by=getuser(),
        on=datetime.now(UTC).date(),
    )


def _write(
    settings: Settings, district: District, reading: Windows, wish: Wish, console: Console
) -> None:
    words = str(district.pull_window)
    # Where the district has stated nothing yet, the new words are its words.
    is_first = wish.words is not None and not words
    held = accepted_reading(
        str(wish.words) if is_first else words,
        reading,
        corrected=wish.words is not None and not is_first,
    )
    text = settings.roster.read_text(encoding="utf-8")
    try:
        changed = with_reading(
            text,
            district.id,
            held,
            words=wish.words if is_first else None,
            resumes=wish.resumes,
        )
    except ValueError as error:
        raise ConfigurationError("roster_form", str(error)) from None
    read_roster(changed, settings.roster)
    write_atomically(settings.roster, changed)
    console.print(f"{district.id}: the reading is accepted and counts from now on", soft_wrap=True)
    if load_roster(settings.roster).get(district.id).paused:
        console.print(
            f"{district.id} is still paused in the roster; set paused: false there, or give "
            "--resume",
            soft_wrap=True,
        )
