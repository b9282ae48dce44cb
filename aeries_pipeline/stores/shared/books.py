"""What the shared Postgres knows of each file: its state, its pulls, its answers.

It follows the files. A district's rows change in one transaction, which only
the holder of the lease under which the file was written can make.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.stores.memory import open_beside
from aeries_pipeline.stores.shared.database import Database
from aeries_pipeline.stores.versions import version_of

_PULLS = (
    "pull_id", "run_id", "district", "school", "resource", "status", "code", "transient", "rows",
    "started_at", "finished_at", "reason",
)  # fmt: skip
_LATEST = (
    "district", "school", "resource", "status", "reason", "complete_at", "finished_at",
)  # fmt: skip
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of a file.

    Attributes:
        generation: Counts its states.
        etag: Of its state in object storage.
        commit_id: Of the same.
        is_removed: Whether it is being deleted for good.
    """

    generation: int
    etag: str
    commit_id: str
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What the ledger keeps of the inside of a file.

    Attributes:
        schema_version: Of its tables.
        counts: Rows by table, about.
        oldest: When its oldest pull ended, UTC without a zone; None without any pull.
        fresh: Its pulls since a moment.
        latest: The newest pull of each partition.
    """

    schema_version: int
    counts: Mapping[str, int]
    oldest: datetime | None
    fresh: Sequence[Row]
    latest: Sequence[Row]


def read_content(path: Path, since: datetime | None) -> Content:
    """Read what the ledger keeps of a file that is closed.

    Args:
        path: The file.
        since: Only pulls that ended then or later are fresh; all where None.
    """
    with open_beside(path) as connection:
        connection.execute(f"ATTACH {literal(str(path))} AS held (READ_ONLY)")
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables() "
            "WHERE database_name = 'held'"
        ).fetchall()
        counts = dict(tables)
        version = version_of(connection, "held")
        if "meta.pulls" not in counts:
            return Content(version, counts, None, (), ())

        def rows(query: str, names: Sequence[str], *values: object) -> list[Row]:
            found = connection.execute(query, list(values)).fetchall()
            return [dict(zip(names, row, strict=True)) for row in found]

        fresh = rows(
            f"SELECT {', '.join(_PULLS)} FROM held.meta.pulls "
            "WHERE $1 IS NULL OR finished_at >= CAST($1 AS TIMESTAMP)",
            _PULLS,
            since,
        )
        latest = rows(
            "SELECT district, school, resource, status, reason, max(finished_at) FILTER "
            "(status = 'complete') OVER (PARTITION BY district, resource, school), finished_at "
            "FROM held.meta.pulls QUALIFY row_number() OVER (PARTITION BY district, resource, "
            "school ORDER BY finished_at DESC, started_at DESC) = 1",
            _LATEST,
        )
        oldest = connection.execute("SELECT min(finished_at) FROM held.meta.pulls").fetchone()
        return Content(version, counts, oldest[0] if oldest else None, fresh, latest)


class Books:
    """The ledger of all machines.

    Args:
        database: Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        """Read nothing yet."""
        self._database = database

    def known(self, name: str) -> Known | None:
        """Return what is known of a file."""
        with self._database.transaction() as connection:
            row = connection.execute(
                text(
                    "SELECT generation, etag, commit_id, is_removed FROM aeries.districts "
                    "WHERE district = :name"
                ),
                {"name": name},
            ).one_or_none()
        return None if row is None else Known(*row)

    def marks(self) -> dict[str, str]:
        """Return what tells the present state of each file from every other one."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                text("SELECT district, commit_id FROM aeries.districts WHERE NOT is_removed")
            ).all()
        return {row.district: row.commit_id for row in rows}

    def last_pull(self, name: str) -> datetime | None:
        """Return when the newest pull that is noted of a district ended."""
        with self._database.transaction() as connection:
            found: datetime | None = connection.execute(
                text("SELECT max(finished_at) FROM aeries.pulls WHERE district = :name"),
                {"name": name},
            ).scalar_one()
        return found

    def record(
        self, name: str, lease: tuple[str, int], state: Known, size: int, content: Content
    ) -> bool:
        """Note a file's new state, with its pulls, in one transaction.

        Args:
            name: Of the file.
            lease: Name and fence of the lease under which it was written.
            state: The new state.
            size: Its bytes.
            content: What is in it.

        Returns:
            Whether it was noted; it is not where somebody else has the lease by now, who
            has seen to it.
        """
        with self._database.transaction() as connection:
            if not _has_fence(connection, lease):
                return False
            connection.execute(
                text(
                    "INSERT INTO aeries.districts (district, generation, etag, commit_id, fence, "
                    "schema_version, changed_at, bytes, counts) VALUES (:district, :generation, "
                    ":etag, :commit_id, :fence, :schema_version, clock_timestamp(), :bytes, "
                    "CAST(:counts AS jsonb)) ON CONFLICT (district) DO UPDATE SET "
                    "generation = excluded.generation, etag = excluded.etag, "
                    "commit_id = excluded.commit_id, fence = excluded.fence, "
                    "schema_version = excluded.schema_version, changed_at = excluded.changed_at, "
                    "bytes = excluded.bytes, counts = excluded.counts, is_removed = false"
                ),
                {
                    "district": name,
                    "generation": state.generation,
                    "etag": state.etag,
                    "commit_id": state.commit_id,
                    "fence": lease[1],
                    "schema_version": content.schema_version,
                    "bytes": size,
                    "counts": json.dumps(content.counts),
                },
            )
            _note_pulls(connection, name, content)
        return True

    def begin_removal(self, name: str, lease: tuple[str, int]) -> bool:
        """Note that a file is about to be deleted; return whether that may be done."""
        with self._database.transaction() as connection:
            if not _has_fence(connection, lease):
                return False
            connection.execute(
                text("UPDATE aeries.districts SET is_removed = true WHERE district = :name"),
                {"name": name},
            )
        return True

    def end_removal(self, name: str) -> None:
        """Delete what is known of a file that is gone."""
        with self._database.transaction() as connection:
            for table in ("pulls", "latest_pulls", "answers", "districts"):
                connection.execute(
                    text(f"DELETE FROM aeries.{table} WHERE district = :name"), {"name": name}
                )

    def answers(self, question: str) -> dict[str, tuple[str, str]]:
        """Return mark and answer of each district that has answered a question."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                text("SELECT district, mark, answer FROM aeries.answers WHERE question = :name"),
                {"name": question},
            ).all()
        return {district: (mark, answer) for district, mark, answer in rows}

    def note_answers(self, question: str, fresh: Iterable[tuple[str, str, str]]) -> None:
        """Put answers in place of earlier ones: district, mark and answer."""
        rows = [
            {"district": district, "question": question, "mark": mark, "answer": answer}
            for district, mark, answer in sorted(fresh)
        ]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.execute(
                text(
                    "INSERT INTO aeries.answers (district, question, mark, answer, asked_at) "
                    "VALUES (:district, :question, :mark, :answer, clock_timestamp()) "
                    "ON CONFLICT (district, question) DO UPDATE SET mark = excluded.mark, "
                    "answer = excluded.answer, asked_at = excluded.asked_at"
                ),
                rows,
            )

    def forget_answers(self, district: str) -> None:
        """Delete what a district has answered."""
        with self._database.transaction() as connection:
            connection.execute(
                text("DELETE FROM aeries.answers WHERE district = :name"), {"name": district}
            )


