"""Where a pull reports its progress, for anybody watching.

The command line watches; Dagster's own processes do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward, for a progress bar.

    Attributes:
        district: District id.
        resource: Resource name.
        school: School code, None for a district.
        fetched: Whether the fetch has ended, as against the load.
    """

    district: str
    resource: str
    school: int | None
    fetched: bool


OnProgress = Callable[[Progress], None]

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
