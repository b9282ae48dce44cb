"""``aeries-pipeline add``: a new district in the roster, its secret beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import DISTRICT_ID, load_roster, read_roster
from aeries_pipeline.districts.roster_edit import with_district
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.operations.onboarding.entry import Facts, make_entry, read_email
from aeries_pipeline.operations.onboarding.letters import text_of
from aeries_pipeline.settings import Settings
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
    """

    id: str
    name: str
    email: Path | None
    url: str | None
    window: str | None
    zone: str
    certificate_env: str | None


def add_district(settings: Settings, new: NewDistrict, console: Console) -> None:
    """Add a district to the roster.

    Raises:
        ConfigurationError: If a fact is missing or wrong; nothing is written.
    """
    path = Path("data/districts.yaml").absolute() if settings.is_demo else settings.roster
    known = load_roster(path).districts if path.exists() else []
    if not DISTRICT_ID.fullmatch(new.id):
        raise ConfigurationError(
            "bad_id", f"{new.id}: use small letters, digits and hyphens, such as eagle-usd"
        )
    if new.id in {one.id for one in known}:
        raise ConfigurationError("known_district", f"{new.id} is in the roster {path} already")
    facts = _facts(new)
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
    certificate = None if new.certificate_env else facts.certificate or _asked(new.id)
    place = (
        {"certificate_env": new.certificate_env}
        if new.certificate_env
        else {"certificate_file": f"certificates/{new.id}.cert"}
    )
    entry = make_entry(new.id, new.name, facts.url, new.zone, times=facts.times, certificate=place)
    text = path.read_text(encoding="utf-8") if path.exists() else "districts: []\n"
    changed = with_district(text, entry)
    read_roster(changed, path)
    private_directory(path.parent)
    if certificate is not None:
        _keep(path.parent / place["certificate_file"], certificate)
    write_atomically(path, changed)
    _tell(path, load_roster(path).get(new.id).pull_window, new, console, place)


def _facts(new: NewDistrict) -> Facts:
    if new.email is None:
        return Facts(new.url, new.window, None)
    try:
        text = text_of(new.email.read_bytes())
        return read_email(text, new.zone, url=new.url, times=new.window)
    except OSError as error:
        raise ConfigurationError(
            "bad_email", f"the e-mail {new.email} cannot be read ({type(error).__name__})"
        ) from None


def _asked(district: str) -> Certificate:
    """Ask for the certificate without showing it; it is never an argument of a command."""
    try:
        return Certificate(click.prompt(f"Certificate of {district}", hide_input=True))
    except ValueError as error:
        raise ConfigurationError("bad_certificate", f"{district}: {error}") from None
    except click.Abort:
        raise ConfigurationError(
            "no_certificate",
            f"{district}: no certificate was found; put it into the e-mail file, or name an "
            "environment variable with --certificate-env",
        ) from None


def _keep(path: Path, certificate: Certificate) -> None:
    private_directory(path.parent)
    path.parent.chmod(0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(certificate.reveal() + "\n")
    path.chmod(0o600)


def _tell(
    path: Path, window: object, new: NewDistrict, console: Console, place: dict[str, str]
) -> None:
    console.print(f"{new.id} is in {path}", soft_wrap=True, markup=False)
    console.print(f"  pull window: {window!r}", soft_wrap=True, markup=False)
    if new.certificate_env:
        console.print(f"  put the certificate into {new.certificate_env}", soft_wrap=True)
    else:
        kept = path.parent / place["certificate_file"]
        console.print(f"  the certificate is in {kept}, for its owner alone", soft_wrap=True)
        if new.email is not None:
            console.print(f"  delete {new.email}: the certificate stands in it", soft_wrap=True)
    console.print(
        f"Next: aeries-pipeline check {new.id}, then: aeries-pipeline roster sync {new.id}",
        soft_wrap=True,
    )
