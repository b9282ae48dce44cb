"""Counting what a response holds, without reading its values.

Counts the members of all objects in a JSON text by the kind of their values.
Rows read from the text are checked against these counts (``read``): a value
that no column took makes a difference, and so does a boolean that a numeric
column took for a one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

_PIECE = 1 << 20
_QUOTE, _COLON, _ESCAPE, _NULL, _TRUE, _FALSE = b'":\\ntf'
_BLANK = ord(" ")


@dataclass(frozen=True, slots=True)
class Members:
    """Members of the objects that become rows of a table.

    Attributes:
        values: Those that have a value.
        booleans: Those of them whose value is true or false.
        nulls: Those without.
        presumed: How many there are if every object has the properties of the first.
    """

    values: int = 0
    booleans: int = 0
    nulls: int = 0
    presumed: int = 0

    def __add__(self, other: Members) -> Members:
        """Return the members of both."""
        return Members(
            self.values + other.values,
            self.booleans + other.booleans,
            self.nulls + other.nulls,
            self.presumed + other.presumed,
        )

    def without(self, values: int, nulls: int) -> Members:
        """Return what remains when so many are left out, none of which is true or false."""
        return Members(self.values - values, self.booleans, self.nulls - nulls, self.presumed)


def members_of(body: bytes, names: Collection[str], presumed: int = 0) -> Members | None:
    """Count the members of all objects in a text of JSON, however deep they lie.

    A quote and a colon behind it end a property's name: within a text every quote
    is escaped. They begin a text whose first character is a colon as well, which
    counts as a member too many, never as one too few, and so is noticed.

    Args:
        body: Valid JSON.
        names: Properties that are presumed.
        presumed: Kept as it is.

    Returns:
        None if that cannot tell: behind an escape, and where white space
        follows a name, of which Aeries has neither; and where a property without
        a value is none of those presumed, as far as the ends of names tell.
    """
    text = np.frombuffer(body, np.uint8)
    total = nulls = booleans = 0
    ends_of_names = _Ends(names)
    # In pieces, which bounds the memory; each looks one byte back and two ahead.
    for start in range(1, max(1, len(text) - 2), _PIECE):
        piece = text[start - 1 : start + _PIECE + 2]
        ends = np.flatnonzero((piece[1:-2] == _QUOTE) & (piece[2:-1] == _COLON))
        if not ends.size:
            continue
        first = piece[ends + 3]
        if first.min() <= _BLANK or (piece[ends] == _ESCAPE).any():
            return None
        empty = ends[first == _NULL]
        if empty.size and not ends_of_names.have(body, empty + start):
            return None
        total += ends.size
        nulls += empty.size
        booleans += int(np.count_nonzero((first == _TRUE) | (first == _FALSE)))
    return Members(total - nulls, booleans, nulls, presumed)


class _Ends:
    """The last eight bytes of names, with the quote before a short one."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = tuple(f'"{name}'.encode()[-8:] for name in names)
        self._seen: set[int] = set()

    def have(self, body: bytes, places: np.ndarray[Any, np.dtype[np.intp]]) -> bool:
        """Tell whether all names that end before these places are among them."""
        first = int(places[0])
        if first < 8:
            places = places[1:]
            if not body[:first].endswith(self._names):
                return False
        words = np.ndarray((len(body) - 7,), "<u8", body, strides=(1,))
        for word in np.unique(words[places - 8]).tolist():
            if word not in self._seen:
                if not word.to_bytes(8, "little").endswith(self._names):
                    return False
                self._seen.add(word)
        return True
