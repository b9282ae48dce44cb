"""The sensor that computes what follows from a pull, by declarative automation.

The conditions are defined on the assets; this only gives them a sensor that is on from
the start.
"""

from __future__ import annotations

import dagster as dg


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the conditions of what follows from pulls."""
    return dg.AutomationConditionSensorDefinition(
        "after_pulls",
        target=dg.AssetSelection.groups("accounts", "course_requests", "deliveries", "operations"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Computes a district's accounts, course requests and files when its pulls have "
        "ended, and delivers them.",
    )
