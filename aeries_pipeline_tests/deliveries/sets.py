"""Finished sets of files, and districts that deliver them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from aeries_pipeline.deliveries.deliver import Job
from aeries_pipeline.deliveries.parcels import xello_parcel
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.stores.deliveries import checksums, publish
from aeries_pipeline.stores.scratch import scratch_folder
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.conftest import roster_entry, write_roster

NAMES = ("School.txt", "Student.txt", "StudentCourses.txt")
MARKER = "Marguerite"
"""A student's name, which nothing but the files may hold."""


class Outgoing:
    """An installation with finished files and a receiver."""

    def __init__(self, root: Path, target: dict[str, Any], **entry: Any) -> None:
        self.root = root
        self.data = root / "data"
        self.out = self.data / "out"
        self.roster = root / "districts.yaml"
        self.warehouse = Store(self.data).warehouse("eagle-usd")
        self.settle(target, **entry)

    def settle(self, target: dict[str, Any], **entry: Any) -> None:
        entry = roster_entry("http://127.0.0.1:9", [991], delivery=target, **entry)
        write_roster(self.roster, [entry])

    @property
    def district(self) -> District:
        return load_roster(self.roster).districts[0]

    def make_set(
        self, name: str = "20261127T180000Z", word: str = "first", size: int = 200
    ) -> dict[str, bytes]:
        """Let a finished set appear, and return what its three files hold."""
        place = self.out / "eagle-usd" / "xello"
        place.mkdir(parents=True, exist_ok=True)
        moment = datetime.fromisoformat(name).replace(tzinfo=None)
        with scratch_folder(place) as scratch:
            for file in (*NAMES, "account_changes.csv", "problems.csv"):
                row = f"{file}|{word}|{MARKER}\n"
                (scratch / file).write_text(row * (size // len(row) + 1), encoding="utf-8")
            files = {
                file: {"rows": 1, "bytes": (scratch / file).stat().st_size, "sha256": digest}
                for file, digest in checksums(scratch).items()
            }
            manifest = {
                "name": name,
                "district": "eagle-usd",
                "made_at": f"{moment.isoformat()}Z",
                "files": files,
            }
            folder = publish(scratch, place, manifest)
        return {file: (folder / file).read_bytes() for file in NAMES}

    def job(self, **more: Any) -> Job:
        district = self.district
        target = district.delivery
        assert target is not None
        parcel = xello_parcel(self.out, district.id, target.extra_files)
        return Job(self.warehouse, district, target, parcel, **more)

    def rows(self) -> list[dict[str, Any]]:
        return self.warehouse.dicts("SELECT * FROM meta.sent ORDER BY began_at")


def received(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
