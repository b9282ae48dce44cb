"""Deliveries into a folder, and what has to hold of any receiver."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeries_pipeline.deliveries.deliver import NotDeliveredError, send
from aeries_pipeline.deliveries.folder import FolderRemote
from aeries_pipeline.deliveries.place import Item, forget_replaced, put_in_place, undo
from aeries_pipeline.deliveries.remote import digest_of
from aeries_pipeline_tests.deliveries.sets import NAMES, Outgoing, received


def test_a_set_arrives_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    outgoing = Outgoing(tmp_path, {"to": "folder", "folder": "share"})
    content = outgoing.make_set()
    assert send(outgoing.job()).is_new
    assert received(tmp_path / "share") == content


def test_a_share_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, {"to": "folder", "folder": "share"})
    outgoing.make_set()
    with pytest.raises(NotDeliveredError, match="mount the share"):
        send(outgoing.job())
    assert not (tmp_path / "share").exists()


class Killed(BaseException):
    """The process ends here."""


class Frail(FolderRemote):
    """A folder whose process is killed at some step."""

    def __init__(self, folder: Path, lasts: int) -> None:
        super().__init__(folder)
        self.lasts = lasts

    def _step(self) -> None:
        self.lasts -= 1
        if self.lasts < 0:
            raise Killed

    def put(self, local: Path, name: str) -> None:
        self._step()
        super().put(local, name)

    def rename(self, old: str, new: str) -> None:
        self._step()
        super().rename(old, new)

    def remove(self, name: str) -> None:
        self._step()
        super().remove(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    present=st.sets(st.sampled_from(NAMES)),
    lasts=st.integers(0, 12),
    undoing=st.lists(st.integers(0, 8), max_size=3),
)
def test_wherever_it_is_killed_the_next_finds_all_or_none(
    tmp_path_factory: pytest.TempPathFactory,
    present: set[str],
    lasts: int,
    undoing: list[int],
) -> None:
    root = tmp_path_factory.mktemp("any")
    ours, theirs = root / "ours", root / "theirs"
    ours.mkdir()
    theirs.mkdir()
    old = dict.fromkeys(present, b"old")
    for name, content in old.items():
        (theirs / name).write_bytes(content)
    items = []
    for name in NAMES:
        (ours / name).write_bytes(b"the new one")
        items.append(Item(name, ours / name, 11, digest_of([b"the new one"])))
    noted: list[list[str]] = []
    placed = False
    try:
        frail = Frail(theirs, lasts)
        put_in_place(frail, items, "t", reads_back=True, before_renaming=noted.append)
        placed = True
        forget_replaced(frail, NAMES, "t")
    except Killed:
        pass
    if placed:
        forget_replaced(FolderRemote(theirs), NAMES, "t")
        assert received(theirs) == dict.fromkeys(NAMES, b"the new one")
        return
    for steps in undoing:
        try:
            undo(Frail(theirs, steps), NAMES, "t", noted[0] if noted else None)
        except Killed:
            continue
    undo(FolderRemote(theirs), NAMES, "t", noted[0] if noted else None)
    assert received(theirs) == old
