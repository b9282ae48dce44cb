"""Pulling one resource of a district: fetch in threads, load in batches.

Schools are fetched side by side within the district's limits, landed as
received and loaded as soon as a batch is full. One school's failure is a row
in the ledger and a result like any other. How one partition is fetched is in
``fetch``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from aeries_pipeline.catalog.resource import Covers, Grain, Resource
from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.doubted import settled
from aeries_pipeline.ingest.extraction_plan import Feeds, Plan, held_records, plan_of, spread
from aeries_pipeline.ingest.fetch import Outcome, Target, draft_of, fetch, outcome_of
from aeries_pipeline.ingest.landing import keep_newest, partition_folder
from aeries_pipeline.ingest.session import Session, SystemInfo
from aeries_pipeline.stores.load import load, record
from aeries_pipeline.stores.memory import batch_bytes
from aeries_pipeline.stores.outcomes import Fetched, Loaded, Mode, now


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward, for a progress bar.

    Attributes:
        district: District id.
        resource: Resource name.
        school: School code, None for a district.
        fetched: Whether the fetch has ended, as against the load.
    """

    district: str
    resource: str
    school: int | None
    fetched: bool


OnProgress = Callable[[Progress], None]


def pull_resource(
    session: Session,
    resource: Resource,
    schools: Sequence[int],
    on_progress: OnProgress | None = None,
) -> list[Loaded]:
    """Pull one resource and return what became of each partition.

    Args:
        session: The open pull.
        resource: What to pull.
        schools: School codes, for a resource of the school grain.
        on_progress: Told of each partition that was fetched and loaded.

    Returns:
        One result for each school in the order given, or a single one for a
        resource of the district. Failures are results, not exceptions.
    """
    targets: list[int | None] = list(schools) if resource.grain is Grain.SCHOOL else [None]
    report = on_progress or (lambda _progress: None)
    try:
        system = session.preflight()
    except AeriesError as error:
        failed = [_failed(session, resource, school, error) for school in targets]
        record(session.warehouse, [one.pull for one in failed])
        return failed
    plan = _plan(session, resource, system)
    feeds = Feeds(session.client, session.district.id, system.start_year)
    _name_everywhere(session, resource, plan, feeds)
    numbers = session.memory.students() if resource.paging else {}
    jobs = [
        Target(session, resource, school, system, plan, feeds, numbers.get(school, 0))
        for school in targets
    ]
    # The largest first, lest one of them is left alone at the end.
    jobs.sort(key=lambda job: session.memory.size_of(job.school), reverse=True)
    results: dict[int | None, Loaded] = {}
    for batch in _batches(jobs, report):
        for one in _load(session, resource, batch, plan, feeds):
            results[one.pull.school] = one
            session.memory.note(one.pull.school, one.pull.bytes)
            report(Progress(session.district.id, resource.name, one.pull.school, fetched=False))
    return [results[school] for school in targets]


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
    if feed is None or plan.since is None or not _is_of_every_school(resource):
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


def _is_of_every_school(resource: Resource) -> bool:
    """Tell whether each school of a record holds the same rows of it."""
    feed = resource.feed
    return resource.grain is Grain.SCHOOL and feed is not None and feed.covers is Covers.RECORD


def _batches(jobs: Sequence[Target], report: OnProgress) -> Iterator[list[Outcome]]:
    """Yield fetched partitions in batches of bounded size."""
    batch: list[Outcome] = []
    size, most = 0, batch_bytes()
    session, resource = jobs[0].session, jobs[0].resource
    with ThreadPoolExecutor(max_workers=session.client.concurrent) as pool:
        futures: list[Future[Outcome]] = [pool.submit(fetch, job) for job in jobs]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                batch.append(outcome)
                pull = outcome.draft if isinstance(outcome, Fetched) else outcome.pull
                # What was as it was is not loaded, so it fills no batch.
                size += pull.bytes if isinstance(outcome, Fetched) else 0
                report(Progress(session.district.id, resource.name, pull.school, fetched=True))
                if size >= most:
                    yield batch
                    batch, size = [], 0
        finally:
            for future in futures:
                future.cancel()
    if batch:
        yield batch


def _load(
    session: Session, resource: Resource, batch: Sequence[Outcome], plan: Plan, feeds: Feeds
) -> list[Loaded]:
    ended = [one for one in batch if isinstance(one, Loaded)]
    record(session.warehouse, [one.pull for one in ended])
    fetched = [one for one in batch if isinstance(one, Fetched)]
    compared = _compared(session, resource, fetched, plan, feeds)
    loaded = load(session.warehouse, resource, compared, session.district.bounds)
    loaded = settled(session, resource, compared, loaded)
    for one in fetched:
        folder = partition_folder(
            session.settings.landing, one.landed.district, resource.name, one.landed.school
        )
        keep_newest(folder, session.landing_keep)
    return ended + loaded


def _compared(
    session: Session, resource: Resource, fetched: Sequence[Fetched], plan: Plan, feeds: Feeds
) -> list[Fetched]:
    """Note what the feed names on every whole list that follows nights of changes.

    Asked after the lists were read, so that nothing counts as missed that
    changed meanwhile.
    """
    due = {
        one.landed.school
        for one in fetched
        if one.keys is None
        and (last := plan.last.get(one.landed.school)) is not None
        and last.mode is Mode.CHANGES
        and last.database_year == one.draft.database_year
    }
    if resource.feed is None or plan.since is None or not due:
        return list(fetched)
    try:
        named = feeds.ask(resource.feed, plan.since, Tally())
    except StoppedError:
        named = None
    if named is None:
        return list(fetched)
    if named and _is_of_every_school(resource):
        held = held_records(session.warehouse, resource, session.district.id)
        named = spread(named, held)
    return [
        replace(one, named=named.get(one.landed.school, frozenset()))
        if one.landed.school in due
        else one
        for one in fetched
    ]


def _failed(session: Session, resource: Resource, school: int | None, error: AeriesError) -> Loaded:
    return Loaded(outcome_of(draft_of(session, resource, school), resource, error))
