"""Responses as received, on disk: written before anything is parsed.

``landing/<district>/<resource>/<school>/<pull>/page-00001.json``. The newest
pulls of a partition are kept so that a refused one can be examined.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from aeries_pipeline.stores.connection import private_directory

PAGE = ".json"
RECEIVED = ".received"
"""The answer beside a page that was made of it, without the elements that are no valid JSON."""

_PULL = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


class LandingError(RuntimeError):
    """An answer could not be written to disk."""


def partition_folder(root: Path, district: str, resource: str, school: int | None) -> Path:
    """Return the folder of all pulls of one partition."""
    return root / district / resource / ("district" if school is None else str(school))


def write_page(folder: Path, number: int, body: bytes, ending: str = PAGE) -> Path:
    """Write one page and return its path.

    Raises:
        LandingError: If the disk does not take it.
    """
    path = folder / f"page-{number:05}{ending}"
    try:
        private_directory(folder)
        path.write_bytes(body)
        path.chmod(0o600)
    except OSError as error:
        raise LandingError(
            f"the answer cannot be written to {folder} ({error.strerror}); free some disk space "
            "and pull again"
        ) from None
    return path


def keep_newest(folder: Path, keep: int) -> None:
    """Delete all but the newest pulls of a partition; newest by name."""
    pulls = sorted(
        (entry for entry in folder.glob("*") if _PULL.fullmatch(entry.name)), reverse=True
    )
    for entry in pulls[keep:]:
        shutil.rmtree(entry, ignore_errors=True)
