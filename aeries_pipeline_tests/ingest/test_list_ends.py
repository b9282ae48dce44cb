"""Ends of lists: what servers send behind them, and that no record is lost for it."""

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import PermanentError, TransientError
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.ingest.api.answer import Answer
from aeries_pipeline.ingest.api.paging import pages
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.outcomes import PullRow
from aeries_pipeline_tests.conftest import FAST, World
from aeries_pipeline_tests.ingest.test_paging import (
    hidden_somewhere,
    longest_gap,
    read,
    read_once,
)

Ending = Literal["empty", "404", "last page", "last records"]
ENDINGS: tuple[Ending, ...] = ("empty", "404", "last page", "last records")


@dataclass
class Server:
    """A server with its own ways, and trouble that begins with one of its answers.

    Attributes:
        slots: Its numbered records; None where it shows nothing.
        cap: Numbers that it goes through for one page at most.
        ending: What it sends behind its end.
        in_pages: Whether it counts in pages of the size that is asked for.
        inserts: Records that appear before all others with an answer, or vanish if negative.
        dead: Answers that are 404 whatever is asked for.
        stuck: From this number on it sends the same page again and again.
        old: Answers for which a page comes that was sent before.
    """

    slots: list[int | None]
    cap: int = 0
    ending: Ending = "empty"
    in_pages: bool = False
    inserts: tuple[int, int] = (0, 0)
    dead: range = range(0)
    stuck: int = 0
    old: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, first: int, last: int) -> Answer:
        self.asked.append((first, last))
        number, wanted = len(self.asked), last - first + 1
        if number == self.inserts[0]:
            many = self.inserts[1]
            self.slots = [*range(-many, 0), *self.slots] if many > 0 else self.slots[-many:]
        if number in self.dead:
            raise PermanentError("not_found", "not found")
        if self.stuck and first > self.stuck:
            first = self.stuck
        if number == self.old and first > max(self.asked[:-1])[0]:
            first = max(self.asked[:-1])[0]
        return answer_of(self.page(first, wanted))

    def page(self, first: int, wanted: int) -> list[int | None]:
        if self.in_pages:
            first = (first - 1) // wanted * wanted + 1
        size = min(wanted, self.cap or wanted)
        if first <= len(self.slots) or self.ending == "empty":
            return self.slots[first - 1 : first - 1 + size]
        if self.ending == "404":
            raise PermanentError("not_found", "not found")
        start = (len(self.slots) - 1) // size * size if self.ending == "last page" else -size
        return self.slots[start:]


def answer_of(page: list[int | None]) -> Answer:
    data = [{"id": row} for row in page if row is not None]
    return Answer(json.dumps(data).encode(), data)


def numbers(shown: list[bool]) -> list[int | None]:
    return [number if is_shown else None for number, is_shown in enumerate(shown, 1)]


@given(
    total=st.integers(1, 200),
    size=st.integers(2, 60),
    cap=st.sampled_from([0, 0, 7, 25]),
    ending=st.sampled_from(ENDINGS),
)
def test_each_way_to_end_a_list_ends_it(total: int, size: int, cap: int, ending: Ending) -> None:
    site = Server(numbers([True] * total), cap=cap, ending=ending)
    assert read_once(site, size) == list(range(1, total + 1))


@given(total=st.integers(1, 200), size=st.integers(3, 60), ending=st.sampled_from(ENDINGS))
def test_a_server_that_counts_in_pages_is_read_where_its_last_page_is_short(
    total: int, size: int, ending: Ending
) -> None:
    assume(total % size)
    site = Server(numbers([True] * total), ending=ending, in_pages=True)
    assert read_once(site, size) == list(range(1, total + 1))


@pytest.mark.parametrize("ending", ["404", "last page"])
def test_a_full_page_of_a_server_that_counts_in_pages_proves_no_end(ending: Ending) -> None:
    site = Server(numbers([True] * 20), ending=ending, in_pages=True)
    with pytest.raises(TransientError, match=r"same page again|nothing else shows"):
        read(site, 10)


