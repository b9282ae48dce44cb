"""``aeries-pipeline publish``, and the publication at the end of a sync, as Dagster runs."""

from __future__ import annotations

from typing import Any

import dagster as dg
from rich.console import Console

from aeries_pipeline.analytics.publishing.copy import read_copy
from aeries_pipeline.analytics.publishing.due import decide, fingerprint, read_state
from aeries_pipeline.cli.common import warn
from aeries_pipeline.cli.requests import failures
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.published import PUBLISHED
from aeries_pipeline.orchestration.assets.resources import FULL_TAG
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import PUBLISH
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store


def publish_copy(settings: Settings, console: Console, *, again: bool = False) -> bool:
    """Make the analysts' copy and say where it is; return whether it was made.

    Args:
        settings: Where things are.
        console: Where it is said.
        again: Whether every district is read again.
    """
    with open_instance(settings) as instance:
        return run_publication(build_defs(settings), instance, console, again=again)


def publish_if_due(
    settings: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, console: Console
) -> bool:
    """Make the copy if it is due, else say when it will be.

    Returns:
        False if it was due and could not be made.
    """
    roster = load_roster(settings.roster)
    state = read_state(Store(settings.data), read_copy(settings.published))
    found = decide(state, fingerprint(roster), roster.publish.minutes, now())
    if not found.is_due:
        console.print(f"analysts' copy: {found.reason}", soft_wrap=True)
        return True
    return run_publication(defs, instance, console)


def run_publication(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    console: Console,
    *,
    again: bool = False,
) -> bool:
    """Run the publication in this process and print what became of it."""
    tags = {FULL_TAG: "publish --again"} if again else {}
    result = run_job(defs.resolve_job_def(PUBLISH), instance, tags=tags)
    for event in result.get_asset_materialization_events():
        one = event.step_materialization_data.materialization
        if one.asset_key == PUBLISHED:
            shown: dict[str, Any] = {name: value.value for name, value in one.metadata.items()}
            size = shown["bytes"] / 1e6
            console.print(
                f"analysts' copy: {shown['tables']} tables and views, {size:.1f} MB in "
                f"{shown['seconds']:.1f} s: {shown['database']}",
                soft_wrap=True,
            )
    for sentence in dict.fromkeys(failures(result)):
        warn(console, sentence)
    return result.success
