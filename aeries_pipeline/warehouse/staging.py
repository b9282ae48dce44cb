"""From landing files to typed, validated rows in memory.

DuckDB parses the files of many partitions at once into text, casts the text to
the catalogue's types, and pandera validates what came out. Bad rows are set
aside whole, with reasons. Nothing here touches the warehouse file.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd

from aeries_pipeline.catalog.fields import Field, Kind
from aeries_pipeline.catalog.resource import KeySource, Resource, Table
from aeries_pipeline.catalog.schemas import faults
from aeries_pipeline.catalog.tables import fault_sql, literal, quoted, value_sql

_CHUNK_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Landed:
    """The files of one partition's pull, ready to be parsed.

    Attributes:
        district: District id.
        school: School code; None for a resource of the whole district.
        pull_id: The pull that they belong to.
        pulled_at: When the pull began, UTC without a zone.
        pages: Files in page order, each an answer as received.
        records: Elements that the client counted; None where nobody did.
    """

    district: str
    school: int | None
    pull_id: str
    pulled_at: datetime
    pages: tuple[Path, ...]
    records: int | None = None


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
        """Return the differences as JSON, None where there are none."""
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


@dataclass(slots=True)
class Counts:
    """What came out of one partition and one table."""

    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class Staged:
    """One parsed batch: tables in memory, and what is known of each partition.

    Attributes:
        records: Elements of the answer by partition.
        drift: Differences from the catalogue by partition.
        counts: Counts by table name and partition.
    """

    records: dict[int, int]
    drift: dict[int, Drift]
    counts: dict[str, dict[int, Counts]]


def good_table(table: Table) -> str:
    """Return the name of the in-memory table of good rows."""
    return quoted(f"good_{table.name}")


def bad_table(table: Table) -> str:
    """Return the name of the in-memory table of bad rows."""
    return quoted(f"bad_{table.name}")


def stage(
    connection: duckdb.DuckDBPyConnection, resource: Resource, landed: Sequence[Landed]
) -> Staged:
    """Parse, cast and validate the landed files of a batch.

    Args:
        connection: An in-memory DuckDB; its tables ``parts``, ``good_*`` and
            ``bad_*`` are made anew.
        resource: What the files hold.
        landed: The partitions; their numbers are their places in this list.

    Raises:
        duckdb.Error: If a file cannot be parsed at all.
    """
    _register(connection, landed)
    files = [str(page) for one in landed for page in one.pages]
    keys, records = _outer_keys(connection, files)
    drift = {part: Drift() for part in range(len(landed))}
    counts: dict[str, dict[int, Counts]] = {}
    for table in resource.tables:
        inner = _inner_keys(connection, files, table) if table.nested else {}
        main = table is resource.main
        _note_drift(resource, table, keys, inner, records, drift if main else None)
        unknown = _unknown(resource, table, keys, inner) if main else frozenset()
        _read_text(connection, files, table, _present(keys), _present(inner), unknown)
        _cast(connection, table)
        counts[table.name] = _sort_out(connection, table, len(landed))
    _note_other_schools(connection, resource, drift)
    return Staged(records, drift, counts)


def _register(connection: duckdb.DuckDBPyConnection, landed: Sequence[Landed]) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE parts (part INTEGER, district VARCHAR, school INTEGER, "
        "_pull_id VARCHAR, _pulled_at TIMESTAMP)"
    )
    connection.executemany(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?)",
        [
            [part, one.district, one.school, one.pull_id, one.pulled_at]
            for part, one in enumerate(landed)
        ],
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE files (file VARCHAR, part INTEGER, page INTEGER)"
    )
    connection.executemany(
        "INSERT INTO files VALUES (?, ?, ?)",
        [
            [str(path), part, page]
            for part, one in enumerate(landed)
            for page, path in enumerate(one.pages)
        ],
    )


def _objects(files: Iterable[str]) -> str:
    listed = ", ".join(literal(file) for file in files)
    return f"read_json_objects([{listed}], format = 'auto', filename = true)"


Keys = Mapping[int, frozenset[str]]


def _grouped(rows: Iterable[tuple[int, str]]) -> Keys:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for part, key in rows:
        found[part].add(key)
    return {part: frozenset(names) for part, names in found.items()}


def _present(keys: Keys) -> frozenset[str]:
    return frozenset().union(*keys.values()) if keys else frozenset()


def _outer_keys(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str]
) -> tuple[Keys, dict[int, int]]:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shapes AS SELECT f.part, s.names, s.n FROM ("
        "SELECT filename, json_keys(json) AS names, count(*) AS n "
        f"FROM {_objects(files)} GROUP BY ALL) s JOIN files f ON f.file = s.filename"
    )
    records = dict(
        connection.execute("SELECT part, sum(n)::BIGINT FROM shapes GROUP BY part").fetchall()
    )
    keys = connection.execute("SELECT DISTINCT part, unnest(names) FROM shapes").fetchall()
    return _grouped(keys), records


def _inner_keys(connection: duckdb.DuckDBPyConnection, files: Sequence[str], table: Table) -> Keys:
    path = literal(f'$."{table.nested}"[*]')
    rows = connection.execute(
        "SELECT DISTINCT f.part, unnest(s.names) FROM (SELECT DISTINCT filename, "
        f"json_keys(element) AS names FROM (SELECT filename, unnest(json_extract(json, {path})) "
        f"AS element FROM {_objects(files)})) s JOIN files f ON f.file = s.filename"
    ).fetchall()
    return _grouped(rows)


def _spellings(fields: Iterable[Field]) -> frozenset[str]:
    return frozenset(name for one in fields for name in (one.name, *one.aliases))


def _unknown(resource: Resource, table: Table, keys: Keys, inner: Keys) -> frozenset[str]:
    """Return unknown names, outer and inner, that a column can be read for.

    DuckDB's columns ignore case, so a name that differs from a known one in
    case alone cannot be read beside it; it is reported as drift all the same.
    """
    known = {name.lower() for name in resource.known_names() | _spellings(table.inner)}
    names = (_present(keys) | _present(inner)) - resource.known_names() - _spellings(table.inner)
    kept: dict[str, str] = {}
    for name in sorted(names):
        if name.lower() not in known:
            kept.setdefault(name.lower(), name)
    return frozenset(kept.values())


def _note_drift(
    resource: Resource,
    table: Table,
    keys: Keys,
    inner: Keys,
    records: Mapping[int, int],
    drift: dict[int, Drift] | None,
) -> None:
    if drift is None:
        return
    for part, found in drift.items():
        if not records.get(part):
            continue
        names = keys.get(part, frozenset())
        found.unknown = sorted(names - resource.known_names())
        lacking = [one for one in resource.fields if not names & {one.name, *one.aliases}]
        if inner.get(part):
            found.unknown += sorted(inner[part] - _spellings(table.inner))
            lacking += [one for one in table.inner if not inner[part] & {one.name, *one.aliases}]
        elif table.nested and table.nested not in names:
            found.missing_required.append(table.nested)
        found.missing = sorted(one.name for one in lacking if not one.required)
        found.missing_required += sorted(one.name for one in lacking if one.required)


def _text_of(one: Field, present: frozenset[str], prefix: str = "") -> str:
    """Return the SQL of a field's text, under whichever spelling came."""
    names = [name for name in (one.name, *one.aliases) if name in present]
    texts = [f"{prefix}{quoted(name)}" for name in names] or ["NULL"]
    return f"coalesce({', '.join(texts)}, NULL)" if len(texts) > 1 else f"{texts[0]}::VARCHAR"


