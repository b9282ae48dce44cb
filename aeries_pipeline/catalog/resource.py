"""What an Aeries resource is: one value that everything else is derived from.

A ``Resource`` holds facts about an end point. It fetches nothing and stores
nothing. Path, grain, permission, paging, keys and fields live here; DDL is
made from them in ``tables``, pandera schemas in ``schemas``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from aeries_pipeline.catalog.fields import Field


class Grain(StrEnum):
    """Whether Aeries answers for a whole district or for one school."""

    DISTRICT = "district"
    SCHOOL = "school"


class KeySource(StrEnum):
    """How sure the natural key is.

    A broken documented key quarantines the later row. A key that is only
    inferred, from samples or from experience, is reported and breaks nothing.
    """

    DOCUMENTED = "documented"
    INFERRED = "inferred"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Paging:
    """The two inclusive, 1-based query numbers of an end point.

    Attributes:
        first: Name of the query parameter for the first record.
        last: Name of the query parameter for the last record.
        size: Records asked for in one request.
    """

    first: str
    last: str
    size: int

    def window(self, first: int, last: int) -> dict[str, str | int]:
        """Return the query that asks for the records from one number to another."""
        return {self.first: first, self.last: last}


API_SECURITY = "School Info > Configurations > Security > API Security"
"""Where in Aeries certificates and their permissions are kept."""


@dataclass(frozen=True, slots=True)
class Area:
    """A box of the API Security page that lets a certificate read something.

    Attributes:
        name: The text beside the box.
        group: The group of the grid in which the box stands.
    """

    name: str
    group: str

    @property
    def instruction(self) -> str:
        """The sentence that asks a district for it."""
        return (
            f"tick Read on '{self.name}' ({self.group}) for this certificate in Aeries, "
            f"{API_SECURITY}"
        )


class Covers(StrEnum):
    """What the answer about a single record covers.

    School: what the record is at the school that was asked. Some sites send what it is elsewhere as
    well; a row that names another school is left out. Record: all of it, whatever school was asked;
    if a row names another school, it is unknown whether the one that was asked still has the
    record, so its list is read whole.
    """

    SCHOOL = "school"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Feed:
    """An end point that names the records that have changed since a moment.

    It gives only keys; each record is then read individually. It says nothing about deletions, and
    nobody promises that it is complete.

    Attributes:
        path: Path below ``/api/v5``; year, month, day, hour and minute follow.
        key: Property of its elements that names the record.
        field: The field of the resource that holds the same.
        one: Path of one record; ``{school}``, ``{key}`` and ``{year}`` are filled in.
        covers: What the answer of that path covers.
    """

    path: str
    key: str
    field: str
    one: str
    covers: Covers


@dataclass(frozen=True, slots=True)
class Reference:
    """A field whose values must be found in another resource of the district.

    Attributes:
        field: The field of this resource.
        resource: Name of the resource that holds the target.
        target: The target field.
        same_school: Whether only rows of the same school count.
        tolerance: Share of the rows that may lead nowhere in sound data.
    """

    field: str
    resource: str
    target: str
    same_school: bool = False
    tolerance: float = 0.02


@dataclass(frozen=True, slots=True)
class Table:
    """One table that an answer is written to.

    Attributes:
        name: Name of the table in the schemas ``raw`` and ``quarantine``.
        outer: Fields of the element itself.
        key: Natural key, without the district.
        key_source: How sure that key is.
        nested: Name of the array that is flattened, one row an element; None
            where the element is the row.
        inner: Fields of one element of that array.
    """

    name: str
    outer: tuple[Field, ...]
    key: tuple[str, ...]
    key_source: KeySource
    nested: str | None = None
    inner: tuple[Field, ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field of the table, in order."""
        return self.outer + self.inner

    @property
    def stored(self) -> tuple[Field, ...]:
        """The fields that become columns."""
        return tuple(field for field in self.fields if field.stored)


@dataclass(frozen=True)
class Resource:
    """One Aeries resource.

    Attributes:
        name: Name of the asset and of the main table.
        title: One line for people.
        path: Path below ``/api/v5``; ``{school}``, ``{year}`` and ``{part}`` are filled in.
        grain: District or school.
        fields: Every property of one element.
        key: Natural key within a district, as Aeries documents it.
        key_source: How sure the key is.
        area: The permission it needs; None if any valid certificate will do.
        paging: How it pages; None if the whole answer comes at once.
        nested: Name of the array that makes the grain of the main table.
        inner: Fields of that array's elements.
        children: Further tables made from arrays inside an element.
        references: Where values must be found again.
        feed: What tells which records changed; None if Aeries has no such end point.
        parts: What is filled in for ``{part}``, one after the other, where Aeries
            has several lists and none of all. One that a site lacks is left out.
        optional: Only pulled where the roster lists it for the district.
        may_be_empty: Whether no rows at all is a normal answer.
        absence_counts: Whether a row that is missing once more says something,
            so that the same list again is news to what follows from it.
        personal: Whether its rows are about identifiable people.
        source: Where the facts were published.
    """

    name: str
    title: str
    path: str
    grain: Grain
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    key_source: KeySource = KeySource.DOCUMENTED
    area: Area | None = None
    paging: Paging | None = None
    nested: str | None = None
    inner: tuple[Field, ...] = ()
    children: tuple[Table, ...] = ()
    references: tuple[Reference, ...] = ()
    feed: Feed | None = None
    parts: tuple[str, ...] = ()
    optional: bool = False
    may_be_empty: bool = True
    absence_counts: bool = False
    personal: bool = True
    source: str = ""

    @cached_property
    def main(self) -> Table:
        """The table that bears the resource's name."""
        taken = {self.nested, *(child.nested for child in self.children)}
        outer = tuple(field for field in self.fields if field.name not in taken)
        return Table(self.name, outer, self.key, self.key_source, self.nested, self.inner)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The main table and its children."""
        return (self.main, *self.children)

    @property
    def paging_key(self) -> tuple[str, ...]:
        """Fields that tell two elements of a page apart."""
        outer = {field.name for field in self.fields}
        return tuple(name for name in self.key if name in outer)

    def known_names(self) -> frozenset[str]:
        """Every JSON name that an element may carry."""
        names = {field.name for field in self.fields}
        aliases = {alias for field in self.fields for alias in field.aliases}
        return frozenset(names | aliases)
