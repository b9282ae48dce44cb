"""Putting files into a bucket of S3, or of a store with the same interface.

boto3 is an extra, ``aeries-pipeline[s3]``, and is imported only here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aeries_pipeline.deliveries.remote import (
    SECONDS,
    RemoteError,
    broken_off,
    digest_of,
    pieces_of,
)
from aeries_pipeline.districts.delivery import S3Delivery

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
except ImportError:
    raise RemoteError(
        "no_library",
        "the library for S3 is not installed here",
        "install the extra: pip install 'aeries-pipeline[s3]'",
    ) from None

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_NOT_PERMITTED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})
_LOGIN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"})


class S3Remote:
    """The keys of a bucket below a prefix."""

    def __init__(self, target: S3Delivery, access_key: str, secret_key: str) -> None:
        """Make a client; nothing is asked of the store yet.

        Args:
            target: Bucket, prefix, region and end point.
            access_key: Empty if the machine has a role of its own.
            secret_key: The same.
        """
        self._bucket = target.bucket
        self._folder = target.folder.strip("/")
        with _told("begin"):
            self._client = boto3.client(
                "s3",
                region_name=target.region or None,
                endpoint_url=target.endpoint or None,
                aws_access_key_id=access_key or None,
                aws_secret_access_key=secret_key or None,
                config=Config(
                    connect_timeout=SECONDS,
                    read_timeout=SECONDS,
                    retries={"total_max_attempts": 1},
                ),
            )

    def _key(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def put(self, local: Path, name: str) -> None:
        """Write an object; the store holds it against its SHA-256 on arrival."""
        with _told("write an object"), local.open("rb") as file:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key(name), Body=file, ChecksumAlgorithm="SHA256"
            )

    def size(self, name: str) -> int | None:
        """Return the bytes of an object."""
        with _told("look at an object"):
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=self._key(name))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
        return int(found["ContentLength"])

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of an object, by reading it back."""
        with _told("read an object back"):
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
            with found["Body"] as body:
                return digest_of(pieces_of(body.read))

    def rename(self, old: str, new: str) -> None:
        """Copy an object to another key, then remove it."""
        with _told("copy an object"):
            self._client.copy_object(
                Bucket=self._bucket,
                Key=self._key(new),
                CopySource={"Bucket": self._bucket, "Key": self._key(old)},
            )
        self.remove(old)

    def remove(self, name: str) -> None:
        """Remove an object."""
        with _told("remove an object"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def look(self) -> None:
        """Prove that the bucket is there and may be listed."""
        with _told("list the bucket"):
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(""), MaxKeys=1)

    def close(self) -> None:
        """End the connections."""
        self._client.close()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _of_store(_code(error), error, what) from None
    except NoCredentialsError:
        raise RemoteError(
            "no_secret",
            "there are no credentials for the store",
            "name access_key_env and secret_key_env under delivery, or give this machine a role",
        ) from None
    except (BotoCoreError, OSError) as error:
        raise broken_off(error) from None


def _of_store(code: str, error: ClientError, what: str) -> RemoteError:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _LOGIN:
        return RemoteError(
            "not_logged_in",
            f"the store refused the credentials ({code})",
            "compare what access_key_env and secret_key_env under delivery name with what the "
            "receiver has given",
        )
    if code in _NOT_PERMITTED:
        return RemoteError(
            "not_permitted",
            f"the account there may not {what}",
            "ask the receiver to let it put, get, list and delete objects below folder",
        )
    if code == "NoSuchBucket":
        return RemoteError(
            "no_folder", "there is no such bucket", "correct bucket and region under delivery"
        )
    return RemoteError(
        "server_failed",
        f"the store could not {what} ({code or status})",
        "ask the receiver what it means, if it stays so",
        transient=status >= 500 or code in {"SlowDown", "RequestTimeout", "BadDigest"},
    )
