"""``aeries-pipeline sync --dry-run``: what a sync would bring, in counts; nothing is changed."""

from __future__ import annotations

from dataclasses import asdict
from getpass import getuser

from rich.console import Console
from rich.table import Table

from aeries_pipeline.accounts.checks import WAITING
from aeries_pipeline.accounts.model import DONE
from aeries_pipeline.cli.common import warn
from aeries_pipeline.cli.sync import Request, checked, pulls_table, reasons_of
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.ingest.progress import tell
from aeries_pipeline.ingest.session import PullOptions
from aeries_pipeline.operations.rehearsal import Rehearsed, rehearse
from aeries_pipeline.settings import Settings
from aeries_pipeline.words import counted


def rehearse_sync(settings: Settings, request: Request, console: Console) -> bool:
    """Pull and compute a district on a copy, and print what a sync would change.

    Returns:
        Whether everything came, and there would be a delivery.

    Raises:
        ConfigurationError: If roster or certificate is wrong, or an option goes with a sync alone.
        StoppedError: If the district's window is closed.
        DistrictBusyError: If another command is syncing it.
    """
    if request.outside_window or request.accept_shrunken or request.school is not None:
        raise ConfigurationError(
            "dry_run",
            f"{request.district}: a dry run asks for the whole district, in its window, and "
            "believes no more than a sync would; leave --school, --outside-window and "
            "--accept-shrunken out",
        )
    district = checked(settings, request)
    options = PullOptions(full=request.full)
    found = rehearse(settings, district, getuser(), options=options, tell=tell)
    rows = [asdict(one) for one in found.pulls]
    console.print(pulls_table(district, rows))
    for reason in reasons_of(district.id, rows):
        warn(console, reason)
    for line in lines_of(found):
        console.print(line, soft_wrap=True, markup=False)
    if found.differences:
        console.print(_differences(found))
    if found.trouble:
        warn(console, found.trouble)
    console.print(
        "dry run: nothing was changed and nothing goes to anybody; the "
        f"{counted(found.requests, 'request')} "
        f"to {district.id} are noted in meta.rehearsals",
        soft_wrap=True,
    )
    return found.is_good


def lines_of(found: Rehearsed) -> list[str]:
    """Return what would become of the accounts, in sentences."""
    computed = found.computed
    if computed is None:
        return []
    said = [f"{number} {DONE[kind]}" for kind in DONE if (number := computed.applied.get(kind, 0))]
    lines = [f"accounts: {', '.join(said) or 'no change'}"]
    lines += [
        f"would wait for a person: {counted(number, f'{kind} change')}"
        for kind, number in sorted(computed.held.items())
    ]
    lines += [
        f"{counted(number, 'student')} {WAITING[code]}" for code, number in computed.waiting.items()
    ]
    if computed.stop:
        lines.append(f"the whole batch would wait: {computed.stop}")
    return lines


def _differences(found: Rehearsed) -> Table:
    last = f"beside {found.last}" if found.last else "the first"
    table = Table("file", title=f"next delivery to Xello, {last}", title_justify="left")
    for heading in ("rows before", "rows", "new", "gone", "changed"):
        table.add_column(heading, justify="right")
    for one in found.differences:
        numbers = (one.before, one.after, one.new, one.gone, one.changed)
        table.add_row(one.file, *(f"{number:,}" for number in numbers))
    return table
