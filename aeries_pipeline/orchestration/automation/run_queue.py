"""The queue of runs: whatever is started for a district waits for its other runs.

The limit of one run for each district counts tags. Sensors and commands set the tag
themselves. What a person starts in the UI, a backfill, and what follows from a pull name
only their partitions, and get the tag here when they are submitted. Runs of commands wait
in the same queue, and are executed by the command's process when their turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._serdes import ConfigurableClassData

from aeries_pipeline.orchestration.automation.origin import interrupt, is_gone, process_of
from aeries_pipeline.orchestration.partitions import DISTRICT_TAG, districts_of
from aeries_pipeline.settings import load_settings

LOOK_SECONDS = 1
"""So often the daemon looks into the queue: a command waits so long for each of its runs."""


class DistrictRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, in which every run of one district has its tag.

    Without it, a school that is materialized in the UI during the district's pull would start at
    once and fail at the district's lock.
    """

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Return the queue that ``dagster.yaml`` describes, checked every second by default."""
        return super().from_config_value(
            inst_data, {"dequeue_interval_seconds": LOOK_SECONDS, **config_value}
        )

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


class CommandRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which leaves a command's run to the command that waits for it."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run; a command notices by itself that its turn has come.

        Raises:
            RuntimeError: If the command is no longer there; the run fails with this sentence.
        """
        process = process_of(context.dagster_run)
        if process is None:
            super().launch_run(context)
        elif is_gone(process):
            raise RuntimeError(
                "the command whose run this is was killed while it waited; start it again"
            )


def district_tag(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tag that a run lacks.

    Args:
        tags: The run's tags.

    Returns:
        The tag of its district; empty if it has one already, has no
        partition or spans more than one district, which no single tag can say.
    """
    if DISTRICT_TAG in tags:
        return {}
    districts = districts_of(tags)
    return {DISTRICT_TAG: districts[0]} if len(districts) == 1 else {}
