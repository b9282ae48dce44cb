"""What becomes of a pull: its row in the ledger, and what is to be loaded.

Values only; ``load`` makes them true.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from aeries_pipeline.stores.infer_schema import Drift
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.tables import Landed


class Mode(StrEnum):
    """How a complete pull came about; the values of ``meta.pulls.mode``.

    Full: the whole list was read and parsed. Unchanged: the whole list was
    read, and its bytes were those of the last one. Changes: only the records
    that a feed named were read.
    """

    FULL = "full"
    UNCHANGED = "unchanged"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class PullRow:
    """One row of ``meta.pulls``; the fields are its columns.

    Times are UTC without a zone. ``rows`` are those of the main table,
    ``transient`` tells that a later try may succeed by itself, ``duplicates``
    are rows that another row repeats, ``conflicts`` different rows that share
    a natural key. ``mode`` tells how a complete pull came about and
    ``server_time`` what the server's clock said before it. ``changed`` records
    were read one by one because a feed named them, and ``removed`` ones of these
    are no longer there. A whole list after such nights tells how many records
    the feed ``missed``, and ``removed`` those of them that are no longer there.
    ``answers`` are the pages from which the rows were made, each as its SHA-256
    and its number of elements with a colon between them, and ``reader`` names
    what read them; None if the rows come from more than one list.
    ``contradicted`` counts the students of whom an answer about one alone said the
    contrary afterwards. ``server_zone`` is the time zone that the server names.
    """

    pull_id: str
    district: str
    school: int | None
    resource: str
    status: Status
    started_at: datetime
    finished_at: datetime
    code: str = ""
    transient: bool = False
    reason: str = ""
    pull_window: str | None = None
    outside_window_reason: str | None = None
    accept_shrunken_reason: str | None = None
    rows: int | None = None
    quarantined: int = 0
    duplicates: int = 0
    conflicts: int = 0
    bytes: int = 0
    pages: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    database_year: str | None = None
    server_version: str | None = None
    schema_hash: str | None = None
    drift: str | None = None
    run_id: str | None = None
    mode: Mode = Mode.FULL
    server_time: str | None = None
    changed: int | None = None
    removed: int | None = None
    missed: int | None = None
    reader: str | None = None
    answers: tuple[str, ...] | None = None
    contradicted: int | None = None
    server_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one partition.

    Attributes:
        pull: Its row in the ledger.
        previous_rows: Rows of the last complete pull before this one.
        drift: Differences from the catalogue; None if nothing was parsed.
    """

    pull: PullRow
    previous_rows: int | None = None
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A landed partition and the draft of its ledger row.

    Attributes:
        landed: Its files.
        draft: What is known before they are parsed.
        keys: The records that the files are about, as texts of the feed's key;
            all others stay. None if the files are the whole list.
        named: What the feed says has changed since the rows in the warehouse
            were read, to be compared with the whole list; None for no comparison.
    """

    landed: Landed
    draft: PullRow
    keys: frozenset[str] | None = None
    named: frozenset[str] | None = None


def now() -> datetime:
    """Return the present in UTC, without a zone, as the warehouse keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def new_id(moment: datetime) -> str:
    """Return an id that sorts by time and is unique: of a pull, a batch, a decision."""
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def place_of(pull: PullRow) -> str:
    """Return district, school and resource as they stand in every message."""
    return place(pull.district, pull.school, pull.resource)


def place(district: str, school: int | None, resource: str) -> str:
    """Return district, school and resource as one text."""
    return f"{district}, {'' if school is None else f'school {school}, '}{resource}"
