"""Reasons of many partitions, each told once with the partitions that it holds for.

A pure function of what the ledger has; where the sentences are shown is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aeries_pipeline.stores.outcomes import place
from aeries_pipeline.words import counted, named

Missing = tuple[str, int | None, str]
"""Resource, school or None for what the district has once, and the reason."""

_MOST_RESOURCES = 3
_MOST_SCHOOLS = 12


def told_once(district: str, missing: Iterable[Missing]) -> list[str]:
    """Return each reason once, in the order in which they first came.

    A reason that holds for one partition stays as it is; one that differs only in
    the partition that it names, such as that of a wrong certificate, names them together.
    """
    found: dict[str, list[Missing]] = {}
    for resource, school, reason in missing:
        told = reason.removeprefix(f"{place(district, school, resource)}: ")
        found.setdefault(told, []).append((resource, school, reason))
    return [
        same[0][2]
        if len({reason for _resource, _school, reason in same}) == 1
        else f"{district}, {_where(same)}: {told}"
        for told, same in found.items()
    ]


def _where(same: Sequence[Missing]) -> str:
    resources = list(dict.fromkeys(resource for resource, _school, _reason in same))
    schools = sorted({school for _resource, school, _reason in same if school is not None})
    what = (
        ", ".join(resources)
        if len(resources) <= _MOST_RESOURCES
        else counted(len(resources), "resource")
    )
    if not schools:
        return what
    if len(schools) <= _MOST_SCHOOLS:
        return f"{what} of {named('school', schools)}"
    return f"{what} of {counted(len(schools), 'school')}"
