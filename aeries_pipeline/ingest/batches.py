"""Fetching the partitions of a resource side by side, in batches of bounded size.

Threads fetch within the district's limits; the batch is what is loaded at once. How one
partition is fetched is in ``fetch``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace

from aeries_pipeline.districts.errors import StoppedError
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.extraction_plan import held_records, spread
from aeries_pipeline.ingest.fetch import fetch
from aeries_pipeline.ingest.progress import OnProgress, Progress
from aeries_pipeline.ingest.targets import Target, is_of_every_school
from aeries_pipeline.stores.memory import batch_bytes
from aeries_pipeline.stores.outcomes import Fetched, Loaded, Mode


def fetch_in_batches(
    targets: Sequence[Target], report: OnProgress
) -> Iterator[tuple[list[Fetched], list[Loaded]]]:
    """Yield what is to be loaded, and what has ended without anything to load.

    Args:
        targets: The partitions of one resource.
        report: Told of each partition that was fetched.
    """
    if not targets:
        return  # The district has no schools in the roster yet.
    fetched: list[Fetched] = []
    ended: list[Loaded] = []
    size, most = 0, batch_bytes()
    with ThreadPoolExecutor(max_workers=targets[0].session.client.concurrent) as pool:
        futures: list[Future[Fetched | Loaded]] = [pool.submit(fetch, one) for one in targets]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                if isinstance(outcome, Fetched):
                    pull = outcome.draft
                    fetched.append(outcome)
                    # Only what is loaded fills a batch.
                    size += pull.bytes
                else:
                    pull = outcome.pull
                    ended.append(outcome)
                report(Progress(pull.district, pull.resource, pull.school, fetched=True))
                if size >= most:
                    yield fetched, ended
                    fetched, ended, size = [], [], 0
        finally:
            for future in futures:
                future.cancel()
    if fetched or ended:
        yield fetched, ended


def with_named(targets: Sequence[Target], fetched: Sequence[Fetched]) -> list[Fetched]:
    """Note what the feed names on every whole list that follows nights of changes.

    Asked after the lists were read, so that nothing counts as missed that
    changed meanwhile.

    Args:
        targets: The partitions of one resource.
        fetched: Some of them, not loaded yet.
    """
    session, resource, plan, feeds = (
        targets[0].session, targets[0].resource, targets[0].plan, targets[0].feeds,
    )  # fmt: skip
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
    if named and is_of_every_school(resource):
        held = held_records(session.warehouse, resource, session.district.id)
        named = spread(named, held)
    return [
        replace(one, named=named.get(one.landed.school, frozenset()))
        if one.landed.school in due
        else one
        for one in fetched
    ]
