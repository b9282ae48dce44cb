"""What was taken before a file: the same content, or the beginning of it.

An upload that stalls is taken once it stops growing, and again when it has grown; then
the beginning no longer counts.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import duckdb

from aeries_pipeline.course_requests.statement import Covers

GROWS_FOR = timedelta(days=2)
"""For as long after it was taken a file may turn out to have been a beginning."""


class Before:
    """The files of a district that were taken before one, and what they mean for it."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, district: str, digest: str, covers: Covers
    ) -> None:
        """Look up the content among the files that were taken.

        Args:
            connection: On the warehouse, in the transaction that keeps the file.
            district: District id.
            digest: SHA-256 of the content.
            covers: For whom it speaks.
        """
        self._connection = connection
        self._district = district
        self._digest = digest
        self._covers = covers
        self._times = self._number("sha256 = $digest")
        self.was_said = bool(
            self._number(f"sha256 = $digest AND coalesce(covers, 'additions') = '{covers}'")
        )
        """Whether the same content was taken, for the same students."""

    def is_known(self, stated: datetime | None) -> bool:
        """Tell whether the same content says nothing new.

        Args:
            stated: When it was exported by its own statement.
        """
        if not self.was_said:
            return False
        if self._covers is Covers.ADDITIONS or stated is not None:
            return True
        # Until a person has said what became of the one before, it is asked once.
        waits = self._number("sha256 = $digest AND standing IN ('held', 'grown')")
        return bool(waits) or not self._is_replaced()

    def _is_replaced(self) -> bool:
        """Tell whether a newer file speaks for a student of the same content."""
        row = self._connection.execute(
            """
            WITH files AS (
                SELECT file_id, sha256 = $digest AS is_same,
                       row_number() OVER (ORDER BY coalesce(stated_at, received_at), received_at,
                                          file_id) AS ord
                FROM core.course_request_files WHERE district = $district AND status = 'taken'
                AND coalesce(standing, 'counts') = 'counts'
                AND coalesce(covers, 'additions') <> 'additions'
            ), said AS (
                SELECT DISTINCT r.student_id, f.is_same, f.ord FROM core.course_requests r
                JOIN files f USING (file_id) WHERE r.district = $district
                AND r.student_id IS NOT NULL
            ), newest AS (
                SELECT student_id, max(ord) FILTER (is_same) AS same,
                       max(ord) FILTER (NOT is_same) AS other FROM said GROUP BY ALL
            )
            SELECT 1 FROM newest WHERE other > same LIMIT 1
            """,
            {"district": self._district, "digest": self._digest},
        ).fetchone()
        return row is not None

    def next_id(self) -> str:
        """Return an id for the file; the same content that speaks again is another one."""
        start = self._digest[:16]
        return start if not self._times else f"{start}-{self._times + 1}"

    def let_grow(self, content: bytes, moment: datetime) -> None:
        """Let a file no longer count of which this content is the longer form."""
        rows = self._connection.execute(
            "SELECT file_id, bytes, sha256 FROM core.course_request_files WHERE district = ? "
            "AND status = 'taken' AND received_at >= ? AND bytes < ? "
            "AND coalesce(standing, 'counts') IN ('counts', 'held')",
            [self._district, moment - GROWS_FOR, len(content)],
        ).fetchall()
        for file_id, size, digest in rows:
            if hashlib.sha256(content[:size]).hexdigest() == digest:
                self._connection.execute(
                    "UPDATE core.course_request_files SET standing = 'grown', "
                    "covers = coalesce(covers, 'additions') WHERE district = ? AND file_id = ? "
                    "AND status = 'taken'",
                    [self._district, file_id],
                )

    def _number(self, condition: str) -> int:
        row = self._connection.execute(
            "SELECT count(*) FROM core.course_request_files WHERE district = $district "
            f"AND status = 'taken' AND {condition}",
            {"district": self._district, "digest": self._digest},
        ).fetchone()
        return int(row[0]) if row else 0
