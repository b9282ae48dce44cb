"""Removing a student from files: answers as received, deliveries, files of an inbox.

In a list of lines, only the lines about the student are removed; a file of another form
that names the student is deleted.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from aeries_pipeline.operations.privacy.person import Person
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.deliveries import MANIFEST, note_rewritten
from aeries_pipeline.stores.files import write_atomically

_LINES = {".csv", ".txt", ".tsv"}
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def forget_in_files(settings: Settings, person: Person) -> int:
    """Take a student out of landing, deliveries and inbox; return how many files were changed."""
    changed = 0
    for path in _files(settings.landing / person.district):
        if person.is_in(text_of(path)):
            path.unlink()
            changed += 1
    for path in _files(settings.inbox / person.district):
        changed += _without(path, person, None)
    for folder in _deliveries(settings.out / person.district):
        school = int(folder.parent.name) if folder.parent.name.isdecimal() else None
        changed += _from_delivery(folder, person, school)
    for path in (settings.out / person.district).glob("sss/*.csv"):
        changed += _without(path, person, None)
    return changed


def forget_folders(settings: Settings, district: str) -> int:
    """Remove everything in folders of a district; return how many files went."""
    files = 0
    for place in (settings.landing, settings.out, settings.inbox):
        folder = place / district
        files += sum(1 for _ in _files(folder))
        if folder.exists():
            shutil.rmtree(folder)
    return files


def is_in_landing(settings: Settings, person: Person) -> bool:
    """Tell whether an answer as received names the student by the id, as a refused one may."""
    pattern = re.compile(rf'"StudentID"\s*:\s*"?{person.student}\b')
    return any(pattern.search(text_of(path)) for path in _files(settings.landing / person.district))


def waiting_for(settings: Settings, person: Person) -> list[Path]:
    """Return files in the inbox that were not taken yet and are about the student."""
    place = settings.inbox / person.district / "course_requests"
    found = [one for one in place.glob("*") if one.is_file()] if place.exists() else []
    return [one for one in found if person.is_in(text_of(one))]


def text_of(path: Path) -> str:
    """Return what a file holds as text, whatever its form."""
    content = path.read_bytes()
    if content[:2] == b"PK":
        try:
            with zipfile.ZipFile(path) as archive:
                # Cells of numbers and texts stand between tags.
                return "\n".join(
                    archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
                )
        except zipfile.BadZipFile:
            return content.decode("latin-1")
    encoding = _BOMS.get(content[:2])
    if encoding:
        return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _files(folder: Path) -> Iterator[Path]:
    if folder.exists():
        yield from (one for one in sorted(folder.rglob("*")) if one.is_file())


def _deliveries(folder: Path) -> list[Path]:
    return sorted(one.parent for one in folder.rglob(MANIFEST))


def _from_delivery(folder: Path, person: Person, school: int | None) -> int:
    changed = sum(
        _without(path, person, school) for path in _files(folder) if path.name != MANIFEST
    )
    if changed:
        note_rewritten(folder)
    return changed


def _without(path: Path, person: Person, school: int | None) -> int:
    """Take a student out of one file; return whether it was changed."""
    text = text_of(path)
    numbers = person.numbers.get(school, frozenset()) if school is not None else frozenset()
    row = re.compile(rf"^{school},(?:{'|'.join(map(str, sorted(numbers)))}),") if numbers else None
    lines = re.split(r"(?<=\n)", text)
    kept = [
        line
        for line in lines
        if not person.is_in(line) and not (row is not None and row.match(line))
    ]
    if len(kept) == len(lines):
        return 0
    is_plain = path.suffix.lower() in _LINES and path.read_bytes()[:2] not in _BOMS
    if is_plain and _is_utf8(path):
        mode = path.stat().st_mode & 0o777
        write_atomically(path, "".join(kept), newline="")
        path.chmod(mode)
    else:
        path.unlink()
    return 1


def _is_utf8(path: Path) -> bool:
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
