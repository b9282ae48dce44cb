"""Pulling one resource of a district: fetch in threads, load in batches.

Schools are fetched side by side within the district's limits, landed as
received and loaded as soon as a batch is full. One school's failure is a row
in the ledger and a result like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from aeries_pipeline.api.client import Answer, Tally
from aeries_pipeline.api.errors import (
    AeriesError,
    PermissionMissingError,
    StoppedError,
    TransientError,
)
from aeries_pipeline.api.paging import pages
from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline.pulls.landing import LandingError, keep_newest, partition_folder, write_page
from aeries_pipeline.pulls.session import Session, SystemInfo
from aeries_pipeline.warehouse.load import Fetched, Loaded, PullRow, load, now, place_of, record
from aeries_pipeline.warehouse.shapes import Shape, survey
from aeries_pipeline.warehouse.tables import Landed
from aeries_pipeline.warehouse.verdict import Status

BATCH_BYTES = 64 * 1024 * 1024
"""A batch is loaded when it has reached this size, which bounds the memory."""


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
    results: dict[int | None, Loaded] = {}
    for batch in _batches(session, resource, targets, system, report):
        for one in _load(session, resource, batch):
            results[one.pull.school] = one
            report(Progress(session.district.id, resource.name, one.pull.school, fetched=False))
    return [results[school] for school in targets]


Outcome = Fetched | Loaded


def _batches(
    session: Session,
    resource: Resource,
    targets: Sequence[int | None],
    system: SystemInfo,
    report: OnProgress,
) -> Iterator[list[Outcome]]:
    """Yield fetched partitions in batches of bounded size."""
    batch: list[Outcome] = []
    size = 0
    with ThreadPoolExecutor(max_workers=session.client.concurrent) as pool:
        futures: list[Future[Outcome]] = [
            pool.submit(_fetch, session, resource, school, system) for school in targets
        ]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                batch.append(outcome)
                pull = outcome.draft if isinstance(outcome, Fetched) else outcome.pull
                size += pull.bytes
                report(Progress(session.district.id, resource.name, pull.school, fetched=True))
                if size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        finally:
            for future in futures:
                future.cancel()
    if batch:
        yield batch


def _load(session: Session, resource: Resource, batch: Sequence[Outcome]) -> list[Loaded]:
    failed = [one for one in batch if isinstance(one, Loaded)]
    record(session.warehouse, [one.pull for one in failed])
    fetched = [one for one in batch if isinstance(one, Fetched)]
    loaded = load(session.warehouse, resource, fetched, session.district.bounds)
    for one in fetched:
        folder = partition_folder(
            session.settings.landing, one.landed.district, resource.name, one.landed.school
        )
        keep_newest(folder, session.district.landing_keep)
    return failed + loaded


def _draft(session: Session, resource: Resource, school: int | None) -> PullRow:
    started = now()
    return PullRow(
        pull_id=session.pull_id,
        district=session.district.id,
        school=school,
        resource=resource.name,
        status=Status.FAILED,
        started_at=started,
        finished_at=started,
        pull_window=str(session.district.windows),
        outside_window_reason=session.options.outside_window,
        accept_shrunken_reason=session.options.accept_shrunken,
        database_year=session.system.database_year if session.system else None,
        server_version=session.system.version if session.system else None,
        run_id=session.options.run_id,
    )


def _failed(
    session: Session, resource: Resource, school: int | None, error: AeriesError | LandingError
) -> Loaded:
    draft = _draft(session, resource, school)
    return Loaded(_outcome_of(draft, resource, error))


def _fetch(session: Session, resource: Resource, school: int | None, system: SystemInfo) -> Outcome:
    """Fetch one partition to disk. Never raises for what a server does."""
    draft = _draft(session, resource, school)
    tally = Tally()
    folder = (
        partition_folder(session.settings.landing, session.district.id, resource.name, school)
        / session.pull_id
    )
    landed: list[Path] = []
    shape: Shape | None = Shape()
    records = 0
    try:
        for answer in _answers(session, resource, school, system, tally):
            tally.pages += 1
            landed.append(write_page(folder, tally.pages, answer.body))
            seen = survey(resource, answer.rows)
            shape = shape.joined(seen) if shape and seen else None
            records += len(answer.rows)
    except (AeriesError, LandingError) as error:
        return Loaded(_with_tally(_outcome_of(draft, resource, error), tally))
    files = Landed(
        session.district.id, school, session.pull_id, draft.started_at, tuple(landed), records,
        shape,
    )  # fmt: skip
    return Fetched(files, _with_tally(draft, tally))


def _outcome_of(draft: PullRow, resource: Resource, error: AeriesError | LandingError) -> PullRow:
    if isinstance(error, PermissionMissingError) and resource.area is not None:
        return replace(
            draft,
            status=Status.NOT_GRANTED,
            code=error.code,
            reason=f"{place_of(draft)}: not granted to this certificate; "
            f"{resource.area.instruction}",
        )
    code = error.code if isinstance(error, AeriesError) else "landing"
    status = Status.SKIPPED if isinstance(error, StoppedError) else Status.FAILED
    transient = isinstance(error, TransientError)
    return replace(draft, status=status, code=code, transient=transient, reason=str(error))


def _with_tally(pull: PullRow, tally: Tally) -> PullRow:
    finished = now()
    return replace(
        pull,
        finished_at=finished,
        seconds=(finished - pull.started_at).total_seconds(),
        bytes=tally.bytes,
        pages=tally.pages,
        requests=tally.requests,
        retries=tally.retries,
    )


def _answers(
    session: Session, resource: Resource, school: int | None, system: SystemInfo, tally: Tally
) -> Iterator[Answer]:
    path = resource.path.format(school=school, year=system.start_year)
    what = place_of(_draft(session, resource, school))

    def ask(window: dict[str, str | int]) -> Answer:
        params: dict[str, str | int] = {"DatabaseYear": system.start_year, **window}
        return session.client.get(path, params=params, what=what, tally=tally)

    paging = resource.paging
    if paging is None:
        yield ask({})
        return
    yield from pages(
        lambda first, last: ask({paging.first: first, paging.last: last}),
        size=paging.size,
        key=resource.paging_key,
        what=what,
    )
