"""Unfinished copies: gone with their process, and never while it lives."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aeries_pipeline.stores.memory import open_duckdb
from aeries_pipeline.stores.scratch import clear_scratch, scratch_folder

HELD = """
import sys, time
from pathlib import Path
from aeries_pipeline.stores.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("a child's name")
    print("held", flush=True)
    time.sleep(60)
"""


def hold(place: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, str(place)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("next_one", ["clear", "scratch", "duckdb"])
def test_what_a_killed_process_left_goes_with_the_next_and_what_is_in_use_stays(
    tmp_path: Path, next_one: str
) -> None:
    killed, alive = hold(tmp_path), hold(tmp_path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.glob(".making-*/half"))) == 2
        if next_one == "clear":
            clear_scratch(tmp_path)
        elif next_one == "scratch":
            with scratch_folder(tmp_path) as own:
                assert own.stat().st_mode & 0o077 == 0
        else:
            open_duckdb(tmp_path).close()
        assert len(list(tmp_path.glob(".making-*/half"))) == 1
    finally:
        alive.kill()
        alive.wait()
    clear_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_renamed_stays_and_one_that_fails_goes(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as made:
        (made / "whole").touch()
        made.rename(tmp_path / "done")
    with pytest.raises(FileNotFoundError), scratch_folder(tmp_path) as made:
        (made / "there").rename(made / "nowhere" / "there")
    assert [str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")] == ["done", "done/whole"]
