"""The receiver of the demo is an SFTP server, also for OpenSSH's own client."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aeries_pipeline.deliveries.deliver import NotDeliveredError, send
from aeries_pipeline.emulator.receiver import USER, key_at, public, receiving
from aeries_pipeline_tests.deliveries.sets import Outgoing, received


def test_deliveries_arrive_and_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    host, ours, stranger = (key_at(tmp_path / name) for name in ("host", "ours", "stranger"))
    with receiving(folder, host, ours) as port:
        target = {
            "to": "sftp",
            "host": "127.0.0.1",
            "port": port,
            "user": USER,
            "key_file": "ours",
            "host_key": public(host),
            "retry_for": "0 s",
        }
        outgoing = Outgoing(tmp_path, target)
        outgoing.make_set(size=300_000)
        send(outgoing.job())
        second = outgoing.make_set("20261128T180000Z", "second")
        send(outgoing.job())
        assert received(folder) == second
        outgoing.settle({**target, "key_file": "stranger"})
        outgoing.make_set("20261129T180000Z", "third")
        with pytest.raises(NotDeliveredError, match="refused the login"):
            send(outgoing.job())
        outgoing.settle({**target, "folder": "../.."})
        send(outgoing.job())
        assert sorted(received(folder)) == sorted(second), "nobody leaves the folder"
    assert public(stranger) != public(ours)


@pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client is installed")
def test_openssh_finds_what_arrived(tmp_path: Path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    (folder / "Student.txt").write_text("a row\n")
    host, _ours = key_at(tmp_path / "host"), key_at(tmp_path / "ours")
    with receiving(folder, host, _ours) as port:
        known = tmp_path / "known"
        known.write_text(f"[127.0.0.1]:{port} {public(host)}\n")
        done = subprocess.run(
            [
                "sftp", "-b", "-", "-P", str(port), "-i", str(tmp_path / "ours"),
                "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes",
                "-o", "IdentitiesOnly=yes", f"{USER}@127.0.0.1",
            ],
            input=f"ls\nget Student.txt {tmp_path / 'got'}\n", text=True, capture_output=True,
            check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got").read_text() == "a row\n"
