"""Fetching one partition to disk: the whole list, or the records that a feed names.

A list is read page by page. As long as its pages equal those of the last good
pull, nothing is parsed or written; at the first different page everything so far
is landed. Nothing is judged here, and no server failure is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import orjson

from aeries_pipeline.catalog.resource import Covers, Feed, Resource
from aeries_pipeline.districts.errors import (
    NOT_FOUND,
    AeriesError,
    PermanentError,
    PermissionMissingError,
    StoppedError,
    TransientError,
)
from aeries_pipeline.ingest.api.answer import Answer, Seen
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.api.elements import Wanted
from aeries_pipeline.ingest.api.paging import pages
from aeries_pipeline.ingest.extraction_mode import LastRead, is_believed, is_worth_it
from aeries_pipeline.ingest.extraction_plan import reader_of
from aeries_pipeline.ingest.landing import RECEIVED, LandingError, partition_folder, write_page
from aeries_pipeline.ingest.page_schema import joined, shape_of, wanted_of
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.ingest.targets import Target
from aeries_pipeline.stores.infer_schema import Shape
from aeries_pipeline.stores.judge import Status
from aeries_pipeline.stores.outcomes import Fetched, Loaded, Mode, PullRow, now, place, place_of
from aeries_pipeline.stores.tables import Landed, Unreadable

Outcome = Fetched | Loaded


def draft_of(session: Session, resource: Resource, school: int | None) -> PullRow:
    """Return the ledger row of a partition before anything is known of it."""
    started = now()
    system = session.system
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
        database_year=system.database_year if system else None,
        server_version=system.version if system else None,
        server_time=system.server_time.isoformat() if system and system.server_time else None,
        run_id=session.options.run_id,
        server_zone=system.zone if system else None,
    )


def outcome_of(draft: PullRow, resource: Resource, error: AeriesError | LandingError) -> PullRow:
    """Return the ledger row of a partition that did not come."""
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


def fetch(target: Target) -> Outcome:
    """Fetch one partition to disk. Never raises for what a server does."""
    draft = draft_of(target.session, target.resource, target.school)
    tally = Tally()
    try:
        found = None
        if target.mode is Mode.CHANGES:
            found = _changes(target, draft, tally)
        if found is None:
            found = _list(target, draft, tally)
    except (AeriesError, LandingError) as error:
        return Loaded(_with_tally(outcome_of(draft, target.resource, error), tally))
    if isinstance(found, Fetched):
        return replace(found, draft=_with_tally(found.draft, tally))
    return replace(found, pull=_with_tally(found.pull, tally))


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


def _as_before(draft: PullRow, last: LastRead, mode: Mode) -> Loaded:
    """Return the result of a pull after which the rows are those of the last one."""
    pull = replace(
        draft,
        status=Status.COMPLETE,
        mode=mode,
        rows=last.rows,
        quarantined=last.quarantined,
        duplicates=last.duplicates,
        conflicts=last.conflicts,
        schema_hash=last.schema_hash,
        drift=last.drift,
    )
    return Loaded(pull, last.rows)


@dataclass(slots=True)
class _Landing:
    """Writes the pages of one partition and counts what they hold."""

    target: Target
    landed: list[Path] = field(default_factory=list)
    shapes: list[Shape | None] = field(default_factory=list)
    records: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Write a page.

        Raises:
            LandingError: If the disk does not take it.
        """
        session, resource = self.target.session, self.target.resource
        folder = partition_folder(
            session.settings.landing, session.district.id, resource.name, self.target.school
        )
        # First of all, since nobody has looked at a page that is known.
        answer.take_apart()
        self.shapes.append(shape_of(resource, answer))
        number = len(self.landed) + 1
        self.landed.append(write_page(folder / session.pull_id, number, answer.body))
        if answer.unreadable:
            write_page(folder / session.pull_id, number, answer.received, RECEIVED)
            self.unreadable += answer.unreadable
        self.records += answer.seen.records

    def files(self, draft: PullRow) -> Landed:
        """Return what was written."""
        return Landed(
            draft.district, draft.school, draft.pull_id, draft.started_at,
            tuple(self.landed), self.records, joined(self.shapes), tuple(self.unreadable),
        )  # fmt: skip


def _list(target: Target, draft: PullRow, tally: Tally) -> Outcome:
    """Read the whole list; what is the same again is not parsed and not written."""
    last = target.last if not target.session.options.full else None
    known = last.pages if last and last.database_year == draft.database_year else ()
    landing = _Landing(target)
    same: list[Answer] = []
    seen: list[Seen] = []
    for answer in _answers(target, tally, known):
        tally.pages += 1
        seen.append(answer.seen)
        if answer.is_known and not landing.landed:
            same.append(answer)
            continue
        for earlier in (*same, answer):
            landing.add(earlier)
        same.clear()
    draft = replace(
        draft, reader=reader_of(target.resource), answers=tuple(str(page) for page in seen)
    )
    if last and known and not landing.landed and len(seen) == len(known):
        missed = 0 if last.mode is Mode.CHANGES else None
        return _as_before(replace(draft, missed=missed, removed=missed), last, Mode.UNCHANGED)
    for earlier in same:
        landing.add(earlier)
    return Fetched(landing.files(draft), draft)


