"""What a district's morning page says: pulls, windows, waiting changes, deliveries, requests.

Counts, moments, schools and our own sentences; never a student.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from aeries_pipeline.accounts.holds import read_holds
from aeries_pipeline.accounts.review import summarised
from aeries_pipeline.accounts.tables import prepare as prepare_accounts
from aeries_pipeline.course_requests.model import State
from aeries_pipeline.course_requests.sentences import STATES
from aeries_pipeline.deliveries.ledger import TABLE
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.across import Question, ask_each
from aeries_pipeline.stores.across import moment as as_moment
from aeries_pipeline.stores.connection import table_exists
from aeries_pipeline.stores.deliveries import deliveries
from aeries_pipeline.stores.store import Store

_DELIVERIES = 14
PREVIEW = "preview.html"


@dataclass(frozen=True, slots=True)
class Came:
    """What became of a resource at its newest attempt.

    Attributes:
        resource: Its name.
        came: Partitions that came.
        tried: Partitions that were asked for.
        newest: When the newest of them ended, UTC without a zone.
    """

    resource: str
    came: int
    tried: int
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery, newest first.

    Attributes:
        kind: xello or course_requests.
        name: Of the set.
        target: Where to.
        outcome: What became of it.
        reason: Our sentence, where it failed.
        ended_at: UTC without a zone; None while it goes on.
        files: How many.
    """

    kind: str
    name: str
    target: str
    outcome: str
    reason: str
    ended_at: datetime | None
    files: int


@dataclass(frozen=True, slots=True)
class Requests:
    """Course requests of one school.

    Attributes:
        school: Code; None for requests of students of no school.
        states: How many requests are in each state, in words.
        preview: Whether its newest files have a page.
    """

    school: int | None
    states: Mapping[str, int]
    preview: bool


@dataclass(frozen=True, slots=True)
class Morning:
    """All of it, in the order of the page; ``waiting`` has the fields of the review's list."""

    pulls: Sequence[Came] = ()
    waiting: Sequence[Mapping[str, Any]] = ()
    deliveries: Sequence[Delivery] = ()
    requests: Sequence[Requests] = ()
    trouble: str = ""


def read_morning(store: Store, district: District, out: Path) -> Morning:
    """Return what there is to say of a district this morning.

    Args:
        store: The warehouses.
        district: Its entry in the roster.
        out: Where finished files are.
    """
    answers = ask_each(store, Question("web_morning_1", _ask), [district.id])
    answer = answers.by_district.get(district.id)
    trouble = answers.unusable.get(district.id, "")
    if answer is None:
        return Morning(trouble=trouble)
    return Morning(
        [Came(name, came, tried, as_moment(at)) for name, came, tried, at in answer["pulls"]],
        [{**one, "held_since": as_moment(one["held_since"])} for one in answer["waiting"]],
        [_delivery(*one) for one in answer["sent"]],
        _requests(answer["requests"], out, district.id),
        trouble,
    )


def _delivery(
    kind: str, name: str, target: str, outcome: str, reason: str, ended: str | None, files: int
) -> Delivery:
    return Delivery(kind, name, target, outcome, reason, as_moment(ended), files)


def _ask(connection: duckdb.DuckDBPyConnection, district: str) -> dict[str, Any]:
    prepare_accounts(connection)
    pulls = connection.execute(
        """
        SELECT resource, count(*) FILTER (status = 'complete'), count(*), max(finished_at)
        FROM (SELECT * FROM meta.pulls
              QUALIFY row_number() OVER (PARTITION BY resource, school
                                         ORDER BY started_at DESC, pull_id DESC) = 1)
        GROUP BY resource ORDER BY resource
        """
    ).fetchall()
    # Nothing is made here that is missing: a file that changes is published again.
    sent = _rows(
        connection, TABLE,
        f"""
        SELECT kind, set_name, target, outcome, coalesce(reason, ''), ended_at,
               json_array_length(files)
        FROM {TABLE} ORDER BY began_at DESC LIMIT {_DELIVERIES}
        """,
    )  # fmt: skip
    requests = _rows(
        connection, "core.course_requests",
        "SELECT school, state, count(*) FROM core.course_requests "
        "WHERE state IS NOT NULL GROUP BY ALL ORDER BY school NULLS LAST, state",
    )  # fmt: skip
    return {
        "pulls": [list(row) for row in pulls],
        "sent": [list(row) for row in sent],
        "requests": [list(row) for row in requests],
        "waiting": [asdict(one) for one in summarised(read_holds(connection, district).open)],
    }


def _rows(
    connection: duckdb.DuckDBPyConnection, table: str, query: str
) -> Sequence[tuple[Any, ...]]:
    """Return what a query finds; nothing where its table was never made."""
    schema, _, name = table.partition(".")
    return connection.execute(query).fetchall() if table_exists(connection, schema, name) else []


def _requests(rows: Sequence[Sequence[Any]], out: Path, district: str) -> list[Requests]:
    by_school: dict[int | None, dict[str, int]] = {}
    for school, state, number in rows:
        by_school.setdefault(school, {})[STATES[State(state)]] = number
    return [
        Requests(school, states, preview_of(out, district, school) is not None)
        for school, states in by_school.items()
    ]


def preview_of(out: Path, district: str, school: int | None) -> Path | None:
    """Return the page of a school's newest course-request files; None where there is none."""
    place = out / district / "sss" / str(school)
    found = deliveries(place) if place.is_dir() else []
    page = found[-1] / PREVIEW if found else None
    return page if page is not None and page.is_file() else None
