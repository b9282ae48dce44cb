"""Putting a set of files in its place: all of them or none.

Each file is written under a temporary name next to the last one and compared. Only when
all agree are the files with their names moved aside, and the new ones renamed. Whatever
fails in between is undone; if the process was killed, ``undo`` does so from the ledger.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aeries_pipeline.deliveries.remote import Remote, RemoteError


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a set.

    Attributes:
        name: Its name at the receiver, relative to the folder.
        path: Where it lies here.
        bytes: Its size.
        sha256: Its checksum.
    """

    name: str
    path: Path
    bytes: int
    sha256: str


def put_in_place(
    remote: Remote,
    items: Sequence[Item],
    token: str,
    *,
    reads_back: bool,
    before_renaming: Callable[[list[str]], None],
) -> None:
    """Write, compare and rename a set.

    Args:
        remote: The receiver.
        items: The files; the last one is renamed last.
        token: Marks the temporary names of this delivery.
        reads_back: Whether checksums are compared beside sizes.
        before_renaming: Told the names that there are already, before any is moved.

    Raises:
        RemoteError: If anything fails. Nothing has been undone yet.
    """
    for item in items:
        temporary = _temporary(item.name, token)
        remote.put(item.path, temporary)
        _compare(remote, temporary, item, reads_back=reads_back)
    present = [item.name for item in items if remote.size(item.name) is not None]
    before_renaming(present)
    for item in items:
        if item.name in present:
            remote.rename(item.name, _aside(item.name, token))
        remote.rename(_temporary(item.name, token), item.name)
    for item in items:
        _compare(remote, item.name, item, reads_back=False)


def forget_replaced(remote: Remote, names: Sequence[str], token: str) -> None:
    """Remove what was moved aside, once the set is in its place."""
    for name in names:
        remote.remove(_aside(name, token))


def undo(remote: Remote, names: Sequence[str], token: str, present: Sequence[str] | None) -> None:
    """Bring everything back to what it was before a delivery; doing so twice is no mistake.

    Args:
        remote: The receiver.
        names: All names of the set.
        token: Of the delivery.
        present: Names that were there already; None if renaming had not begun.
    """
    for name in names:
        temporary, aside = _temporary(name, token), _aside(name, token)
        if present is not None:
            if remote.size(aside) is not None:
                remote.remove(name)
                remote.rename(aside, name)
            elif name not in present and remote.size(temporary) is None:
                remote.remove(name)
        remote.remove(temporary)


def _compare(remote: Remote, name: str, item: Item, *, reads_back: bool) -> None:
    if remote.size(name) != item.bytes or (reads_back and remote.sha256(name) != item.sha256):
        raise RemoteError(
            "differs",
            "a file arrived there changed",
            "ask the receiver whether the disk there is full or something takes files away or "
            "changes their line ends; where files may not be read back, set compare: size",
            transient=True,
        )


def _temporary(name: str, token: str) -> str:
    return _beside(name, f"{token}.part")


def _aside(name: str, token: str) -> str:
    return _beside(name, f"{token}.old")


def _beside(name: str, ending: str) -> str:
    folder, base = posixpath.split(name)
    return posixpath.join(folder, f".{base}.{ending}")
