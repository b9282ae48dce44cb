"""Where a pull reports its progress, for anybody watching.

The command line watches; Dagster's own processes do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aeries_pipeline.ingest.pull import OnProgress, Progress

_watchers: list[OnProgress] = []


def tell(progress: Progress) -> None:
    """Pass a step forward to every watcher in this process."""
    for watcher in _watchers:
        watcher(progress)


@contextmanager
def watching(watcher: OnProgress) -> Iterator[None]:
    """Call the watcher on every step forward while the block runs."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
