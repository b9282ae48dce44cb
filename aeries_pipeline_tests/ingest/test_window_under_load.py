"""A window that closes in the middle of a busy pull, measured at the server."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.judge import Status
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call


@pytest.mark.long
def test_no_request_arrives_after_the_window_has_closed(make_world) -> None:
    """Eight requests at a time, each slow, until the minute ends in which the window closes."""
    started = datetime.now(UTC)
    closes = (started + timedelta(seconds=75)).replace(second=0, microsecond=0)
    opens = started - timedelta(hours=1)
    window = [{"opens": f"{opens:%H:%M}", "closes": f"{closes:%H:%M}"}]
    world = make_world(
        schools=8,
        students=400,
        roster={"pull_window": window, "timezone": "Etc/UTC", "max_concurrent_requests": 8},
        switches=Switches(time_zone="(UTC) Coordinated Universal Time"),
    )
    world.faults({"kind": "latency", "seconds": 0.2})
    loaded: dict[Status, int] = {}
    while Status.SKIPPED not in loaded:
        session = world.session()
        for name in ("terms", "students", "classes", "gpas", "graduation_requirements"):
            for one in pull_resource(session, RESOURCES[name], world.schools):
                loaded[one.pull.status] = loaded.get(one.pull.status, 0) + 1
        session.close()
        assert time.time() < closes.timestamp() + 30, "the pull went on after the window"
    arrived = [visit.at for visit in world.emulator.log]
    assert len(arrived) > 100
    assert world.emulator.most_running >= 6, "there was load"
    assert world.emulator.most_running <= 8, "and not more than the district allows"
    # Asked for at the last moment, a request may take a few milliseconds to arrive.
    assert max(arrived) < closes.timestamp() + 0.25
    assert max(arrived) > closes.timestamp() - 3, "the pull was busy until the end"
    assert loaded[Status.COMPLETE] > 0
    stays = world.warehouse.rows("SELECT count(*) FROM raw.students")
    assert stays[0][0] > 0, "finished partitions stay"
    refused = call(world, "sync", "eagle-usd")
    assert refused.exit_code == 1
    assert "the pull window" in refused.stderr
    assert max(visit.at for visit in world.emulator.log) == max(arrived)


def test_a_check_waits_while_the_district_is_being_pulled(world: World) -> None:
    session = world.session()
    result = call(world, "check", "eagle-usd")
    assert result.exit_code == 1
    assert "another process is pulling this district" in result.stderr
    assert not world.emulator.log
    session.close()
    assert call(world, "check", "eagle-usd").exit_code == 0
