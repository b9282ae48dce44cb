"""Joins the districts' parts to the one database that analysts open, and the Parquet folder.

If the last database is unchanged since it was put in place, it is copied as a file, and
only the rows of the districts that have changed are replaced.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from aeries_pipeline.analytics.publishing.contents import (
    NAME,
    note_publication,
    tables_with_rows,
)
from aeries_pipeline.analytics.publishing.copy import Plan
from aeries_pipeline.analytics.publishing.part import write_constant_parquet
from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.connection import copy_file
from aeries_pipeline.stores.diagnose import lacks_memory
from aeries_pipeline.stores.memory import open_beside

_SPARE = 2
"""A database that is this many times as large as its parts is rebuilt."""


def assemble(
    folder: Path,
    template: Path,
    last: Path,
    plan: Plan,
    parts: Mapping[str, Path],
    publication: Mapping[str, Any],
) -> None:
    """Make the database of all districts, and the Parquet files of no district.

    Args:
        folder: The hidden folder, where both go.
        template: A copy without rows.
        last: The database that analysts have now.
        plan: What has to be done.
        parts: Each district's own database, kept ones included.
        publication: The row of ``meta.published``.

    Raises:
        duckdb.Error: If it cannot be written.
        OSError: If the disk is full.
    """
    target = folder / f"{NAME}.duckdb"
    present = {name: path for name, path in parts.items() if path.exists()}
    size = sum(path.stat().st_size for path in present.values())
    is_whole = plan.is_whole or last.stat().st_size > _SPARE * size
    copy_file(template if is_whole else last, target)
    fresh = [*present] if is_whole else [one for one in present if one in plan.make]
    with open_beside(target) as connection:
        connection.execute(f"ATTACH {literal(str(target))} AS {NAME}")
        tables = tables_with_rows(connection, NAME)
        if not is_whole:
            gone = [*plan.make, *plan.drop]
            for table in tables:
                connection.execute(
                    f"DELETE FROM {NAME}.{table} WHERE list_contains(?, district)", [gone]
                )
        for name in fresh:
            connection.execute(f"ATTACH {literal(str(present[name]))} AS part (READ_ONLY)")
            for table in tables:
                insert = f"INSERT INTO {NAME}.{table} BY NAME FROM part.{table}"
                try:
                    connection.execute(insert)
                except duckdb.Error as error:
                    if not lacks_memory(error):
                        raise
                    # Each thread holds rows until a group of them is full.
                    connection.execute("SET threads = 1")
                    connection.execute(insert)
            connection.execute("DETACH part")
        note_publication(connection, publication)
        write_constant_parquet(connection, folder / "parquet")
        connection.execute(f"CHECKPOINT {NAME}")
        connection.execute("USE memory")
        connection.execute(f"DETACH {NAME}")


def link_parquet(last: Path, folder: Path, districts: Sequence[str]) -> None:
    """Take the Parquet files of districts that have not changed over from the last copy.

    Both copies have the same files; the last one's go once nobody keeps them.
    """
    wanted = {f"{district}.parquet" for district in districts}
    for place in last.iterdir() if wanted and last.is_dir() else ():
        with os.scandir(place) as found:
            names = [one.name for one in found if one.name in wanted]
        if names:
            (folder / place.name).mkdir(mode=0o700, exist_ok=True)
        for name in names:
            os.link(place / name, folder / place.name / name)
