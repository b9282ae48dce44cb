"""From landing files to typed, validated rows in memory.

The quick ways read, cast and check the files of many partitions in one pass over
their bytes: as they are typed where the client has counted what they hold
(``read_typed``), as text where it has looked at each element. Every partition in
which anything is amiss, be it one value or one repeated key, is read again the
careful way. Nothing here touches the warehouse file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from aeries_pipeline.catalog.resource import KeySource, Resource, Table
from aeries_pipeline.catalog.schemas import faults
from aeries_pipeline.catalog.tables import quoted, suspect_sql, value_sql
from aeries_pipeline.stores.infer_schema import (
    NO_NAMES,
    Drift,
    Shape,
    drift_of,
    survey,
    survey_files,
    unknown_names,
)
from aeries_pipeline.stores.read_checked import frames, read_carefully
from aeries_pipeline.stores.read_sql import Present, present, text_select
from aeries_pipeline.stores.read_typed import read_counted
from aeries_pipeline.stores.tables import (
    Counts,
    Landed,
    Staged,
    bad_table,
    good_table,
    make_table,
)


@dataclass(frozen=True, slots=True)
class _Batch:
    """The partitions of a batch, and how their files are read."""

    landed: Sequence[Landed]
    page_by_page: bool

    def pieces(self, parts: Collection[int]) -> list[list[str]]:
        """Return the files that are read at once.

        DuckDB holds something of each file of a query until the last one is read.
        """
        files = _files(self.landed, parts)
        return [[one] for one in files] if self.page_by_page else [files]


def stage(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    landed: Sequence[Landed],
    *,
    quickly: bool = True,
    page_by_page: bool = False,
) -> Staged:
    """Parse, cast and validate the landed files of a batch.

    Args:
        connection: An in-memory DuckDB; its tables ``parts``, ``good_*`` and
            ``bad_*`` are made anew.
        resource: What the files hold.
        landed: The partitions; their numbers are their places in this list.
        quickly: Whether the quick way may be tried at all.
        page_by_page: Whether each file is read by a query of its own, which takes the least memory.

    Raises:
        duckdb.Error: If a file cannot be parsed at all.
    """
    batch = _Batch(landed, page_by_page)
    _register(connection, landed)
    shapes = _shapes(connection, resource, batch, quickly=quickly)
    counts: dict[str, dict[int, Counts]] = {}
    for table in resource.tables:
        mine = counts[table.name] = {part: Counts() for part in range(len(landed))}
        _make_tables(connection, table)
        counted = {part: shape for part, shape in shapes.items() if shape.members is not None}
        doubtful = set(range(len(landed)))
        if counted:
            doubtful -= _read_counted(connection, resource, batch, table, counted)
            shapes |= _looked_at(connection, resource, landed, doubtful & set(counted))
        for alike in _of_the_same_unknown(resource, doubtful, shapes):
            names = present(resource, table, [shapes[part] for part in alike])
            quick = [part for part in sorted(alike) if table.name in shapes[part].rows]
            careful = alike - set(quick)
            if quick:
                careful |= _read_quickly(connection, batch, table, names, (quick, shapes))
            if careful:
                read_carefully(connection, batch.pieces(careful), table, names, mine)
        if table is resource.main:
            _put_aside(connection, landed, table)
        _count(connection, table, mine)
    records = {part: shape.records + len(landed[part].unreadable) for part, shape in shapes.items()}
    drift = {part: drift_of(resource, shapes[part]) for part in range(len(landed))}
    _note_other_schools(connection, resource, drift)
    return Staged(records, drift, counts)


def _register(connection: duckdb.DuckDBPyConnection, landed: Sequence[Landed]) -> None:
    make_table(
        connection,
        "parts",
        {
            "part": pa.array(range(len(landed)), pa.int32()),
            "district": pa.array([one.district for one in landed], pa.string()),
            "school": pa.array([one.school for one in landed], pa.int32()),
            "_pull_id": pa.array([one.pull_id for one in landed], pa.string()),
            "_pulled_at": pa.array([one.pulled_at for one in landed], pa.timestamp("us")),
        },
    )
    listed = [
        (str(path), part, page)
        for part, one in enumerate(landed)
        for page, path in enumerate(one.pages)
    ]
    make_table(
        connection,
        "files",
        {
            "file": pa.array([one[0] for one in listed], pa.string()),
            "part": pa.array([one[1] for one in listed], pa.int32()),
            "page": pa.array([one[2] for one in listed], pa.int32()),
        },
    )


def _put_aside(
    connection: duckdb.DuckDBPyConnection, landed: Sequence[Landed], table: Table
) -> None:
    """Add to ``bad_*`` what the client could not read of the answers."""
    rows = [
        [part, bad.reason, bad.record] for part, one in enumerate(landed) for bad in one.unreadable
    ]
    if rows:
        connection.executemany(f"INSERT INTO {bad_table(table)} VALUES (?, ?, ?)", rows)


def _shapes(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    batch: _Batch,
    *,
    quickly: bool,
) -> dict[int, Shape]:
    """Return every partition's shape: the client's where it looked, else the files'."""
    known = {
        part: one.shape
        for part, one in enumerate(batch.landed)
        if quickly and one.shape is not None
    }
    rest = set(range(len(batch.landed))) - set(known)
    return known | _surveyed(connection, resource, batch.landed, rest)


