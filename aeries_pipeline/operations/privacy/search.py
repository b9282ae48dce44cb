"""The proof that a person is forgotten: a search of every file below the data directory.

Databases are queried column by column, because their bytes are compressed; every other
file is read. Findings are reported by place, never by value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from aeries_pipeline.analytics.publishing.contents import OTHER_KEYS, STUDENT_KEYS
from aeries_pipeline.analytics.publishing.lake_access import Lake
from aeries_pipeline.catalog.tables import literal, quoted
from aeries_pipeline.operations.privacy.erase import looking_at
from aeries_pipeline.operations.privacy.folders import text_of
from aeries_pipeline.operations.privacy.lake import (
    district_in_lake,
    has_rows_of,
    student_in_lake,
)
from aeries_pipeline.operations.privacy.person import Person
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import tables_of
from aeries_pipeline.stores.memory import open_beside

_BINARY = {".duckdb", ".parquet", ".db", ".db-wal", ".db-shm", ".wal"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        files: How many files were searched.
        places: Where something was found; empty is the proof.
    """

    files: int
    places: tuple[str, ...]


def search_student(settings: Settings, person: Person, lake: Lake | None = None) -> Found:
    """Look for a student in every file below the data directory, and in the analysts' lake."""
    places = student_in_lake(lake, person) if lake else []
    files = 0
    marks = [mark.encode() for mark in person.marks]
    for path, where in _everything(settings, lake):
        files += 1
        if path.suffix == ".duckdb":
            try:
                places += [f"{where}: {one}" for one in _in_database(path, person)]
            except duckdb.Error:
                places += _unread(where, person.district)
        elif path.suffix == ".parquet":
            if _in_parquet(path, person):
                places.append(where)
        elif path.suffix not in _BINARY and _in_text(path, person, where):
            places.append(where)
        if marks and path.suffix in _BINARY:
            content = path.read_bytes()
            if any(mark in content for mark in marks):
                places.append(f"{where}: bytes")
    return Found(files, tuple(dict.fromkeys(places)))


def search_district(settings: Settings, district: str, lake: Lake | None = None) -> Found:
    """Look for rows and folders of a district."""
    places = district_in_lake(lake, district) if lake else []
    files = 0
    for path, name in _everything(settings, lake):
        files += 1
        where = Path(name)
        if path.suffix == ".duckdb":
            try:
                places += [f"{where}: {one}" for one in _with_rows_of(path, district)]
            except duckdb.Error:
                places += _unread(str(where), district)
        elif lake and lake.data in path.parents and has_rows_of(path, district):
            places.append(name)
        if district in {*where.parts, path.name.partition(".")[0]}:
            places.append(str(where))
    return Found(files, tuple(places))


def _unread(where: str, district: str) -> list[str]:
    """Return what to say of a database that cannot be read: nothing if it is another's."""
    match Path(where).parts:
        case ("backups", folder, _) if folder != district:
            return []
        case ("warehouses", _process, name) if name != f"{district}.duckdb":
            return []
        case ("warehouses", name) | ("published", "districts", name) if (
            name != f"{district}.duckdb"
        ):
            return []
    return [f"{where}: it cannot be read; delete it, then run the same command again"]


def _with_rows_of(path: Path, district: str) -> Iterator[str]:
    with looking_at(path) as connection:
        for (schema, table), columns in tables_of(connection, "old").items():
            if "district" not in columns or (schema, table) == ("meta", "forgotten"):
                continue
            found = connection.execute(
                f"SELECT 1 FROM old.{schema}.{quoted(table)} WHERE district = ? LIMIT 1", [district]
            ).fetchone()
            if found:
                yield f"{schema}.{table}"


def _everything(settings: Settings, lake: Lake | None) -> Iterator[tuple[Path, str]]:
    """Yield every file with its name for messages; a lake's catalogue is asked as such."""
    for path in _files(settings.data):
        if lake is None or path != lake.catalog:
            yield path, str(path.relative_to(settings.data))
    if lake is not None and settings.data not in lake.data.parents:
        for path in _files(lake.data):
            yield path, f"lake/{path.relative_to(lake.data)}"


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix != ".lock":
            yield path


def _in_text(path: Path, person: Person, where: str) -> bool:
    text = text_of(path)
    parts = Path(where).parts
    # Numbers are unique inside a district: the same one elsewhere is somebody else.
    own = parts[0] not in {"landing", "out", "inbox"} or parts[1] == person.district
    if not own:
        return any(mark in text for mark in person.marks)
    if person.is_in(text):
        return True
    school = next((int(part) for part in parts if part.isdecimal()), None)
    numbers = person.numbers.get(school, frozenset()) if school is not None else frozenset()
    return parts[0] == "out" and any(
        re.search(rf"^{school},{number},", text, re.MULTILINE) for number in numbers
    )


def _in_database(path: Path, person: Person) -> Iterator[str]:
    with looking_at(path) as connection:
        for (schema, table), columns in tables_of(connection, "old").items():
            if (schema, table) == ("meta", "forgotten"):
                continue
            name = f"old.{schema}.{quoted(table)}"
            if _in_columns(connection, name, columns, person):
                yield f"{schema}.{table}"


def _in_parquet(path: Path, person: Person) -> bool:
    with open_beside(path) as connection:
        name = f"read_parquet({literal(str(path))})"
        columns = [row[0] for row in connection.execute(f"DESCRIBE FROM {name}").fetchall()]
        return _in_columns(connection, name, columns, person)


def _in_columns(
    connection: duckdb.DuckDBPyConnection, name: str, columns: list[str], person: Person
) -> bool:
    tests = [
        f"coalesce({quoted(column)} = {person.student}, false)"
        for column in columns
        if column in {*STUDENT_KEYS, *OTHER_KEYS}
    ]
    texts = [
        row[0]
        for row in connection.execute(f"DESCRIBE FROM {name}").fetchall()
        if row[1] in {"VARCHAR", "JSON", "VARCHAR[]"}
    ]
    tests += [
        f"coalesce(regexp_matches(CAST({quoted(column)} AS VARCHAR), {literal(person.pattern)}), "
        "false)"
        for column in texts
    ]
    if not tests:
        return False
    own = f"district = {literal(person.district)} AND " if "district" in columns else ""
    found = connection.execute(
        f"SELECT 1 FROM {name} WHERE {own}({' OR '.join(tests)}) LIMIT 1"
    ).fetchone()
    return found is not None
