"""Fields of an Aeries answer: their names, kinds and how each is stored.

Put here what is true of one field alone. What is true of a whole end point
(path, paging, key, permission) belongs in ``resource``; SQL and pandera are
derived from fields in ``tables`` and ``schemas``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a JSON value means, following the Aeries API reference."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    JSON = "json"


_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.JSON: "JSON",
}
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z]|\b|_|\d)|[A-Z]?[a-z]+|\d+|[A-Z]+")


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an Aeries JSON object.

    Attributes:
        name: The JSON name, exactly as Aeries spells it; also the column name.
        kind: What the value means.
        column: Table and column of the Aeries database behind it, for
            example ``STU.ID``; empty if none is published.
        note: What it holds, where the name does not say so.
        required: The field must be in every answer: a pull whose answer lacks
            it is refused. Whether a row may lack the value is another
            question, see :meth:`needs_value`.
        aliases: Spellings of other Aeries versions, read when ``name`` is absent.
        minimum: Smallest legal value of a number, or length of a text.
        maximum: Largest legal value of a number, or length of a text.
        scale: Digits kept after the decimal point.
        stored: False for a field that is known but deliberately not kept.
        never_null: A row in which it is null is bad: a blank has a meaning, and
            null might be that blank or anything else.
    """

    name: str
    kind: Kind
    column: str = ""
    note: str = ""
    required: bool = False
    aliases: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    scale: int = 4
    stored: bool = True
    never_null: bool = False

    def needs_value(self, key: Collection[str]) -> bool:
        """Tell whether a row without a value is bad.

        True for a required field that is part of the table's key or an id (marked by a smallest
        legal value of 1), and for one that is never null. A student without a middle name is a
        student; one without a StudentID is nobody.
        """
        return self.required and (self.never_null or self.name in key or self.minimum == 1)

    @property
    def sql_type(self) -> str:
        """The DuckDB type of the column."""
        if self.kind is Kind.DECIMAL:
            # 18 digits fit a 64-bit integer; wider ones are ten times slower to read.
            return f"DECIMAL(18,{self.scale})"
        return _SQL_TYPES[self.kind]

    @property
    def description(self) -> str:
        """The note, or the name taken apart into words."""
        words = " ".join(
            word if word.isupper() and len(word) > 1 else word.lower()
            for word in _WORD.findall(self.name)
        )
        return self.note or words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes fields of one kind: a field table reads best with one short call a line."""

    kind: Kind

    def __call__(  # noqa: PLR0913
        self,
        name: str,
        column: str = "",
        note: str = "",
        *,
        required: bool = False,
        aliases: tuple[str, ...] = (),
        minimum: int | None = None,
        maximum: int | None = None,
        scale: int = 4,
        stored: bool = True,
        never_null: bool = False,
    ) -> Field:
        """Return a field."""
        return Field(
            name, self.kind, column, note, required, aliases, minimum, maximum, scale, stored,
            never_null,
        )  # fmt: skip


text = _Maker(Kind.TEXT)
integer = _Maker(Kind.INTEGER)
decimal = _Maker(Kind.DECIMAL)
boolean = _Maker(Kind.BOOLEAN)
timestamp = _Maker(Kind.TIMESTAMP)
nested = _Maker(Kind.JSON)
