"""Reading a whole list through its pages, and knowing when it is complete.

Aeries gives no total and no next link, and a page may be short in the middle of a
list: records may be counted but not shown, or a page capped. The end of a list is
an empty page. Servers may also return 404 after the end, or send the last page
again; that counts as the end only if further requests show that nothing follows,
and is refused otherwise. Guards catch servers that ignore the paging numbers, or
use the page size but not the starting point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aeries_pipeline.districts.errors import NOT_FOUND, PermanentError, TransientError
from aeries_pipeline.ingest.api.answer import Answer

MAX_PAGES = 10_000

Fetch = Callable[[int, int], Answer]
Found = set[tuple[Any, ...]]


class _Keys:
    """The keys of the records so far, looked at only where somebody asks.

    While every page is one that was believed in an earlier pull, in the same
    place of the list, its guards have been passed and nothing is parsed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._waiting: list[Answer] = []
        self._found: Found = set()

    def add(self, answer: Answer) -> None:
        self._waiting.append(answer)

    def repeats(self, answer: Answer) -> bool:
        """Tell whether a page holds no record that was not in an earlier one."""
        if answer.is_known:
            return False
        return self.of(answer) <= self.all()

    def of(self, answer: Answer | None) -> Found:
        return answer.keys(self._names) if answer else set()

    def all(self) -> Found:
        for answer in self._waiting:
            self._found |= self.of(answer)
        self._waiting.clear()
        return self._found


def pages(
    fetch: Fetch,
    *,
    size: int,
    key: Sequence[str],
    what: str,
    numbers: int = 0,
    widest: int = 0,
) -> Iterator[Answer]:
    """Yield the pages of a list, in order.

    A server may number records that it then does not show, and may send fewer
    than it was asked for. A page therefore proves no more than that as many
    numbers are done as the fullest page so far had records: the next request
    starts there, and what comes twice is told by its key.

    Args:
        fetch: Returns the records from a first to a last number, both
            inclusive and counted from 1.
        size: Records asked for in one page.
        key: Fields that tell two records apart; empty if there are none.
        what: What is asked for, in words for messages.
        numbers: Numbers that the list may have, as students of a school of whom few have a
            transcript: it is not taken for ended before.
        widest: Records of the fullest page that the server ever sent, so it caps at no less.

    Yields:
        Pages with at least one record that was not in an earlier page; an
        empty list yields its one empty page.

    Raises:
        PermanentError: If the server answers 404 to the first request.
        TransientError: If it cannot be shown that the list was read to its end.
    """
    reading = _Reading(fetch, size, _Keys(key), what, numbers, trusted=min(widest, size))
    answer = fetch(1, size)
    yield answer
    if answer.seen.records:
        reading.take(answer)
    else:
        reading.has_nothing(answer)
    for _ in range(MAX_PAGES):
        if reading.is_done:
            reading.settle()
            return
        page = reading.ask(reading.first, size)
        if page is None or page.seen.records == 0:
            reading.has_nothing(page)
        elif reading.keys.repeats(page):
            reading.has_nothing_new(page)
        else:
            reading.compare(page)
            reading.take(page)
            yield page
    raise TransientError("endless_list", f"{what}: the list did not end after {MAX_PAGES} pages")


