"""Sets of files that are ready to be sent: which there are, and what belongs to each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aeries_pipeline.accounts.xello.layout import LAYOUTS, MORE
from aeries_pipeline.course_requests.sss.deliver import last_folder
from aeries_pipeline.deliveries.place import Item
from aeries_pipeline.stores.deliveries import MANIFEST, newest

XELLO = "xello"
REQUESTS = "course_requests"


class NothingToSendError(RuntimeError):
    """There is no finished set, or its files are no longer what its manifest says."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A finished set of files.

    Attributes:
        kind: What it is: xello or course_requests.
        folder: Where it lies.
        name: What the ledger knows it by.
        made_at: UTC without a zone.
        items: Its files; a manifest is the last.
        rows: Rows of each file, headers apart, where the manifest has them.
    """

    kind: str
    folder: Path
    name: str
    made_at: datetime
    items: Sequence[Item]
    rows: Mapping[str, int]


def xello_parcel(out: Path, district: str, extra: Sequence[str]) -> Parcel:
    """Return the newest finished set of files for Xello.

    Args:
        out: The folder for everything that is delivered.
        district: District id.
        extra: Files that go along with those of Xello's specification.

    Raises:
        NothingToSendError: If there is none, or a file was changed since it was made.
    """
    place = out / district / "xello"
    manifest = newest(place) if place.is_dir() else None
    if manifest is None:
        raise NothingToSendError(
            f"{district}: there are no files for Xello yet; run aeries-pipeline sync {district}"
        )
    switched_on = [one.file_name for one in MORE if one.file_name in manifest["files"]]
    wanted = [*(layout.file_name for layout in LAYOUTS), *switched_on, *extra]
    # The manifest says that a set is whole, so it comes last.
    names = [name for name in wanted if name != MANIFEST] + [n for n in wanted if n == MANIFEST]
    return parcel_of(XELLO, place / str(manifest["name"]), manifest, names)


def requests_parcel(out: Path, district: str, school: int) -> Parcel | None:
    """Return a school's newest finished folder of course requests; None before the first.

    Args:
        out: The folder for everything that is delivered.
        district: District id.
        school: School code.

    Raises:
        NothingToSendError: If a file was changed since it was made.
    """
    folder = last_folder(out, district, school)
    if folder is None:
        return None
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return parcel_of(REQUESTS, folder, manifest, [*manifest["files"], MANIFEST], f"{school}/")


def parcel_of(
    kind: str, folder: Path, manifest: Mapping[str, Any], names: Sequence[str], prefix: str = ""
) -> Parcel:
    """Return files of a finished folder as a set, held against its manifest.

    Args:
        kind: What it is.
        folder: Where it lies.
        manifest: Its manifest.
        names: Files of it.
        prefix: Folders in which it keeps its own at the receiver; in none if empty.

    Raises:
        NothingToSendError: If a file is missing or is another one than the manifest says.
    """
    stated = manifest["files"]
    # What keeps its folder at the receiver has a folder of its own there as well.
    place = f"{prefix}{folder.name}/" if prefix else ""
    items = []
    for name in names:
        path = folder / name
        content = path.read_bytes() if path.is_file() else b""
        digest = hashlib.sha256(content).hexdigest()
        is_right = path.is_file() and (name == MANIFEST or stated[name]["sha256"] == digest)
        if not is_right:
            raise NothingToSendError(
                f"{manifest['district']}: {name} in {folder} is not what its manifest says, so "
                "nothing was sent; find out who changed it, then have the files made again"
            )
        items.append(Item(f"{place}{name}", path, len(content), digest))
    rows = {f"{place}{name}": one["rows"] for name, one in stated.items() if "rows" in one}
    return Parcel(kind, folder, f"{prefix}{folder.name}", made_at_of(manifest), items, rows)


def made_at_of(manifest: Mapping[str, Any]) -> datetime:
    """Return when a set was made, UTC without a zone."""
    made = datetime.fromisoformat(str(manifest["made_at"]))
    return made.astimezone(UTC).replace(tzinfo=None) if made.tzinfo else made
