"""The queue of runs: whatever is started for a district waits for its other runs.

The limit of one run for each district counts tags. Sensors and commands set
the tag themselves; what a person starts in the UI, a backfill and what follows
from a pull name their partitions only, and get the tag here, when they are
submitted.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from aeries_pipeline.orchestration.automation.origin import interrupt
from aeries_pipeline.orchestration.partitions import DISTRICT_TAG, districts_of
from aeries_pipeline.settings import load_settings


class DistrictRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, in which every run of one district bears its tag.

    Without it a school that is materialized in the UI while the district's
    pull goes on would start beside it and fail at the district's lock.
    """

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Put a run into the queue, with the tag of its district."""
        run = context.dagster_run
        tags = district_tag(run.tags)
        if tags:
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)

    def cancel_run(self, run_id: str) -> bool:
        """End a run: one of a command by interrupting it, any other as Dagster does."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and interrupt(self._instance, run, load_settings(or_demo=True)):
            return True
        return super().cancel_run(run_id)


def district_tag(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tag that a run lacks.

    Args:
        tags: The run's tags.

    Returns:
        The tag of its district; empty where it has one already, has no
        partition or spans more than one district, which no single tag can say.
    """
    if DISTRICT_TAG in tags:
        return {}
    districts = districts_of(tags)
    return {DISTRICT_TAG: districts[0]} if len(districts) == 1 else {}
