"""What a view for analysts is: its query, the meaning of each column, and whom it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Grain(StrEnum):
    """What one row of a view is about."""

    STUDENT = "student"
    COUNT = "count"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view.

    Attributes:
        name: Its name, snake_case.
        kind: DuckDB type.
        meaning: What it holds, one phrase.
        is_identifier: Whether it tells by itself who somebody is.
    """

    name: str
    kind: str
    meaning: str
    is_identifier: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """A count of students that is shown only if the cell is not small.

    Attributes:
        name: The column.
        of: The column that counts all of whom it is a part; None for such a
            count itself. A part is small, too, where nearly all belong to it.
    """

    name: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One view of the schema ``analytics``.

    Attributes:
        name: Its name.
        title: What a row is, one line.
        query: SELECT over ``raw``, ``core``, ``meta`` and other views.
        columns: In the order of the query.
        grain: What one row is about.
        measures: Counts of students; only for ``Grain.COUNT``.
        within: Columns of the group whose total may be known elsewhere, so
            that a single hidden cell of it could be reckoned.
        note: What a reader has to know, Markdown; blank for nothing.
    """

    name: str
    title: str
    query: str
    columns: tuple[Column, ...]
    grain: Grain
    measures: tuple[Measure, ...] = ()
    within: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a view that does not fit together."""
        names = [column.name for column in self.columns]
        lost = {one.name for one in self.measures} | set(self.within)
        lost |= {one.of for one in self.measures if one.of}
        if lost - set(names) or len(names) != len(set(names)):
            raise ValueError(f"view {self.name} names columns that it lacks or has twice")
        if bool(self.measures) != (self.grain is Grain.COUNT):
            raise ValueError(f"view {self.name}: measures belong to counts, and to these alone")

    @property
    def full_name(self) -> str:
        """The name with its schema."""
        return f"analytics.{self.name}"


@dataclass(frozen=True, slots=True)
class Shared:
    """Columns that many views have, so that they mean the same everywhere."""

    district: Column = field(default=Column("district", "VARCHAR", "District of the roster"))
    school: Column = field(default=Column("school", "INTEGER", "Aeries code of the school"))
    school_name: Column = field(
        default=Column("school_name", "VARCHAR", "Name of the school; empty where not known")
    )
    student_id: Column = field(
        default=Column(
            "student_id", "BIGINT", "Aeries StudentID, unique in the district", is_identifier=True
        )
    )
    grade: Column = field(
        default=Column("grade", "INTEGER", "-2 preschool, -1 and 0 kindergarten, 1 to 12")
    )
    suppressed: Column = field(
        default=Column(
            "suppressed", "BOOLEAN", "Whether numbers are left out because few students are meant"
        )
    )


SHARED = Shared()

STUDENT_AT_SCHOOL = (SHARED.district, SHARED.school, SHARED.school_name, SHARED.student_id)
"""Whom and where a row is about: the first columns of most views of students."""
