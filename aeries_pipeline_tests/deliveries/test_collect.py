"""An inbox on the district's own SFTP server: what is fetched, when, and what is left alone."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.course_requests.inbox import inbox_of
from aeries_pipeline.deliveries.collect import choose, collect, may_look
from aeries_pipeline.deliveries.remote import Listed
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.automation.inbox import build_inbox_sensor
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.deliveries.servers import Receiver, needs_sshd
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET

NAME = "planner.csv"
LINES = "StudentID,CourseID\n99400001,0315\n"
AHEAD = 1_900_000_000
"""A server whose clock is years ahead."""
NEVER = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
listed = st.builds(
    Listed,
    st.sampled_from(["a.csv", "b.xlsx", ".hidden", "c.csv.part", "../d.csv", "e\\f.csv"]),
    st.integers(0, 3),
    st.integers(0, 3),
)


@given(st.lists(listed, max_size=6), st.lists(listed, max_size=6))
def test_only_what_stood_still_and_is_new_is_fetched(
    before: list[Listed], after: list[Listed]
) -> None:
    known = {one.name: (one.size, one.changed) for one in before[:1]}
    due, waiting = choose(before, after, known)
    for one in due:
        assert one in before
        assert one in after
        assert known.get(one.name) != (one.size, one.changed)
        assert one.name in {"a.csv", "b.xlsx"}
    assert due == sorted(due, key=lambda one: (one.changed, one.name))
    left = [one for one in after if one.name in {"a.csv", "b.xlsx"} and one not in due]
    assert waiting == sum(known.get(one.name) != (one.size, one.changed) for one in left)


def hand_in(receiver: Receiver, text: str = LINES, name: str = NAME) -> Path:
    path = receiver.folder / name
    path.write_text(text, encoding="utf-8")
    os.utime(path, (AHEAD, AHEAD))
    return path


def polled(world: World, receiver: Receiver, **changes: object) -> None:
    world.write_roster(course_requests={"inbox": receiver.target(**changes)})


@needs_sshd
def test_a_file_is_fetched_once_and_again_when_it_has_changed(
    world: World, receiver: Receiver
) -> None:
    polled(world, receiver)
    theirs = hand_in(receiver)
    (receiver.folder / "older").mkdir()
    hand_in(receiver, name=".planner.csv.swp")
    place = inbox_of(world.settings.inbox, "eagle-usd")
    waits: list[float] = []
    assert collect(world.district, place, waits.append).fetched == 1
    assert waits == [10.0], "two looks"
    ours = place / NAME
    assert ours.read_text(encoding="utf-8") == LINES
    assert ours.stat().st_mtime <= time.time() - 9, "by the server's clock, and never ahead of ours"
    assert ours.stat().st_mode & 0o777 == 0o600
    assert collect(world.district, place, waits.append).fetched == 0
    assert len(waits) == 1, "nothing is new, so one look is enough"
    theirs.write_text(LINES + "99400002,0315\n", encoding="utf-8")
    assert collect(world.district, place, waits.append).fetched == 1
    assert (place / "planner-2.csv").exists(), "beside the first, which nobody has taken yet"
    assert theirs.exists(), "what they have handed in stays theirs"


@needs_sshd
def test_an_upload_that_goes_on_is_left_alone(world: World, receiver: Receiver) -> None:
    polled(world, receiver)
    theirs = hand_in(receiver)
    place = inbox_of(world.settings.inbox, "eagle-usd")

    def write_on(_seconds: float) -> None:
        with theirs.open("a", encoding="utf-8") as file:
            file.write("99400003,0315\n")

    found = collect(world.district, place, write_on)
    assert (found.fetched, found.waiting, found.trouble) == (0, 1, "")
    assert not (place / NAME).exists()


@needs_sshd
def test_what_goes_wrong_is_a_sentence_and_leaves_nothing_half(
    world: World, receiver: Receiver
) -> None:
    place = inbox_of(world.settings.inbox, "eagle-usd")
    hand_in(receiver)
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    for changes, says in (
        ({"host_key": other}, "another host key than the pinned one"),
        ({"folder": str(receiver.folder / "none")}, "could not be read"),
        ({"port": 9}, "could not be read"),
    ):
        polled(world, receiver, **changes)
        found = collect(world.district, place, lambda _seconds: None)
        assert says in found.trouble
        assert found.trouble.startswith("eagle-usd: the inbox sftp://")
        assert "under delivery" not in found.trouble
        assert "\n" not in found.trouble
    world.write_roster(course_requests={"inbox": receiver.target(), "max_megabytes": 0.00001})
    found = collect(world.district, place, lambda _seconds: None)
    assert "1 file in" in found.trouble
    assert "max_megabytes" in found.trouble
    assert not [one for one in place.iterdir() if one.is_file()]


@needs_sshd
def test_the_folder_is_read_in_the_window_alone(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aeries_pipeline.deliveries.collect.time.sleep", lambda _seconds: None)
    hand_in(receiver)
    moment = datetime.now(UTC)
    with open_instance(world.settings) as instance:
        job = build_defs(world.settings).resolve_job_def("course_requests")
        world.write_roster(course_requests={"inbox": receiver.target()}, pull_window=NEVER,
                           timezone="Pacific/Kiritimati")  # fmt: skip
        assert not may_look(world.district, moment)
        result = job.execute_in_process(
            instance=instance, run_config=QUIET, partition_key="eagle-usd"
        )
        assert _fetched(result) == 0
        sensor = build_inbox_sensor(world.settings)
        assert sensor(dg.build_sensor_context(instance=instance)).run_requests == []
        polled(world, receiver)
        (asked,) = sensor(dg.build_sensor_context(instance=instance)).run_requests
        assert asked.run_key.endswith("/poll")
        result = job.execute_in_process(
            instance=instance, run_config=QUIET, partition_key="eagle-usd"
        )
        assert _fetched(result) == 1
        assert all("99400001" not in str(event) for event in instance.all_logs(result.run_id))
    processed = world.settings.inbox / "eagle-usd" / "course_requests" / "processed"
    assert [one.name for one in processed.glob("*planner.csv")]


def _fetched(result: dg.ExecuteInProcessResult) -> object:
    (event,) = result.get_asset_materialization_events()
    return event.step_materialization_data.materialization.metadata["files_fetched"].value
