"""Which properties the elements of a response have, and how that differs from the catalog.

A shape is taken once: by the client, which counts what a page holds, or otherwise from the
landed files, element by element. Rows and values are not looked at.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from aeries_pipeline.catalog.fields import Field
from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.count_members import Members

NO_NAMES: frozenset[str] = frozenset()


@dataclass(slots=True)
class Drift:
    """How the answer of one partition differs from the catalogue.

    Attributes:
        unknown: Fields that the catalogue does not know, kept in ``_extra``.
        missing: Optional fields that no element carries.
        missing_required: Required fields that no element carries.
        other_schools: Rows that name another school than the one asked.
    """

    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    missing_required: list[str] = field(default_factory=list)
    other_schools: int = 0

    def as_json(self) -> str | None:
        """Return the differences as JSON, None if there are none."""
        found = {
            "unknown": self.unknown,
            "missing": self.missing,
            "missing_required": self.missing_required,
            "other_schools": self.other_schools,
        }
        kept = {name: value for name, value in found.items() if value}
        return json.dumps(kept) if kept else None

    @classmethod
    def from_json(cls, text: str | None) -> Drift:
        """Return the differences that :meth:`as_json` wrote."""
        return cls(**json.loads(text)) if text else cls()


@dataclass(frozen=True, slots=True)
class Shape:
    """What the elements of one partition look like.

    Attributes:
        records: Elements of the answer.
        names: Properties that any element carries.
        rows: Rows that each table gets, by its name, where the client counted them.
        inner: Properties of the elements of each flattened array, by table.
        members: What the client counted; the properties are then those of the first
            element, presumed of all others. None if each element was looked at.
    """

    records: int = 0
    names: frozenset[str] = NO_NAMES
    rows: Mapping[str, int] = field(default_factory=dict)
    inner: Mapping[str, frozenset[str]] = field(default_factory=dict)
    members: Members | None = None

    def joined(self, other: Shape) -> Shape:
        """Return the shape of this page and another one together; both were counted."""
        return Shape(
            self.records + other.records,
            self.names | other.names,
            {name: self.rows.get(name, 0) + n for name, n in other.rows.items()},
            {
                name: self.inner.get(name, NO_NAMES) | other.inner.get(name, NO_NAMES)
                for name in (*self.inner, *other.inner)
            },
            self.members + other.members if self.members and other.members else None,
        )


def objects_of(files: Iterable[str]) -> str:
    """Return the SQL that reads the elements of files as JSON, one a row."""
    listed = ", ".join(literal(file) for file in files)
    return f"read_json_objects([{listed}], format = 'auto', filename = true)"


def survey_files(
    connection: duckdb.DuckDBPyConnection, resource: Resource, files: Sequence[str]
) -> dict[int, Shape]:
    """Return the shapes of landed files, by partition.

    Args:
        connection: Has the table ``files``.
        resource: What the files hold.
        files: Their paths.

    Raises:
        duckdb.Error: If a file cannot be parsed at all.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shapes AS SELECT f.part, s.names, s.n FROM ("
        "SELECT filename, json_keys(json) AS names, count(*) AS n "
        f"FROM {objects_of(files)} GROUP BY ALL) s JOIN files f ON f.file = s.filename"
    )
    records = dict(
        connection.execute("SELECT part, sum(n)::BIGINT FROM shapes GROUP BY part").fetchall()
    )
    names = _grouped(
        connection.execute("SELECT DISTINCT part, unnest(names) FROM shapes").fetchall()
    )
    inner = {
        table.name: _inner_names(connection, files, table)
        for table in resource.tables
        if table.nested
    }
    return {
        part: Shape(
            count,
            names.get(part, NO_NAMES),
            {},
            {name: found.get(part, NO_NAMES) for name, found in inner.items()},
        )
        for part, count in records.items()
    }


def _grouped(rows: Iterable[tuple[int, str]]) -> dict[int, frozenset[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for part, key in rows:
        found[part].add(key)
    return {part: frozenset(names) for part, names in found.items()}


def _inner_names(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], table: Table
) -> dict[int, frozenset[str]]:
    path = literal(f'$."{table.nested}"[*]')
    rows = connection.execute(
        "SELECT DISTINCT f.part, unnest(s.names) FROM (SELECT DISTINCT filename, "
        f"json_keys(element) AS names FROM (SELECT filename, unnest(json_extract(json, {path})) "
        f"AS element FROM {objects_of(files)})) s JOIN files f ON f.file = s.filename"
    ).fetchall()
    return _grouped(rows)


def spellings(fields: Iterable[Field]) -> frozenset[str]:
    """Return every JSON name under which any of the fields may come."""
    return frozenset(name for one in fields for name in (one.name, *one.aliases))


def drift_of(resource: Resource, shape: Shape) -> Drift:
    """Return how the shape of a partition differs from the catalogue."""
    found = Drift()
    if not shape.records:
        return found
    table = resource.main
    found.unknown = sorted(shape.names - resource.known_names())
    lacking = [one for one in resource.fields if not shape.names & {one.name, *one.aliases}]
    inner = shape.inner.get(table.name, NO_NAMES)
    if inner:
        found.unknown += sorted(inner - spellings(table.inner))
        lacking += [one for one in table.inner if not inner & {one.name, *one.aliases}]
    elif table.nested and table.nested not in shape.names:
        found.missing_required.append(table.nested)
    found.missing = sorted(one.name for one in lacking if not one.required)
    found.missing_required += sorted(one.name for one in lacking if one.required)
    return found


def unknown_names(resource: Resource, shapes: Iterable[Shape]) -> frozenset[str]:
    """Return unknown names, outer and inner, that a column can be read for.

    DuckDB's columns ignore case, so a name that differs from a known one in
    case alone cannot be read beside it; it is reported as drift all the same.
    """
    table = resource.main
    spelled = resource.known_names() | spellings(table.inner)
    known = {name.lower() for name in spelled}
    kept: dict[str, str] = {}
    for shape in shapes:
        for name in sorted((shape.names | shape.inner.get(table.name, NO_NAMES)) - spelled):
            if name.lower() not in known:
                kept.setdefault(name.lower(), name)
    return frozenset(kept.values())
