"""All views for analysts, by name, each after those that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aeries_pipeline.analytics import graduation, operations, students, years
from aeries_pipeline.analytics.view import Grain, View

VIEWS: Mapping[str, View] = MappingProxyType(
    {one.name: one for one in (*students.VIEWS, *graduation.VIEWS, *operations.VIEWS, *years.VIEWS)}
)
COUNTS = tuple(one for one in VIEWS.values() if one.grain is Grain.COUNT)
"""What a district whose students may only be counted has rows in."""
