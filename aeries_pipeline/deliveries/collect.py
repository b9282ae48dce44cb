"""Fetching a district's course-request files from its own SFTP folder into its inbox.

Nothing is changed there. A file is fetched once two looks in a row find it unchanged,
and again when it has changed. Its content is not looked at here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from aeries_pipeline.course_requests.inbox import free_path, is_partial
from aeries_pipeline.deliveries.remote import Listed, RemoteError
from aeries_pipeline.deliveries.sftp import SftpRemote
from aeries_pipeline.deliveries.way import connect_sftp
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.words import counted, verb

STILL_SECONDS = 10.0
"""Between two looks; a file that differs is still being written."""

_KNOWN = ".collected.json"


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of a look.

    Attributes:
        fetched: Files that are in the inbox now.
        waiting: Files that are still being written.
        trouble: A sentence where it could not be done.
    """

    fetched: int = 0
    waiting: int = 0
    trouble: str = ""


def may_look(district: District, moment: datetime) -> bool:
    """Tell whether a district's folder may be looked into: in its pull window alone.

    Args:
        district: The roster's entry.
        moment: The present, aware.
    """
    is_polled = district.course_requests.inbox is not None and not district.paused
    return is_polled and district.windows.contains(moment)


def choose(
    before: Sequence[Listed], after: Sequence[Listed], known: Mapping[str, tuple[int, int]]
) -> tuple[list[Listed], int]:
    """Return which files to fetch, oldest first, and how many are still being written.

    Args:
        before: The first look.
        after: The second one.
        known: Size and time of each file when it was fetched, by name.
    """
    stood = set(before)
    new = [
        one
        for one in after
        if known.get(one.name) != (one.size, one.changed)
        and _is_plain(one.name)
        and not is_partial(one.name)
    ]
    still = sorted((one for one in new if one in stood), key=lambda one: (one.changed, one.name))
    return still, len(new) - len(still)


def _is_plain(name: str) -> bool:
    """Tell whether a name is one in our folder, wherever a server would like to lead us."""
    return PurePosixPath(name).name == name and "\\" not in name and "\0" not in name


def collect(
    district: District, place: Path, sleep: Callable[[float], None] = time.sleep
) -> Collected:
    """Fetch what is new in a district's folder.

    Args:
        district: The roster's entry; ``course_requests.inbox`` says where.
        place: Its inbox here.
        sleep: Waits between the two looks; tests replace it.
    """
    target = district.course_requests.inbox
    if target is None:
        return Collected()
    try:
        source = connect_sftp(district, target)
        try:
            return _collect(source, place, district, sleep)
        finally:
            source.close()
    except RemoteError as error:
        # The same errors as those of deliveries, about another entry of the roster.
        remedy = error.remedy.replace("under delivery", "under inbox")
        return Collected(
            trouble=f"{district.id}: the inbox {target} could not be read: {error}; {remedy}"
        )


def _collect(
    source: SftpRemote, place: Path, district: District, sleep: Callable[[float], None]
) -> Collected:
    known = _known(place)
    limit = int(district.course_requests.max_megabytes * 2**20)
    before = source.files()
    if not choose(before, before, known)[0]:
        return Collected()
    sleep(STILL_SECONDS)
    due, waiting = choose(before, source.files(), known)
    fetched, changed, too_large = 0, 0, 0
    for one in due:
        if one.size > limit:
            too_large += 1
            continue
        if not _fetch(source, one, place):
            changed += 1
            continue
        known[one.name] = (one.size, one.changed)
        write_atomically(place / _KNOWN, json.dumps(known))
        fetched += 1
    trouble = ""
    if too_large:
        trouble = (
            f"{district.id}: {counted(too_large, 'file')} in the inbox "
            f"{district.course_requests.inbox} {verb(too_large, 'is', 'are')} "
            f"larger than max_megabytes ({district.course_requests.max_megabytes:g}) and were not "
            "fetched; export less into one file, or raise it"
        )
    return Collected(fetched, waiting + changed, trouble)


def _fetch(source: SftpRemote, one: Listed, place: Path) -> bool:
    """Put a file into the inbox, whole; return whether it was what was listed."""
    # Hidden, so that nobody takes it before it is whole.
    partial = place / f".{one.name}.part"
    try:
        source.fetch(one.name, partial)
        if partial.stat().st_size != one.size:
            return False
        partial.chmod(0o600)
        # It stood still while we looked, whatever the server's clock says.
        moment = min(one.changed, int(time.time() - STILL_SECONDS))
        os.utime(partial, (moment, moment))
        partial.rename(free_path(place / one.name))
    finally:
        partial.unlink(missing_ok=True)
    return True


def _known(place: Path) -> dict[str, tuple[int, int]]:
    path = place / _KNOWN
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): (int(size), int(changed)) for name, (size, changed) in found.items()}
    except (ValueError, TypeError, AttributeError):
        # Fetched once more, and known by their content when they are taken.
        return {}
