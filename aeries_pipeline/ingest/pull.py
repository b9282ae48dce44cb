"""Pulling one resource of a district, from the server to the ledger.

The way of the data is one line: the partitions are fetched (``batches``), and each batch is
read, validated, judged, replaced and reported (``stores.load``). One school's failure is a
row in the ledger and a result like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.districts.errors import AeriesError
from aeries_pipeline.ingest.batches import fetch_in_batches, with_named
from aeries_pipeline.ingest.doubted import settled
from aeries_pipeline.ingest.fetch import draft_of, outcome_of
from aeries_pipeline.ingest.landing import keep_newest, partition_folder
from aeries_pipeline.ingest.progress import OnProgress, Progress
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.ingest.targets import Target, schools_of, targets_of
from aeries_pipeline.stores.load import load
from aeries_pipeline.stores.outcomes import Fetched, Loaded
from aeries_pipeline.stores.report import record


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
    places = schools_of(resource, schools)
    report = on_progress or (lambda _progress: None)
    try:
        system = session.preflight()
    except AeriesError as error:
        drafts = [draft_of(session, resource, school) for school in places]
        failed = [outcome_of(draft, resource, error) for draft in drafts]
        record(session.warehouse, failed)
        return [Loaded(pull) for pull in failed]
    targets = targets_of(session, resource, places, system)
    results: dict[int | None, Loaded] = {}
    for fetched, ended in fetch_in_batches(targets, report):
        record(session.warehouse, [one.pull for one in ended])
        for one in ended + _loaded(session, resource, targets, fetched):
            results[one.pull.school] = one
            session.memory.note(one.pull.school, one.pull.bytes)
            report(Progress(session.district.id, resource.name, one.pull.school, fetched=False))
    return [results[school] for school in places]


def _loaded(
    session: Session, resource: Resource, targets: Sequence[Target], fetched: Sequence[Fetched]
) -> list[Loaded]:
    """Load a batch and delete the older answers of its partitions."""
    compared = with_named(targets, fetched)
    loaded = load(session.warehouse, resource, compared, session.district.bounds)
    loaded = settled(session, resource, compared, loaded)
    for one in fetched:
        folder = partition_folder(
            session.settings.landing, one.landed.district, resource.name, one.landed.school
        )
        keep_newest(folder, session.landing_keep)
    return loaded
