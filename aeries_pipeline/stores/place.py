"""Whether files are at home on this machine or shared by many, as the environment says.

Imports nothing of what many machines need.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

DATABASE_VARIABLE = "AERIES_DATABASE_URL"
"""Names the Postgres of many machines, such as ``postgresql://aeries:...@db.example/aeries``."""

OBJECTS_VARIABLE = "AERIES_OBJECTS"
"""Names bucket and prefix of their object storage, such as ``s3://aeries/production``."""

ENDPOINT_VARIABLE = "AERIES_OBJECTS_ENDPOINT"
"""Names the address of a store that is not Amazon's, such as ``https://objects.example``."""

HOST_VARIABLE = "AERIES_HOST"
"""Names this machine in leases and messages; its host name otherwise."""

DATA_VARIABLE = "AERIES_DATA_DIR"
"""Names the data directory, as for ``settings``, which knows nothing of this room."""

_OBJECTS = re.compile(r"s3://(?P<bucket>[A-Za-z0-9.-]{3,63})(?:/(?P<prefix>[\w./-]*))?")


class PlaceError(ValueError):
    """The environment names no usable place for shared files."""


@dataclass(frozen=True, slots=True)
class SharedPlace:
    """Where many machines have what they share.

    Attributes:
        database: Address of the Postgres database. It holds a password.
        bucket: Of the object storage.
        prefix: Of every key; empty for none.
        endpoint: Address of the object storage; Amazon's where empty.
        host: This machine's name.
    """

    database: str
    bucket: str
    prefix: str
    endpoint: str
    host: str

    def __repr__(self) -> str:
        return f"SharedPlace(s3://{self.bucket}/{self.prefix}, host={self.host})"


def data_directory() -> Path:
    """Return the data directory that the environment names, ``data`` below the current otherwise.

    What is shared stands for this one; any other directory is a scratch of one machine.
    """
    return Path(os.environ.get(DATA_VARIABLE) or "data").absolute()


def shared_place() -> SharedPlace | None:
    """Return where shared files are; None if this machine works alone.

    Raises:
        PlaceError: If only a part is named, or it is no place.
    """
    database = os.environ.get(DATABASE_VARIABLE, "").strip()
    objects = os.environ.get(OBJECTS_VARIABLE, "").strip()
    if not database and not objects:
        return None
    if not database or not objects:
        missing, given = (
            (OBJECTS_VARIABLE, DATABASE_VARIABLE)
            if database
            else (DATABASE_VARIABLE, OBJECTS_VARIABLE)
        )
        raise PlaceError(f"{given} is set but {missing} is not; many machines need both")
    match = _OBJECTS.fullmatch(objects)
    if match is None:
        raise PlaceError(f"{OBJECTS_VARIABLE} is not of the form s3://bucket/prefix")
    if not re.match(r"postgres(ql)?(\+\w+)?://", database):
        raise PlaceError(f"{DATABASE_VARIABLE} is no address of the form postgresql://...")
    return SharedPlace(
        re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg2://", database),
        match["bucket"],
        (match["prefix"] or "").strip("/"),
        os.environ.get(ENDPOINT_VARIABLE, "").strip(),
        os.environ.get(HOST_VARIABLE, "").strip() or socket.gethostname(),
    )
