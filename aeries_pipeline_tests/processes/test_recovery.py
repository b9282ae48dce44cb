"""A disk that is full, a file that is damaged, two daemons, a clock that jumps: real processes."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta

import dagster as dg
import pytest

from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import PULL_DISTRICT, PULL_SCHOOLS
from aeries_pipeline.stores.backup import backups, inspect
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.analytics.publishing.test_publish import pull_all
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.course_requests.test_pipeline import put
from aeries_pipeline_tests.orchestration.test_pull_sensor import a_daemon
from aeries_pipeline_tests.processes.test_command_line import call


def command(
    world: World, *arguments: str, limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process whose files may grow to ``limit`` bytes and no further.

    The system refuses the write with an error, as it does on a full disk.
    """
    environment = {
        **os.environ,
        **world.variables,
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
    held = inspect(world.warehouse.path)[1]
    copy = (world.settings.published / "aeries.duckdb").read_bytes()
    for what in ("backup", "publish"):
        done = command(world, what, limit=1_000_000)
        assert done.returncode == 1, done.stdout
        assert "free some disk space" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert backups(world.settings.backups) == []
    assert inspect(world.warehouse.path)[1] == held
    assert (world.settings.published / "aeries.duckdb").read_bytes() == copy
    left = [one.name for one in world.settings.published.iterdir() if ".making" in one.name]
    assert left == []
    assert command(world, "backup").returncode == 0, "and all is well once there is room"
    assert command(world, "publish").returncode == 0


def students_by_school(world: World) -> dict[int, tuple[int, int]]:
    """Count and hash of what Aeries said of each school's students."""
    rows = world.warehouse.rows(
        "SELECT key, count(*), sum(hash(s)::HUGEINT) FROM "
        "(SELECT school AS key, COLUMNS(c -> NOT regexp_matches(c, '^[a-z_]')) FROM raw.students)"
        " s GROUP BY 1"
    )
    return {school: (count, content) for school, count, content in rows}


@pytest.mark.parametrize("share", [1, 2, 40])
def test_a_full_disk_in_a_pull_leaves_every_school_whole(world: World, share: int) -> None:
    pull_all(world)
    held = students_by_school(world)
    world.site.advance(2)
    size = world.warehouse.path.stat().st_size
    done = command(world, "sync", "eagle-usd", limit=size // share)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr, done.stderr
    after = students_by_school(world)
    assert share != 40 or after == held, "with no room at all nothing is new"
    again = command(world, "sync", "eagle-usd", "--full")
    assert again.returncode == 0, again.stdout + again.stderr
    new = students_by_school(world)
    assert new != held
    # The emulator's inactive school gains rows, too; this roster does not ask for it.
    served = world.site.district.rows
    assert {school: count for school, (count, _) in new.items()} == {
        school: len(served[school]) for school in held
    }
    # A school is replaced whole or not at all; where the disk was full in between, some are new.
    assert after.keys() == held.keys()
    for school, rows in after.items():
        assert rows in {held[school], new[school]}, school


def test_a_damaged_warehouse_is_restored_from_a_backup(world: World) -> None:
    pull_all(world)
    assert command(world, "backup").returncode == 0
    content = bytearray(world.warehouse.path.read_bytes())
    content[:8192] = bytes(8192)
    world.warehouse.path.write_bytes(content)
    for arguments in (["sql", "SELECT 1"], ["publish"], ["status"], ["backup"]):
        done = command(world, *arguments)
        # How the others stand is told all the same.
        assert done.returncode == (0 if arguments == ["status"] else 1), arguments
        assert "see docs/operating.md" in done.stdout + done.stderr, (arguments, done.stdout)
        assert "Traceback" not in done.stderr
    (path,) = backups(world.settings.backups)
    assert command(world, "restore", str(path)).returncode == 0
    done = command(world, "sync", "eagle-usd")
    assert done.returncode == 0, done.stdout


def test_a_clock_that_jumped_ahead_stops_pulls_until_it_is_mended(world: World) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    student = next(row.person.id for row in world.site.district.rows[994] if not row.tag)
    put(world, f"StudentID,CourseID\n{student},0001\n", "spring.csv")
    call(world, "requests", "export", "eagle-usd")
    true = moments(world)
    jump_ahead(world, timedelta(days=400))
    world.site.advance(1)
    stopped = call(world, "sync", "eagle-usd")
    assert stopped.exit_code == 1
    assert "the ledger has moments from the future" in stopped.output
    shown = call(world, "clock")
    assert shown.exit_code == 1
    assert "clock --mend" in shown.output
    held = world.warehouse.rows("SELECT count(*), sum(hash(a)::HUGEINT) FROM core.accounts a")
    mended = call(world, "clock", "--mend")
    assert mended.exit_code == 0, mended.output
    assert "moved back by 39" in mended.output or "moved back by 400 days" in mended.output
    assert call(world, "clock").exit_code == 0
    assert max(moments(world)) <= now()
    assert min(moments(world)) > min(true) - timedelta(minutes=5)
    assert world.warehouse.rows("SELECT count(*) FROM core.accounts") == [held[0][:1]]
    after = call(world, "sync", "eagle-usd", "--full")
    assert after.exit_code == 0, after.output
    assert "accounts: " in after.output
    place = world.settings.out / "eagle-usd" / "xello"
    newest = sorted(one.name for one in place.iterdir())[-1]
    assert newest < f"{now() + timedelta(minutes=1):%Y%m%dT%H%M%SZ}"
    known = world.warehouse.rows("SELECT DISTINCT export_id FROM core.course_request_exports")
    folders = {(one.name,) for one in (world.settings.out / "eagle-usd/sss/994").iterdir()}
    assert set(known) <= folders, "the record and the folder have one name"
    assert call(world, "clock", "--mend").output.strip() == "nothing lies in the future"


def moments(world: World) -> list[datetime]:
    return [row[0] for row in world.warehouse.rows("SELECT finished_at FROM meta.pulls")]


def jump_ahead(world: World, by: timedelta) -> None:
    """Leave everything behind as a machine whose clock was ahead would have left it."""
    with world.warehouse.open() as connection:
        for table, columns in {
            "meta.pulls": ("started_at", "finished_at"),
            "meta.account_batches": ("computed_at",),
            "core.account_changes": ("detected_at", "recorded_at"),
            "core.accounts": ("first_seen_at", "last_seen_at", "state_since"),
            "core.course_request_exports": ("exported_at",),
            "raw.students": ("_pulled_at",),
        }.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = {column} + ?", [by])
    for place in (*world.settings.out.glob("*/xello"), *world.settings.out.glob("*/sss/994")):
        for folder in [one for one in place.iterdir() if one.is_dir()]:
            at = datetime.strptime(folder.name[:15], "%Y%m%dT%H%M%S") + by  # noqa: DTZ007
            name = f"{at:%Y%m%dT%H%M%SZ}"
            manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
            manifest["name"] = name
            if "changes_through" in manifest:
                through = datetime.fromisoformat(manifest["changes_through"]) + by
                manifest["changes_through"] = through.isoformat()
            (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
            with world.warehouse.open() as connection:
                connection.execute(
                    "UPDATE core.course_request_exports SET export_id = ? WHERE export_id = ?",
                    [name, folder.name],
                )
            folder.rename(place / name)


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


@pytest.mark.long
def test_a_machine_that_is_cut_off_in_mid_pull_goes_on_in_the_same_opening(make_world) -> None:
    """Killed with the whole process group; started again, the run is ended and repeated."""
    world = make_world(schools=4, students=200, roster={"max_requests_per_second": 4.0})
    with open_instance(world.settings) as instance:
        with a_daemon(world, signal.SIGKILL):
            until = time.monotonic() + 150
            while time.monotonic() < until and not _loaded(world):
                time.sleep(0.5)
            assert _loaded(world), "a pull was under way"
        (cut,) = [one for one in instance.get_runs() if not one.is_finished][:1]
        assert cut.status is dg.DagsterRunStatus.STARTED
        with a_daemon(world):
            until = time.monotonic() + 120
            while time.monotonic() < until and not instance.get_run_by_id(cut.run_id).is_finished:
                time.sleep(1)
            assert instance.get_run_by_id(cut.run_id).status is dg.DagsterRunStatus.FAILURE
            until = time.monotonic() + 300
            while time.monotonic() < until and not _whole(world):
                time.sleep(2)
        assert _whole(world), "the pull went on in the same opening"


def _loaded(world: World) -> bool:
    if not world.warehouse.path.exists() or not world.warehouse.has_table("raw", "terms"):
        return False
    return bool(world.warehouse.rows("SELECT count(*) FROM raw.terms")[0][0])


def _whole(world: World) -> bool:
    if not world.warehouse.has_table("raw", "graduation_status"):
        return False
    rows = sum(len(world.site.district.rows[school]) for school in world.schools)
    counted = world.warehouse.rows("SELECT count(*), count(DISTINCT school) FROM raw.students")
    return counted == [(rows, len(world.schools))]