def _surveyed(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    landed: Sequence[Landed],
    parts: Collection[int],
) -> dict[int, Shape]:
    """Return the shapes of partitions as DuckDB sees them, empty ones included."""
    if not parts:
        return {}
    found = survey_files(connection, resource, _files(landed, parts))
    return dict.fromkeys(parts, Shape()) | found


def _files(landed: Sequence[Landed], parts: Collection[int]) -> list[str]:
    return [str(page) for part in sorted(parts) for page in landed[part].pages]


def _make_tables(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f"{quoted(one.name)} {one.sql_type}" for one in table.stored)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {good_table(table)} "
        f"(_part INTEGER, _extra JSON, _suspect BOOLEAN, {columns}, "
        "_values INTEGER, _booleans INTEGER)"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {bad_table(table)} "
        "(_part INTEGER, reason VARCHAR, record JSON)"
    )


def _read_counted(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    batch: _Batch,
    table: Table,
    shapes: Mapping[int, Shape],
) -> set[int]:
    """Fill ``good_*`` with the partitions in which nothing is amiss, and return them."""
    fine: set[int] = set()
    for alike in _of_the_same_names(table, shapes):
        names = present(resource, table, list(alike.values()))
        fine |= read_counted(connection, batch.pieces(alike), table, names, alike)
    if fine:
        fine -= _repeating(connection, table) | _refused_by_pandera(connection, table)
    _remove(connection, table, set(shapes) - fine)
    return fine


def _of_the_same_names(table: Table, shapes: Mapping[int, Shape]) -> list[dict[int, Shape]]:
    """Group partitions by the properties that are presumed of their rows.

    Read with the columns of another one, a partition would seem to hold what was
    presumed of it where a later element has a property that its first one lacks,
    which its drift then would not tell. One without rows goes with any.
    """
    groups: dict[frozenset[str], dict[int, Shape]] = {}
    empty: dict[int, Shape] = {}
    for part, shape in shapes.items():
        names = shape.inner.get(table.name, NO_NAMES) if table.nested else shape.names
        mine = groups.setdefault(names, {}) if shape.rows[table.name] else empty
        mine[part] = shape
    if not groups:
        return [empty]
    first, *others = groups.values()
    return [first | empty, *others]


def _of_the_same_unknown(
    resource: Resource, parts: Collection[int], shapes: Mapping[int, Shape]
) -> list[set[int]]:
    """Group partitions by the properties that the catalogue does not know.

    Read together, two spellings of one name, which differ in case, would be one
    column under the name of whichever came first.
    """
    groups: dict[frozenset[str], set[int]] = {}
    for part in parts:
        groups.setdefault(unknown_names(resource, [shapes[part]]), set()).add(part)
    return list(groups.values())


