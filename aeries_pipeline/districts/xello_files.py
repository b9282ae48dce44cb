"""Which files Xello gets in addition to schools, students and courses, as configured in the roster.

Shapes and bounds only. Who is in them, and who leaves them, is in ``accounts.xello``.
"""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from aeries_pipeline.catalog.contacts import CONTACTS
from aeries_pipeline.catalog.fields import Kind
from aeries_pipeline.catalog.resource import Resource
from aeries_pipeline.catalog.staff import STAFF
from aeries_pipeline.districts.settled import Settled
from aeries_pipeline.districts.share import FieldCondition

Conditions = dict[str, FieldCondition]


def _known(resource: Resource, value: Conditions) -> Conditions:
    known = {one.name for one in resource.main.fields if one.stored and one.kind is Kind.TEXT}
    wrong = sorted(set(value) - known)
    if wrong:
        raise ValueError(f"unknown: {', '.join(wrong)}; choose a field of raw.{resource.name}")
    return value


class FamilyFile(Settled):
    """Which contacts of a student are in ``Family``: all whose fields have the right codes."""

    fields: Conditions = Field(
        default_factory=lambda: {"EducationalRightsHolder": FieldCondition(only=["Y"])},
        min_length=1,
    )

    @field_validator("fields")
    @classmethod
    def _fields_exist(cls, value: Conditions) -> Conditions:
        return _known(CONTACTS, value)


class EducatorFile(Settled):
    """Which of the district's staff are in ``Educator``: all, or those with the right codes."""

    fields: Conditions = Field(default_factory=dict)

    @field_validator("fields")
    @classmethod
    def _fields_exist(cls, value: Conditions) -> Conditions:
        return _known(STAFF, value)


class XelloFiles(Settled):
    """Further files for Xello; one that is not given is not made."""

    family: FamilyFile | None = None
    educators: EducatorFile | None = None
    educator_students: bool = False
    student_groups: bool = False

    @model_validator(mode="after")
    def _educators_first(self) -> XelloFiles:
        if (self.educator_students or self.student_groups) and self.educators is None:
            raise ValueError("educator_students and student_groups go with educators; give these")
        return self

    @property
    def files(self) -> list[str]:
        """The files that are switched on, as Xello calls them."""
        wanted = {
            "Family": self.family is not None,
            "Educator": self.educators is not None,
            "EducatorStudent": self.educator_students,
            "StudentGroup": self.student_groups,
        }
        return [name for name, is_on in wanted.items() if is_on]

    @property
    def needs(self) -> dict[str, str]:
        """The optional resource that each file is made from, by the name of its setting."""
        wanted = {
            "family": ("contacts", self.family is not None),
            "educators": ("staff", self.educators is not None),
            "educator_students": ("sections", self.educator_students),
            "student_groups": ("sections", self.student_groups),
        }
        return {name: resource for name, (resource, is_on) in wanted.items() if is_on}
