"""The inbox of a district: which files are complete, and where they go.

A file is stored in the warehouse first and moved afterwards, so after a crash in between
it is merely recognized as known. It ends in ``processed`` or ``failed``, next to its
report; nothing is ever deleted here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock

from aeries_pipeline.course_requests.intake import Taken, take
from aeries_pipeline.course_requests.reading import is_ended
from aeries_pipeline.course_requests.report import failed_report, taken_report
from aeries_pipeline.course_requests.statement import Covers
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse, private_directory
from aeries_pipeline.stores.files import write_atomically

FOLDER = "course_requests"
PROCESSED = "processed"
FAILED = "failed"
STUCK = "stuck"
REPORT = ".report.txt"
GROWS_SECONDS = 2 * 24 * 3600.0
"""For as long after it was taken a file is watched for growing."""
QUIET_SECONDS = 10.0
"""A file that was written to within as many seconds may still be growing."""
UNENDED_SECONDS = 1800.0
"""A text whose last line has no end is left alone for as long: its upload may have stalled."""
_CLOCKS_DIFFER = 3600.0
_PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download", ".swp")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file in the inbox that looks complete.

    Attributes:
        path: Where it lies.
        size: Its bytes.
        changed: When it was last written, in nanoseconds since 1970.
    """

    path: Path
    size: int
    changed: int

    @property
    def mark(self) -> str:
        """What differs when the file does; names nobody."""
        return f"{self.size}-{self.changed}"


def inbox_of(root: Path, district: str) -> Path:
    """Return a district's inbox, and make it and its folders if missing."""
    place = private_directory(root / district / FOLDER)
    private_directory(place / PROCESSED)
    private_directory(place / FAILED)
    return place


def waiting_files(
    place: Path, moment: datetime, quiet_seconds: float = QUIET_SECONDS
) -> list[Waiting]:
    """Return the files of an inbox that nobody seems to be writing, oldest first.

    Args:
        place: The inbox.
        moment: The present, aware.
        quiet_seconds: For how long a file must have been left alone; a text that
            breaks off in mid-line for ``UNENDED_SECONDS``.
    """
    found = []
    for path in place.iterdir() if place.is_dir() else ():
        if is_partial(path.name) or not path.is_file():
            continue
        status = path.stat()
        age = moment.astimezone(UTC).timestamp() - status.st_mtime
        # A file from the far future was written on a machine with another clock.
        quiet = quiet_seconds
        if quiet_seconds <= age < UNENDED_SECONDS and not _is_ended(path, status.st_size):
            quiet = UNENDED_SECONDS
        if not -_CLOCKS_DIFFER < age < quiet:
            found.append(Waiting(path, status.st_size, status.st_mtime_ns))
    return sorted(found, key=lambda one: (one.changed, one.path.name))


def is_partial(name: str) -> bool:
    """Tell whether a name is that of a file which somebody is still writing, or hides."""
    return name.startswith((".", "~")) or name.lower().endswith(_PARTIAL)


def _is_ended(path: Path, size: int) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            file.seek(max(size - 4, 0))
            return is_ended(start, file.read(4))
    except OSError:
        # Whoever takes it tells why it cannot be read.
        return True


def take_all(
    warehouse: Warehouse,
    district: District,
    place: Path,
    moment: datetime,
    run_id: str | None = None,
) -> Iterator[Taken]:
    """Take every complete file of an inbox and move it where it belongs.

    Args:
        warehouse: Where requests are kept.
        district: The roster's entry.
        place: Its inbox.
        moment: The present, aware.
        run_id: The Dagster run, for the record.

    A file that cannot be read or moved is told of and stays; the others are taken.
    """
    stamp = moment.astimezone(UTC).replace(tzinfo=None)
    limit = int(district.course_requests.max_megabytes * 2**20)
    with FileLock(place / ".lock", timeout=300):
        _bring_back_grown(place, moment)
        for number, waiting in enumerate(waiting_files(place, moment)):
            # Files speak in the order in which they came.
            stamp += timedelta(microseconds=bool(number))
            try:
                content = _whole(waiting, limit)
                if content is None:
                    continue
                found = take(
                    warehouse, district, waiting.path.name, content, stamp, size=waiting.size,
                    run_id=run_id, covers=_stated_cover(waiting.path),
                )  # fmt: skip
                _put_away(warehouse, district, place, waiting.path, found, stamp)
            except OSError as error:
                why = error.strerror or type(error).__name__
                found = Taken(
                    waiting.mark, STUCK, waiting.size, code="stuck",
                    reason=f"it cannot be read or moved ({why}); it stays in the inbox; see to "
                    "its permissions and to disk space",
                )  # fmt: skip
            yield found


