"""All resources by name, found in the modules of this folder.

A module is named after its resource. Adding a resource means adding a module;
what is not a resource is named in ``HELPERS``, and nothing else is let in.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType

from aeries_pipeline import catalog
from aeries_pipeline.catalog.resource import Grain, Resource, Table

HELPERS = frozenset({"blank", "common", "fields", "registry", "resource", "schemas", "tables"})
"""Modules of this folder that define no resource."""

FIRST = (
    "schools",
    "terms",
    "courses",
    "students",
    "students_extended",
    "gpas",
    "classes",
    "transcripts",
    "graduation_requirements",
    "graduation_status",
    "staff",
    "sections",
    "contacts",
    "programs",
    "enrollment",
    "calendar",
    "course_requests",
    "alternate_course_requests",
    "codes",
    "absence_codes",
)
"""What a pull takes first, in this order; all others follow by name."""


def resource_in(module: ModuleType) -> Resource:
    """Return the resource that a module defines.

    Raises:
        ValueError: If it defines none, several, or one of another name.
    """
    name = module.__name__.rpartition(".")[2]
    found = {one.name: one for one in vars(module).values() if isinstance(one, Resource)}
    if list(found) != [name]:
        raise ValueError(
            f"module '{name}' of the catalogue must define the one resource '{name}'; it defines "
            f"{', '.join(sorted(found)) or 'none'}"
        )
    return found[name]


def in_pull_order(names: Iterable[str]) -> tuple[str, ...]:
    """Put names of resources into the order in which a pull takes them.

    Raises:
        ValueError: If one that comes first is missing.
    """
    found = set(names)
    if missing := [name for name in FIRST if name not in found]:
        raise ValueError(f"the catalogue has no module for: {', '.join(missing)}")
    return (*FIRST, *sorted(found - set(FIRST)))


def discover(package: str, folders: Iterable[str]) -> list[Resource]:
    """Return the resources of a package in the order in which a pull takes them.

    Raises:
        ValueError: If a module is neither a helper nor defines its resource.
    """
    names = {found.name for found in pkgutil.iter_modules(list(folders))} - HELPERS
    return [resource_in(import_module(f"{package}.{name}")) for name in in_pull_order(names)]


def registry(resources: Iterable[Resource]) -> Mapping[str, Resource]:
    """Index resources by name and prove that they fit together.

    Raises:
        ValueError: If two share a name or a table, a key or an array is not a
            field, or a reference leads nowhere. The message names the resource.
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
            _fits(resource, table)
    for resource in by_name.values():
        for reference in resource.references:
            target = by_name.get(reference.resource)
            if target is None or reference.target not in {f.name for f in target.main.fields}:
                raise ValueError(f"reference of '{resource.name}' leads nowhere: {reference}")
    return MappingProxyType(by_name)


def _fits(resource: Resource, table: Table) -> None:
    fields = {field.name for field in table.fields}
    if table.nested and table.nested not in {field.name for field in resource.fields}:
        raise ValueError(f"array '{table.nested}' of '{resource.name}' is not in its fields")
    if resource.feed and resource.feed.field not in {field.name for field in table.stored}:
        raise ValueError(f"the feed of '{resource.name}' names nothing of '{table.name}'")
    if missing := set(table.key) - fields:
        raise ValueError(f"key of table '{table.name}' is not in its fields: {missing}")


RESOURCES: Mapping[str, Resource] = registry(discover(catalog.__name__, catalog.__path__))
"""Every resource, in the order in which a pull takes them."""

OPTIONAL = frozenset(name for name, resource in RESOURCES.items() if resource.optional)


def of_grain(grain: Grain) -> tuple[Resource, ...]:
    """Return the resources of one grain, in pull order."""
    return tuple(resource for resource in RESOURCES.values() if resource.grain is grain)
