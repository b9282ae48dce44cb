"""Reading a whole list through its pages, and knowing when it is whole.

Aeries states no total and no next link. The end of a list is a page with
fewer records than asked for. Around that rule stand the guards: a server that
ignores the paging numbers, one that caps a page, and one that repeats itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aeries_pipeline.districts.errors import TransientError
from aeries_pipeline.ingest.api.client import Answer

MAX_PAGES = 10_000
_ROUND = 50

Fetch = Callable[[int, int], Answer]


class _Keys:
    """The keys of the records so far, looked at only where somebody asks.

    While every page is one that was believed in an earlier pull, in the same
    place of the list, its guards have been passed and nothing is parsed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._waiting: list[Answer] = []
        self._found: set[tuple[Any, ...]] = set()

    def add(self, answer: Answer) -> None:
        self._waiting.append(answer)

    def repeats(self, answer: Answer) -> bool:
        """Tell whether a page holds no record that was not in an earlier one."""
        if answer.is_known:
            return False
        return self.of(answer) <= self.all()

    def of(self, answer: Answer) -> set[tuple[Any, ...]]:
        return answer.keys(self._names)

    def all(self) -> set[tuple[Any, ...]]:
        for answer in self._waiting:
            self._found |= self.of(answer)
        self._waiting.clear()
        return self._found


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
    seen = _Keys(key)
    first = 1
    step = size
    for number in range(1, MAX_PAGES + 1):
        answer = fetch(first, first + step - 1)
        count = answer.seen.records
        repeats = number > 1 and seen.repeats(answer)
        if repeats and count >= step:
            # A server that ignores the numbers altogether has sent the whole list
            # at once; it shows by sending more than a smaller page asked for.
            whole = number == 2 and seen.of(answer) == seen.all()
            if whole and fetch(1, step // 2).seen.records > step // 2:
                return
            raise TransientError(
                "repeated_page",
                f"{what}: the server sends the same page again and again, so the list cannot be "
                "read to its end; the last good data stays, pull again later",
            )
        if not repeats:
            yield answer
        seen.add(answer)
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
