"""The processes that a command starts: one UI for a data directory, ended with all its children."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import private_directory

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STEPS = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""What a group gets, and how many seconds it has to end before the next."""


@contextmanager
def alone(settings: Settings) -> Iterator[int]:
    """Keep a second UI with its daemon off a data directory: both would start every run.

    Yields:
        A file descriptor. Whoever inherits it keeps the directory taken, also
        where the command itself is killed.

    Raises:
        ConfigurationError: If another one is at work there.
    """
    path = private_directory(settings.locks) / "ui.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                "ui_is_running",
                f"a UI with its daemon is already at work on {settings.data}; a second daemon "
                "would start every run twice: use that one, or stop it first",
            ) from None
        yield lock
    finally:
        os.close(lock)


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Set an event on SIGTERM, SIGINT and SIGHUP, in place of ending at once."""
    ended = threading.Event()
    before = {one: signal.signal(one, lambda *_said: ended.set()) for one in SIGNALS}
    try:
        yield ended
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def end_group(leader: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and everything in the group."""
    for said, seconds in _STEPS:
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, said)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            leader.poll()
            if not _is_there(leader.pid):
                return
            time.sleep(0.1)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
