"""The SQL that reads the elements of landed files, one row a row of a table.

Builds text only; ``read`` runs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aeries_pipeline.catalog.fields import Field, Kind
from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import literal, quoted, suspect_sql, value_sql
from aeries_pipeline.stores.infer_schema import NO_NAMES, Shape, unknown_names

_LARGEST = 2**53 - 1
"""Whole numbers up to it stand exactly in the numbers of JSON."""


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


def typed_select(files: Sequence[str], table: Table, names: Present) -> str:
    """Return the query for the rows of ``good_*``, read with the columns' types.

    Beside the fields it has ``_suspect``, whether a value is not fit for its field, and how
    many values were read of a row, and how many of them are booleans.

    Args:
        files: Paths, listed in the table ``files`` as well.
        table: What the rows are meant for.
        names: What the files carry; other fields are NULL.
    """
    values = ", ".join(
        f"{_value(one, quoted(one.name))} AS {quoted(one.name)}" for one in table.stored
    )
    suspects = [sql for one in table.stored if (sql := _suspect(one, quoted(one.name)))]
    booleans = [quoted(one.name) for one in table.stored if one.kind is Kind.BOOLEAN]
    truths = " + ".join(f"({name} IS NOT NULL)::INTEGER" for name in booleans)
    return (
        f"SELECT _part, _extra, {' OR '.join(suspects) or 'false'}, {values}, _values, "
        f"{truths or 0} FROM ({_select(files, table, names, typed=True)})"
    )


def text_select(files: Sequence[str], table: Table, names: Present) -> str:
    """Return the query for every field as text, with ``_part``, ``_page`` and ``_extra``.

    Args:
        files: Paths, listed in the table ``files`` as well.
        table: What the rows are meant for.
        names: What the files carry; other fields are NULL.
    """
    return _select(files, table, names, typed=False)


def _select(files: Sequence[str], table: Table, names: Present, *, typed: bool) -> str:
    """Return the query for every field.

    If typed, numbers are read as numbers and booleans as JSON, and ``_values`` is how many of
    a row's values are not NULL.
    """
    outer = _columns(table.outer, names.outer, names.unknown, typed=typed)
    inner = _columns(table.inner, names.inner, names.unknown, typed=typed)
    columns = list(outer.items())
    picks = [_pick(one, names.outer, "s.", typed=typed) for one in table.outer]
    extras = [f"s.{quoted(name)}" for name in sorted(names.unknown & names.outer)]
    counted = [f"s.{quoted(name)}" for name in outer]
    source = "s"
    if table.nested and table.nested in names.outer and names.inner:
        columns.append((table.nested, f"STRUCT({_struct(inner.items())})[]"))
        picks += [_pick(one, names.inner, "e.", typed=typed) for one in table.inner]
        extras += [
            f"e.{quoted(name)}" for name in sorted((names.unknown & names.inner) - names.outer)
        ]
        counted = [f"e.{quoted(name)}" for name in inner]
        source = f"(SELECT *, unnest(s.{quoted(table.nested)}) AS e FROM s) s"
    elif table.nested:
        picks += [_pick(one, NO_NAMES, "e.", typed=typed) for one in table.inner]
        source = "(SELECT * FROM s LIMIT 0) s"
    if typed:
        total = " + ".join(f"({one} IS NOT NULL)::INTEGER" for one in counted)
        picks.append(f"{total or 0} AS _values")
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


def _columns(
    fields: Sequence[Field], present: frozenset[str], unknown: frozenset[str], *, typed: bool
) -> dict[str, str]:
    """Return what is read, by the spelling that came, with its type."""
    found = {
        name: _type_of(one, typed=typed)
        for one in fields
        for name in (one.name, *one.aliases)
        if name in present
    }
    return dict(sorted(found.items())) | dict.fromkeys(sorted(unknown & present), "JSON")


def _type_of(one: Field, *, typed: bool) -> str:
    if typed and one.kind in {Kind.INTEGER, Kind.DECIMAL}:
        return "DOUBLE"
    return "JSON" if typed and one.kind is Kind.BOOLEAN else "VARCHAR"


def _value(field: Field, read: str) -> str:
    """Return the expression that turns what was read into the field's value."""
    match field.kind:
        case Kind.INTEGER:
            return f"TRY_CAST({read} AS BIGINT)"
        case Kind.DECIMAL:
            # Close to a number with so few digits a plain cast rounds as that of the text does.
            scaled = f"{read} * {10**field.scale}"
            close = f"abs({read}) < 1e11 AND abs({scaled} - round({scaled})) < 1e-6"
            cast = f"CAST({read} AS {field.sql_type})"
            text = f"TRY_CAST(CAST({read} AS VARCHAR) AS {field.sql_type})"
            return f"CASE WHEN {read} IS NULL THEN NULL WHEN {close} THEN {cast} ELSE {text} END"
        case Kind.BOOLEAN:
            return f"CASE {read}::VARCHAR WHEN 'true' THEN true WHEN 'false' THEN false END"
        case _:
            return value_sql(field, read)


def _suspect(field: Field, read: str) -> str | None:
    """Return the condition under which what was read is not fit for the field."""
    match field.kind:
        case Kind.INTEGER:
            return f"NOT coalesce(abs({read}) <= {_LARGEST} AND {read} = trunc({read}), true)"
        case Kind.DECIMAL | Kind.BOOLEAN:
            return f"({read} IS NOT NULL AND {_value(field, read)} IS NULL)"
        case _:
            return suspect_sql(field, read)


def _packed(extras: Sequence[str]) -> str:
    """Return the SQL of one JSON object with the unknown properties of a record.

    As in every column, a property that is null is as one that did not come: the
    columns of a batch are those of all its partitions, and most have not all.
    """
    if not extras:
        return "NULL::JSON"
    members = [f"{literal(json.dumps(_bare(one)) + ':')} || {one}::VARCHAR" for one in extras]
    given = " OR ".join(f"{one} IS NOT NULL" for one in extras)
    packed = ", ".join(members)
    return f"CASE WHEN {given} THEN ('{{' || concat_ws(',', {packed}) || '}}')::JSON END"


def _pick(one: Field, present: frozenset[str], prefix: str, *, typed: bool) -> str:
    """Return the SQL of a field, under whichever spelling came."""
    spelled = [f"{prefix}{quoted(name)}" for name in (one.name, *one.aliases) if name in present]
    kind = _type_of(one, typed=typed)
    value = f"coalesce({', '.join(spelled)})" if len(spelled) > 1 else (*spelled, "NULL")[0]
    return f"{value}::{kind} AS {quoted(one.name)}"


def _struct(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)


def _bare(reference: str) -> str:
    return reference.split(".", maxsplit=1)[1][1:-1].replace('""', '"')
