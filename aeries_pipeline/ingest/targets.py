"""Which partitions of a resource are fetched, and how each is read tonight.

Decided before the first request for the resource, from what the warehouse knows of
earlier pulls and from what a feed names. Nothing is fetched here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aeries_pipeline.catalog.resource import Covers, Grain, Resource
from aeries_pipeline.districts.errors import StoppedError
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.extraction_mode import LastRead
from aeries_pipeline.ingest.extraction_plan import Feeds, Plan, held_records, plan_of, spread
from aeries_pipeline.ingest.session import Session, SystemInfo
from aeries_pipeline.stores.outcomes import Mode, now


@dataclass(frozen=True, slots=True)
class Target:
    """One partition of a pull, and how it is to be read.

    Attributes:
        session: The open pull.
        resource: What to pull.
        school: School code; None for a resource of the whole district.
        system: What the server said of itself.
        plan: How each partition of the resource is read.
        feeds: Ask each feed once.
        numbers: Student rows that the school had when its students were last read.
    """

    session: Session
    resource: Resource
    school: int | None
    system: SystemInfo
    plan: Plan
    feeds: Feeds
    numbers: int = 0

    @property
    def last(self) -> LastRead | None:
        """The last complete pull of the partition."""
        return self.plan.last.get(self.school)

    @property
    def mode(self) -> Mode:
        """How the plan reads it."""
        return self.plan.modes.get(self.school, Mode.FULL)


def schools_of(resource: Resource, schools: Sequence[int]) -> list[int | None]:
    """Return the schools of a resource's partitions; None alone for one of the district."""
    return list(schools) if resource.grain is Grain.SCHOOL else [None]


def targets_of(
    session: Session, resource: Resource, schools: Sequence[int | None], system: SystemInfo
) -> list[Target]:
    """Return the partitions in the order in which they are fetched.

    Args:
        session: The open pull.
        resource: What to pull.
        schools: See :func:`schools_of`.
        system: What the server said of itself.
    """
    plan = _plan(session, resource, system)
    feeds = Feeds(session.client, session.district.id, system.start_year)
    _name_everywhere(session, resource, plan, feeds)
    numbers = session.memory.students() if resource.paging else {}
    # The largest first, lest one of them is left alone at the end.
    ordered = sorted(schools, key=session.memory.size_of, reverse=True)
    return [
        Target(session, resource, school, system, plan, feeds, numbers.get(school, 0))
        for school in ordered
    ]


def _plan(session: Session, resource: Resource, system: SystemInfo) -> Plan:
    last = session.memory.take(resource.name)
    if session.options.full:
        # Whatever was read before is compared, and not relied on.
        settings = session.district.incremental.model_copy(update={"full_every_days": 0.0})
    else:
        settings = session.district.incremental
    return plan_of(resource, last, settings, now(), system.database_year, system.server_time)


def _name_everywhere(session: Session, resource: Resource, plan: Plan, feeds: Feeds) -> None:
    """Read again what belongs to a student at all in every school that has it.

    A feed may name a student of two schools at one of them. Done before anything is
    fetched, because fetching never waits for the warehouse.
    """
    feed = resource.feed
    if feed is None or plan.since is None or not is_of_every_school(resource):
        return
    if Mode.CHANGES not in plan.modes.values():
        return
    try:
        named = feeds.keys(feed, plan.since, Tally())
    except StoppedError:
        return
    if named:
        held = held_records(session.warehouse, resource, session.district.id)
        feeds.put(feed, plan.since, spread(named, held))


def is_of_every_school(resource: Resource) -> bool:
    """Tell whether each school of a record holds the same rows of it."""
    feed = resource.feed
    return resource.grain is Grain.SCHOOL and feed is not None and feed.covers is Covers.RECORD
