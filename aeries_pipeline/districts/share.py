"""Who of a district is shared with Xello, as the roster settles it.

Shapes and bounds only. Who is left out, and what follows, is in ``accounts``.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, ValidationInfo, field_validator, model_validator

from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.students import STUDENTS
from aeries_pipeline.districts.settled import Range, Settled
from aeries_pipeline.words import named, verb

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
    grades: Range | None = None
    opted_out: str = ""
    fields: dict[str, FieldCondition] = Field(default_factory=dict)
    published: bool = True
    max_shared_again: float = Field(default=0.2, ge=0, le=1)
    min_shared_again: int = Field(default=5, ge=0)

    @field_validator("schools", "grades", "opted_out", "fields", mode="before")
    @classmethod
    def _says_something(cls, value: object, told: ValidationInfo) -> object:
        """Refuse a rule that is written and empty: it might mean everybody, or nobody."""
        if value is None or (isinstance(value, (list, tuple, dict, str)) and not value):
            raise ValueError(
                "is empty, so it could mean everybody or nobody; say whom it shares, or take "
                f"{told.field_name} out of share"
            )
        return value

    @model_validator(mode="after")
    def _leaves_somebody_out(self) -> ShareSettings:
        if not (self.schools or self.grades or self.opted_out or self.fields):
            raise ValueError(
                "leaves nobody out; give schools, grades, opted_out or fields, or take share out "
                "to share everybody"
            )
        return self

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


NOBODY_LEFT_OUT = ShareSettings.model_construct()
"""What counts where the roster has no ``share``, such as after it was taken out."""


def unknown_schools(share: ShareSettings | None, schools: Iterable[int], where: str) -> str:
    """Return which schools of ``share`` are none of the district's; empty where all are.

    A number that was mistyped would end the accounts of the school that was meant.

    Args:
        share: What the roster settles.
        schools: The district's schools; nothing is said where there are none yet.
        where: Where these are listed.
    """
    known = set(schools)
    wrong = sorted(set(share.schools) - known) if share and known else []
    if not wrong:
        return ""
    return (
        f"share names {named('school', wrong)}, which {verb(len(wrong), 'is', 'are')} not {where}, "
        "so nobody there is shared; correct share.schools in the roster"
    )
