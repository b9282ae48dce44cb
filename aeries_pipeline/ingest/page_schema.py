"""The shape of a page, without examining each of its values.

For most resources, all elements are presumed to have the first one's
properties, and the page's content is counted, so that the rows made from it can
be checked against the counts (``stores.read``). What cannot be counted has no shape
here, and is examined element by element from the landed file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.ingest.api.answer import Answer
from aeries_pipeline.ingest.api.elements import ABSENT, Elements, Wanted
from aeries_pipeline.stores.count_members import members_of
from aeries_pipeline.stores.infer_schema import Shape

_ENOUGH = 1 << 16
"""Bytes in which the first element of a list is looked for."""


def is_counted(resource: Resource) -> bool:
    """Tell whether the members of a page tell what the resource's table must hold."""
    # What lies inside a column of JSON, or in an array of its own, is counted as well.
    kinds = {field.kind for field in resource.main.fields}
    return not resource.children and Kind.JSON not in kinds


def wanted_of(resource: Resource) -> Wanted:
    """Return what is kept of each element: its key, or all beside a flattened array."""
    table = resource.main
    if table.nested and is_counted(resource):
        names = tuple(name for one in table.outer for name in (one.name, *one.aliases))
        return Wanted(names, (table.nested,), closed=True)
    return Wanted(resource.paging_key if resource.paging else ())


def shape_of(resource: Resource, answer: Answer) -> Shape | None:
    """Return the shape of one page; None if its members cannot be counted."""
    if answer.elements is None or not is_counted(resource):
        return None
    table = resource.main
    if table.nested:
        return _nested(table, answer.elements, answer.body)
    return _flat(table, len(answer.elements), answer.body)


def joined(shapes: Sequence[Shape | None]) -> Shape | None:
    """Return the shape of pages together; None if they were not all counted."""
    found = [shape for shape in shapes if shape is not None]
    return reduce(Shape.joined, found) if found and len(found) == len(shapes) else None


def _flat(table: Table, records: int, body: bytes) -> Shape | None:
    names = _properties(body, body.find(b"{")) if records else frozenset()
    if names is None:
        return None
    members = members_of(body, names, records * len(names))
    if members is None:
        return None
    return Shape(records, names, {table.name: records}, {}, members)


def _nested(table: Table, elements: Elements, body: bytes) -> Shape | None:
    arrays = elements.column(table.nested or "")
    rows = sum(len(array) for array in arrays if array and array is not ABSENT)
    inner: frozenset[str] | None = frozenset()
    if rows:
        start = f'"{table.nested}":['.encode()
        inner = _properties(body, body.find(start + b"{") + len(start))
    outside = _outside(elements)
    if inner is None or outside is None:
        return None
    names, values, nulls = outside
    members = members_of(body, names | inner, rows * len(inner))
    if members is None:
        return None
    found = members.without(values, nulls)
    return Shape(
        len(elements), names, {table.name: rows}, {table.name: inner} if inner else {}, found
    )


def _outside(elements: Elements) -> tuple[frozenset[str], int, int] | None:
    """Return properties, values and nulls of the elements themselves, which were all kept.

    None if a value is true, false or more than one value, which the counts
    of the page would not show.
    """
    names: set[str] = set()
    values = nulls = 0
    for name in (*elements.wanted.names, *elements.wanted.arrays):
        column = [value for value in elements.column(name) if value is not ABSENT]
        if name in elements.wanted.names and not {type(value) for value in column} <= {
            int, float, str, type(None),
        }:  # fmt: skip
            return None
        if column:
            names.add(name)
        none = sum(value is None for value in column)
        nulls += none
        values += len(column) - none
    return frozenset(names), values, nulls


def _properties(body: bytes, start: int) -> frozenset[str] | None:
    """Return the properties of the object that begins at a place of the body."""
    for end in (start + _ENOUGH, len(body)):
        try:
            found, _end = json.JSONDecoder().raw_decode(body[start:end].decode("utf-8", "ignore"))
        except ValueError:
            continue
        return frozenset(found) if isinstance(found, dict) else None
    return None
