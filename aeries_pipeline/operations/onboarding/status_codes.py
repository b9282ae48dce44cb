"""Which status codes the students of each school have, and what they mean there.

Codes are the district's own. A certificate without the right to the field sees
none, and then everybody who ever left looks like a current student. Counts and
codes only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aeries_pipeline.accounts.first_load import MANY_ROWS
from aeries_pipeline.accounts.model import Standing
from aeries_pipeline.accounts.policy import Policy
from aeries_pipeline.catalog.blank import WHITE
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import AeriesError, StoppedError
from aeries_pipeline.ingest.api.answer import Answer
from aeries_pipeline.ingest.api.client import AeriesClient, Tally
from aeries_pipeline.ingest.api.paging import pages
from aeries_pipeline.operations.onboarding.findings import Finding, failed, passed, warned
from aeries_pipeline.words import doing

STEP = "status codes"
MAX_REQUESTS = 100
"""After so many no other school is begun; a county's lists are counted where they are pulled."""

_READ_AS = {
    Standing.ACTIVE: "active",
    Standing.PRE_ENROLLED: "waits for next year",
    Standing.INACTIVE: "inactive",
    None: "not read",
}


def status_codes(
    client: AeriesClient,
    policy: Policy,
    schools: Sequence[int],
    year: int,
    first: Mapping[int, Answer],
) -> Iterator[Finding]:
    """Count the codes of each school, and yield a finding for each.

    Args:
        client: Asks the site.
        policy: How the district has its codes read.
        schools: Schools of the roster, in the order in which they are asked for.
        year: Year of the database.
        first: First pages that have been read already, by school.
    """
    meanings = _meanings(client, year)
    tally = Tally(requests=len(first))
    for place, school in enumerate(schools):
        if tally.requests >= MAX_REQUESTS:
            more = len(schools) - place
            yield passed(STEP, f"{doing(more, 'more school', 'is', 'are')} not counted here")
            return
        counts: Counter[str] = Counter()
        try:
            for answer in _pages(client, school, year, first.get(school), tally):
                counts.update(map(_code, answer.rows))
        except StoppedError:
            raise
        except AeriesError as error:
            yield failed(f"{STEP} {school}", str(error), blocks=False)
            continue
        yield judged(school, counts, meanings, policy)


def judged(
    school: int, counts: Mapping[str, int], meanings: Mapping[str, str], policy: Policy
) -> Finding:
    """Return what the codes of one school say. Pure.

    Args:
        school: School code.
        counts: Rows by code, blank being the empty one.
        meanings: What the district calls a code; empty if it may not be read.
        policy: How the district has its codes read.
    """
    total = sum(counts.values())
    said = []
    for code, number in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        read_as = _READ_AS[policy.standing(code, school)]
        meaning = f"{meanings[code]}, {read_as}" if meanings.get(code) else read_as
        said.append(f"{number:,} {code or 'blank'} ({meaning})")
    text = f"{total:,} rows: {', '.join(said) or 'none'}"
    if total > MANY_ROWS and set(counts) == {""}:
        return warned(
            f"{STEP} {school}",
            f"{text}; not one has a code, so the accounts of a first load wait for a person: see "
            "whether the certificate may read the field",
            f"At school {school} none of {total:,} students has an Inactive Status Code. Please "
            "let the certificate read that field of Student Data (the tag of a student), or tell "
            "us that nobody has ever left.",
        )
    return passed(f"{STEP} {school}", text)


def _code(row: Mapping[str, Any]) -> str:
    return str(row.get("InactiveStatusCode") or "").strip(WHITE)


def _pages(
    client: AeriesClient, school: int, year: int, first: Answer | None, tally: Tally
) -> Iterator[Answer]:
    """Yield the pages of a school's list, of which the first may have been read already."""
    resource = RESOURCES["students"]
    paging = resource.paging
    assert paging is not None  # noqa: S101 - the catalogue says so
    path = resource.path.format(school=school, year=year)
    what = f"school {school}, students"

    def fetch(start: int, end: int) -> Answer:
        if first is not None and (start, end) == (1, paging.size):
            return first
        params = {"DatabaseYear": year, **paging.window(start, end)}
        return client.get(path, params=params, what=what, tally=tally)

    yield from pages(fetch, size=paging.size, key=resource.paging_key, what=what)


def _meanings(client: AeriesClient, year: int) -> dict[str, str]:
    """Return what the district calls its codes; nothing if it does not say."""
    try:
        answer = client.get(
            "codes/STU/TG", params={"DatabaseYear": year}, what="the meanings of status codes"
        )
    except StoppedError:
        raise
    except AeriesError:
        return {}
    return {
        str(row.get("Code") or "").strip(WHITE): str(row.get("Description") or "").strip(WHITE)
        for row in answer.rows
    }
