"""All resources, by name. Adding one means adding it to this list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aeries_pipeline.catalog.absence_codes import ABSENCE_CODES
from aeries_pipeline.catalog.alternate_course_requests import ALTERNATE_COURSE_REQUESTS
from aeries_pipeline.catalog.calendar import CALENDAR
from aeries_pipeline.catalog.classes import CLASSES
from aeries_pipeline.catalog.codes import CODES
from aeries_pipeline.catalog.contacts import CONTACTS
from aeries_pipeline.catalog.course_requests import COURSE_REQUESTS
from aeries_pipeline.catalog.courses import COURSES
from aeries_pipeline.catalog.enrollment import ENROLLMENT
from aeries_pipeline.catalog.gpas import GPAS
from aeries_pipeline.catalog.graduation_requirements import GRADUATION_REQUIREMENTS
from aeries_pipeline.catalog.graduation_status import GRADUATION_STATUS
from aeries_pipeline.catalog.programs import PROGRAMS
from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline.catalog.schools import SCHOOLS
from aeries_pipeline.catalog.sections import SECTIONS
from aeries_pipeline.catalog.staff import STAFF
from aeries_pipeline.catalog.students import STUDENTS
from aeries_pipeline.catalog.students_extended import STUDENTS_EXTENDED
from aeries_pipeline.catalog.terms import TERMS
from aeries_pipeline.catalog.transcripts import TRANSCRIPTS


def registry(resources: Iterable[Resource]) -> Mapping[str, Resource]:
    """Index resources by name and prove that they fit together.

    Raises:
        ValueError: If two share a name or a table, a key is not a field, or
            a reference leads nowhere. The message names the resource.
    """
    by_name: dict[str, Resource] = {}
    tables: set[str] = set()
    for resource in resources:
        if resource.name in by_name:
            raise ValueError(f"resource '{resource.name}' is defined twice")
        by_name[resource.name] = resource
        for table in resource.tables:
            if table.name in tables:
                raise ValueError(f"table '{table.name}' of '{resource.name}' is defined twice")
            tables.add(table.name)
            missing = set(table.key) - {field.name for field in table.fields}
            if resource.feed and resource.feed.field not in {field.name for field in table.stored}:
                raise ValueError(f"the feed of '{resource.name}' names nothing of '{table.name}'")
            if missing:
                raise ValueError(f"key of table '{table.name}' is not in its fields: {missing}")
    for resource in by_name.values():
        for reference in resource.references:
            target = by_name.get(reference.resource)
            if target is None or reference.target not in {f.name for f in target.main.fields}:
                raise ValueError(f"reference of '{resource.name}' leads nowhere: {reference}")
    return MappingProxyType(by_name)


RESOURCES: Mapping[str, Resource] = registry(
    (
        SCHOOLS,
        TERMS,
        COURSES,
        STUDENTS,
        STUDENTS_EXTENDED,
        GPAS,
        CLASSES,
        TRANSCRIPTS,
        GRADUATION_REQUIREMENTS,
        GRADUATION_STATUS,
        STAFF,
        SECTIONS,
        CONTACTS,
        PROGRAMS,
        ENROLLMENT,
        CALENDAR,
        COURSE_REQUESTS,
        ALTERNATE_COURSE_REQUESTS,
        CODES,
        ABSENCE_CODES,
    )
)
"""Every resource, in the order in which a pull takes them."""

OPTIONAL = frozenset(name for name, resource in RESOURCES.items() if resource.optional)


def of_grain(grain: Grain) -> tuple[Resource, ...]:
    """Return the resources of one grain, in pull order."""
    return tuple(resource for resource in RESOURCES.values() if resource.grain is grain)
