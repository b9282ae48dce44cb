"""A table of e-mails through ``add``: address, certificate and window as a person takes them."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner
from ruamel.yaml import YAML

from aeries_pipeline.cli.main import main
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline_tests.districts.test_wordings import MONDAY, STEP, WEEK, minutes_of

HEX = "75747985e2b234bf78536cf3495371781"  # pragma: allowlist secret
ADDRESS = "https://aeries.example.org/aeries"


def verdict(folder: Path, saved: str, window: str) -> str:
    """Add one e-mail without a terminal; an empty window means that a person would ask."""
    folder.mkdir()
    (folder / "mail").write_bytes(saved.encode())
    roster = folder / "districts.yaml"
    with contextlib.chdir(folder):
        result = CliRunner().invoke(
            main,
            ["add", "some-usd", "--name", "Some", "--email", "mail"],
            env={"AERIES_DISTRICTS": str(roster), "AERIES_DATA_DIR": str(folder / "data")},
        )
    if HEX[:25] in result.output.replace("\n", "") + result.stderr.replace("\n", ""):
        return "wrong"
    district = load_roster(roster).get("some-usd") if roster.exists() else None
    if district is not None:
        assert district.paused, "nothing is asked before a person has accepted the reading"
    if district is None or "paused: true" in roster.read_text(encoding="utf-8"):
        return "refused" if window else "right"
    held = (folder / "certificates" / "some-usd.cert").read_text(encoding="utf-8").strip()
    if not window or held != HEX or not district.url.startswith(ADDRESS):
        return "wrong"
    inside = {
        m for m in range(0, WEEK, STEP) if district.windows.contains(MONDAY + timedelta(minutes=m))
    }
    may = minutes_of(window)
    return "right" if inside == may else "narrow" if inside < may else "wrong"


def test_no_email_is_misread_and_nearly_all_are_read(tmp_path: Path) -> None:
    table = YAML(typ="safe").load(Path(__file__).with_name("emails.yaml"))["emails"]
    tally = Counter(verdict(tmp_path / one["name"], one["saved"], one["window"]) for one in table)
    assert len(table) >= 110
    assert tally["wrong"] == 0
    assert tally["right"] >= 0.95 * len(table)
