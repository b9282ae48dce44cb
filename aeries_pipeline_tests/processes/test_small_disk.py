"""A disk of its own that is really full: every command, and nights in which it fills at any moment.

A file system in memory stands for the disk, so these tests need a machine that lets
them mount one. ``TESTS_WIDE=1`` takes sixty nights; what came of them stands in
docs/operating.md.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aeries_pipeline_tests.breadth import many
from aeries_pipeline_tests.conftest import MakeWorld, World
from aeries_pipeline_tests.disks import mounted
from aeries_pipeline_tests.processes.test_known_faults import every_command
from aeries_pipeline_tests.processes.test_random_kills import COMMANDS, next_night
from aeries_pipeline_tests.processes.test_recovery import command

NIGHTS = int(os.environ.get("FULL_DISKS", many(3, wide=60)))
SEED = int(os.environ.get("RANDOM_SEED", "20261129"))
MIB = 1024**2


@pytest.fixture
def small_disk(make_world: MakeWorld, tmp_path: Path) -> Iterator[World]:
    """A district whose data directory is on a disk of 512 MB."""
    with mounted(tmp_path / "disk", "512m") as disk:
        world = make_world(schools=2, students=150)
        world.settings = type(world.settings)(world.settings.roster, disk / "data")
        yield world


@contextmanager
def room(world: World, left: int) -> Iterator[None]:
    """Fill the disk with one file until so many bytes are left."""
    ballast = world.settings.data.parent / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(ballast).free - left))
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.long
def test_a_disk_without_any_room_ends_every_command_with_a_sentence(small_disk: World) -> None:
    next_night(small_disk)
    with room(small_disk, 0):
        said = every_command(small_disk)
    for words in ("sync eagle-usd", "publish --again", "backup"):
        code, text = said[words]
        assert code == 1, (words, text)
        assert "disk" in text, (words, text)
    next_night(small_disk)


@pytest.mark.long
def test_after_each_of_many_nights_in_which_the_disk_was_full_the_next_is_whole(
    small_disk: World,
) -> None:
    world = small_disk
    rng = random.Random(SEED)
    next_night(world)
    failed = 0
    for number in range(NIGHTS):
        kind = list(COMMANDS)[number % len(COMMANDS)]
        arguments = list(COMMANDS[kind])
        if kind == "forget":
            arguments.append(str(rng.choice(world.site.district.rows[994]).person.id))
        # Often hardly any room, at times enough.
        left = int(24 * MIB * rng.random() ** 3)
        with room(world, left):
            done = command(world, *arguments)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, (kind, left, said)
        if done.returncode:
            failed += 1
            assert "disk" in said, (kind, left, said)
        next_night(world)
        logging.getLogger(__name__).info(
            "%s: %s with %s bytes left ended with %s", number + 1, kind, left, done.returncode
        )
    assert failed, "the disk was full at least once"
