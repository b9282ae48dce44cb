"""A place where files can be put, and what can go wrong there.

File names are relative to the folder that the roster names.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 18
SECONDS = 60.0
"""How long a server may take for one answer."""


class RemoteError(Exception):
    """A receiver did not do what it was asked for; the message is a clause without names of files.

    Attributes:
        code: Stable name of the cause.
        remedy: What to do next.
        transient: Whether a later attempt may succeed by itself.
    """

    def __init__(self, code: str, cause: str, remedy: str, *, transient: bool = False) -> None:
        """Make an error with its cause and its remedy."""
        super().__init__(cause)
        self.code = code
        self.remedy = remedy
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as a server lists it.

    Attributes:
        name: Its name in the folder.
        size: Its bytes.
        changed: When it was last written, in seconds since 1970, by the server's clock.
    """

    name: str
    size: int
    changed: int


class Remote(Protocol):
    """What every way of delivering can do."""

    def put(self, local: Path, name: str) -> None:
        """Write a file, making the folders on its way."""

    def size(self, name: str) -> int | None:
        """Return the size of a file, None if there is none of that name."""

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file as it is there, by reading it back."""

    def rename(self, old: str, new: str) -> None:
        """Give a file a name that is free."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no mistake."""

    def look(self) -> None:
        """Prove that the folder is there and may be read, writing nothing."""

    def close(self) -> None:
        """End the connection."""


def digest_of(chunks: Iterable[bytes]) -> str:
    """Return the SHA-256 of a file that comes in pieces."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def pieces_of(read: Callable[[int], bytes]) -> Iterable[bytes]:
    """Read a file to its end."""
    while piece := read(CHUNK):
        yield piece


def of_system(error: OSError, what: str) -> RemoteError:
    """Return what an error of the system or of an SFTP server means.

    Args:
        error: As it was raised; its text may hold a name, so it is not repeated.
        what: What was tried, such as "write a file".
    """
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return RemoteError(
            "not_permitted",
            f"the account there may not {what}",
            "ask the receiver to grant it, or correct folder under delivery",
        )
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return RemoteError(
            "full",
            f"there is no room to {what}",
            "ask the receiver to make room there",
            transient=True,
        )
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return RemoteError(
            "no_folder",
            f"there is no such folder to {what}",
            "correct folder under delivery, or ask the receiver to make it",
        )
    return RemoteError(
        "server_failed",
        f"the server could not {what} ({error.strerror or type(error).__name__})"
        if error.errno is not None
        else f"the server could not {what} and does not say why, as where its disk is full",
        "ask the receiver whether the disk there is full",
        transient=True,
    )


def no_host() -> RemoteError:
    """Return what it means that the name of a receiver's host leads nowhere."""
    return RemoteError(
        "no_host",
        "its host name is not known",
        "correct host under delivery, or see whether this machine can look up names",
        transient=True,
    )


def broken_off(error: BaseException) -> RemoteError:
    """Return what it means that a connection ended or stayed silent."""
    what = "the connection broke off"
    if isinstance(error, ConnectionRefusedError):
        what = "the server refuses every connection"
    return RemoteError(
        "broken_off",
        f"{what} ({type(error).__name__})",
        "see whether the receiver's server is up and a firewall lets this machine through",
        transient=True,
    )
