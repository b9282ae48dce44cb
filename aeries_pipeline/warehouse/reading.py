"""The SQL that reads the elements of landed files, one row a row of a table.

Builds text only. What is done with it, quickly or with care, is in ``staging``
and ``careful``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aeries_pipeline.catalog.fields import Field
from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.warehouse.shapes import NO_NAMES, Shape, spellings, unknown_names


@dataclass(frozen=True, slots=True)
class Present:
    """The names that the files of a batch carry, for one table.

    Attributes:
        outer: Properties of the elements.
        inner: Properties of the elements of the flattened array.
        unknown: Those of both that the catalogue does not know.
    """

    outer: frozenset[str]
    inner: frozenset[str]
    unknown: frozenset[str]


def present(resource: Resource, table: Table, shapes: Sequence[Shape]) -> Present:
    """Return the names that any of the shapes carries."""
    return Present(
        NO_NAMES.union(*(shape.names for shape in shapes)),
        NO_NAMES.union(*(shape.inner.get(table.name, NO_NAMES) for shape in shapes)),
        unknown_names(resource, shapes) if table is resource.main else NO_NAMES,
    )


def text_select(files: Sequence[str], table: Table, names: Present) -> str:
    """Return the query for every field as text, with ``_part``, ``_page`` and ``_extra``.

    Args:
        files: Paths, listed in the table ``files`` as well.
        table: What the rows are meant for.
        names: What the files carry; other fields are NULL.
    """
    unknown = names.unknown
    outer = [name for name in spellings(table.outer) if name in names.outer]
    columns = [(name, "VARCHAR") for name in sorted(outer)]
    columns += [(name, "JSON") for name in sorted(unknown & names.outer)]
    picks = [f"{_text_of(one, names.outer, 's.')} AS {quoted(one.name)}" for one in table.outer]
    extras = [f"s.{quoted(name)}" for name in sorted(unknown & names.outer)]
    source = "s"
    if table.nested and table.nested in names.outer and names.inner:
        inside = [name for name in spellings(table.inner) if name in names.inner]
        shape = [(name, "VARCHAR") for name in sorted(inside)]
        shape += [(name, "JSON") for name in sorted(unknown & names.inner)]
        columns.append((table.nested, f"STRUCT({_struct(shape)})[]"))
        picks += [
            f"{_text_of(one, names.inner, 'e.')} AS {quoted(one.name)}" for one in table.inner
        ]
        extras += [f"e.{quoted(name)}" for name in sorted((unknown & names.inner) - names.outer)]
        source = f"(SELECT *, unnest(s.{quoted(table.nested)}) AS e FROM s) s"
    elif table.nested:
        picks += [f"NULL::VARCHAR AS {quoted(one.name)}" for one in table.inner]
        source = "(SELECT * FROM s LIMIT 0) s"
    shape_sql = ", ".join(
        f"{literal(name)}: {literal(kind)}" for name, kind in columns or [("_", "VARCHAR")]
    )
    listed = ", ".join(literal(file) for file in files)
    return (
        f"WITH s AS (SELECT * FROM read_json([{listed}], format = 'auto', filename = true, "
        f"columns = {{{shape_sql}}})) SELECT f.part AS _part, f.page AS _page, "
        f"{', '.join(picks)}, {_packed(extras)} AS _extra "
        f"FROM {source} JOIN files f ON f.file = s.filename"
    )


def _packed(extras: Sequence[str]) -> str:
    """Return the SQL of one JSON object with the unknown properties that have a value."""
    if not extras:
        return "NULL::JSON"
    given = " OR ".join(f"{one} IS NOT NULL" for one in extras)
    packed = ", ".join(f"{literal(_bare(one))}, {one}" for one in extras)
    return f"CASE WHEN {given} THEN json_object({packed}) END"


def _text_of(one: Field, names: frozenset[str], prefix: str) -> str:
    """Return the SQL of a field's text, under whichever spelling came."""
    spelled = [name for name in (one.name, *one.aliases) if name in names]
    texts = [f"{prefix}{quoted(name)}" for name in spelled] or ["NULL"]
    return f"coalesce({', '.join(texts)}, NULL)" if len(texts) > 1 else f"{texts[0]}::VARCHAR"


def _struct(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)


def _bare(reference: str) -> str:
    return reference.split(".", maxsplit=1)[1].strip('"').replace('""', '"')
