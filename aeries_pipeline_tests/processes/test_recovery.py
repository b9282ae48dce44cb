"""A disk that is full, a file that is damaged, two daemons, a clock that jumps: real processes."""

import os
import resource
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from aeries_pipeline.automation.instance import open_instance
from aeries_pipeline.automation.jobs import PULL_DISTRICT, PULL_SCHOOLS
from aeries_pipeline.warehouse.backup import backups, inspect
from aeries_pipeline.warehouse.ledger import last_complete
from aeries_pipeline.warehouse.outcomes import now
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.dagster_layer.test_pull_sensor import a_daemon
from aeries_pipeline_tests.processes.test_command_line import call
from aeries_pipeline_tests.publishing.test_publish import pull_all


def command(
    world: World, *arguments: str, limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process whose files may grow to ``limit`` bytes and no further.

    The system refuses the write with an error, as it does on a full disk.
    """
    environment = {
        **os.environ,
        "AERIES_DISTRICTS": str(world.settings.roster),
        "AERIES_DATA_DIR": str(world.settings.data),
        "COLUMNS": "300",
    }

    def small() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "aeries_pipeline.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=small,
        timeout=180,
        check=False,
    )


def test_a_full_disk_costs_a_sentence_and_nothing_else(world: World) -> None:
    pull_all(world)
    assert command(world, "publish").returncode == 0
    held = inspect(world.settings.warehouse)[1]
    copy = (world.settings.published / "aeries.duckdb").read_bytes()
    for what in ("backup", "publish"):
        done = command(world, what, limit=1_000_000)
        assert done.returncode == 1, done.stdout
        assert "free some disk space" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert backups(world.settings.backups) == []
    assert inspect(world.settings.warehouse)[1] == held
    assert (world.settings.published / "aeries.duckdb").read_bytes() == copy
    left = [one.name for one in world.settings.published.iterdir() if ".making" in one.name]
    assert left == []
    assert command(world, "backup").returncode == 0, "and all is well once there is room"
    assert command(world, "publish").returncode == 0


def test_a_full_disk_in_a_pull_keeps_the_last_good_tables(world: World) -> None:
    pull_all(world)
    held = world.warehouse.rows("SELECT count(*), sum(hash(s)::HUGEINT) FROM raw.students s")
    world.site.advance(2)
    size = world.settings.warehouse.stat().st_size
    done = command(world, "sync", "eagle-usd", limit=size // 2)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr, done.stderr
    after = world.warehouse.rows("SELECT count(*), sum(hash(s)::HUGEINT) FROM raw.students s")
    assert after == held
    again = command(world, "sync", "eagle-usd")
    assert again.returncode == 0, again.stdout + again.stderr
    assert world.warehouse.rows("SELECT count(*), sum(hash(s)::HUGEINT) FROM raw.students s") != (
        held
    )


def test_a_damaged_warehouse_is_restored_from_a_backup(world: World) -> None:
    pull_all(world)
    assert command(world, "backup").returncode == 0
    content = bytearray(world.settings.warehouse.read_bytes())
    content[:8192] = bytes(8192)
    world.settings.warehouse.write_bytes(content)
    for arguments in (["sql", "SELECT 1"], ["publish"], ["status"], ["backup"]):
        done = command(world, *arguments)
        assert done.returncode == 1, arguments
        assert "see docs/operating.md" in done.stdout + done.stderr, (arguments, done.stdout)
        assert "Traceback" not in done.stderr
    (path,) = backups(world.settings.backups)
    assert command(world, "restore", str(path)).returncode == 0
    done = command(world, "sync", "eagle-usd")
    assert done.returncode == 0, done.stdout


def test_a_clock_that_jumped_ahead_and_back_loses_no_copy_and_no_pull(world: World) -> None:
    pull_all(world)
    ahead = now() + timedelta(days=400)
    with world.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET started_at = ?, finished_at = ?", [ahead, ahead])
    assert command(world, "publish").returncode == 0
    with world.warehouse.open() as connection:
        connection.execute("UPDATE meta.published SET published_at = ?", [ahead])
    world.site.advance(1)
    done = call(world, "sync", "eagle-usd", "--full")
    assert done.exit_code == 0, done.output
    newest = {name for (_d, _s, name) in last_complete(world.warehouse)}
    assert "students" in newest
    assert call(world, "publish").exit_code == 0


@pytest.mark.long
def test_two_daemons_by_mistake_pull_each_school_once(world: World) -> None:
    """Both answer the same ticks; run keys and the district's lock make one pull of it."""
    wanted = {PULL_DISTRICT, PULL_SCHOOLS}
    with open_instance(world.settings) as instance:
        with a_daemon(world), a_daemon(world):
            until = time.monotonic() + 240
            while time.monotonic() < until:
                runs = [one for one in instance.get_runs() if one.job_name in wanted]
                if len(runs) >= 2 and all(one.is_finished for one in runs):
                    break
                time.sleep(2)
            # Time enough for a second daemon to start what the first one has started.
            time.sleep(75)
        runs = [one for one in instance.get_runs() if one.job_name in wanted]
    assert sorted(one.job_name for one in runs) == sorted(wanted), "each job once"
    assert all(one.is_success for one in runs)
    twice = world.warehouse.rows(
        "SELECT school, resource, count(*) FROM meta.pulls GROUP BY ALL HAVING count(*) > 1"
    )
    assert twice == []
