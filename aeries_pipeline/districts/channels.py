"""Where notices go, as configured under ``notifications`` in the roster."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field, model_validator

from aeries_pipeline.districts.settled import Settled

About = Literal["runs", "checks", "digest"]


class MissingSecretError(Exception):
    """An environment variable that a channel names is not set."""


_ALL: tuple[About, ...] = ("runs", "checks", "digest")


class _Channel(Settled):
    """What all channels share.

    Attributes:
        about: Failed runs, failed checks, the morning's digest, or several of these.
        districts: Only these; all where empty.
        ui: Address of the Dagster UI, for links to runs.
    """

    about: tuple[About, ...] = Field(default=_ALL, min_length=1)
    districts: list[str] = Field(default_factory=list)
    ui: str = ""


class Email(_Channel):
    """A mailbox, reached through the district's or county's own mail server."""

    kind: Literal["email"]
    to: list[str] = Field(min_length=1)
    sender: str = Field(min_length=3)
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_env: str = ""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Email:
        if self.user and not self.password_env:
            raise ValueError("user: name the variable with the password as password_env")
        if self.user and self.security == "none":
            raise ValueError("security: a password is not sent unencrypted; use starttls or tls")
        return self

    def __str__(self) -> str:
        return f"e-mail to {', '.join(self.to)}"


class Webhook(_Channel):
    """An incoming webhook of Slack, or of a Teams workflow."""

    kind: Literal["slack", "teams"]
    webhook_env: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"{self.kind} ({self.webhook_env})"


Channel = Annotated[Email | Webhook, Field(discriminator="kind")]


def secret(name: str) -> str:
    """Return the value of an environment variable.

    Raises:
        MissingSecretError: If it is not set; the message names it.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise MissingSecretError(f"the environment variable {name} is not set")
    return value
