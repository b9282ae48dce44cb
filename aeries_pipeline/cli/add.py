"""``aeries-pipeline add``: a new district in the roster, its secret beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from aeries_pipeline.cli.common import warn
from aeries_pipeline.cli.window import accepted_reading, is_terminal, show_reading
from aeries_pipeline.districts.configuration import AcceptedReading
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import DISTRICT_ID, District, load_roster, read_roster
from aeries_pipeline.districts.roster_edit import with_district
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.districts.urls import api_base
from aeries_pipeline.districts.windows import parse_windows
from aeries_pipeline.operations.onboarding.entry import (
    Facts,
    make_entry,
    read_email,
    remarks,
)
from aeries_pipeline.operations.onboarding.letters import masked, text_of
from aeries_pipeline.settings import DEFAULT_ROSTER, Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically


@dataclass(frozen=True, slots=True)
class NewDistrict:
    """What a person says about a new district.

    Attributes:
        id: District id.
        name: Name, for people.
        email: File with the text of the district's e-mail.
        url: Any page of the Aeries site; overrides the e-mail.
        window: The district's words; overrides the e-mail.
        zone: Time zone.
        certificate_env: Environment variable that holds the certificate.
        accepts: Whether the reading counts without a question.
    """

    id: str
    name: str
    email: Path | None
    url: str | None
    window: str | None
    zone: str
    certificate_env: str | None
    accepts: bool = False


def add_district(settings: Settings, new: NewDistrict, console: Console) -> bool:
    """Add a district to the roster.

    What is missing is asked for at a terminal; otherwise the entry is paused
    and says what it lacks. Where nobody accepted the reading, it waits for that.

    Returns:
        Whether nothing is missing.

    Raises:
        ConfigurationError: If a fact is wrong, or nothing is known of the
            district; nothing is written.
    """
    path = DEFAULT_ROSTER.absolute() if settings.is_demo else settings.roster
    known = load_roster(path).districts if path.exists() else []
    if not DISTRICT_ID.fullmatch(new.id):
        raise ConfigurationError(
            "bad_id", f"{new.id}: use small letters, digits and hyphens, such as eagle-usd"
        )
    if new.id in {one.id for one in known}:
        raise ConfigurationError("known_district", f"{new.id} is in the roster {path} already")
    facts = _facts(new)
    for sentence in facts.unread.values():
        warn(console, sentence)
    if is_terminal():
        facts = replace(facts, url=facts.url or _asked_address())
    else:
        _refuse_nothing(new, facts)
    facts, accepted = _accepted(new, facts, console)
    if facts.certificate is None and not new.certificate_env:
        facts = replace(facts, certificate=_asked(new.id))
    place = (
        {"certificate_env": new.certificate_env}
        if new.certificate_env
        else {"certificate_file": f"certificates/{new.id}.cert"}
    )
    has_certificate = bool(facts.certificate or new.certificate_env)
    is_complete = bool(facts.url and facts.times and has_certificate)
    entry = make_entry(
        new.id,
        new.name,
        new.zone,
        facts,
        certificate=place,
        accepted=accepted,
        is_complete=is_complete,
    )
    lacks = remarks(facts, next(iter(place)))
    if new.certificate_env:
        lacks.pop("certificate_env", None)
    text = path.read_text(encoding="utf-8") if path.exists() else "districts: []\n"
    changed = with_district(text, entry, lacks)
    read_roster(changed, path)
    private_directory(path.parent)
    if facts.certificate is not None and not new.certificate_env:
        _keep(path.parent / place["certificate_file"], facts.certificate)
    write_atomically(path, changed)
    _tell(path, load_roster(path).get(new.id), new, lacks, console)
    return is_complete


def _refuse_nothing(new: NewDistrict, facts: Facts) -> None:
    """Refuse options that leave a fact out, and an e-mail that holds none."""
    if new.email is not None and (facts.url or facts.times or facts.certificate):
        return
    if facts.url is None:
        raise ConfigurationError(
            "no_url", f"{new.id}: no address of an Aeries site was found; give it as --url"
        )
    if facts.times is None:
        raise ConfigurationError(
            "no_times",
            f"{new.id}: no best times were found; give them as --window, such as --window "
            '"weekdays 8pm - 2am" or --window "any time"',
        )


def _facts(new: NewDistrict) -> Facts:
    if new.email is None:
        return Facts(new.url, new.window, None)
    try:
        text = text_of(new.email.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            "bad_email", f"the e-mail {new.email} cannot be read ({type(error).__name__})"
        ) from None
    return read_email(text, new.zone, url=new.url, times=new.window)


def _accepted(
    new: NewDistrict, facts: Facts, console: Console
) -> tuple[Facts, AcceptedReading | None]:
    """Show the reading of the times, and ask; return it where it counts."""
    stated = facts.times
    while True:
        reading = None
        if stated:
            try:
                reading = parse_windows(stated, new.zone)
            except ValueError as error:
                if not is_terminal():
                    raise ConfigurationError("unread_window", f"{new.id}: {error}") from None
                console.print(masked(str(error)), soft_wrap=True)
        if reading is not None and stated:
            console.print(Text.assemble(("pull window", "bold"), f" {stated!r}"), soft_wrap=True)
            show_reading(reading, datetime.now(UTC), console)
            for one in facts.passed_over if stated == facts.times else ():
                console.print(f"  not taken for times: {one!r}", soft_wrap=True, markup=False)
            if new.accepts or (is_terminal() and click.confirm("Are these the times meant?")):
                words = facts.times or stated
                held = accepted_reading(words, reading, corrected=words != stated)
                return replace(facts, times=words), held
        if not is_terminal():
            return facts, None
        stated = click.prompt(
            "Best times in other words (nothing leaves the district paused)",
            default="",
            show_default=False,
        ).strip()
        if not stated:
            return facts, None


def _asked_address() -> str | None:
    """Ask for the address until it is one; nothing leaves it open."""
    while True:
        url: str = click.prompt(
            "Address of any page of its Aeries site (nothing leaves the district paused)",
            default="",
            show_default=False,
        )
        if not url:
            return None
        try:
            api_base(url)
        except ConfigurationError as error:
            click.echo(str(error))
        else:
            return url


def _asked(district: str) -> Certificate | None:
    """Ask for the certificate without showing it; it is never an argument of a command.

    Without a terminal it is the first line of the standard input, if there is one.
    """
    if is_terminal():
        stated = click.prompt(
            f"Certificate of {district} (nothing leaves the district paused)",
            hide_input=True,
            default="",
            show_default=False,
        )
    else:
        stated = sys.stdin.readline()
    try:
        return Certificate(stated) if stated.strip() else None
    except ValueError as error:
        raise ConfigurationError("bad_certificate", f"{district}: {error}") from None


def _keep(path: Path, certificate: Certificate) -> None:
    private_directory(path.parent)
    path.parent.chmod(0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(certificate.reveal() + "\n")
    path.chmod(0o600)


def _tell(
    path: Path,
    district: District,
    new: NewDistrict,
    lacks: Mapping[str, Sequence[str]],
    console: Console,
) -> None:
    console.print(f"{new.id} is in {path}", soft_wrap=True, markup=False)
    if district.certificate_env:
        console.print(f"  put the certificate into {district.certificate_env}", soft_wrap=True)
    elif "certificate_file" in lacks:
        kept = path.parent / str(district.certificate_file)
        console.print(f"  put the certificate into {kept}, for its owner alone", soft_wrap=True)
    else:
        kept = path.parent / str(district.certificate_file)
        console.print(f"  the certificate is in {kept}, for its owner alone", soft_wrap=True)
        if new.email is not None:
            console.print(f"  delete {new.email}: the certificate stands in it", soft_wrap=True)
    if not district.paused:
        console.print(
            f"Next: aeries-pipeline check {new.id}, then: aeries-pipeline roster sync {new.id}",
            soft_wrap=True,
        )
        return
    warn(console, f"{new.id} is not pulled until a person has looked at it:")
    if not district.url:
        console.print("  write the address of its Aeries site as url")
    if not district.pull_window:
        again = f'aeries-pipeline window {new.id} --as "WORDS" --accept'
        console.print(f"  state its best times: {again}", soft_wrap=True, markup=False)
    elif district.pull_window_accepted is None:
        again = f"aeries-pipeline window {new.id} --accept"
        console.print(f"  accept the reading of its times: {again}", soft_wrap=True)
    then = "then set paused: false, and" if lacks else "then"
    console.print(f"  {then}: aeries-pipeline check {new.id}", soft_wrap=True)