def _struct(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)


def _read_text(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    table: Table,
    present: frozenset[str],
    inner_present: frozenset[str],
    unknown: frozenset[str],
) -> None:
    """Make ``staged_text``: every field as text, one row an element."""
    outer = [name for name in _spellings(table.outer) if name in present]
    columns = [(name, "VARCHAR") for name in sorted(outer)]
    columns += [(name, "JSON") for name in sorted(unknown & present)]
    picks = [f"{_text_of(one, present, 's.')} AS {quoted(one.name)}" for one in table.outer]
    extras = [f"s.{quoted(name)}" for name in sorted(unknown & present)]
    source = "s"
    if table.nested and table.nested in present and inner_present:
        inside = [name for name in _spellings(table.inner) if name in inner_present]
        shape = [(name, "VARCHAR") for name in sorted(inside)]
        shape += [(name, "JSON") for name in sorted(unknown & inner_present)]
        columns.append((table.nested, f"STRUCT({_struct(shape)})[]"))
        picks += [
            f"{_text_of(one, inner_present, 'e.')} AS {quoted(one.name)}" for one in table.inner
        ]
        extras += [f"e.{quoted(name)}" for name in sorted((unknown & inner_present) - present)]
        source = f"(SELECT *, unnest(s.{quoted(table.nested)}) AS e FROM s) s"
    elif table.nested:
        picks += [f"NULL::VARCHAR AS {quoted(one.name)}" for one in table.inner]
        source = "(SELECT * FROM s LIMIT 0) s"
    extra = f"CASE WHEN {' OR '.join(f'{x} IS NOT NULL' for x in extras)} THEN " if extras else ""
    packed = ", ".join(f"{literal(_bare(x))}, {x}" for x in extras)
    extra = f"{extra}json_object({packed}) END" if extras else "NULL::JSON"
    if not columns:
        columns = [("_", "VARCHAR")]
    shape_sql = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns)
    listed = ", ".join(literal(file) for file in files)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged_text AS WITH s AS (SELECT * FROM read_json("
        f"[{listed}], format = 'auto', filename = true, columns = {{{shape_sql}}})) "
        f"SELECT row_number() OVER () AS _row, f.part AS _part, f.page AS _page, "
        f"{', '.join(picks)}, {extra} AS _extra "
        f"FROM {source} JOIN files f ON f.file = s.filename"
    )


def _bare(reference: str) -> str:
    return reference.split(".", maxsplit=1)[1].strip('"').replace('""', '"')


def _cast(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make ``staged``: typed columns, and the faults of the casts."""
    values = [f"{value_sql(one, quoted(one.name))} AS {quoted(one.name)}" for one in table.stored]
    wrong = [sql for one in table.stored if (sql := fault_sql(one, quoted(one.name)))]
    listed = f"concat_ws('; ', {', '.join(wrong)})" if wrong else "''"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT _row, _part, _page, _extra, "
        f"{listed} AS _faults, {', '.join(values)} FROM staged_text"
    )


def _sort_out(connection: duckdb.DuckDBPyConnection, table: Table, parts: int) -> dict[int, Counts]:
    """Split ``staged`` into good and bad rows and count them by partition."""
    _collect_faults(connection, table)
    counts = {part: Counts() for part in range(parts)}
    _drop_duplicates(connection, table, counts)
    columns = ", ".join(quoted(one.name) for one in table.stored)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {good_table(table)} AS SELECT _part, _extra, {columns} "
        "FROM staged ANTI JOIN bad USING (_row) ANTI JOIN dropped USING (_row)"
    )
    whole = ", ".join(f"{literal(one.name)}, t.{quoted(one.name)}" for one in table.fields)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {bad_table(table)} AS SELECT t._part, b.reason, "
        f"json_merge_patch(json_object({whole}), coalesce(t._extra, '{{}}'::JSON)) AS record "
        "FROM staged_text t JOIN bad b USING (_row)"
    )
    for name, attribute in ((good_table(table), "rows"), (bad_table(table), "quarantined")):
        for part, n in connection.execute(
            f"SELECT _part, count(*) FROM {name} GROUP BY _part"
        ).fetchall():
            setattr(counts[part], attribute, n)
    for name in ("staged", "staged_text"):
        connection.execute(f"DROP TABLE {name}")
    return counts


def _collect_faults(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make ``bad``: row numbers and reasons, from the casts and from pandera."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE bad AS SELECT _row, _faults AS reason "
        "FROM staged WHERE _faults <> ''"
    )
    columns = ", ".join(
        f"{quoted(one.name)}::VARCHAR AS {quoted(one.name)}"
        if one.kind is Kind.JSON
        else quoted(one.name)
        for one in table.stored
    )
    reader = connection.execute(
        f"SELECT _row, {columns} FROM staged WHERE _faults = ''"
    ).to_arrow_reader(_CHUNK_ROWS)
    found: dict[int, str] = {}
    for batch in reader:
        frame = batch.to_pandas(types_mapper=pd.ArrowDtype).set_index("_row")
        found |= {row: "; ".join(reasons) for row, reasons in faults(table, frame).items()}
    if found:
        connection.executemany("INSERT INTO bad VALUES (?, ?)", [[r, w] for r, w in found.items()])


def _drop_duplicates(
    connection: duckdb.DuckDBPyConnection, table: Table, counts: dict[int, Counts]
) -> None:
    """Make ``dropped``: rows that say again what another row says.

    A row that comes on two pages is the paging's doing, and the later page is
    the newer state. Two different rows with one key on one page are a fault of
    the data: for a documented key the second is bad, for an inferred one both
    stay and are reported.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE dropped (_row BIGINT)")
    if table.key_source is KeySource.NONE:
        return
    key = ", ".join(quoted(name) for name in table.key)
    repeated = connection.execute(
        f"SELECT 1 FROM staged ANTI JOIN bad USING (_row) GROUP BY _part, {key} "
        "HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if repeated is None:
        return
    content = ", ".join(quoted(one.name) for one in table.stored)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE twins AS SELECT _row, _part, _page, "
        f"hash({content}) AS content, dense_rank() OVER (ORDER BY _part, {key}) AS same, "
        f"row_number() OVER (PARTITION BY _part, {key}, hash({content}) ORDER BY _page DESC, _row) "
        "AS copy FROM staged ANTI JOIN bad USING (_row) "
        f"QUALIFY count(*) OVER (PARTITION BY _part, {key}) > 1"
    )
    connection.execute("INSERT INTO dropped SELECT _row FROM twins WHERE copy > 1")
    connection.execute("DELETE FROM twins WHERE copy > 1")
    connection.execute(
        "INSERT INTO dropped SELECT _row FROM twins "
        "QUALIFY _page < max(_page) OVER (PARTITION BY same)"
    )
    connection.execute("DELETE FROM twins WHERE _row IN (SELECT _row FROM dropped)")
    for part, n in connection.execute(
        "SELECT _part, count(*) FROM staged JOIN dropped USING (_row) GROUP BY _part"
    ).fetchall():
        counts[part].duplicates = n
    conflicts = connection.execute(
        "SELECT _row, _part FROM twins "
        "QUALIFY row_number() OVER (PARTITION BY same ORDER BY _row) > 1"
    ).fetchall()
    for _row, part in conflicts:
        counts[part].conflicts += 1
    if conflicts and table.key_source is KeySource.DOCUMENTED:
        reason = f"{', '.join(table.key)}: another row has the same key"
        connection.executemany("INSERT INTO bad VALUES (?, ?)", [[r, reason] for r, _ in conflicts])


def _note_other_schools(
    connection: duckdb.DuckDBPyConnection, resource: Resource, drift: dict[int, Drift]
) -> None:
    if "SchoolCode" not in {one.name for one in resource.main.stored}:
        return
    rows = connection.execute(
        f"SELECT g._part, count(*) FROM {good_table(resource.main)} g "
        'JOIN parts p ON p.part = g._part WHERE g."SchoolCode" <> p.school GROUP BY g._part'
    ).fetchall()
    for part, n in rows:
        drift[part].other_schools = n
