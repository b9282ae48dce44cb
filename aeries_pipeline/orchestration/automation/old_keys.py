"""Migrates the partition keys of schools from the spelling of releases before 0.2.

They were ``eagle-usd|994``, which Dagster's UI takes for two dimensions. If an instance
has such keys in its runs, tags, events, checks and backfills, they get the present
spelling everywhere at its first start, so that no history is lost and nobody meets two
spellings. Nothing else in Dagster's tables is touched.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    inspect,
    select,
)
from sqlalchemy.pool import NullPool

from aeries_pipeline.orchestration.partitions import school_key

MARK = "school-keys"
"""File in a home whose keys have the present spelling."""

_OLD = re.compile(r"(?<![A-Za-z0-9|-])([a-z0-9][a-z0-9-]{0,62})\|(\d{1,9})(?![\d|])")
_TABLES = {
    "asset_check_executions",
    "asset_check_partitions",
    "asset_event_tags",
    "asset_keys",
    "backfill_tags",
    "bulk_actions",
    "event_logs",
    "instigators",
    "job_ticks",
    "jobs",
    "run_tags",
    "runs",
}
_WAIT_SECONDS = 60


def bring_keys(home: Path, postgres: str | None = None) -> int:
    """Give a home's keys the present spelling, unless they have it.

    Args:
        home: The Dagster home; its SQLite files are looked through.
        postgres: Address of the database, where the home keeps none itself.

    Returns:
        How many values were changed.
    """
    mark = home / MARK
    if mark.exists():
        return 0
    changed = 0
    if postgres is not None:
        changed += _in_database(create_engine(postgres, poolclass=NullPool))
    for path in sorted(home.rglob("*.db")):
        # Opened by its path, since a question mark means something in an address.
        engine = create_engine("sqlite://", creator=_opener(path), poolclass=NullPool)
        changed += _in_database(engine)
    mark.write_text(school_key("district", 994) + "\n", encoding="utf-8")
    return changed


def respelled(text: str) -> str:
    """Return a text with every school's key in the present spelling."""
    return _OLD.sub(lambda found: school_key(found[1], int(found[2])), text)


def _opener(path: Path) -> Callable[[], sqlite3.Connection]:
    return lambda: sqlite3.connect(path, timeout=_WAIT_SECONDS)


def _in_database(engine: Engine) -> int:
    names = _TABLES & set(inspect(engine).get_table_names())
    tables = MetaData()
    tables.reflect(engine, only=sorted(names))
    changed = 0
    for table in tables.sorted_tables:
        with engine.begin() as connection:
            for column in table.columns:
                if table.name in names and isinstance(column.type, String):
                    changed += _in_column(connection, table, column)
    engine.dispose()
    return changed


def _in_column(connection: Connection, table: Table, column: Column[str]) -> int:
    (key,) = table.primary_key.columns
    found = connection.execute(select(key, column).where(column.contains("|"))).all()
    anew = [(number, text, respelled(text)) for number, text in found]
    values = [{"which": number, "anew": new} for number, text, new in anew if new != text]
    if values:
        changing = table.update().where(key == bindparam("which"))
        connection.execute(changing.values({column.name: bindparam("anew")}), values)
    return len(values)