class SharedNotes:
    """Answers to questions about all districts; see ``across``.

    Args:
        books: Where they are kept.
    """

    def __init__(self, books: Books) -> None:
        """Read nothing yet."""
        self._books = books

    def known(self, question: str) -> dict[str, tuple[str, str]]:
        """Return mark and answer of each district that has answered a question."""
        return self._books.answers(question)

    def note(self, question: str, fresh: Iterable[tuple[str, str, str]]) -> None:
        """Put answers in place of earlier ones: district, mark and answer."""
        self._books.note_answers(question, fresh)

    def forget(self, district: str) -> None:
        """Delete what a district has answered."""
        self._books.forget_answers(district)


def _has_fence(connection: Connection, lease: tuple[str, int]) -> bool:
    """Tell whether a lease is still the newest, and keep it so until the transaction ends."""
    found = connection.execute(
        text("SELECT fence FROM aeries.leases WHERE name = :name FOR SHARE"), {"name": lease[0]}
    ).scalar_one_or_none()
    return found == lease[1]


def _note_pulls(connection: Connection, name: str, content: Content) -> None:
    """Bring the district's pulls to what its file has, which a restored backup has fewer of."""
    newest = max((row["finished_at"] for row in content.latest), default=None)
    connection.execute(
        text(
            "DELETE FROM aeries.pulls WHERE district = :name AND (CAST(:newest AS timestamp) IS "
            "NULL OR finished_at > :newest OR finished_at < :oldest "
            "OR finished_at >= CAST(:since AS timestamp))"
        ),
        {
            "name": name,
            "newest": newest,
            "oldest": content.oldest,
            "since": min((row["finished_at"] for row in content.fresh), default=None),
        },
    )
    for table, names, rows in (
        ("pulls", _PULLS, content.fresh),
        ("latest_pulls", _LATEST, content.latest),
    ):
        if table == "latest_pulls":
            connection.execute(
                text("DELETE FROM aeries.latest_pulls WHERE district = :name"), {"name": name}
            )
        if rows:
            marks = ", ".join(f":{one}" for one in names)
            connection.execute(
                text(f"INSERT INTO aeries.{table} ({', '.join(names)}) VALUES ({marks})"),
                list(rows),
            )
