"""The sensor that keeps the operator's page current, without a run for it.

A run after each of a night's thousands of runs would cost more than they do. The page is
made from the ledger alone, and a tick is enough for that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from aeries_pipeline.orchestration.assets.operator_page import OPERATOR_PAGE, write_page
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings

HOUR = timedelta(hours=1)
"""What the clock alone changes, such as the next opening, is this old at most."""

_LETTERS_A_MINUTE = 20_000
"""Dagster keeps each version of the page: one of many districts is told of less often."""
_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


@dataclass(frozen=True, slots=True)
class Told:
    """What the page was when it was last made.

    Attributes:
        at: When, aware.
        run: The run that had ended last; empty if there was none.
        letters: Its size.
    """

    at: datetime
    run: str
    letters: int


def is_due(told: Told | None, newest: str, moment: datetime) -> bool:
    """Tell whether the page is to be made again.

    Args:
        told: What it was; None if there is none.
        newest: The run that has ended last; empty if there is none.
        moment: The present, aware.
    """
    if told is None:
        return True
    age = moment - told.at
    if newest == told.run:
        return age >= HOUR
    return age >= timedelta(minutes=told.letters // _LETTERS_A_MINUTE)


def build_page_sensor(
    settings: Settings, clock: Callable[[], datetime] | None = None
) -> dg.SensorDefinition:
    """Return the sensor that makes the operator's page when a run has ended.

    Args:
        settings: Where roster, warehouses and the page are.
        clock: The present, aware; tests replace it.
    """
    present = clock or (lambda: datetime.now(UTC))

    @dg.sensor(
        name="operator_page",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the operator's page when a run has ended, and every hour.",
    )
    @without_values
    def operator_page(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        moment = present()
        newest = _newest(context.instance)
        if not is_due(_read(context.cursor), newest, moment):
            return dg.SensorResult(skip_reason="no run has ended since the page was made")
        metadata = write_page(settings, moment)
        told = Told(moment, newest, len(metadata["page"].value))
        return dg.SensorResult(
            asset_events=[dg.AssetMaterialization(OPERATOR_PAGE, metadata=metadata)],
            cursor=json.dumps([told.at.isoformat(), told.run, told.letters]),
        )

    return operator_page


def _newest(instance: dg.DagsterInstance) -> str:
    """Return the run that has ended last."""
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED), limit=1, order_by="update_timestamp"
    )
    return records[0].dagster_run.run_id if records else ""


def _read(cursor: str | None) -> Told | None:
    if not cursor:
        return None
    at, run, letters = json.loads(cursor)
    return Told(datetime.fromisoformat(at), run, letters)
