"""Course requests in Dagster: assets, checks, the inbox sensor, automation, a real daemon."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from aeries_pipeline.cli.requests import run_requests
from aeries_pipeline.course_requests.checks import QUESTIONS
from aeries_pipeline.course_requests.inbox import inbox_of
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.course_requests import REQUESTS, SSS_FILES
from aeries_pipeline.orchestration.automation.inbox import build_inbox_sensor
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.course_requests.test_pipeline import courses, lines, put, sophomores
from aeries_pipeline_tests.orchestration.test_pull_sensor import a_daemon
from aeries_pipeline_tests.orchestration.test_raw_assets import run
from aeries_pipeline_tests.processes.test_command_line import call


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as opened:
        yield opened


def pull(world: World, instance: dg.DagsterInstance) -> None:
    assert run(world, instance, "schools", "courses", keys=["eagle-usd"]).success
    assert run(world, instance, "students").success


def two_requests(world: World, name: str = "requests.csv") -> Path:
    pairs = [(row.person.id, courses(world)[0]) for row in sophomores(world)[:2]]
    return put(world, lines(pairs), name)


def numbers(result: dg.ExecuteInProcessResult, partition: str) -> dict[str, object]:
    (found,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.step_materialization_data.materialization.partition == partition
    ]
    return {name: value.value for name, value in found.metadata.items()}


def test_a_file_becomes_files_for_each_school(world: World, instance: dg.DagsterInstance) -> None:
    pull(world, instance)
    two_requests(world)
    taken, exported = run_requests(build_defs(world.settings), instance, world.district)
    assert taken.success
    assert exported.success
    shown = numbers(taken, "eagle-usd")
    assert (shown["ready"], shown["files_taken"], shown["school_year"]) == (2, 1, "2027")
    assert all(one.passed for one in taken.get_asset_check_evaluations())
    at_high = numbers(exported, "eagle-usd/994")
    assert (at_high["new_rows"], at_high["exported"], at_high["is_new"]) == (2, 2, True)
    assert "folder" not in numbers(exported, "eagle-usd/993"), "no requests, so no folder"
    again, unchanged = run_requests(build_defs(world.settings), instance, world.district)
    assert numbers(again, "eagle-usd")["changed"] == 0
    assert numbers(unchanged, "eagle-usd/994")["is_new"] is False


def test_no_student_stands_in_metadata_or_checks(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    put(world, "StudentID,CourseID\r\nMarker Person,0315\r\n7777777,0315\r\n")
    taken, exported = run_requests(build_defs(world.settings), instance, world.district)
    told = [str(one.metadata) + str(one.description) for one in taken.get_asset_check_evaluations()]
    for result in (taken, exported):
        told += [
            str(event.step_materialization_data.materialization.metadata)
            for event in result.get_asset_materialization_events()
        ]
        told += [entry.to_json() for entry in instance.all_logs(result.run_id)]
    assert "requests_can_be_imported" in " ".join(told)
    assert "student_unreadable" in " ".join(told)
    assert "Marker" not in " ".join(told)
    assert "7777777" not in " ".join(told)


def test_a_broken_file_is_a_failed_check_and_the_run_goes_on(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    put(world, b"\x89PNG\r\n\x1a\n" + bytes(99), "picture.csv")
    two_requests(world)
    taken, exported = run_requests(build_defs(world.settings), instance, world.district)
    assert taken.success
    verdict = next(
        one for one in taken.get_asset_check_evaluations()
        if one.check_name == "files_are_readable"
    )  # fmt: skip
    assert not verdict.passed
    assert verdict.severity is dg.AssetCheckSeverity.ERROR
    assert "not a text file" in verdict.description
    assert numbers(exported, "eagle-usd/994")["new_rows"] == 2


def test_a_district_without_requests_is_green_and_nothing_follows(
    world: World, instance: dg.DagsterInstance
) -> None:
    pull(world, instance)
    job = build_defs(world.settings).resolve_job_def("course_requests")
    versions = []
    for _ in range(2):
        done = job.execute_in_process(instance=instance, partition_key="eagle-usd")
        assert done.success
        (event,) = done.get_asset_materialization_events()
        one = event.step_materialization_data.materialization
        assert one.metadata["dagster/partition_row_count"].value == 0
        versions.append(one.tags["dagster/data_version"])
    assert versions[0] == versions[1]
    assert all(one.passed for one in done.get_asset_check_evaluations())
    assert len(done.get_asset_check_evaluations()) == len(QUESTIONS), (
        "an unanswered check looks failed"
    )


def test_the_inbox_sensor_waits_for_a_second_look(
    world: World, instance: dg.DagsterInstance
) -> None:
    sensor = build_inbox_sensor(world.settings)

    def tick(cursor: str | None) -> dg.SensorResult:
        return sensor(dg.build_sensor_context(instance=instance, cursor=cursor))

    nothing = tick(None)
    assert nothing.skip_reason.skip_message == "no inbox holds a complete file"
    path = two_requests(world)
    first = tick(nothing.cursor)
    assert first.run_requests == []
    assert "looked at again" in first.skip_reason.skip_message
    (request,) = tick(first.cursor).run_requests
    assert (request.partition_key, request.asset_selection) == ("eagle-usd", [REQUESTS])
    assert request.tags["aeries/district"] == "eagle-usd"
    assert path.name not in request.run_key
    # Written to between two looks: not yet.
    path.write_text("StudentID,CourseID\r\n", encoding="utf-8")
    old = time.time() - 60
    os.utime(path, (old, old))
    assert tick(first.cursor).run_requests == []


def requested(
    world: World, instance: dg.DagsterInstance, cursor: object = None
) -> dg.EvaluateAutomationConditionsResult:
    return dg.evaluate_automation_conditions(
        defs=build_defs(world.settings), instance=instance, cursor=cursor,
        asset_selection=dg.AssetSelection.groups("course_requests"),
    )  # fmt: skip


def test_automation_decides_after_pulls_and_writes_after_decisions(
    world: World, instance: dg.DagsterInstance
) -> None:
    before = requested(world, instance)
    pull(world, instance)
    after = requested(world, instance, before.cursor)
    assert after.get_requested_partitions(REQUESTS) == {"eagle-usd"}
    two_requests(world)
    job = build_defs(world.settings).resolve_job_def("course_requests")
    job.execute_in_process(instance=instance, partition_key="eagle-usd")
    then = requested(world, instance, after.cursor)
    assert then.get_requested_partitions(SSS_FILES) == {
        f"eagle-usd/{school}" for school in world.schools
    }


def test_the_commands(world: World, tmp_path: Path) -> None:
    assert "there are no course requests" in call(world, "requests", "show", "eagle-usd").output
    source = tmp_path / "plan.csv"
    pairs = [(row.person.id, courses(world)[0]) for row in sophomores(world)[:2]]
    source.write_text(lines([*pairs, ("nobody", "0315")]), encoding="utf-8")
    early = call(world, "requests", "take", "eagle-usd", str(source))
    assert early.exit_code == 0
    assert "waiting" in early.output
    with open_instance(world.settings) as instance:
        pull(world, instance)
    exported = call(world, "requests", "export", "eagle-usd")
    assert exported.exit_code == 0, exported.output
    assert "in files for Aeries" in exported.output
    shown = call(world, "requests", "show", "eagle-usd").output
    assert "sss/994/" in shown
    assert "not a number" in shown
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"StudentID CourseID\n1 2\n")
    refused = call(world, "requests", "take", "eagle-usd", str(broken))
    assert refused.exit_code == 1
    assert "comma, semicolon, pipe or tab" in refused.output
    assert source.exists(), "the file that was named stays where it is"
    unknown = call(world, "requests", "take", "nowhere", str(source))
    assert unknown.exit_code == 2


@pytest.mark.long
def test_a_sync_takes_what_is_in_the_inbox(world: World) -> None:
    two_requests(world)
    pulled = call(world, "sync", "eagle-usd")
    assert pulled.exit_code == 0, pulled.output
    assert "in files for Aeries" in pulled.output
    assert list(world.settings.out.glob("eagle-usd/sss/994/*/SSS.csv"))


@pytest.mark.long
def test_a_real_daemon_takes_a_file_and_writes_what_schools_import(make_world) -> None:
    world = make_world(students=60)
    with open_instance(world.settings) as instance:
        pull(world, instance)
    two_requests(world)
    with a_daemon(world):
        manifest: list[Path] = []
        for _ in range(120):
            time.sleep(2)
            manifest = list(world.settings.out.glob("eagle-usd/sss/994/*/manifest.json"))
            if manifest:
                break
    assert json.loads(manifest[0].read_text(encoding="utf-8"))["new_rows"] == 2
    place = inbox_of(world.settings.inbox, "eagle-usd")
    assert len(list((place / "processed").glob("*.csv"))) == 1


def test_a_file_of_which_much_vanishes_is_answered_by_a_command(
    world: World, tmp_path: Path
) -> None:
    world.write_roster(course_requests={"min_vanishing": 2})
    with open_instance(world.settings) as instance:
        pull(world, instance)
    who, wanted = sophomores(world)[0].person.id, courses(world)[:4]
    source = tmp_path / "plan.csv"
    source.write_text(lines([(who, one) for one in wanted]), encoding="utf-8")
    assert call(world, "requests", "take", "eagle-usd", str(source)).exit_code == 0
    source.write_text(lines([(who, wanted[0])]), encoding="utf-8")
    held = call(world, "requests", "take", "eagle-usd", str(source), "--covers", "district")
    assert held.exit_code == 1
    told = " ".join(held.output.split())
    assert "waits: it would take away 3 of 4 requests" in told
    file_id = told.split("file ")[1].split(" ")[0]
    unknown = call(world, "requests", "answer", "eagle-usd", "nothing", "accept")
    assert unknown.exit_code == 1
    assert "waits for such an answer" in " ".join(unknown.output.split())
    done = call(world, "requests", "answer", "eagle-usd", file_id, "accept")
    assert done.exit_code == 0, done.output
    assert "no longer asked for" in " ".join(done.output.split())
    folder = world.settings.out / "eagle-usd" / "sss" / "994"
    newest = max(one for one in folder.iterdir() if one.is_dir())
    assert (newest / "withdrawals.csv").read_text("utf-8-sig").count("\n") == 4


def test_reconcile_tells_where_nothing_is_granted(world: World, tmp_path: Path) -> None:
    early = call(world, "requests", "reconcile", "eagle-usd")
    assert "nothing was given to any school as yet" in early.output
    with open_instance(world.settings) as instance:
        pull(world, instance)
    source = tmp_path / "plan.csv"
    source.write_text(lines([(sophomores(world)[0].person.id, courses(world)[0])]), "utf-8")
    assert call(world, "requests", "take", "eagle-usd", str(source)).exit_code == 0
    told = call(world, "requests", "reconcile", "eagle-usd")
    assert told.exit_code == 0, told.output
    assert "not granted" in told.output
