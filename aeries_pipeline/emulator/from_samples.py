"""End points without made-up rows: each returns its published sample.

Path, permission, parts and paging are the catalog's; school, student and other references
are the district's. This shows that a resource finds its way into the warehouse. It cannot
show that the catalog describes Aeries correctly; only the sample can.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aeries_pipeline import catalog
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline.emulator.district import District, Row
from aeries_pipeline.emulator.endpoints import STAFF_OF_A_SCHOOL
from aeries_pipeline.emulator.templates import encode

SAMPLES = Path(catalog.__file__).parent / "samples"

AREAS = frozenset(one.area.name for one in RESOURCES.values() if one.area)
"""Every permission that a resource of the catalogue needs."""

Element = dict[str, Any]


def sample_of(resource: str) -> list[Element]:
    """Return the published answer of a resource as a list of elements."""
    data = json.loads((SAMPLES / f"{resource}.json").read_text(encoding="utf-8"))
    return data if isinstance(data, list) else [data]


def paths_of(resource: Resource) -> list[str]:
    """Return the patterns of a resource's paths: its list, and one student of it."""
    ways = [resource.path]
    if resource.feed and resource.feed.field == "StudentID":
        ways.append(resource.feed.one.replace("{key}", "0"))
    parts = "|".join(map(re.escape, resource.parts))
    found = []
    for way in ways:
        # Aeries reads student 0 as everybody.
        pattern = re.sub(r"/0(?=/|$)", r"/(?P<student>\\d+)", way)
        pattern = pattern.replace("{school}", r"(?P<school>\d+)").replace(
            "{year}", r"(?P<year>\d+)"
        )
        found.append(pattern.replace("{part}", f"(?P<part>{parts})"))
    return found


def an_address(resource: Resource, school: int, year: int) -> str:
    """Return the path of a resource's list, of its first part if it has several."""
    part = resource.parts[0] if resource.parts else ""
    return resource.path.format(school=school, year=year, part=part)


@dataclass(frozen=True)
class Sample:
    """The sample of one resource, and what a district makes of it."""

    resource: Resource
    district: District
    elements: Sequence[Element]

    @cached_property
    def is_by_student(self) -> bool:
        """Whether each element is about a student."""
        return any(field.name == "StudentID" for field in self.resource.fields)

    @cached_property
    def _by_student(self) -> list[list[Element]]:
        """The elements of each student of the sample."""
        found: dict[Any, list[Element]] = {}
        for one in self.elements:
            found.setdefault(one.get("StudentID"), []).append(one)
        return list(found.values())

    @property
    def unit(self) -> str:
        """What the numbers of its pages count, as the query names it; empty without pages."""
        paging = self.resource.paging
        return paging.first.lower().removeprefix("starting") if paging else ""

    def answer(self, asked: Mapping[str, str | None], rows: Iterable[Row]) -> list[list[str]]:
        """Return what a path asks for, in the pieces that a page may be cut into.

        Args:
            asked: What the path names: school, year, part.
            rows: The student rows that it names.
        """
        if asked.get("year") and int(asked["year"] or 0) != self.district.year:
            return []
        if self.is_by_student:
            people = {row.person.id: row for row in rows}.values()
            found = [self.of_student(row) for row in people]
        elif self.resource.grain is Grain.SCHOOL:
            school = self.district.schools.get(int(asked["school"] or 0))
            found = [self.of_school(school.code)] if school and school.is_real else []
        else:
            found = [self.of_district(asked.get("part"))]
        if self.unit == "student":
            return found
        return [[element] for elements in found for element in elements]

    def of_student(self, row: Row) -> list[str]:
        """Return what one student row has: what one student of the sample has."""
        mine = self._by_student[row.person.id % len(self._by_student)]
        own: dict[str, Any] = {
            "StudentID": row.person.id,
            "SchoolCode": row.school,
            "StudentNumber": row.number,
        }
        return self._rendered(mine, own, row.person.id)

    def of_school(self, school: int) -> list[str]:
        """Return what a school has: the whole sample."""
        return self._rendered(self.elements, {"SchoolCode": school}, school)

    def of_district(self, part: str | None) -> list[str]:
        """Return what the district has, or one part of it.

        A part has the elements that contain its words. If no element names a part, the elements are
        dealt out among the parts, so that each is in one of them.
        """
        if part is None:
            return [encode(one) for one in self.elements]
        named = [one for one in self.elements if _names(one, part)]
        if not any(_names(one, other) for one in self.elements for other in self.resource.parts):
            at = self.resource.parts.index(part)
            named = list(self.elements[at :: len(self.resource.parts)])
        return [encode(one) for one in named]

    def _rendered(self, elements: Sequence[Element], own: Element, owner: int) -> list[str]:
        found = []
        for at, element in enumerate(elements):
            fixed = {
                one.field: ids[(owner + at) % len(ids)]
                for one in self.resource.references
                if (ids := self._known.get((one.resource, one.target)))
            } | own
            if self.resource.key and not set(self.resource.key) & set(own):
                # A key that names neither school nor student would stand in each of them.
                name = next(one for one in self.resource.key if one in element)
                fixed[name] = _made_own(element[name], owner)
            found.append(encode(_filled(element, fixed)))
        return found

    @cached_property
    def _known(self) -> dict[tuple[str, str], list[Any]]:
        """What a reference may lead to, by resource and field."""
        staff = [
            school.code * 1000 + number
            for school in self.district.real_schools()
            for number in range(STAFF_OF_A_SCHOOL)
        ]
        return {
            ("courses", "ID"): [course.id for course in self.district.courses],
            ("staff", "ID"): staff,
        }


def _names(element: Element, part: str) -> bool:
    values = {str(value).casefold() for value in element.values()}
    return set(part.casefold().split("/")) <= values


def _made_own(old: Any, owner: int) -> Any:  # noqa: ANN401 - a JSON value is any of these
    return owner * 1000 + old if isinstance(old, int) else f"{old}-{owner}"


def _filled(value: Any, fixed: Element) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_filled(one, fixed) for one in value]
    if isinstance(value, dict):
        return {name: fixed.get(name, _filled(one, fixed)) for name, one in value.items()}
    return value


def unserved(served: Sequence[re.Pattern[str]]) -> Iterator[Resource]:
    """Yield the resources whose list no pattern answers."""
    for resource in RESOURCES.values():
        path = an_address(resource, 1, 1)
        if not any(pattern.fullmatch(path) for pattern in served):
            yield resource
