import json
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aeries_pipeline.districts.errors import TransientError
from aeries_pipeline.ingest.api.answer import Answer
from aeries_pipeline.ingest.api.paging import pages


def server(rows: list[int], *, cap: int = 0, ignores_paging: bool = False):
    """Return a fetch function over a list, and the list of its calls."""
    calls: list[tuple[int, int]] = []

    def fetch(first: int, last: int) -> Answer:
        calls.append((first, last))
        if ignores_paging:
            page = rows
        else:
            end = min(last, first + cap - 1) if cap else last
            page = rows[first - 1 : end]
        data = [{"id": row} for row in page]
        return Answer(json.dumps(data).encode(), data)

    return fetch, calls


def read(fetch, size: int) -> list[int]:
    return [
        row["id"] for page in pages(fetch, size=size, key=("id",), what="x") for row in page.rows
    ]


@given(total=st.integers(0, 500), size=st.integers(1, 120), cap=st.sampled_from([0, 50, 100]))
def test_every_record_comes_once_in_order(total: int, size: int, cap: int) -> None:
    rows = list(range(total))
    # A cap is only recognised where it is smaller than what is asked for.
    fetch, _ = server(rows, cap=cap)
    assert read(fetch, size) == rows


@given(total=st.integers(0, 300), size=st.integers(2, 120))
def test_a_server_that_ignores_paging_is_read_once(total: int, size: int) -> None:
    fetch, calls = server(list(range(total)), ignores_paging=True)
    assert read(fetch, size) == list(range(total))
    assert len(calls) <= (4 if total > 1 else 6)


def test_a_server_that_always_sends_the_first_page_is_an_error() -> None:
    fetch, _ = server(list(range(50)))
    with pytest.raises(TransientError, match="same page again"):
        read(lambda first, last: fetch(1, last - first + 1), 10)


def test_an_empty_page_ends_a_list() -> None:
    fetch, calls = server(list(range(23)))
    read(fetch, 10)
    assert calls == [(1, 10), (11, 20), (21, 30), (31, 40)]


def numbered(shown: list[bool], *, cap: int = 0, clamps: int = 0):
    """A server that numbers records which it then does not show.

    Args:
        shown: Whether each numbered record is shown.
        cap: Numbers that it goes through for one page at most.
        clamps: Behind the end it sends this many of its last records again.
    """
    rows = [number for number, is_shown in enumerate(shown, 1) if is_shown]

    def fetch(first: int, last: int) -> Answer:
        end = min(last, first + cap - 1) if cap else last
        if first > len(shown) and clamps and rows:
            page = rows[-clamps:][: last - first + 1]
        else:
            page = [
                number for number in range(first, min(end, len(shown)) + 1) if shown[number - 1]
            ]
        data = [{"id": row} for row in page]
        return Answer(json.dumps(data).encode(), data)

    return fetch, rows


def longest_gap(shown: list[bool]) -> int:
    """The longest stretch of hidden records before a shown one."""
    longest = gap = 0
    for is_shown in shown:
        longest = max(longest, gap) if is_shown else longest
        gap = 0 if is_shown else gap + 1
    return longest


hidden_somewhere = st.lists(st.sampled_from([True, True, True, False]), max_size=400)


@given(shown=hidden_somewhere, size=st.integers(4, 120), cap=st.sampled_from([0, 20, 50, 100]))
def test_records_that_a_server_numbers_and_hides_end_no_list(
    shown: list[bool], size: int, cap: int
) -> None:
    fetch, rows = numbered(shown, cap=cap)
    assume(longest_gap(shown) < min(size, cap or size))
    found = read(fetch, size)
    assert set(found) == set(rows)


@given(
    total=st.integers(1, 300),
    size=st.integers(4, 60),
    cap=st.sampled_from([0, 10, 25]),
    clamps=st.integers(1, 60),
)
def test_a_server_that_sends_its_last_records_again_is_read_or_refused(
    total: int, size: int, cap: int, clamps: int
) -> None:
    fetch, rows = numbered([True] * total, cap=cap, clamps=clamps)
    found: list[int] = []
    with suppress(TransientError):
        found = read(fetch, size)
    assert set(found) in (set(), set(rows))


def test_every_small_list_of_hidden_records_is_read_whole() -> None:
    for length, size, cap in product(range(1, 9), (2, 3, 4), (0, 2, 3)):
        for bits in product([True, False], repeat=length):
            shown = list(bits)
            fits = cap <= size and longest_gap(shown) < min(size, cap or size)
            if any(shown) and fits:
                fetch, rows = numbered(shown, cap=cap)
                assert set(read(fetch, size)) == set(rows), (shown, size, cap)


@pytest.mark.parametrize(
    ("shown", "size"),
    [
        ([False, False, True, False, False, True], 4),
        ([False, True, False, False, True], 4),
        ([True], 4),
        ([False, False, True], 4),
        ([False] * 7 + [True] + [False] * 7 + [True], 8),
    ],
)
def test_a_first_page_of_one_record_is_no_whole_list_by_itself(
    shown: list[bool], size: int
) -> None:
    fetch, rows = numbered(shown)
    assert set(read(fetch, size)) == set(rows)


def test_one_hidden_record_of_the_first_page_costs_nobody_behind_it() -> None:
    """As it was seen: 2,784 numbers, one of the first page of 500 left out."""
    fetch, rows = numbered([number != 17 for number in range(1, 2785)])
    assert read_once(fetch, 500) == rows


@pytest.mark.parametrize("stretch", [500, 700, 900])
def test_a_hidden_stretch_of_a_whole_page_is_crossed_where_the_server_is_known_to_hide(
    stretch: int,
) -> None:
    shown = [number != 17 for number in range(1, 601)] + [False] * stretch + [True] * 300
    fetch, rows = numbered(shown)
    assert read_once(fetch, 500) == rows


def test_a_hidden_page_behind_a_full_one_is_crossed() -> None:
    fetch, rows = numbered([True] * 500 + [False] * 500 + [True] * 120)
    assert read_once(fetch, 500) == rows


def read_once(fetch, size: int) -> list[int]:
    return list(dict.fromkeys(read(fetch, size)))


def test_a_server_that_repeats_a_page_in_mid_list_is_an_error() -> None:
    def fetch(first: int, _last: int) -> Answer:
        start = 0 if first == 1 else 10
        data = [{"id": row} for row in range(start, start + 10)]
        return Answer(b"", data)

    with pytest.raises(TransientError, match="same page again"):
        read(fetch, 10)


def test_rows_that_shift_between_pages_do_not_end_the_list_early() -> None:
    rows = list(range(100, 125))
    calls = 0

    def fetch(first: int, last: int) -> Answer:
        nonlocal calls
        calls += 1
        current = rows if calls == 1 else [1, *rows]
        data = [{"id": row} for row in current[first - 1 : last]]
        return Answer(b"", data)

    assert set(read(fetch, 10)) == set(rows)


def test_without_a_key_whole_records_are_compared() -> None:
    fetch, _ = server(list(range(7)))
    got = [row["id"] for page in pages(fetch, size=3, key=(), what="x") for row in page.rows]
    assert got == list(range(7))
