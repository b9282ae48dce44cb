import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.districts.errors import TransientError
from aeries_pipeline.ingest.api.client import Answer
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
    assert len(calls) <= 3


def test_a_server_that_always_sends_the_first_page_is_an_error() -> None:
    fetch, _ = server(list(range(50)))
    with pytest.raises(TransientError, match="same page again"):
        read(lambda first, last: fetch(1, last - first + 1), 10)


def test_a_short_page_ends_the_list_without_another_request() -> None:
    fetch, calls = server(list(range(23)))
    read(fetch, 10)
    assert calls == [(1, 10), (11, 20), (21, 30)]


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
