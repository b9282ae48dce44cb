"""Deliveries to OpenSSH's own server: all files or none, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aeries_pipeline.deliveries.deliver import NotDeliveredError, look, send
from aeries_pipeline.deliveries.parcels import NothingToSendError
from aeries_pipeline.settings import DATA_VARIABLE, ROSTER_VARIABLE
from aeries_pipeline_tests.deliveries.servers import (
    Receiver,
    line,
    make_key,
    needs_sshd,
    sshd,
    until,
)
from aeries_pipeline_tests.deliveries.sets import MARKER, NAMES, Outgoing, received

pytestmark = needs_sshd


def failure(outgoing: Outgoing) -> NotDeliveredError:
    with pytest.raises(NotDeliveredError) as caught:
        send(outgoing.job(sleep=lambda _seconds: None))
    message = str(caught.value)
    assert message.startswith("eagle-usd: the files for Xello of ")
    assert MARKER not in message
    assert "\n" not in message
    return caught.value


def test_a_set_arrives_and_can_be_proven(receiver: Receiver, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    outgoing = Outgoing(tmp_path, receiver.target())
    content = outgoing.make_set()
    found = send(outgoing.job())
    assert found.is_new
    assert received(receiver.folder) == content
    (row,) = outgoing.rows()
    assert (row["outcome"], row["attempts"], row["compared"]) == ("arrived", 1, "checksum")
    assert row["ended_at"] >= row["began_at"]
    assert {one["name"]: one["sha256"] for one in json.loads(row["files"])} == {
        name: hashlib.sha256(content[name]).hexdigest() for name in NAMES
    }
    assert MARKER not in str(row)
    assert MARKER not in caplog.text


def test_what_arrived_is_not_sent_twice_unless_asked(receiver: Receiver, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, receiver.target())
    outgoing.make_set()
    send(outgoing.job())
    (receiver.folder / "Student.txt").unlink()
    again = send(outgoing.job())
    assert not again.is_new
    assert "not sent twice" in again.reason
    assert "Student.txt" not in receiver.names()
    assert send(outgoing.job(asked_by="kim")).is_new
    assert receiver.names() == sorted(NAMES)
    assert [row["asked_by"] for row in outgoing.rows()] == [None, "kim"]


def test_a_name_that_exists_is_replaced(receiver: Receiver, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, receiver.target(extra_files=["manifest.json"]))
    outgoing.make_set()
    (receiver.folder / "notes.txt").write_text("of somebody else")
    send(outgoing.job())
    second = outgoing.make_set("20261128T180000Z", "second")
    send(outgoing.job())
    there = received(receiver.folder)
    assert {name: there[name] for name in NAMES} == second
    assert sorted(there) == sorted([*NAMES, "manifest.json", "notes.txt"])


def test_a_folder_in_the_way_leaves_all_as_it_was(receiver: Receiver, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, receiver.target())
    outgoing.make_set()
    (receiver.folder / "StudentCourses.txt").mkdir()
    assert failure(outgoing).code == "in_the_way"
    assert receiver.names() == ["StudentCourses.txt"]
    assert outgoing.rows()[0]["outcome"] == "failed"


def test_another_host_key_ends_it_before_the_login(receiver: Receiver, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    outgoing = Outgoing(tmp_path, receiver.target(host_key=other, retry_for="1 h"))
    outgoing.make_set()
    error = failure(outgoing)
    assert error.code == "wrong_host_key"
    assert "in 2 attempts" not in str(error)
    assert receiver.names() == []


def test_an_rsa_host_key_can_be_pinned_too(receiver: Receiver, tmp_path: Path) -> None:
    public = (receiver.key_file.parent / "host_key_rsa.pub").read_text()
    outgoing = Outgoing(tmp_path, receiver.target(host_key=public))
    outgoing.make_set()
    assert send(outgoing.job()).is_new


def test_a_refused_login_is_not_tried_again(receiver: Receiver, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    outgoing = Outgoing(tmp_path, receiver.target(key_file="stranger", retry_for="1 h"))
    outgoing.make_set()
    assert failure(outgoing).code == "not_logged_in"
    assert outgoing.rows()[0]["attempts"] == 1


def test_a_folder_that_is_not_there_is_named_as_such(receiver: Receiver, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, receiver.target(folder=str(receiver.folder / "elsewhere")))
    outgoing.make_set()
    assert failure(outgoing).code == "no_folder"


def test_a_line_that_breaks_in_the_middle_is_tried_again(
    receiver: Receiver, tmp_path: Path
) -> None:
    with line(receiver.port, cuts=(2_000, 150_000, 400_000)) as way:
        outgoing = Outgoing(tmp_path, receiver.target(port=way.port, retry_for="30 min"))
        content = outgoing.make_set(size=200_000)
        pauses: list[float] = []
        found = send(outgoing.job(sleep=pauses.append))
    assert found.attempts == 4
    assert pauses == [5, 10, 20]
    assert received(receiver.folder) == content


def test_a_line_that_stays_broken_leaves_nothing_in_its_place(
    receiver: Receiver, tmp_path: Path
) -> None:
    first = Outgoing(tmp_path, receiver.target())
    old = first.make_set()
    send(first.job())
    with line(receiver.port, cuts=(250_000,) * 50) as way:
        first.settle(receiver.target(port=way.port, retry_for="20 s"))
        first.make_set("20261128T180000Z", "second", size=200_000)
        error = failure(first)
    assert error.code == "broken_off"
    assert "attempts" in str(error)
    there = received(receiver.folder)
    assert {name: there[name] for name in NAMES} == old
    # What could not be removed over a broken line is removed by the next delivery there.
    assert first.rows()[-1]["outcome"] in {"broken_off", "failed"}


def test_a_server_that_is_down_is_told_as_such(tmp_path: Path, receiver: Receiver) -> None:
    outgoing = Outgoing(tmp_path, receiver.target(port=9))
    outgoing.make_set()
    assert failure(outgoing).code == "broken_off"


def test_reading_only_is_a_permission_that_is_missing(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "-R") as receiver:
        outgoing = Outgoing(tmp_path, receiver.target(retry_for="1 h"))
        outgoing.make_set()
        error = failure(outgoing)
        assert error.code == "not_permitted"
        assert receiver.names() == []


def test_no_renaming_leaves_the_last_files(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "-P rename,posix-rename") as receiver:
        outgoing = Outgoing(tmp_path, receiver.target())
        outgoing.make_set()
        (receiver.folder / "School.txt").write_text("the last one")
        assert failure(outgoing).code == "not_permitted"
        assert received(receiver.folder) == {"School.txt": b"the last one"}


def test_no_reading_back_asks_for_another_comparison(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "-P read") as receiver:
        outgoing = Outgoing(tmp_path, receiver.target())
        outgoing.make_set()
        assert failure(outgoing).code == "not_permitted"
        outgoing.settle(receiver.target(compare="size"))
        assert send(outgoing.job()).is_new
        assert outgoing.rows()[-1]["compared"] == "size"


def test_a_full_disk_leaves_nothing_and_passes(small_disk: Path, tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", folder=small_disk) as receiver:
        outgoing = Outgoing(tmp_path, receiver.target())
        outgoing.make_set(size=60_000)
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 150_000)
        assert "disk" in str(failure(outgoing))
        assert receiver.names() == ["ballast"]
        outgoing.settle(receiver.target(retry_for="5 min"))
        found = send(outgoing.job(sleep=lambda _seconds: ballast.unlink(missing_ok=True)))
        assert found.attempts == 2
        assert receiver.names() == sorted(NAMES)


@pytest.mark.long
@pytest.mark.parametrize("sign", [".part", ".old"])
def test_a_process_that_is_killed_leaves_all_or_none_to_the_next(
    receiver: Receiver, tmp_path: Path, sign: str
) -> None:
    outgoing = Outgoing(tmp_path, receiver.target())
    outgoing.make_set()
    send(outgoing.job())
    outgoing.make_set("20261128T180000Z", "second")
    with line(receiver.port, delay=0.15) as way:
        outgoing.settle(receiver.target(port=way.port))
        command = [sys.executable, "-m", "aeries_pipeline.cli", "deliver", "eagle-usd"]
        process = subprocess.Popen(command, env=environment(outgoing), start_new_session=True)
        until(lambda: any(name.endswith(sign) for name in receiver.names()), 120)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        assert outgoing.rows()[-1]["outcome"] == "begun"
        third = outgoing.make_set("20261129T180000Z", "third")
        assert send(outgoing.job()).is_new
    assert received(receiver.folder) == third
    assert [row["outcome"] for row in outgoing.rows()] == ["arrived", "undone", "arrived"]


def environment(outgoing: Outgoing) -> dict[str, str]:
    return {
        **os.environ,
        ROSTER_VARIABLE: str(outgoing.roster),
        DATA_VARIABLE: str(outgoing.data),
    }


@pytest.mark.long
def test_the_command_line_delivers_and_a_dry_run_sends_nothing(
    receiver: Receiver, tmp_path: Path
) -> None:
    outgoing = Outgoing(tmp_path, receiver.target())
    outgoing.make_set()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "aeries_pipeline.cli", "deliver", "eagle-usd", *words]
        return subprocess.run(
            command, env=environment(outgoing), capture_output=True, text=True, check=False
        )

    dry = run("--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "nothing was sent" in dry.stdout
    assert receiver.names() == []
    assert "delivered to sftp://" in run().stdout
    assert receiver.names() == sorted(NAMES)
    assert "not sent twice" in run().stdout
    receiver_is_lost = receiver.target(folder="/nowhere/at/all")
    outgoing.settle(receiver_is_lost)
    lost = run("--dry-run")
    assert lost.returncode == 1
    assert "error: eagle-usd: the files for Xello" in lost.stderr


def test_a_file_that_was_changed_since_is_not_sent(receiver: Receiver, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, receiver.target())
    with pytest.raises(NothingToSendError, match="no files for Xello yet"):
        outgoing.job()
    outgoing.make_set()
    (outgoing.out / "eagle-usd" / "xello" / "20261127T180000Z" / "Student.txt").write_text("x")
    with pytest.raises(NothingToSendError, match="not what its manifest says"):
        outgoing.job()


def test_a_dry_run_tells_of_a_receiver_that_cannot_be_reached(
    receiver: Receiver, tmp_path: Path
) -> None:
    outgoing = Outgoing(tmp_path, receiver.target(port=9))
    outgoing.make_set()
    with pytest.raises(NotDeliveredError):
        look(outgoing.job())
