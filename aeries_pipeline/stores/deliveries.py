"""Folders of files for others, which appear whole or not at all.

A delivery is made in a hidden folder and renamed when it is complete and on
the disk. What belongs in it is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from aeries_pipeline.stores.files import sync, write_atomically

MANIFEST = "manifest.json"


def deliveries(place: Path) -> list[Path]:
    """Return the deliveries in a folder, oldest first."""
    found = [one for one in place.iterdir() if one.name[0] != "." and (one / MANIFEST).is_file()]
    return sorted(found)


def newest(place: Path) -> Mapping[str, Any] | None:
    """Return the manifest of the newest delivery in a folder, None before the first."""
    for folder in reversed(deliveries(place)):
        found: Mapping[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return found
    return None


def free_name(place: Path, moment: datetime) -> str:
    """Return a name for a delivery that sorts by time."""
    wanted = f"{moment:%Y%m%dT%H%M%SZ}"
    name, number = wanted, 1
    while (place / name).exists():
        number += 1
        name = f"{wanted}-{number}"
    return name


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, by its path there."""
    return {
        one.relative_to(folder).as_posix(): _checksum(one)
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish(scratch: Path, place: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the manifest, make everything private and durable, and let the folder appear.

    Args:
        scratch: The folder in which the delivery was made.
        place: Where it shall appear.
        manifest: Its content; ``name`` is the name of the folder.
    """
    with (scratch / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.write("\n")
    for one in (*scratch.rglob("*"), scratch):
        one.chmod(0o700 if one.is_dir() else 0o600)
        sync(one)
    target = place / str(manifest["name"])
    scratch.rename(target)
    sync(place)
    return target


def note_rewritten(folder: Path) -> None:
    """Bring a delivery's manifest up to date after somebody was taken out of its files.

    The manifest says so from then on, and whoever compares deliveries has to
    take it for another one than any new one.
    """
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    sums = checksums(folder)
    stated = manifest.get("files", {})
    for name in list(stated):
        if name not in sums:
            del stated[name]
        elif stated[name]["sha256"] != sums[name]:
            content = (folder / name).read_bytes()
            lines = content.count(b"\n")
            changed = {"bytes": len(content), "sha256": sums[name]}
            if "rows" in stated[name]:
                changed["rows"] = max(lines - 1, 0)
            stated[name] = changed
    manifest["rewritten"] = True
    write_atomically(path, json.dumps(manifest, indent=2) + "\n")


def keep(place: Path, number: int) -> None:
    """Remove all but the newest deliveries."""
    for old in deliveries(place)[:-number]:
        shutil.rmtree(old)
