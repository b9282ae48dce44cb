"""The elements of a large response without a Python object for each value.

A list is validated from end to end and counted, and only the properties that
somebody wants are kept for each element. Values are interpreted later, when
tables are made from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

ABSENT = msgspec.UNSET
"""Stands where an element does not have the property."""


class Element(msgspec.Struct):
    """One element of a list of objects; subclasses keep properties of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is kept of each element.

    Attributes:
        names: Properties whose values are kept.
        arrays: Properties that are arrays of objects, of which only the number is kept.
        closed: Whether a list in which any element has another property is
            none that is understood.
    """

    names: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    closed: bool = False


NOTHING = Wanted()


class Elements:
    """The elements of one list.

    Args:
        found: One for each element.
        wanted: What was kept of each.
    """

    def __init__(self, found: Sequence[Element], wanted: Wanted) -> None:
        """Keep both."""
        self._found = found
        self.wanted = wanted

    def __len__(self) -> int:
        return len(self._found)

    def column(self, name: str) -> list[Any]:
        """Return a wanted property of each element; ``ABSENT`` where it has none.

        Of an array it is a list as long as the array.
        """
        field = f"field_{(self.wanted.names + self.wanted.arrays).index(name)}"
        return [getattr(one, field) for one in self._found]


def elements_of(body: bytes, wanted: Wanted = NOTHING) -> Elements | None:
    """Return the elements of a body that is a list of objects; None if it is anything else.

    What is wrong with anything else is told by :func:`answers.rows_of`.

    Args:
        body: The bytes as received, without a byte-order mark.
        wanted: What to keep of each.
    """
    try:
        found: list[Element] = _decoder(wanted).decode(body)
        if not body.isascii():
            # The decoder does not look into texts that nobody keeps.
            body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Elements(found, wanted)


@cache
def _decoder(wanted: Wanted) -> msgspec.json.Decoder[list[Element]]:
    kinds: list[Any] = [Any] * len(wanted.names) + [list[Element] | None] * len(wanted.arrays)
    fields = [(f"field_{place}", kind, ABSENT) for place, kind in enumerate(kinds)]
    element = msgspec.defstruct(
        "Kept",
        fields,
        bases=(Element,),
        rename={f"field_{place}": name for place, name in enumerate(wanted.names + wanted.arrays)},
        forbid_unknown_fields=wanted.closed,
    )
    return msgspec.json.Decoder(list[element])  # type: ignore[valid-type]
