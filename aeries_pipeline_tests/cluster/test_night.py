"""A night of many districts on machines of which one dies in the middle.

``CLUSTER_TROUBLES`` lists what else goes wrong, with three workers or more: ``cut``,
``postgres``, ``daemon``, ``objects``, ``redis``. See ``night`` for other wishes.
"""

import logging
import os
import signal
import time
from contextlib import ExitStack

import dagster as dg
import pytest

from aeries_pipeline_tests.cluster.conftest import Ask, Cluster
from aeries_pipeline_tests.cluster.night import (
    DISTRICTS,
    ENDED,
    HOSTS,
    Night,
    done,
    report,
    runs,
)
from aeries_pipeline_tests.cluster.servers import Servers

pytestmark = pytest.mark.cluster

TROUBLES = os.environ.get("CLUSTER_TROUBLES", "").split()
_logger = logging.getLogger(__name__)


def more_troubles(night: Night) -> None:
    """What else may befall the machines of a night, one after the other."""
    servers = night.cluster.servers
    for trouble in TROUBLES:
        _logger.info("trouble: %s", trouble)
        match trouble:
            case "cut":
                # A worker is without Postgres for longer than its leases last.
                night.workers[1].wires["postgres"].cut()
                time.sleep(90)
                night.workers[1].wires["postgres"].mend()
            case "postgres":
                servers.running["postgres"].end(signal.SIGKILL)
                time.sleep(5)
                servers.restart_postgres()
            case "daemon":
                night.control.kill("daemon")
                time.sleep(20)
                night.start_daemon()
            case "objects":
                night.workers[2].wires["s3"].cut()
                time.sleep(30)
                night.workers[2].wires["s3"].mend()
            case "redis":
                servers.running["redis"].end(signal.SIGKILL)
                servers.start_redis()
            case _:
                raise ValueError(trouble)
        time.sleep(15)


def test_a_machine_dies_in_the_middle_and_nothing_is_lost_or_wrong(
    cluster: Cluster, redis: Servers, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        night = Night(cluster, stack)
        began = time.time()
        instance = night.start(ask, monkeypatch)
        victim = night.workers[0]
        night.wait(lambda: len(done(instance)) >= 2, "the first pulls are complete")
        first = time.time()
        asked = len(victim.wires["districts"].seen)
        night.wait(lambda: len(victim.wires["districts"].seen) > asked + 5, "the victim is at work")
        killed_at = victim.kill()
        beating = ask("SELECT run_id FROM aeries.pulses WHERE host = %s", victim.name)
        victims = {run_id for (run_id,) in beating}
        assert victims, "it was killed in the middle of runs"

        def declared() -> bool:
            return all(one.status in ENDED for one in runs(instance) if one.run_id in victims)

        night.wait(declared, "the dead runs are known as such")
        declared_after = time.time() - killed_at
        _logger.info("declared after %.1f s", declared_after)
        more_troubles(night)
        night.wait(lambda: done(instance) >= night.everything, "all districts are pulled")
        ended = time.time()
        night.end(instance)
        dead = [one for one in instance.get_runs() if one.run_id in victims]
        assert {one.status for one in dead} <= {
            dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
        }  # fmt: skip
        assert any(one.status is dg.DagsterRunStatus.FAILURE for one in dead)
        assert declared_after < 60
        found = report(night, ask)
        assert found.seen == set(night.names), "a district whose window is shut was asked nothing"
        assert found.districts == sorted(night.names)
        assert found.wrong == []
        assert found.trespassers == []
        _logger.info(
            "%s districts on %s machines: first %.0f s, all %.0f s, everything %.0f s; dead runs "
            "%s failed after %.1f s",
            DISTRICTS, HOSTS, first - began, ended - began, time.time() - began, len(victims),
            declared_after,
        )  # fmt: skip
