"""``digest``, ``watch`` and ``metrics``: for cron or a timer; they need no daemon."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from aeries_pipeline.cli.common import warn
from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.operations.notices.deliver import NotDeliveredError, tell_channels
from aeries_pipeline.operations.notices.morning import digest, digest_title, untried
from aeries_pipeline.operations.notices.notice import Line
from aeries_pipeline.operations.status.metrics import metrics
from aeries_pipeline.operations.status.read import DistrictStatus, read_status
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.store import Store

_TOLD = "watch.json"


def send_digest(settings: Settings, console: Console, *, sends: bool) -> bool:
    """Print the morning's digest, and send it to the channels that take one.

    Returns:
        Whether every channel took it.
    """
    roster, statuses, _moment = _read(settings)
    title, lines = digest_title(statuses), digest(statuses)
    console.print(title, soft_wrap=True)
    for line in lines:
        console.print(f"- {line.text}", soft_wrap=True)
    return not sends or _tell(roster, lines, title, console)


def watch(settings: Settings, console: Console) -> bool:
    """Tell of each district for which no pull was tried in its newest opening, once.

    Returns:
        Whether there is none, and every channel took what was to be told.
    """
    roster, statuses, moment = _read(settings)
    tried = {one.id: one.last_tried for one in statuses}
    path = private_directory(settings.data) / _TOLD
    told: dict[str, str] = {}
    with suppress(FileNotFoundError, ValueError):
        told = json.loads(path.read_text(encoding="utf-8"))
    found = {
        one.id: missed
        for one in roster.districts
        if (missed := untried(one, tried.get(one.id), moment)) is not None
    }
    for _opening, line in found.values():
        warn(console, line.text)
    fresh = [line for district, (at, line) in found.items() if told.get(district) != at]
    delivered = not fresh or _tell(roster, fresh, "No pull was tried", console)
    if delivered:
        state = {district: at for district, (at, _line) in found.items()}
        write_atomically(path, json.dumps(state))
    if not found:
        console.print("every district was tried in its newest opening")
    return delivered and not found


def show_metrics(settings: Settings, textfile: Path | None, console: Console) -> None:
    """Print metrics in Prometheus' text form, or put them into a file in one step."""
    _roster, statuses, moment = _read(settings)
    text = metrics(statuses, moment)
    if textfile is None:
        console.file.write(text)
        return
    write_atomically(textfile, text)
    # node_exporter runs as somebody else, and these are counts.
    textfile.chmod(0o644)


def _read(settings: Settings) -> tuple[Roster, list[DistrictStatus], datetime]:
    roster, moment = load_roster(settings.roster), datetime.now(UTC)
    return roster, read_status(Store(settings.data), roster, moment), moment


def _tell(roster: Roster, lines: list[Line], title: str, console: Console) -> bool:
    try:
        sent = tell_channels(roster.notifications, lines, title=title)
    except NotDeliveredError as error:
        warn(console, str(error))
        return False
    if not sent:
        console.print("no channel of the roster's notifications takes this; it is only printed")
    return True