def _answers(target: Target, tally: Tally, known: Sequence[Seen]) -> Iterator[Answer]:
    session, resource, year = target.session, target.resource, target.system.start_year
    what = _what(target)
    # The n-th request is expected to bring the n-th page again.
    expected = iter(known)
    wanted = wanted_of(resource)

    def ask(window: dict[str, str | int], part: str = "") -> Answer:
        return session.client.get(
            resource.path.format(school=target.school, year=year, part=part),
            params={"DatabaseYear": year, **window},
            what=what,
            tally=tally,
            expected=next(expected, None),
            wanted=wanted,
            apart=True,
        )

    paging = resource.paging
    if paging is None:
        yield from _parts(resource.parts, lambda part: ask({}, part))
        return
    for answer in pages(
        lambda first, last: ask(paging.window(first, last)),
        size=paging.size,
        key=resource.paging_key,
        what=what,
        numbers=target.numbers,
        widest=session.memory.widest,
    ):
        if answer.seen.records <= paging.size:
            session.memory.widest = max(session.memory.widest, answer.seen.records)
        yield answer


def _parts(parts: Sequence[str], ask: Callable[[str], Answer]) -> Iterator[Answer]:
    """Yield the answer for each part; one that a site lacks is left out, not all of them.

    Raises:
        PermanentError: If the site lacks all.
    """
    lacking: PermanentError | None = None
    came = False
    for part in parts or ("",):
        try:
            answer = ask(part)
        except PermanentError as error:
            if error.code != NOT_FOUND:
                raise
            lacking = error
            continue
        came = True
        yield answer
    if lacking is not None and not came:
        raise lacking


def _what(target: Target) -> str:
    return place(target.session.district.id, target.school, target.resource.name)


def _changes(target: Target, draft: PullRow, tally: Tally) -> Outcome | None:
    """Read again what the feed names; None if the list must be read whole after all."""
    feed, last, since = target.resource.feed, target.last, target.plan.since
    if feed is None or last is None or since is None:
        return None
    named = target.feeds.keys(feed, since, tally)
    if named is None:
        return None
    keys = named.get(target.school, frozenset())
    if not is_worth_it(len(keys), last, target.session.district.incremental):
        return None
    draft = replace(draft, mode=Mode.CHANGES, changed=len(keys), removed=0)
    if not keys:
        pages = tuple(str(page) for page in last.pages) or None
        draft = replace(draft, reader=reader_of(target.resource), answers=pages)
        return _as_before(draft, last, Mode.CHANGES)
    try:
        found = _read_again(target, sorted(keys), tally)
    except (PermanentError, PermissionMissingError):
        # Gone, of another school, or an end point that this site lacks; the whole list knows.
        return None
    removed = sum(not rows for _body, rows in found)
    if not is_believed(target.resource, len(keys), removed):
        return None
    landing = _Landing(target)
    landing.add(_joined(found, wanted_of(target.resource)))
    tally.pages += 1
    return Fetched(landing.files(draft), replace(draft, removed=removed), keys=keys)


Record = tuple[bytes, list[dict[str, object]]]


def _read_again(target: Target, keys: Sequence[str], tally: Tally) -> list[Record]:
    """Return what each record is now: its bytes and elements, none if it is gone."""
    feed, session = target.resource.feed, target.session
    found: list[Record] = []
    if feed is None:
        return found
    for key in keys:
        path = feed.one.format(
            school=target.school, key=quote(key, safe=""), year=target.system.start_year
        )
        answer = session.client.get(
            path,
            params={"DatabaseYear": target.system.start_year},
            what=_what(target),
            tally=tally,
        )
        found.append(_of_school(target, feed, answer))
    return found


def _of_school(target: Target, feed: Feed, answer: Answer) -> Record:
    """Return what the answer says of the record at the school that was asked.

    Some sites send every row of a student, whose rows of other schools are left out.

    Raises:
        PermanentError: If the answer is about the student at all and names another
            school: of two schools, or gone from this one? The school's list knows.
    """
    rows, school = answer.rows, target.school
    mine = [row for row in rows if row.get("SchoolCode", school) == school]
    if school is None or len(mine) == len(rows):
        return answer.body, rows
    if feed.covers is Covers.RECORD:
        raise PermanentError(
            "other_school", f"{_what(target)}: the answer about one record names another school"
        )
    return orjson.dumps(mine), mine


def _joined(found: Sequence[Record], wanted: Wanted) -> Answer:
    """Return the records as one list, each as it came: some answers are lists, some are not."""
    bodies = [body.strip().removeprefix(b"[").removesuffix(b"]") for body, rows in found if rows]
    whole = b"[" + b",".join(bodies) + b"]"
    rows = [row for _body, rows in found for row in rows]
    return Answer(whole, rows, wanted=wanted)
