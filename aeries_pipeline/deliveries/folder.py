"""Putting files into a folder of this machine, such as a share that is mounted here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aeries_pipeline.deliveries.remote import RemoteError, digest_of, of_system, pieces_of
from aeries_pipeline.stores.files import sync


class FolderRemote:
    """A folder; it has to be there, since a share that is not mounted is an empty one."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder.

        Raises:
            RemoteError: If there is none.
        """
        self._folder = folder
        if not folder.is_dir():
            raise RemoteError(
                "no_folder",
                "the folder is not there",
                "mount the share or make the folder, or correct folder under delivery",
            )

    def put(self, local: Path, name: str) -> None:
        """Write a file and have it reach the disk."""
        target = self._folder / name
        with _told("write a file"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(local, target)
            sync(target)

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        with _told("look at a file"):
            path = self._folder / name
            if path.is_dir():
                raise in_the_way()
            return path.stat().st_size if path.exists() else None

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        with _told("read a file back"), (self._folder / name).open("rb") as file:
            return digest_of(pieces_of(file.read))

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        with _told("rename a file"):
            target = self._folder / new
            (self._folder / old).rename(target)
            sync(target.parent)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _told("remove a file"):
            (self._folder / name).unlink(missing_ok=True)

    def look(self) -> None:
        """Prove that the folder may be read and written."""
        with _told("look into the folder"):
            next(self._folder.iterdir(), None)
        if not os.access(self._folder, os.W_OK):
            raise of_system(PermissionError(13, "Permission denied"), "write a file")

    def close(self) -> None:
        """Do nothing: there is no connection."""


def in_the_way() -> RemoteError:
    """Return what it means that a folder bears the name of a file."""
    return RemoteError(
        "in_the_way",
        "a folder there has the name of one of the files",
        "have it removed there, or correct folder under delivery",
    )


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise of_system(error, what) from None
