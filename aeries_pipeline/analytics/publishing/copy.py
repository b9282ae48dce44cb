"""What the present copy has of each district, as noted next to it.

The note tells the next publication what it can keep. It is written after the copy is in
place. If the note is missing, or describes another copy, everything is made again from
the districts' own files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.across import moment
from aeries_pipeline.stores.files import mark_of, write_atomically

NOTE = ".copy.json"
_FORM = 1


@dataclass(frozen=True, slots=True)
class Held:
    """What a copy holds of one district.

    Attributes:
        until: When the newest of it changed, UTC without a zone.
        settings: What analysts might see of it.
        rows: Rows by table or view, where there are any.
        mark: Of the district's own file for analysts; empty if it has none.
        chart: Numbers for the charts, by view.
    """

    until: datetime | None
    settings: str
    rows: Mapping[str, int] = field(default_factory=dict)
    mark: str = ""
    chart: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy that analysts see now.

    Attributes:
        publication_id: Which one it is; empty before the first.
        published_at: When it was made, UTC without a zone.
        settings: Fingerprint of what the roster let analysts see.
        shape: Fingerprint of its tables, views and words.
        mark: Of its file, as it was put there.
        districts: What it holds of each district.
        awaited: Districts of the roster that had no warehouse yet.
    """

    publication_id: str = ""
    published_at: datetime | None = None
    settings: str = ""
    shape: str = ""
    mark: str = ""
    districts: Mapping[str, Held] = field(default_factory=dict)
    awaited: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a publication has to do.

    Attributes:
        make: Districts whose rows are read again from their warehouses.
        keep: Districts whose rows stay as they are.
        drop: Districts whose rows go.
        is_whole: Whether the database is rebuilt.
        hides: Whether something that analysts could see goes for good.
    """

    make: tuple[str, ...]
    keep: tuple[str, ...]
    drop: tuple[str, ...]
    is_whole: bool
    hides: bool = False


def plan_of(
    copy: Copy,
    wanted: Mapping[str, str],
    changed: Mapping[str, datetime | None],
    *,
    is_intact: bool,
    sound: frozenset[str],
) -> Plan:
    """Tell what has to be done for a copy that holds what it should.

    Args:
        copy: The present one.
        wanted: What analysts may see of each district that has a warehouse.
        changed: When each of these last changed.
        is_intact: Whether the present database is the one that was put there, of
            the same shape.
        sound: Districts whose own files for analysts are as they were put there,
            of the same shape.
    """
    keep = tuple(
        one
        for one in wanted
        if one in sound
        and copy.districts[one].settings == wanted[one]
        and is_same(changed.get(one), copy.districts[one].until)
    )
    make = tuple(one for one in wanted if one not in keep)
    drop = tuple(one for one in copy.districts if one not in wanted)
    # Rows that are deleted stay in the pages of a file, and what analysts may no longer see must
    # not.
    hides = bool(drop) or any(
        one in copy.districts and copy.districts[one].settings != wanted[one] for one in make
    )
    return Plan(make, keep, drop, is_whole=not is_intact or hides, hides=hides)


def is_same(changed: datetime | None, until: datetime | None) -> bool:
    """Tell whether a copy that tells until a moment has all; a backup may have gone back."""
    return changed is None or changed == until


def is_all_published(district: District) -> bool:
    """Tell whether analysts may see those, too, who are not shared with Xello."""
    return district.share is None or district.share.published


def settings_of(district: District, left_out: str = "") -> str:
    """Return what analysts may see of a district, as a text.

    Args:
        district: The roster's entry.
        left_out: What tells those who are left out of it from others, see :func:`left_out_mark`.
    """
    settled = district.analysts.model_dump()
    if district.share is not None and not district.share.published:
        settled |= {"share": district.share.model_dump(), "left_out": left_out}
    return json.dumps(settled, sort_keys=True)


def left_out_mark(students: Iterable[int]) -> str:
    """Return a short hash of who is left out, so that one more of them is a change."""
    text = " ".join(map(str, sorted(students)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_copy(place: Path) -> Copy:
    """Read the note next to a copy; an empty one if there is none that this release can read."""
    try:
        found = json.loads((place / NOTE).read_text(encoding="utf-8"))
        if found.pop("form") != _FORM:
            return Copy()
        districts = {
            name: Held(**{**held, "until": moment(held["until"])})
            for name, held in found.pop("districts").items()
        }
        at = moment(found.pop("published_at"))
        return Copy(**found, published_at=at, districts=districts)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return Copy()


def write_copy(place: Path, copy: Copy) -> None:
    """Write the note next to a copy that is in place."""
    text = json.dumps({"form": _FORM, **asdict(copy)}, default=_plain)
    write_atomically(place / NOTE, text)
    (place / NOTE).chmod(0o600)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def is_as_put(path: Path, mark: str) -> bool:
    """Tell whether a file is the one that was put there, and nobody wrote to it since."""
    return bool(mark) and mark_of(path) == mark