def _stated_cover(path: Path) -> Covers | None:
    """Return what the command line has said of a file's cover beside it."""
    beside = _beside(path)
    return Covers(beside.read_text("utf-8").strip()) if beside.exists() else None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.covers")


def _whole(waiting: Waiting, limit: int) -> bytes | None:
    """Return a file's content, None if it changed meanwhile."""
    with waiting.path.open("rb") as file:
        # One byte more than allowed is enough to know that it is too large.
        content = file.read(limit + 1)
    after = waiting.path.stat()
    if (after.st_size, after.st_mtime_ns) != (waiting.size, waiting.changed):
        return None
    return content


def _bring_back_grown(place: Path, moment: datetime) -> None:
    """Put files back into the inbox that grew after they were taken.

    An upload that had stalled goes on writing to the file wherever it was
    moved. What was taken of it before is then a duplicate, the rest is new.
    """
    since = moment.timestamp() - GROWS_SECONDS
    for folder in (PROCESSED, FAILED):
        for report in (place / folder).glob(f"*{REPORT}"):
            path = report.with_name(report.name.removesuffix(REPORT))
            if report.stat().st_mtime < since or not path.exists():
                continue
            stated = re.search(
                r"^File [\w-]+, ([\d,]+) bytes", report.read_text("utf-8"), re.MULTILINE
            )
            if stated and int(stated[1].replace(",", "")) != path.stat().st_size:
                path.rename(free_path(place / path.name.split("-", 1)[1]))


def _put_away(
    warehouse: Warehouse,
    district: District,
    place: Path,
    path: Path,
    found: Taken,
    stamp: datetime,
) -> None:
    folder = place / (FAILED if found.status == "failed" else PROCESSED)
    target = free_path(folder / f"{stamp:%Y%m%dT%H%M%SZ}-{path.name}")
    if found.status == "failed":
        text = failed_report(district, path.name, found)
    else:
        text = taken_report(warehouse, district, path.name, found)
    report = target.with_name(f"{target.name}{REPORT}")
    write_atomically(report, text)
    report.chmod(0o600)
    path.rename(target)
    _beside(path).unlink(missing_ok=True)
    # A file that came by another account's SFTP is that account's.
    with suppress(PermissionError):
        target.chmod(0o600)


def free_path(path: Path) -> Path:
    """Return the path, or one with a number if it is taken."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def refresh_reports(
    warehouse: Warehouse, district: District, place: Path, taken: Sequence[Taken]
) -> None:
    """Write the reports of the newest files again, now that their requests are decided."""
    for one in taken:
        if one.status != "taken":
            continue
        for report in (place / PROCESSED).glob(f"*{REPORT}"):
            if f"File {one.file_id}," in report.read_text(encoding="utf-8"):
                name = report.name.split("-", 1)[1].removesuffix(REPORT)
                write_atomically(report, taken_report(warehouse, district, name, one))


def drop_in(place: Path, source: Path, covers: Covers | None = None) -> Path:
    """Copy a file into an inbox, so that it appears there whole and complete.

    Args:
        place: The inbox.
        source: The file.
        covers: For whom it speaks; None for the district's setting.
    """
    target = free_path(place / source.name)
    if covers is not None:
        write_atomically(_beside(target), str(covers))
    partial = target.with_name(f"{target.name}.part")
    partial.write_bytes(source.read_bytes())
    partial.chmod(0o600)
    # It is whole, however it ends.
    old = datetime.now(UTC).timestamp() - 2 * UNENDED_SECONDS
    os.utime(partial, (old, old))
    partial.rename(target)
    return target