@dataclass(slots=True)
class _Reading:
    """How far the reading of one list has come.

    Attributes:
        size: Numbers asked for at once.
        numbers: Numbers that the list may have.
        trusted: Numbers that a page is believed to go through, by what other lists have shown.
        first: Number that the next request starts with.
        last: The last page that held a record not seen before.
        at: Number that it started with.
        counts: Records of each such page.
        is_done: Whether the end has been reached.
    """

    fetch: Fetch
    size: int
    keys: _Keys
    what: str
    numbers: int
    trusted: int
    first: int = 1
    last: Answer | None = None
    at: int = 1
    counts: list[int] = field(default_factory=list)
    is_done: bool = False
    _nothing: list[int] = field(default_factory=list)
    _stale: int = 0
    _behind: Found | None = None
    _was_404: bool = False
    _owed: Found = field(default_factory=set)

    @property
    def fullest(self) -> int:
        """Records of the fullest page."""
        return max(self.counts, default=0)

    @property
    def is_sparse(self) -> bool:
        """Whether many more numbers are left than the pages have records."""
        return self.numbers - self.first > 8 * self.fullest

    def ask(self, first: int, size: int) -> Answer | None:
        """Ask for a page behind the first; None if the server answers 404."""
        try:
            return self.fetch(first, first + size - 1)
        except PermanentError as error:
            if error.code != NOT_FOUND:
                raise
            return None

    def compare(self, answer: Answer) -> None:
        """See that a page with records of earlier ones is the same when it is asked for again.

        Records that were added meanwhile move others to a later page, where they come again.
        Where the order is another each time, some never come.

        Raises:
            TransientError: If it is another page.
        """
        if answer.is_known or not self.counts or self.counts[-1] < self.size:
            return
        found = self.keys.of(answer)
        if found & self.keys.all() and self.keys.of(self.ask(self.first, self.size)) != found:
            raise TransientError(
                "unsteady_order",
                f"{self.what}: the server sends other records each time it is asked for the same "
                "page, so the list cannot be read whole; the last good data stays, pull again "
                "later",
            )

    def take(self, answer: Answer) -> None:
        """Count a page that brought something new, and go on behind it.

        Raises:
            TransientError: If the server has answered 404 in mid-list.
        """
        if self._was_404:
            raise _refused(self.what)
        count = answer.seen.records
        self._nothing.clear()
        self._stale, self._behind = 0, None
        self.keys.add(answer)
        self.last, self.at = answer, self.first
        self.counts.append(count)
        self.first += self.fullest
        if self.is_sparse and count < self.size:
            self.first = max(self.first, self._last_number(answer) + 1)

    def _last_number(self, answer: Answer) -> int:
        """Return the number of the last record of a page, so far as the server tells."""
        mine = self.keys.of(answer)
        low, high = self.at, self.at + self.size
        # Where numbers are those of what is shown, the first question tells.
        middle = self.at + answer.seen.records
        while high - low > 1:
            if self._probe(middle, self.at + self.size - middle) & mine:
                low = middle
            elif low == self.at and middle == self.at + answer.seen.records:
                return middle - 1
            else:
                high = middle
            middle = (low + high) // 2
        return low

    def has_nothing(self, answer: Answer | None) -> None:
        """Count a page without a record, which may be the end.

        Raises:
            TransientError: If it was refused, and nothing else shows that the list ends.
        """
        self._nothing.append(self.first)
        self._was_404 |= answer is None
        if self.is_sparse or not self.counts:
            behind = self.first + (max(self.fullest, self.trusted) or self.size)
        else:
            behind = self.first + self.fullest
        if behind > self.numbers and len(self._nothing) >= _proof(self.counts, self.size):
            if self._was_404:
                self._prove_a_404()
            self.is_done = True
        self.first = behind

    def _prove_a_404(self) -> None:
        if self.counts:
            self._prove_the_end(set(), _refused(self.what))
            is_steady = not self._probe(self._nothing[0], self.size)
        else:
            is_steady = self.ask(1, self.size) is not None
        if not is_steady:
            raise _refused(self.what)

    def has_nothing_new(self, answer: Answer) -> None:
        """Tell a page of old records at the end of a list from one in its middle.

        A server that numbers records cannot show at a number what it has shown at an
        earlier one: if it does so here and a whole page further on, it repeats itself.

        Raises:
            TransientError: If it does so in mid-list, so that the rest cannot be reached.
        """
        found = self.keys.of(answer)
        self._nothing.clear()
        self._stale += 1
        if self._behind is None:
            is_all = len(self.counts) == 1 and found == self.keys.all()
            if is_all and (len(found) > self.size or self._is_unpaged(found)):
                self.is_done = True
                return
            self.compare(answer)
            # Other questions for the same place, in case the answer to the first was an old one.
            half = self.fullest // 2
            self._probe(self.first, self.fullest - half)
            if half:
                self._probe(self.first + self.fullest - half, half)
            self._behind = self._probe(self.first + self.size, self.size)
        if found == self._behind:
            self._prove_the_end(found, _repeated(self.what))
            self.is_done = True
        if self._stale > self.size // self.fullest + 1:
            raise _repeated(self.what)
        self.first += self.fullest

    def settle(self) -> None:
        """See that everything that was shown beside the pages has come with them.

        Raises:
            TransientError: If not: a page was cut, or is not what was asked for.
        """
        if not self._owed <= self.keys.all():
            raise TransientError(
                "left_out",
                f"{self.what}: the server leaves records out of its pages that it shows when asked "
                "in another way; the last good data stays, pull again later",
            )

    def _probe(self, first: int, size: int) -> Found:
        """Ask in between; what it shows must come with the pages."""
        found = self.keys.of(self.ask(first, size))
        self._owed |= found
        return found

    def _is_unpaged(self, found: Found) -> bool:
        """Tell whether a server that sent its only page again ignores the numbers altogether."""
        half = len(found) // 2
        some = self.ask(1, half) if half else None
        if some is None or some.seen.records <= half:
            return False
        return self._probe(self.first + self.size, self.size) == found

    def _prove_the_end(self, repeated: Found, doubt: TransientError) -> None:
        """Ask for a part of the last page, from its middle on, which must come and no more.

        Where the whole of it comes, the server counts in pages: then the page must be
        short, and parts of it must be different.

        Args:
            repeated: What the server sends behind its end.
            doubt: Raised if the end is not proved.
        """
        last, count = self.keys.of(self.last), self.counts[-1]
        low, middle = self.at, self.at + count // 2
        high = self._nothing[0] if self._nothing else self.first + self.size
        if repeated and not last & repeated:
            raise doubt
        heeds: bool | None = None
        while True:
            found = self._probe(middle, self.size)
            if not found <= last and found != repeated:
                raise doubt
            if found and found < last and (found != repeated or last <= repeated):
                return
            if found == last and count < self.size and heeds is None:
                heeds = self._heeds_parts(count // 2, repeated)
                if heeds:
                    return
            if repeated and not last <= repeated:
                raise doubt
            low, high = (middle, high) if found == last != repeated else (low, middle)
            middle = (low + high) // 2
            if middle <= low:
                raise doubt

    def _heeds_parts(self, half: int, repeated: Found) -> bool:
        """Tell whether the server heeds from where it is asked for a part of the last page."""
        if half == 0:
            return not repeated or bool(self._probe(self.first + self.size, 1))
        return self._are_apart(half, 3) or (self._are_apart(max(self.size // 8, 1), 8))

    def _are_apart(self, size: int, parts: int) -> bool:
        """Tell whether the first two parts that hold anything hold two things."""
        one: Found = set()
        for part in range(parts):
            other = self._probe(self.at + part * size, size)
            if one and other:
                return not one & other
            one = other or one
        return False


def _proof(counts: Sequence[int], size: int) -> int:
    """Return how many empty pages in a row prove the end of a list.

    One, as a rule. A server whose page was short in mid-list, or whose last page
    was full, may hide a whole page of records.
    """
    if any(count < size for count in counts[:-1]):
        return 3
    return 2 if counts and counts[-1] >= size else 1


def _repeated(what: str) -> TransientError:
    return TransientError(
        "repeated_page",
        f"{what}: the server sends the same page again and again, so the list cannot be "
        "read to its end; the last good data stays, pull again later",
    )


def _refused(what: str) -> TransientError:
    return TransientError(
        "unproved_end",
        f"{what}: the server answers 404 in place of a page, and nothing else shows that the "
        "list ends there; the last good data stays, pull again later",
    )
