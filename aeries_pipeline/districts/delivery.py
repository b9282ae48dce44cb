"""Where finished files go, as configured under a district's ``delivery``.

Shapes, defaults and mistakes; sending the files is in ``deliveries``. Secrets are
named here and never held.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from aeries_pipeline.districts.settled import Settled

_SECRETS = frozenset({"password", "passphrase", "secret_key", "access_key"})
"""What somebody may write in the clear; each belongs in a variable, named with ``_env``."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|minutes?|h|hours?)?", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_KEY_TYPES = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
)  # fmt: skip
_HOW_TO_PIN = (
    "run ssh-keyscan -p PORT HOST, compare the key's fingerprint (ssh-keyscan ... | ssh-keygen -lf "
    "-) with the one that the receiver tells you, and write it as "
    "host_key: ssh-ed25519 AAAA..."
)


def _seconds(value: object) -> object:
    """Read a span such as ``30 min``; a bare number is minutes."""
    found = _SPAN.fullmatch(str(value).strip())
    if not found:
        raise ValueError("not a span of time such as 30 min or 2 h")
    return float(found[1]) * _SECONDS[(found[2] or "m")[0].lower()]


def _clock(value: object) -> object:
    """Read ``20:00``; YAML would make a number of it without quotation marks."""
    text = str(value)
    if value is None or isinstance(value, time):
        return value
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", text):
        raise ValueError('not a time of day such as "20:00", with quotation marks')
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


class _Delivery(Settled):
    """What all ways have in common.

    Attributes:
        folder: Where the files go at the receiver.
        deadline: Until when they have to be there, in the district's own time.
        retry_for: Seconds within which a delivery that failed is tried again.
        compare: What is held against our own files before they are renamed.
        extra_files: Files of the set that the receiver gets beside those of its specification.
    """

    folder: str = ""
    deadline: Annotated[time | None, BeforeValidator(_clock)] = time(20)
    retry_for: Annotated[float, BeforeValidator(_seconds)] = Field(default=1800.0, ge=0, le=43200)
    compare: Literal["checksum", "size"] = "checksum"
    extra_files: list[Literal["account_changes.csv", "problems.csv", "manifest.json"]] = Field(
        default_factory=list
    )

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, data: Any) -> Any:  # noqa: ANN401 - whatever YAML held
        for name in data if isinstance(data, Mapping) else ():
            if str(name).lower() in _SECRETS:
                raise ValueError(
                    f"{name}: a secret must not be in this file; put it in an environment variable "
                    f"and name that as {str(name).lower()}_env"
                )
        return data


class SftpDelivery(_Delivery):
    """An SFTP server, known by its host key."""

    to: Literal["sftp"]
    host: str = Field(min_length=1)
    port: int = Field(default=22, ge=1, le=65535)
    user: str = Field(min_length=1)
    password_env: str = ""
    key_file: str = ""
    passphrase_env: str = ""
    host_key: str | list[str] = Field(default="", validate_default=True)

    @field_validator("host_key")
    @classmethod
    def _pinned(cls, value: str | list[str]) -> list[str]:
        keys = [value] if isinstance(value, str) else value
        if not any(keys):
            raise ValueError(f"is missing; {_HOW_TO_PIN}")
        return [_host_key(one) for one in keys]

    @model_validator(mode="after")
    def _some_login(self) -> SftpDelivery:
        if not self.password_env and not self.key_file:
            raise ValueError("give key_file, or name the variable with the password, password_env")
        return self

    @property
    def host_keys(self) -> list[str]:
        """Host keys that count, each as its type and its value."""
        return [self.host_key] if isinstance(self.host_key, str) else self.host_key

    def __str__(self) -> str:
        return f"sftp://{self.user}@{self.host}:{self.port}/{self.folder.lstrip('/')}"


def _host_key(text: str) -> str:
    """Return type and value of a key as ssh-keyscan prints it, without host and comment."""
    words = text.split()
    for place, word in enumerate(words[:-1]):
        if word in _KEY_TYPES:
            try:
                base64.b64decode(words[place + 1], validate=True)
            except (binascii.Error, ValueError):
                break
            return f"{word} {words[place + 1]}"
    raise ValueError(f"not a host key; {_HOW_TO_PIN}")


class FtpsDelivery(_Delivery):
    """An FTP server over TLS, whose certificate is verified."""

    to: Literal["ftps"]
    host: str = Field(min_length=1)
    port: int = Field(default=21, ge=1, le=65535)
    user: str = Field(min_length=1)
    password_env: str = Field(min_length=1)
    ca_file: str = ""

    def __str__(self) -> str:
        return f"ftps://{self.user}@{self.host}:{self.port}/{self.folder.lstrip('/')}"


class S3Delivery(_Delivery):
    """A bucket of S3, or of a store that speaks its language."""

    to: Literal["s3"]
    bucket: str = Field(min_length=3)
    region: str = ""
    endpoint: str = ""
    access_key_env: str = ""
    secret_key_env: str = ""

    @field_validator("endpoint")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        local = re.match(r"http://(127\.0\.0\.1|localhost)[:/]", f"{value}/")
        if value and not value.startswith("https://") and not local:
            raise ValueError("students' data are not sent unencrypted; give an https address")
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> S3Delivery:
        if bool(self.access_key_env) != bool(self.secret_key_env):
            raise ValueError(
                "name both access_key_env and secret_key_env, or neither where the machine has a "
                "role of its own"
            )
        return self

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.folder.strip('/')}"


class FolderDelivery(_Delivery):
    """A folder of this machine, such as a share that is mounted here."""

    to: Literal["folder"]
    folder: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"folder {self.folder}"


DeliverySettings = Annotated[
    SftpDelivery | FtpsDelivery | S3Delivery | FolderDelivery, Field(discriminator="to")
]
