"""Where a district's certificate comes from: the environment, a file, or a command.

A command can be any vault's own client, such as ``vault kv get -field=certificate
secret/aeries/eagle-usd``: its output is the certificate. Nothing of the output is
stored or appears in a message.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.secret import Certificate

COMMAND_SECONDS = 30


def from_environment(district: str, name: str) -> Certificate:
    """Return the certificate that an environment variable holds.

    Raises:
        ConfigurationError: If it is not there.
    """
    return _read(district, f"the environment variable {name}", os.environ.get(name, ""))


def from_file(district: str, path: Path) -> Certificate:
    """Return the certificate that a file holds.

    Raises:
        ConfigurationError: If it is not there.
    """
    try:
        value = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        value = ""
    return _read(district, f"the file {path}", value)


def from_command(district: str, command: Sequence[str]) -> Certificate:
    """Return the certificate that a command prints; it gets no shell and no input.

    Raises:
        ConfigurationError: If it fails, takes too long or prints none.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the roster's own words, without a shell
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        trouble = f"it ended with status {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        trouble = f"it took longer than {COMMAND_SECONDS} s"
    except (OSError, UnicodeDecodeError) as error:
        trouble = f"it cannot be run ({type(error).__name__})"
    if trouble:
        raise ConfigurationError(
            "certificate_missing",
            f"{district}: certificate_command ({command[0]}) gave no certificate: {trouble}; give "
            "the command by hand as the account that runs this and see what it says",
        )
    return _read(district, f"what certificate_command ({command[0]}) prints", done.stdout)


def words_of(value: object) -> object:
    """Return the words of a command that is written as one text, quoted as in a shell."""
    return shlex.split(value) if isinstance(value, str) else value


def _read(district: str, place: str, value: str) -> Certificate:
    try:
        return Certificate(value)
    except ValueError as error:
        raise ConfigurationError(
            "certificate_missing",
            f"{district}: no certificate in {place} ({error}); put the district's Aeries "
            "certificate there and start again",
        ) from None
