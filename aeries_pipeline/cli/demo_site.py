"""The demo in a data directory: its roster with the port that serves it, and its day.

What is emulated is in ``serve``; here is what outlasts the process, so that the
next one goes on where the last one ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.settings import DEMO_FOLDER, DEMO_PORT, DEMO_ROSTER, Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically

_CERTIFICATE = "demo.cert"
_LOOK_SECONDS = 1.0


def install(settings: Settings, port: int) -> Settings:
    """Write the demo's roster for the port that serves it, and return settings with it."""
    folder = private_directory(settings.data / DEMO_FOLDER)
    roster = folder / "districts.yaml"
    text = DEMO_ROSTER.read_text(encoding="utf-8")
    certificate = DEMO_ROSTER.with_name(_CERTIFICATE).read_text(encoding="utf-8")
    write_atomically(folder / _CERTIFICATE, certificate)
    write_atomically(roster, text.replace(f":{DEMO_PORT}/", f":{port}/"))
    return Settings(roster, settings.data, is_demo=True)


def day_of(settings: Settings) -> int:
    """Return how many school days the demo of this data directory has moved on."""
    with suppress(FileNotFoundError, ValueError):
        return int((settings.data / DEMO_FOLDER / "day").read_text(encoding="utf-8"))
    return 0


def note_day(settings: Settings, day: int) -> None:
    """Remember the day for whoever serves the demo next."""
    folder = private_directory(settings.data / DEMO_FOLDER)
    write_atomically(folder / "day", f"{day}\n")


@contextmanager
def following(emulator: Emulator, settings: Settings) -> Iterator[None]:
    """Keep an emulator at the day of the demo, also while a demo runs beside it."""
    done = threading.Event()
    day = day_of(settings)
    for site in emulator.sites.values():
        site.advance(day)

    def follow() -> None:
        at = day
        while not done.wait(_LOOK_SECONDS):
            further = max(day_of(settings) - at, 0)
            for site in emulator.sites.values() if further else ():
                site.advance(further)
            at += further

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)
