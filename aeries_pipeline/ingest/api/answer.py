"""One usable response: its bytes, and its elements as far as anybody has asked for them.

How a response is told from anything else that a server may send is in ``answers``,
how one is requested in ``client``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from aeries_pipeline.districts.errors import PermanentError
from aeries_pipeline.ingest.api.answers import BAD_JSON, Row, rows_of
from aeries_pipeline.ingest.api.apart import take_apart
from aeries_pipeline.ingest.api.elements import ABSENT, NOTHING, Elements, Wanted, elements_of
from aeries_pipeline.stores.tables import Unreadable


@dataclass(frozen=True, slots=True)
class Seen:
    """A page of an earlier answer: what its bytes were and what they held.

    Attributes:
        digest: SHA-256 of the bytes, in hexadecimal.
        records: Its elements.
    """

    digest: str
    records: int

    def __str__(self) -> str:
        """Return both as one text, as the ledger keeps them."""
        return f"{self.digest}:{self.records}"

    @classmethod
    def from_text(cls, text: str) -> Seen:
        """Return what :meth:`__str__` wrote."""
        digest, records = text.split(":")
        return cls(digest, int(records))


@dataclass(frozen=True, slots=True)
class Reading:
    """How one answer is read, see :meth:`AeriesClient.get`."""

    expected: Seen | None = None
    wanted: Wanted = NOTHING
    apart: bool = False


_BEFORE = "an answer that was read before"


class Answer:
    """A usable answer. What is not known of its elements yet is read when first asked for.

    Args:
        body: The bytes as received, after content decoding and without a byte-order mark,
            which DuckDB would stumble over.
        rows: The elements, where they were parsed already.
        seen: Digest and number of elements.
        wanted: What to keep of each element.
        elements: What was kept.
        is_known: Whether the bytes are those of a page that was believed before.
        apart: Whether a list is taken apart where only some of its elements can be read.
    """

    def __init__(
        self,
        body: bytes,
        rows: list[Row] | None = None,
        seen: Seen | None = None,
        *,
        wanted: Wanted = NOTHING,
        elements: Elements | None = None,
        is_known: bool = False,
        apart: bool = False,
    ) -> None:
        """Keep what is known."""
        self.body = self.received = body
        self.unreadable: tuple[Unreadable, ...] = ()
        self._apart = apart
        self.is_known = is_known
        self._rows = rows
        self._wanted = wanted
        self._elements = elements
        self.seen = seen or Seen(digest_of(body), len(self.rows) + len(self.unreadable))

    @property
    def elements(self) -> Elements | None:
        """What was wanted of each element; None if the body is not a list of objects."""
        if self._elements is None:
            self._elements = elements_of(self.body, self._wanted)
        return self._elements

    @property
    def rows(self) -> list[Row]:
        """The elements; a single object is a list of one. Parsed when first asked for."""
        if self._rows is None:
            self.read("", _BEFORE)
        return self._rows or []

    def read(self, content_type: str, what: str) -> None:
        """Parse the body; where it is taken apart, it holds the readable elements from then on.

        Raises:
            AeriesError: If it is no list of objects, see :func:`answers.rows_of`.
        """
        try:
            self._rows = rows_of(self.body, content_type, what)
        except PermanentError as error:
            parts = take_apart(self.body) if self._apart and error.code == BAD_JSON else None
            if parts is None:
                raise
            self.body, self._rows, self.unreadable = parts

    def take_apart(self) -> None:
        """Leave out of the body the elements that cannot be read, where nobody has looked yet.

        Raises:
            AeriesError: If it is no list of objects.
        """
        if self._rows is None and self.elements is None:
            self.read("", _BEFORE)

    def keys(self, names: Sequence[str]) -> set[tuple[Any, ...]]:
        """Return what tells the elements apart.

        Args:
            names: The properties that do; all of them where there are none.
        """
        kept = self.elements if self._rows is None else None
        if kept is not None and names and set(names) <= set(kept.wanted.names):
            columns = [map(_plain, kept.column(name)) for name in names]
            return set(zip(*columns, strict=True))
        rows = [*self.rows, *(orjson.loads(one.record) for one in self.unreadable)]
        return {_key(row, names) for row in rows}


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    if not names:
        return tuple(sorted((name, str(value)) for name, value in row.items()))
    return tuple(_plain(row.get(name)) for name in names)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value is any of these
    if value is ABSENT:
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def digest_of(body: bytes) -> str:
    """Return the SHA-256 of an answer, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()
