"""Reading a whole list through its pages, and knowing when it is whole.

Aeries states no total and no next link. The end of a list is a page with
fewer records than asked for. Around that rule stand the guards: a server that
ignores the paging numbers, one that caps a page, and one that repeats itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aeries_pipeline.api.answers import Row
from aeries_pipeline.api.client import Answer
from aeries_pipeline.api.errors import TransientError

MAX_PAGES = 10_000
_ROUND = 50

Fetch = Callable[[int, int], Answer]


def pages(fetch: Fetch, *, size: int, key: Sequence[str], what: str) -> Iterator[Answer]:
    """Yield the pages of a list, in order.

    Args:
        fetch: Returns the records from a first to a last number, both
            inclusive and counted from 1.
        size: Records asked for in one page.
        key: Fields that tell two records apart; empty where there are none.
        what: What is asked for, in words for messages.

    Yields:
        Pages with at least one record that was not in an earlier page; an
        empty list yields its one empty page.

    Raises:
        TransientError: If the server repeats a page in mid-list, so that the
            rest of the list cannot be reached.
    """
    seen: set[tuple[Any, ...]] = set()
    first = 1
    step = size
    for number in range(1, MAX_PAGES + 1):
        answer = fetch(first, first + step - 1)
        keys = {_key(row, key) for row in answer.rows}
        count = len(answer.rows)
        if number > 1 and count >= step and keys <= seen:
            # A server that ignores the numbers altogether has sent the whole list
            # at once; it shows by sending more than a smaller page asked for.
            if number == 2 and keys == seen and len(fetch(1, step // 2).rows) > step // 2:
                return
            raise TransientError(
                "repeated_page",
                f"{what}: the server sends the same page again and again, so the list cannot be "
                "read to its end; the last good data stays, pull again later",
            )
        if number == 1 or not keys <= seen:
            yield answer
        seen |= keys
        if count > step or count == 0:
            return  # More than asked for: unpaged, all of it is here.
        if count < step:
            # A first page of a round size smaller than asked for looks like a
            # cap of the server, and stopping there would lose students.
            if number > 1 or count % _ROUND:
                return
            step = count
        first += count
    raise TransientError("endless_list", f"{what}: the list did not end after {MAX_PAGES} pages")


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    if not names:
        return tuple(sorted((name, str(value)) for name, value in row.items()))
    return tuple(_plain(row.get(name)) for name in names)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value is any of these
    return value if isinstance(value, str | int | float | bool | None) else str(value)
