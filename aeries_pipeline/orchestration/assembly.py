"""Everything joined to one Dagster code location, from one roster.

Importing this module builds nothing: tests and the command line call
``build_defs`` with settings of their own. ``definitions`` is what Dagster loads.
"""

from __future__ import annotations

import dagster as dg

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.orchestration.assets.accounts import AFTER_PULLS, build_account_assets
from aeries_pipeline.orchestration.assets.backups import build_backups_asset
from aeries_pipeline.orchestration.assets.confirmations import build_confirmations_asset
from aeries_pipeline.orchestration.assets.course_requests import (
    build_requests_asset,
    build_sss_asset,
)
from aeries_pipeline.orchestration.assets.onboarding import build_onboarding_asset
from aeries_pipeline.orchestration.assets.operator_page import build_operator_page
from aeries_pipeline.orchestration.assets.published import build_published_asset
from aeries_pipeline.orchestration.assets.raw import build_raw_assets
from aeries_pipeline.orchestration.assets.resources import AeriesResource, WarehouseResource
from aeries_pipeline.orchestration.assets.sss_delivery import build_sss_delivery_asset
from aeries_pipeline.orchestration.assets.xello import build_xello_asset
from aeries_pipeline.orchestration.assets.xello_delivery import build_xello_delivery_asset
from aeries_pipeline.orchestration.automation.downstream import build_automation_sensor
from aeries_pipeline.orchestration.automation.inbox import build_inbox_sensor
from aeries_pipeline.orchestration.automation.jobs import build_jobs, build_pull_jobs
from aeries_pipeline.orchestration.automation.notices import build_notice_sensors
from aeries_pipeline.orchestration.automation.page_sensor import build_page_sensor
from aeries_pipeline.orchestration.automation.publishing import build_publish_sensor
from aeries_pipeline.orchestration.automation.pulls import build_pull_sensor
from aeries_pipeline.orchestration.automation.pulse import build_dead_run_sensor
from aeries_pipeline.orchestration.automation.retention import build_prune_job
from aeries_pipeline.orchestration.automation.staleness import build_staleness_sensor
from aeries_pipeline.orchestration.partitions import build_partitions
from aeries_pipeline.settings import Settings, load_settings


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """Return the definitions for a roster.

    Args:
        settings: Paths; taken from the environment where None.

    Raises:
        RosterError: With one line for each mistake in the roster.
    """
    settings = settings or load_settings(or_demo=True)
    roster = load_roster(settings.roster)
    partitions = build_partitions(roster)
    pull_jobs = build_pull_jobs()
    prune_job, nightly = build_prune_job(settings)
    return dg.Definitions(
        assets=[
            *build_raw_assets(tuple(RESOURCES.values()), partitions),
            build_confirmations_asset(partitions, AFTER_PULLS),
            build_account_assets(partitions),
            build_xello_asset(partitions),
            build_xello_delivery_asset(partitions),
            build_requests_asset(partitions),
            build_sss_asset(partitions),
            build_sss_delivery_asset(partitions),
            build_published_asset(),
            build_operator_page(),
            build_backups_asset(roster),
            build_onboarding_asset(partitions),
        ],
        jobs=[*pull_jobs, *build_jobs(), prune_job],
        schedules=[nightly],
        sensors=[
            build_pull_sensor(settings, pull_jobs, partitions),
            build_dead_run_sensor(settings),
            build_staleness_sensor(settings),
            build_automation_sensor(),
            build_inbox_sensor(settings),
            build_publish_sensor(settings),
            build_page_sensor(settings),
            *build_notice_sensors(settings),
        ],
        resources={
            "aeries": AeriesResource(roster_path=str(settings.roster), data_dir=str(settings.data)),
            "warehouse": WarehouseResource(database=str(settings.data)),
        },
        # A step costs 0.03 s here and about 4 s in a process of its own; the
        # waiting for servers is done by threads inside a step.
        executor=dg.in_process_executor,
    )