def _looked_at(
    connection: duckdb.DuckDBPyConnection,
    resource: Resource,
    landed: Sequence[Landed],
    parts: Collection[int],
) -> dict[int, Shape]:
    """Return the shapes of partitions by a look at each element of their files."""
    known: dict[int, Shape] = {}
    for part in parts:
        pages = [_page(resource, page) for page in landed[part].pages]
        if None not in pages:
            known[part] = reduce(Shape.joined, filter(None, pages), Shape())
    return known | _surveyed(connection, resource, landed, set(parts) - set(known))


def _page(resource: Resource, page: Path) -> Shape | None:
    try:
        return survey(resource, orjson.loads(page.read_bytes()))
    except orjson.JSONDecodeError:
        return None  # DuckDB, which must read it, tells what is wrong.


def _read_quickly(
    connection: duckdb.DuckDBPyConnection,
    batch: _Batch,
    table: Table,
    names: Present,
    known: tuple[Sequence[int], dict[int, Shape]],
) -> set[int]:
    """Fill ``good_*`` in one pass and return the partitions that must be read with care."""
    parts, shapes = known
    good = good_table(table)
    values = [f"{value_sql(one, quoted(one.name))} AS {quoted(one.name)}" for one in table.stored]
    wrong = [sql for one in table.stored if (sql := suspect_sql(one, quoted(one.name)))]
    for files in batch.pieces(parts):
        connection.execute(
            f"INSERT INTO {good} SELECT _part, _extra, {' OR '.join(wrong) or 'false'}, "
            f"{', '.join(values)}, NULL, NULL FROM ({text_select(files, table, names)})"
        )
    counted = connection.execute(
        f"SELECT _part, count(*), bool_or(_suspect) FROM {good} GROUP BY _part"
    ).fetchall()
    found = {part for part, _rows, suspect in counted if suspect}
    rows = {part: n for part, n, _suspect in counted}
    # Two parsers have counted; where they differ, the careful way decides.
    found |= {part for part in parts if rows.get(part, 0) != shapes[part].rows[table.name]}
    found |= _repeating(connection, table) | _refused_by_pandera(connection, table)
    found &= set(parts)
    _remove(connection, table, found)
    return found


def _repeating(connection: duckdb.DuckDBPyConnection, table: Table) -> set[int]:
    """Return the partitions in which a key comes more than once."""
    if table.key_source is KeySource.NONE:
        return set()
    key = ", ".join(quoted(name) for name in table.key)
    rows = connection.execute(
        f"SELECT DISTINCT _part FROM (SELECT _part FROM {good_table(table)} "
        f"GROUP BY _part, {key} HAVING count(*) > 1)"
    ).fetchall()
    return {part for (part,) in rows}


def _remove(connection: duckdb.DuckDBPyConnection, table: Table, parts: Collection[int]) -> None:
    if parts:
        listed = ", ".join(map(str, sorted(parts)))
        connection.execute(f"DELETE FROM {good_table(table)} WHERE _part IN ({listed})")


def _refused_by_pandera(connection: duckdb.DuckDBPyConnection, table: Table) -> set[int]:
    """Return the partitions in which pandera finds any fault."""
    found: set[int] = set()
    source = f"{good_table(table)} WHERE NOT coalesce(_suspect, false)"
    for frame in frames(connection, table, "_part", source):
        parts = frame.pop("_part")
        found |= {int(parts.iloc[row]) for row in faults(table, frame)}
    return found


def _count(connection: duckdb.DuckDBPyConnection, table: Table, counts: dict[int, Counts]) -> None:
    for name, attribute in ((good_table(table), "rows"), (bad_table(table), "quarantined")):
        for part, n in connection.execute(
            f"SELECT _part, count(*) FROM {name} GROUP BY _part"
        ).fetchall():
            setattr(counts[part], attribute, n)


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
