"""A dry run: what a sync would bring, in counts, and everything as it was."""

from __future__ import annotations

import os
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.accounts.xello.layout import LAYOUTS
from aeries_pipeline.districts.configuration import RetentionSettings
from aeries_pipeline.operations.privacy.prune import prune
from aeries_pipeline.operations.rehearsal import difference, rehearsals, remove_left
from aeries_pipeline.stores.deliveries import checksums
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call

CLOSED = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]


def files(world: World) -> dict[str, str]:
    """Return every file of the installation with its checksum, but for locks, which are empty."""
    found = checksums(world.settings.data)
    return {name: digest for name, digest in found.items() if not name.endswith(".lock")}


def noted(world: World) -> list[tuple[object, ...]]:
    return world.store.ledger.rows(
        "SELECT district, requests, ended_with FROM meta.rehearsals ORDER BY began_at"
    )


def test_a_dry_run_says_what_a_sync_brings_and_leaves_everything_as_it_was(world: World) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    world.site.advance(3)
    before = files(world)
    world.emulator.log.clear()
    rehearsed = call(world, "sync", "eagle-usd", "--dry-run")
    assert rehearsed.exit_code == 0, rehearsed.output
    after = files(world)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"ledger.duckdb"}, "the record of requests alone"
    assert not rehearsals(world.settings).exists()
    assert noted(world) == [("eagle-usd", len(world.emulator.log), "complete")]
    assert f"the {len(world.emulator.log)} requests" in rehearsed.output
    assert "meta.rehearsals" in rehearsed.output
    said = [line for line in rehearsed.output.splitlines() if line.startswith("accounts: ")]
    last, real = (_delivered(world), call(world, "sync", "eagle-usd"))
    assert said == [line for line in real.output.splitlines() if line.startswith("accounts: ")]
    assert said != ["accounts: no change"]
    for name, lines in _delivered(world).items():
        come, gone = lines - last[name], last[name] - lines
        (row,) = [one.split() for one in rehearsed.output.splitlines() if f" {name} " in one]
        numbers = [int(cell.replace(",", "")) for cell in row if cell.replace(",", "").isdigit()]
        _before, total, new, lost, other = numbers
        assert (total, new + other, lost + other) == (lines.total(), come.total(), gone.total())


def _delivered(world: World) -> dict[str, Counter[str]]:
    newest = max((world.settings.out / "eagle-usd" / "xello").glob("2*"))
    return {
        one.file_name: Counter(
            (newest / one.file_name).read_text(encoding="utf-8").splitlines()[1:]
        )
        for one in LAYOUTS
    }


def test_a_district_that_was_never_pulled_still_has_no_warehouse(world: World) -> None:
    world.faults({"kind": "html", "path": "schools/993/students$"})
    result = call(world, "sync", "eagle-usd", "--dry-run")
    assert result.exit_code == 1
    assert "school 993, students: a login page came" in result.output
    assert "no files for Xello, because the students of school 993 were never pulled" in (
        result.output
    )
    assert not world.store.has("eagle-usd")
    assert not (world.settings.data / "landing").exists()
    assert [one[2] for one in noted(world)] == ["incomplete"]


def test_a_wrong_certificate_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_AERIES_CERT", "0" * 32)
    for command in (["sync", "eagle-usd", "--dry-run"], ["sync", "eagle-usd"], ["status"]):
        said = " ".join(call(world, *command).output.split())
        assert said.count("does not accept the certificate") == 1
        assert "eagle-usd, 10 resources of schools 992, 993, 994: 127.0.0.1" in said
        assert "delivered" not in said


def test_a_dry_run_asks_in_the_window_alone(world: World) -> None:
    world.write_roster(pull_window=CLOSED, timezone="Pacific/Kiritimati")
    result = call(world, "sync", "eagle-usd", "--dry-run")
    assert result.exit_code == 1
    assert "is closed" in result.stderr
    result = call(world, "sync", "eagle-usd", "--dry-run", "--outside-window", "now")
    assert result.exit_code == 2
    assert "in its window" in result.stderr
    assert not world.emulator.log
    assert not world.settings.data.joinpath("ledger.duckdb").exists() or not noted(world)


def test_what_a_killed_rehearsal_left_is_removed(world: World) -> None:
    left = rehearsals(world.settings) / "eagle-usd" / "warehouses" / "eagle-usd.duckdb"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a student")
    assert prune(world.settings, RetentionSettings())["rehearsals"] == 0, "somebody may be at work"
    old = time.time() - 2 * 86400
    os.utime(rehearsals(world.settings) / "eagle-usd", (old, old))
    assert prune(world.settings, RetentionSettings())["rehearsals"] == 1
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a student")
    assert remove_left(world.settings, "osprey-uhsd") == 0
    assert remove_left(world.settings, "eagle-usd") == 1
    assert not left.parent.exists()


LINES = st.lists(st.builds("{}|{}|x".format, st.integers(1, 4), st.integers(1, 3)))


@given(LINES, LINES)
@pytest.mark.parametrize("layout", [LAYOUTS[0]])
def test_a_difference_adds_up(layout, old, new) -> None:
    come, gone, changed = difference(layout, Counter(old), Counter(new))
    both = (Counter(old) & Counter(new)).total()
    assert come + changed + both == len(new)
    assert gone + changed + both == len(old)
    assert difference(layout, Counter(new), Counter(old)) == (gone, come, changed)
