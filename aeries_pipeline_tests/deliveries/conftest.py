"""A server for SFTP with a folder to receive in, and a disk that is soon full."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aeries_pipeline_tests.deliveries.servers import Receiver, sshd
from aeries_pipeline_tests.disks import mounted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "256k") as folder:
        yield folder


@pytest.fixture(scope="module")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def receiver(sftp_server: Receiver) -> Receiver:
    """The server with an empty folder."""
    shutil.rmtree(sftp_server.folder)
    sftp_server.folder.mkdir()
    return sftp_server
