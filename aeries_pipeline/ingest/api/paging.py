"""Reading a whole list through its pages, and knowing when it is whole.

Aeries states no total and no next link, and a page may be short in mid-list:
records are numbered that are then not shown, or a page is capped. The end of a
list is an empty page. Around that rule stand the guards: a server that ignores
the paging numbers, and one that repeats itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aeries_pipeline.districts.errors import TransientError
from aeries_pipeline.ingest.api.client import Answer

MAX_PAGES = 10_000

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

    A server may number records that it then does not show, and may send fewer
    than it was asked for. A page therefore proves no more than that as many
    numbers are done as the fullest page so far had records: the next request
    starts there, and what comes twice is told by its key.

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
    fullest = 0
    counts: list[int] = []
    empty = stale = 0
    for number in range(1, MAX_PAGES + 1):
        answer = fetch(first, first + size - 1)
        count = answer.seen.records
        if count == 0 and number == 1:
            yield answer
            return
        if count == 0:
            empty += 1
            if empty >= _proof(counts, size):
                return
            first += fullest
            continue
        empty = 0
        if number > 1 and seen.repeats(answer):
            stale += 1
            if (
                number == 2
                and seen.of(answer) == seen.all()
                and _is_whole(fetch, seen, answer, size, what)
            ):
                return
            if count >= size or (count == fullest and stale > size // fullest + 1):
                raise _repeated(what)
            if stale > size // fullest + 1:
                return  # Behind its last page this server sends that page again.
        else:
            stale = 0
            yield answer
            counts.append(count)
        seen.add(answer)
        if count > size:
            return  # More than asked for: unpaged, all of it is here.
        fullest = max(fullest, count)
        first += fullest
    raise TransientError("endless_list", f"{what}: the list did not end after {MAX_PAGES} pages")


def _proof(counts: Sequence[int], size: int) -> int:
    """Return how many empty pages in a row prove the end of a list.

    One, as a rule. A server whose page was short in mid-list, or whose last page
    was full, may hide a whole page of records.
    """
    if any(count < size for count in counts[:-1]):
        return 3
    return 2 if counts[-1] >= size else 1


def _is_whole(fetch: Fetch, seen: _Keys, answer: Answer, size: int, what: str) -> bool:
    """Say whether a server that sent its first page again ignores the numbers altogether.

    Then that page is the whole list.

    Raises:
        TransientError: If it heeds how many are asked for, and not from where.
    """
    half = answer.seen.records // 2
    if half == 0:
        # One record cannot be asked for in halves; what lies behind the page can.
        return seen.of(fetch(size + 1, 2 * size)) == seen.all()
    some = fetch(1, half)
    if some.seen.records > half:
        return True
    rest = seen.of(fetch(half + 1, 2 * half))
    if rest and rest <= seen.of(some):
        raise _repeated(what)
    return False


def _repeated(what: str) -> TransientError:
    return TransientError(
        "repeated_page",
        f"{what}: the server sends the same page again and again, so the list cannot be "
        "read to its end; the last good data stays, pull again later",
    )
