"""Writes a published district as a OneRoster package: one zip file, whole or not at all.

It is made from the district's published file, so no pull waits for it. Students who are
not shared are never in it, even if the published copy has them.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from aeries_pipeline.accounts.left_out import look
from aeries_pipeline.accounts.sharing import not_to_be_shared
from aeries_pipeline.analytics.oneroster.layout import COLUMNS, manifest
from aeries_pipeline.analytics.oneroster.rows import prepare, queries
from aeries_pipeline.analytics.publishing.publish import DISTRICTS
from aeries_pipeline.catalog.tables import quoted
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.scratch import scratch_folder

WITH_SECTIONS = ("classes", "enrollments")
"""Files that need the optional resources sections and staff."""


@dataclass(frozen=True, slots=True)
class Package:
    """What was written.

    Attributes:
        path: The zip file.
        rows: Rows of each file.
        absent: Why a file is not in it.
    """

    path: Path
    rows: Mapping[str, int]
    absent: Mapping[str, str]


def export(
    settings: Settings,
    warehouse: Warehouse,
    district: District,
    folder: Path,
    *,
    demographics: bool = False,
    moment: datetime | None = None,
) -> Package:
    """Write a district's package.

    Args:
        settings: Where the published copy is.
        warehouse: Says who is not shared.
        district: The roster's entry.
        folder: Where to; outside of the data directory, whose files are searched when a
            student is to be forgotten.
        demographics: Whether birth dates and genders are written.
        moment: The present, UTC without a zone; tests give another.

    Raises:
        ConfigurationError: If it must not or cannot be written; the message says why.
    """
    place, data = folder.resolve(), settings.data.resolve()
    if place == data or data in place.parents:
        raise ConfigurationError(
            "inside_data",
            f"{district.id}: choose a folder outside of {data}; what is written for others is not "
            "reached when a student is forgotten",
        )
    if district.analysts.access != "rows":
        raise ConfigurationError(
            "no_rows", f"{district.id}: analysts.access is {district.analysts.access}, so nobody's "
            "rows leave it; nothing was written"
        )  # fmt: skip
    published = settings.published / DISTRICTS / f"{district.id}.duckdb"
    if not published.exists():
        raise ConfigurationError(
            "not_published", f"{district.id}: it is not published yet; run aeries-pipeline publish"
        )
    left_out = look(warehouse, district, moment)
    if why := not_to_be_shared(left_out, {}):
        raise ConfigurationError("sharing_in_doubt", f"{district.id}: nothing written: {why}")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{published}' AS p (READ_ONLY)")
        connection.execute("CREATE TABLE not_shared (student_id BIGINT)")
        connection.execute(
            "INSERT INTO not_shared SELECT unnest(?::BIGINT[])", [sorted(left_out.causes)]
        )
        for statement in prepare(district.id, district.name):
            connection.execute(statement)
        absent = _absent(connection, demographics=demographics)
        day = district.day_of(moment or now()).isoformat()
        texts = {
            name: _text(connection, name, query)
            for name, query in queries(district.id, day).items()
            if name not in absent
        }
    path = folder / f"{district.id}-oneroster.zip"
    _write(path, {name: text for name, (text, _rows) in texts.items()})
    return Package(path, {name: rows for name, (_text, rows) in texts.items()}, absent)


def _absent(connection: duckdb.DuckDBPyConnection, *, demographics: bool) -> dict[str, str]:
    def number(table: str) -> int:
        found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(found[0]) if found else 0

    absent = {} if demographics else {"demographics": "not asked for"}
    if not number("own_year"):
        raise ConfigurationError(
            "no_terms", "no school of the district has a term with dates, so there is no school "
            "year; nothing was written"
        )  # fmt: skip
    if not number("own_students"):
        raise ConfigurationError("nobody", "nobody would be in it; nothing was written")
    if not number("own_classes"):
        absent |= dict.fromkeys(WITH_SECTIONS, "sections are not pulled")
    return absent


def _text(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> tuple[str, int]:
    """Return a file as text, with every column of the standard, and how many rows it has."""
    cursor = connection.execute(f"SELECT * FROM ({query}) ORDER BY {quoted('sourcedId')}")
    given = [column[0] for column in cursor.description or []]
    places = {column: given.index(column) for column in COLUMNS[name] if column in given}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS[name])
    rows = cursor.fetchall()
    for row in rows:
        writer.writerow(
            [row[places[column]] if column in places else "" for column in COLUMNS[name]]
        )
    return buffer.getvalue(), len(rows)


def _write(path: Path, texts: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(manifest(set(texts)))
    with scratch_folder(path.parent) as scratch:
        unfinished = scratch / path.name
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            archive.writestr("manifest.csv", buffer.getvalue())
            for name, text in sorted(texts.items()):
                archive.writestr(f"{name}.csv", text)
        unfinished.replace(path)
