"""All views for analysts, by name, each after those that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aeries_pipeline.analytics import (
    graduation,
    operations,
    records,
    students,
    transcript_credits,
    years,
)
from aeries_pipeline.analytics.view import Grain, View

MODULES = (students, records, transcript_credits, graduation, operations, years)
"""The modules that views stand in."""

VIEWS: Mapping[str, View] = MappingProxyType(
    {one.name: one for module in MODULES for one in module.VIEWS}
)
COUNTS = tuple(one for one in VIEWS.values() if one.grain is Grain.COUNT)
"""What a district whose students may only be counted has rows in."""
