"""Files in object storage that are replaced only by whoever knows their present state.

Each file is one object. It is written with ``If-Match`` on the state that was
fetched, so of two that have fetched the same state one is refused. boto3 is
imported here alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aeries_pipeline.stores.connection import WarehouseUnusableError
from aeries_pipeline.stores.place import SharedPlace

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    raise WarehouseUnusableError(
        "the libraries for many machines are not installed here; install the extra: "
        "pip install 'aeries-pipeline[cluster]'"
    ) from None

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_CHANGED = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict", "409"})
_SECONDS = 60
_PIECE = 1 << 20


class ObjectChangedError(RuntimeError):
    """The object is not in the state that was given."""


class ObjectsError(WarehouseUnusableError):
    """The object storage cannot be used just now."""


@dataclass(frozen=True, slots=True)
class State:
    """One state of an object.

    Attributes:
        etag: Tells it from every other one.
        notes: What was written beside it.
    """

    etag: str
    notes: Mapping[str, str]


class Objects:
    """The objects of one installation.

    Args:
        place: Bucket, prefix and address.
    """

    def __init__(self, place: SharedPlace) -> None:
        """Make a client; nothing is asked yet. Credentials are found as boto3 finds them."""
        self._bucket, self._prefix, self._host = place.bucket, place.prefix, place.host
        with self._telling("begin"):
            self._client = boto3.client(
                "s3",
                endpoint_url=place.endpoint or None,
                config=Config(
                    connect_timeout=10,
                    read_timeout=_SECONDS,
                    # A write is repeated here, where its outcome is looked at first.
                    retries={"total_max_attempts": 1},
                    max_pool_connections=32,
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )

    def head(self, name: str) -> State | None:
        """Return the present state of an object; None where there is none."""
        with self._telling("look at a file"):
            try:
                return _state(self._client.head_object(Bucket=self._bucket, Key=self._key(name)))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise

    def get(self, name: str, target: Path) -> State | None:
        """Fetch an object whole, held against its digest; None where there is none.

        Args:
            name: Of the object.
            target: A file that is not there yet.

        Raises:
            ObjectsError: If it does not arrive as it was sent; nothing of it is left.
        """
        try:
            with self._telling("fetch a file"):
                try:
                    found = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
                except ClientError as error:
                    if _code(error) in _ABSENT:
                        return None
                    raise
                state = _state(found)
                target.touch(mode=0o600)
                digest = hashlib.sha256()
                with closing(found["Body"]) as body, target.open("wb") as file:
                    for piece in body.iter_chunks(_PIECE):
                        digest.update(piece)
                        file.write(piece)
            _check(name, digest.hexdigest(), state)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return state

    def put(self, name: str, source: Path, notes: Mapping[str, str], before: State | None) -> State:
        """Put a file in the place of a known state.

        Args:
            name: Of the object.
            source: The file.
            notes: Written beside it.
            before: The state that it replaces; None where there is to be none.

        Raises:
            ObjectChangedError: If there is another state; nothing was written.
            ObjectsError: If the storage fails; it may have been written all the same.
        """
        condition = {"IfNoneMatch": "*"} if before is None else {"IfMatch": f'"{before.etag}"'}
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        noted = {**notes, "sha256": sha256}
        with self._telling("write a file"), source.open("rb") as file:
            try:
                done = self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(name),
                    Body=file,
                    Metadata=noted,
                    **condition,
                )
            except ClientError as error:
                if _code(error) in _CHANGED | _ABSENT:
                    raise ObjectChangedError(name) from None
                raise
        return State(done["ETag"].strip('"'), noted)

    def remove(self, name: str) -> None:
        """Delete an object, where it is."""
        with self._telling("delete a file"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            cause = _code(error) or "no reason given"
        except (BotoCoreError, OSError) as error:
            cause = type(error).__name__
        else:
            return
        raise ObjectsError(
            f"the object storage could not {what} for {self._host} ({cause}); the last state of "
            "each file stays; see that it runs, that the bucket is there and that the "
            "credentials of this machine may read and write it, then try again"
        )


def _state(found: Mapping[str, Any]) -> State:
    return State(found["ETag"].strip('"'), dict(found.get("Metadata", {})))


def _check(name: str, digest: str, state: State) -> None:
    if digest != state.notes.get("sha256"):
        raise ObjectsError(
            f"{name} did not arrive from the object storage as it was written there; try again; "
            "if it stays so, put a backup back"
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
