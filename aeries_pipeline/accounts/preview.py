"""What the next delivery to Xello will change, compared with the last nights.

Rehearses a computation on the newest pulls and keeps nothing of it; the next
delivery has what it would apply and what was applied since the last one. Counts
and school codes only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from aeries_pipeline.accounts.compute import Computed, rehearse
from aeries_pipeline.accounts.model import LONG_AGO, Kind
from aeries_pipeline.accounts.tables import looking
from aeries_pipeline.districts.nights import NIGHTS, last_nights, night_of
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.deliveries import newest
from aeries_pipeline.stores.outcomes import now

NEXT = "next"
"""Name of the next delivery among the nights of a chart."""

_KINDS = [str(kind) for kind in Kind]
Place = tuple[int, str]
"""A school and a kind of change."""


@dataclass(frozen=True)
class Preview:
    """What comes next, and what is usual.

    Attributes:
        since: The newest change of the last delivery, UTC without a zone; None before the first.
        coming: Students whom the next delivery changes, by school and kind.
        held: Students whose change waits for a person, and is not in it.
        nights: The same as ``coming`` for each of the last nights, the oldest first.
        waiting: Students about whom nothing is decided yet, by reason.
    """

    since: datetime | None
    coming: Mapping[Place, int] = field(default_factory=dict)
    held: Mapping[Place, int] = field(default_factory=dict)
    nights: Mapping[date, Mapping[Place, int]] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)

    @property
    def bars(self) -> dict[str, int]:
        """Changes of each night, then of the next delivery, for a chart."""
        found = {f"{night:%m-%d}": sum(one.values()) for night, one in self.nights.items()}
        return {**found, NEXT: sum(self.coming.values())}

    def lines(self) -> list[Line]:
        """Return what there is to say of each school and kind, in that order."""
        seen = {place for one in self.nights.values() for place in one}
        places = {*self.coming, *self.held, *seen}
        return [
            Line(
                *place,
                coming=self.coming.get(place, 0),
                usual=sum(before := [one.get(place, 0) for one in self.nights.values()]) / NIGHTS,
                most=max(before, default=0),
                held=self.held.get(place, 0),
            )
            for place in sorted(places, key=lambda one: (one[0], _KINDS.index(one[1])))
        ]


@dataclass(frozen=True, slots=True)
class Line:
    """One school and one kind of change.

    Attributes:
        school: School code; of a transfer the new school.
        kind: Kind of change.
        coming: Students whom the next delivery changes.
        usual: Students on an average one of the last nights.
        most: Students on the night with the most of them.
        held: Students whose change waits for a person.
    """

    school: int
    kind: str
    coming: int
    usual: float
    most: int
    held: int

    @property
    def is_unusual(self) -> bool:
        """Whether more comes than on any of the last nights."""
        return self.coming > self.most


def preview(
    warehouse: Warehouse, district: District, out: Path, *, moment: datetime | None = None
) -> Preview:
    """Return what the next delivery of a district will change; nothing is written.

    Args:
        warehouse: Where pulls and accounts are.
        district: The roster's entry.
        out: The folder for everything that is delivered.
        moment: The present, UTC without a zone; tests give another.
    """
    moment, since = moment or now(), _delivered(out, district)
    with looking(warehouse) as connection:
        computed = rehearse(connection, district, moment)
        rows = _applied(connection, district, moment, since)
    return previewed(district, moment, since, rows, computed)


def left_to_deliver(
    warehouse: Warehouse, district: District, out: Path, computed: Computed
) -> Preview:
    """Return the same after a computation, which need not be rehearsed any more."""
    moment, since = now(), _delivered(out, district)
    with warehouse.open() as connection:
        rows = _applied(connection, district, moment, since)
    return previewed(district, moment, since, rows, computed)


def _delivered(out: Path, district: District) -> datetime | None:
    place = out / district.id / "xello"
    last = newest(place) if place.is_dir() else None
    return datetime.fromisoformat(last["changes_through"]) if last else None


def previewed(
    district: District,
    moment: datetime,
    since: datetime | None,
    rows: Sequence[tuple[int, str, datetime, int]],
    computed: Computed,
) -> Preview:
    """Return the preview of changes that are or would be applied. Pure.

    Args:
        district: The roster's entry.
        moment: The present, UTC without a zone.
        since: The last delivery's newest change; None before the first delivery.
        rows: School, kind, moment and number of students of applied changes.
        computed: What the rehearsal did.
    """
    before: dict[date, Counter[Place]] = {
        night: Counter() for night in last_nights(district.zone, moment)
    }
    coming: Counter[Place] = Counter()
    for school, kind, at, students in rows:
        if since is None or at > since:
            coming[school, kind] += students
        elif (night := night_of(district.zone, at)) in before:
            before[night][school, kind] += students
    held: dict[Place, set[int]] = {}
    for one in computed.open_holds:
        held.setdefault((one.goal or 0, one.kind), set()).add(one.student_id)
    waits = {place: len(students) for place, students in held.items()}
    return Preview(since, coming, waits, before, computed.waiting)


def _applied(
    connection: duckdb.DuckDBPyConnection,
    district: District,
    moment: datetime,
    since: datetime | None,
) -> list[tuple[int, str, datetime, int]]:
    """Return applied changes of students in the delivered grades, by school, kind and batch."""
    low, high = district.accounts.delivered_grades
    return connection.execute(
        "SELECT coalesce(to_school, from_school), kind, recorded_at, count(DISTINCT student_id) "
        "FROM core.account_changes WHERE district = $district AND status = 'applied' "
        "AND recorded_at > $first AND student_id IN (SELECT student_id FROM core.accounts "
        "WHERE district = $district AND coalesce(grade BETWEEN $low AND $high, true)) "
        "GROUP BY ALL ORDER BY ALL",
        {
            "district": district.id, "low": low, "high": high,
            "first": min(since or LONG_AGO, moment - timedelta(days=NIGHTS + 1)),
        },
    ).fetchall()  # fmt: skip


def drawn(numbers: Mapping[str, int], sign: str, width: int = 40) -> list[str]:
    """Return a chart of counts for a terminal, a line for each. Pure.

    Args:
        numbers: Counts of at least 0, in the order of the chart.
        sign: What the bars are made of.
        width: Signs of the longest bar.
    """
    most = max(numbers.values(), default=0) or 1
    names = max((len(name) for name in numbers), default=0)
    bars = {name: sign * max(round(n / most * width), n > 0) for name, n in numbers.items()}
    return [f"{name:<{names}}  {bars[name]}{' ' if n else ''}{n:,}" for name, n in numbers.items()]
