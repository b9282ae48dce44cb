"""How partitions are spelled. No other module joins or splits a key.

A district is ``eagle-usd``, a school ``eagle-usd/994``. School keys stand in
the order of the roster, so that a district is one unbroken range and one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from aeries_pipeline.catalog.registry import OPTIONAL, RESOURCES
from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline.districts.roster import District, Roster

DISTRICT_TAG = "aeries/district"
"""Tag of a run that is about one district; at most one of these goes on at a time."""

_BETWEEN = "/"
"""Dagster's UI takes a bar for the joint of two dimensions."""
_PARTITION_TAGS = (
    PARTITION_NAME_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    ASSET_PARTITION_RANGE_END_TAG,
)


@dataclass(frozen=True)
class Partitions:
    """The partitions of a roster.

    Attributes:
        districts: One key for each district.
        schools: One key for each school of each district.
        optional: Those of each optional resource: of the districts that list it, and no others,
            so that nothing looks as if it were missing which nobody asks for.
        delivering: One key for each district whose files for Xello are delivered.
        delivering_requests: One key for each district whose course requests are delivered.
    """

    districts: dg.StaticPartitionsDefinition
    schools: dg.StaticPartitionsDefinition
    optional: Mapping[str, dg.StaticPartitionsDefinition]
    delivering: dg.StaticPartitionsDefinition
    delivering_requests: dg.StaticPartitionsDefinition

    def of(self, resource: Resource) -> dg.StaticPartitionsDefinition:
        """Return the partitions of a resource."""
        if resource.optional:
            return self.optional[resource.name]
        return self.districts if resource.grain is Grain.DISTRICT else self.schools

    def agree(self, district: District) -> bool:
        """Tell whether a district has the partitions that its entry in the roster asks for.

        It has not if the roster is newer than the code location.
        """
        for resource in RESOURCES.values():
            known = self._by_district[resource.name].get(district.id)
            wanted = school_keys(district) if resource.grain is Grain.SCHOOL else [district.id]
            if known != (wanted if district.wants(resource) and wanted else None):
                return False
        return True

    @cached_property
    def _by_district(self) -> Mapping[str, Mapping[str, list[str]]]:
        """The keys of each resource, by district."""
        found: dict[str, dict[str, list[str]]] = {}
        for resource in RESOURCES.values():
            keys = found.setdefault(resource.name, {})
            for key in self.of(resource).get_partition_keys():
                keys.setdefault(split(key)[0], []).append(key)
        return found

    def same_district(self) -> dg.StaticPartitionMapping:
        """Return the mapping from districts upstream to those of them that deliver."""
        return dg.StaticPartitionMapping({key: key for key in self.delivering.get_partition_keys()})

    def schools_of_delivering_district(self) -> dg.StaticPartitionMapping:
        """Return the mapping from schools upstream to their district if it delivers."""
        known = set(self.delivering_requests.get_partition_keys())
        keys = [(key, split(key)[0]) for key in self.schools.get_partition_keys()]
        return dg.StaticPartitionMapping({key: name for key, name in keys if name in known})

    def schools_of_district(self, name: str) -> dg.StaticPartitionMapping:
        """Return the mapping from a resource's partitions upstream to their district downstream."""
        keys = self.of(RESOURCES[name]).get_partition_keys()
        return dg.StaticPartitionMapping({key: split(key)[0] for key in keys})

    def district_of_schools(self) -> dg.StaticPartitionMapping:
        """Return the mapping from a district upstream to its schools downstream."""
        found: dict[str, set[str]] = {}
        for key in self.schools.get_partition_keys():
            found.setdefault(split(key)[0], set()).add(key)
        return dg.StaticPartitionMapping(found)


def build_partitions(roster: Roster) -> Partitions:
    """Return the partitions of a roster, in its order."""
    return Partitions(
        dg.StaticPartitionsDefinition([district.id for district in roster.districts]),
        dg.StaticPartitionsDefinition(
            [key for district in roster.districts for key in school_keys(district)]
        ),
        {name: _of_listing(roster, RESOURCES[name]) for name in sorted(OPTIONAL)},
        dg.StaticPartitionsDefinition([one.id for one in roster.districts if one.delivery]),
        dg.StaticPartitionsDefinition(
            [one.id for one in roster.districts if one.course_requests.delivery]
        ),
    )


def _of_listing(roster: Roster, resource: Resource) -> dg.StaticPartitionsDefinition:
    """Return the partitions of the districts that list an optional resource."""
    listing = [district for district in roster.districts if district.wants(resource)]
    if resource.grain is Grain.DISTRICT:
        return dg.StaticPartitionsDefinition([district.id for district in listing])
    return dg.StaticPartitionsDefinition(
        [key for district in listing for key in school_keys(district)]
    )


def school_key(district: str, school: int) -> str:
    """Return the key of a school."""
    return f"{district}{_BETWEEN}{school}"


def school_keys(district: District) -> list[str]:
    """Return the keys of a district's schools, in roster order."""
    return [school_key(district.id, school) for school in district.schools]


def partition_tags(keys: Sequence[str]) -> dict[str, str]:
    """Return the tags of a run over one key, or over an unbroken range of keys."""
    if len(keys) == 1:
        return {PARTITION_NAME_TAG: keys[0]}
    return {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}


def key_of(district: str, school: int | None) -> str:
    """Return the key of a partition of either grain."""
    return district if school is None else school_key(district, school)


def split(key: str) -> tuple[str, int | None]:
    """Return district and school of a key; no school for a district's key."""
    district, between, school = key.partition(_BETWEEN)
    return district, int(school) if between else None


def by_district(keys: Iterable[str]) -> dict[str, list[int]]:
    """Group keys by district, in order; district keys have no schools."""
    found: dict[str, list[int]] = {}
    for key in keys:
        district, school = split(key)
        schools = found.setdefault(district, [])
        if school is not None:
            schools.append(school)
    return found


def districts_of(tags: Mapping[str, str]) -> list[str]:
    """Return the districts that a run's tags name, the one it is tagged with first.

    Of a range over several districts, those of its ends.
    """
    named = [tags[DISTRICT_TAG]] if DISTRICT_TAG in tags else []
    named += [split(tags[name])[0] for name in _PARTITION_TAGS if name in tags]
    return list(dict.fromkeys(named))
