"""Who of a district is shared with Xello, as the roster settles it.

Shapes and bounds only. Who is left out, and what follows, is in ``accounts``.
"""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.students import STUDENTS
from aeries_pipeline.districts.settled import Settled

_CODES = {one.name for one in STUDENTS.fields if one.stored and one.kind is Kind.TEXT}


class FieldCondition(Settled):
    """Which codes of a field share a student, or keep one from being shared."""

    only: list[str] = Field(default_factory=list)
    never: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_of_both(self) -> FieldCondition:
        if bool(self.only) == bool(self.never):
            raise ValueError("give only or never, one of the two, with a list of codes")
        return self

    def shares(self, code: str) -> bool:
        """Tell whether a code lets a student be shared; Aeries does not tell small from capital."""
        found = code.strip().casefold()
        if self.only:
            return found in {one.strip().casefold() for one in self.only}
        return found not in {one.strip().casefold() for one in self.never}


class ShareSettings(Settled):
    """Whom a district shares, see ``docs/accounts.md``. What is not given leaves nobody out."""

    schools: list[int] = Field(default_factory=list)
    grades: tuple[int, int] | None = None
    opted_out: str = ""
    fields: dict[str, FieldCondition] = Field(default_factory=dict)
    published: bool = True
    max_shared_again: float = Field(default=0.2, ge=0, le=1)
    min_shared_again: int = Field(default=5, ge=0)

    @field_validator("grades")
    @classmethod
    def _ordered(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and value[1] < value[0]:
            raise ValueError("give the lowest grade first")
        return value

    @field_validator("fields")
    @classmethod
    def _fields_exist(cls, value: dict[str, FieldCondition]) -> dict[str, FieldCondition]:
        wrong = sorted(set(value) - _CODES)
        if wrong:
            raise ValueError(
                f"unknown: {', '.join(wrong)}; choose a field of codes of raw.students, such as "
                "RecordsReleaseCode"
            )
        return value