def suppressed(site: Server, size: int) -> set[int] | None:
    """Return what was read; None where it was refused."""
    with suppress(TransientError):
        return set(read(site, size))
    return None


@given(
    shown=hidden_somewhere,
    size=st.integers(4, 40),
    cap=st.sampled_from([0, 0, 10, 25]),
    ending=st.sampled_from(ENDINGS),
    trouble=st.sampled_from(["none", "shift", "dead", "dead for a while", "stuck", "old"]),
    since=st.integers(2, 12),
    many=st.integers(1, 3),
)
def test_every_record_is_found_or_the_list_is_refused(
    shown: list[bool],
    size: int,
    cap: int,
    ending: Ending,
    trouble: str,
    since: int,
    many: int,
) -> None:
    # A stretch of hidden records as long as half a page may look like an end.
    assume(any(shown) and longest_gap(shown) < min(size, cap or size) // 2)
    shown = shown[: len(shown) - shown[::-1].index(True)]
    site = Server(numbers(shown), cap=cap, ending=ending)
    match trouble:
        case "shift":
            site.inserts = (since, many)
        case "dead":
            site.dead = range(since, 10**6)
        case "dead for a while":
            site.dead = range(since, since + many)
        case "stuck":
            site.stuck = since * many
            behind = site.slots[site.stuck - 1 : site.stuck - 1 + min(size, cap or size)]
            # One record again and again is what a server sends whose last it is.
            assume(sum(row is not None for row in behind) != 1)
        case "old":
            site.old = since
    found = suppressed(site, size)
    wanted = {row for row in numbers(shown) if row is not None}
    assert found is None or wanted <= found, site.asked


@given(
    total=st.integers(30, 200),
    size=st.integers(6, 40),
    ending=st.sampled_from(ENDINGS),
    since=st.integers(2, 9),
    many=st.integers(1, 3),
)
def test_a_record_that_vanishes_hides_no_more_than_one_neighbour(
    total: int, size: int, ending: Ending, since: int, many: int
) -> None:
    site = Server(numbers([True] * total), ending=ending, inserts=(since, -many))
    found = suppressed(site, size)
    assert found is None or len(set(range(many + 1, total + 1)) - found) <= many


@given(
    total=st.integers(1, 900),
    few=st.sets(st.integers(1, 900), max_size=40),
    ending=st.sampled_from(ENDINGS),
    widest=st.sampled_from([200, 500]),
)
def test_a_list_of_few_students_of_a_large_school_is_whole_or_refused(
    total: int, few: set[int], ending: Ending, widest: int
) -> None:
    """As transcripts of a school of whose students few have any."""
    wanted = {number for number in few if number <= total}
    site = Server(numbers([number in wanted for number in range(1, total + 1)]), ending=ending)
    rows: set[int] | None = None
    with suppress(TransientError):
        rows = {
            row["id"]
            for page in pages(site, size=200, key=("id",), what="x", numbers=total, widest=widest)
            for row in page.rows
        }
    assert rows == wanted or (rows is None and ending in {"last page", "last records"})
    assert len(site.asked) <= 90, "and not one request for each student"


@pytest.mark.parametrize(("shown", "requests"), [(0, 3), (10, 5), (120, 5), (600, 5)])
def test_what_the_lists_of_a_school_of_600_students_cost(shown: int, requests: int) -> None:
    """Where numbers are those of what is shown, as of pages of 200."""
    site = Server(numbers([True] * shown))
    assert len(list(pages(site, size=200, key=("id",), what="x", numbers=600, widest=500))) >= 1
    assert len(site.asked) == requests


@given(shown=hidden_somewhere, cap=st.integers(4, 20))
def test_a_list_that_is_capped_more_than_others_loses_nobody(shown: list[bool], cap: int) -> None:
    """That other lists have wider pages proves nothing where this one shows otherwise."""
    assume(any(shown) and longest_gap(shown) < cap // 2)
    site = Server(numbers(shown), cap=cap)
    found = {
        row["id"]
        for page in pages(site, size=20, key=("id",), what="x", numbers=len(shown), widest=20)
        for row in page.rows
    }
    assert found == {row for row in numbers(shown) if row is not None}


def test_one_answer_404_in_mid_list_is_no_end() -> None:
    for number in range(2, 12):
        site = Server(numbers([True] * 95), ending="404", dead=range(number, number + 1))
        assert suppressed(site, 10) in (None, set(range(1, 96)))
    site = Server(numbers([True] * 95), dead=range(4, 5))
    with pytest.raises(TransientError, match="404 in place of a page"):
        read(site, 10)


def test_404_to_the_first_question_is_no_empty_list() -> None:
    with pytest.raises(PermanentError):
        read(Server(numbers([True] * 5), dead=range(1, 9)), 10)


@pytest.mark.parametrize(
    ("total", "costs"),
    [
        (1150, {"empty": 4, "404": 6, "last page": 8, "last records": 8}),
        (300, {"empty": 2, "404": 4, "last page": 7, "last records": 7}),
    ],
)
def test_what_each_ending_costs(total: int, costs: dict[Ending, int]) -> None:
    """The figures that the pages give for lists of 1,150 and of 300 records."""
    for ending, requests in costs.items():
        site = Server(numbers([True] * total), ending=ending)
        read(site, 500)
        assert len(site.asked) == requests, ending


@given(total=st.integers(1, 400), size=st.integers(2, 40), least=st.integers(1, 90))
def test_whatever_the_last_number_means_every_record_comes(
    total: int, size: int, least: int
) -> None:
    """The last number left out, a number of records in its place, or pages of its own width."""
    rows: list[int | None] = list(range(1, total + 1))
    for page in (
        lambda first, last: rows[first - 1 : last - 1],
        lambda first, last: rows[first - 1 :][:last],
        lambda first, last: rows[first - 1 :][: max(least, last - first + 1)],
    ):
        found = read_once(lambda first, last, of=page: answer_of(of(first, last)), size)
        assert set(found) == set(rows)


@given(total=st.integers(30, 200), size=st.integers(10, 60), seed=st.integers(0, 99))
def test_a_list_in_another_order_each_time_is_read_whole_or_refused(
    total: int, size: int, seed: int
) -> None:
    # Of few records the same may come twice by chance.
    assume(4 < total % size < size - 4)
    rand = random.Random(seed)

    def fetch(first: int, last: int) -> Answer:
        rows = rand.sample(range(total), total)
        return answer_of(list(rows[first - 1 : last]))

    with suppress(TransientError):
        assert set(read(fetch, size)) == set(range(total))


def test_a_server_that_caps_and_counts_in_pages_is_refused() -> None:
    """What it cuts off a page never comes, whichever page is asked for."""
    for total in range(8, 60):
        site = Server(numbers([True] * total), cap=7, in_pages=True)
        assert suppressed(site, 10) in (None, set(range(1, total + 1)))


PAGED = ("students", "students_extended", "gpas", "transcripts", "graduation_status")


@pytest.mark.parametrize(("behind", "more"), [("not_found", 2), ("last_again", 5)])
def test_a_district_whose_lists_end_in_another_way_is_loaded(
    make_world, behind: str, more: int
) -> None:
    world = make_world(schools=1, students=700)
    plain = pull_whole(world)
    world = make_world(schools=1, students=700, switches=Switches(behind_the_end=behind))
    results = pull_whole(world)
    for name, result in results.items():
        assert (result.status, result.rows) == ("complete", plain[name].rows)
        assert plain[name].requests == plain[name].pages + 1
        assert result.requests <= plain[name].requests + more, name


def pull_whole(world: World) -> dict[str, PullRow]:
    """Read every paged resource of the only school, as a first pull would."""
    found = {}
    for name in PAGED:
        options = replace(FAST, full=True)
        (result,) = pull_resource(world.session(options), RESOURCES[name], world.schools)
        world.close()
        found[name] = result.pull
    return found
