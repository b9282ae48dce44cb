"""The demo in a data directory: its roster with the port that serves it, and its day.

What is emulated is in ``serve``; here is what outlasts the process, so that the next one
continues where the last one ended.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from aeries_pipeline.emulator.receiver import USER, key_at, public, receiving
from aeries_pipeline.emulator.serve import free_port
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.settings import DEMO_FOLDER, DEMO_PORT, DEMO_ROSTER, Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically

_CERTIFICATE = "demo.cert"
_LOOK_SECONDS = 1.0
_RECEIVER_PORT = DEMO_PORT + 100


def install(
    settings: Settings, port: int, delivery: Mapping[str, object] | None = None
) -> Settings:
    """Write the demo's roster for the port that serves it, and return settings with it.

    Args:
        settings: Of the installation.
        port: Of the emulated districts.
        delivery: Where the first district's files go; nowhere where None.
    """
    folder = private_directory(settings.data / DEMO_FOLDER)
    roster = folder / "districts.yaml"
    text = DEMO_ROSTER.read_text(encoding="utf-8")
    certificate = DEMO_ROSTER.with_name(_CERTIFICATE).read_text(encoding="utf-8")
    write_atomically(folder / _CERTIFICATE, certificate)
    text = text.replace(f":{DEMO_PORT}/", f":{port}/")
    if delivery:
        # JSON is YAML; the first district is the one with course requests.
        line = f"    delivery: {json.dumps(delivery)}\n"
        text = text.replace("    pull_window:", f"{line}    pull_window:", 1)
    write_atomically(roster, text)
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
def with_receiver(settings: Settings, port: int) -> Iterator[tuple[Settings, Path]]:
    """Serve a receiver on loopback, and install the demo's roster with a delivery to it.

    Args:
        settings: Of the installation.
        port: Of the emulated districts.

    Yields:
        Settings with that roster, and the folder in which files arrive.
    """
    place = private_directory(settings.data / DEMO_FOLDER / "receiver")
    received = private_directory(place / "received")
    host_key, client_key = key_at(place / "host_key"), key_at(place / "client_key")
    with receiving(received, host_key, client_key, free_port(_RECEIVER_PORT)) as listens:
        delivery = {
            "to": "sftp",
            "host": "127.0.0.1",
            "port": listens,
            "user": USER,
            "key_file": "receiver/client_key",
            "host_key": public(host_key),
            "retry_for": "1 min",
        }
        try:
            yield install(settings, port, delivery), received
        finally:
            # Nobody listens any more.
            install(settings, port)


@contextmanager
def following(emulator: Emulator, settings: Settings) -> Iterator[None]:
    """Keep an emulator at the day of the demo, even while a demo runs at the same time."""
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
