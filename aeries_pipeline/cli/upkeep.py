"""Commands for running an installation: publishing, backups, forgetting, retention."""

from __future__ import annotations

import sys
from getpass import getuser
from pathlib import Path

import click

from aeries_pipeline.cli.common import console, sentences
from aeries_pipeline.settings import load_settings


@click.command()
@click.argument("districts", nargs=-1, metavar="[DISTRICTS]")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Another folder.")
@click.option("--list", "shows", is_flag=True, help="Show the backups instead of taking one.")
@sentences
def backup(districts: tuple[str, ...], to: Path | None, shows: bool) -> None:  # noqa: FBT001
    """Copy the warehouses of DISTRICTS, or of all, to backups/, and read the copies to the end."""
    from aeries_pipeline.cli.backup import backup_now, list_backups

    (list_backups if shows else backup_now)(load_settings(), districts, to, console)


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--district", default="", help="Only this district's; all in the backup by default.")
@click.option("--newest", is_flag=True, help="The newest backup of the district, or of each.")
@click.option(
    "--from", "folder", type=click.Path(file_okay=False, path_type=Path), help="Another folder."
)
@click.option(
    "--rehearse", "rehearses", is_flag=True, help="Read it back and compare; change nothing."
)
@sentences
def restore(
    file: Path | None,
    district: str,
    newest: bool,  # noqa: FBT001
    folder: Path | None,
    rehearses: bool,  # noqa: FBT001
) -> None:
    """Restore a warehouse from the backup FILE; the present one becomes a backup."""
    from aeries_pipeline.cli.backup import Wish, rehearse_backup, restore_backup

    if (file is None) == (not newest):
        raise click.UsageError(
            "name a backup FILE, as backup --list shows it, or give --newest; not both"
        )
    act = rehearse_backup if rehearses else restore_backup
    act(load_settings(), Wish(file, district, folder), console)


@click.command("prune")
@sentences
def prune_now() -> None:
    """Delete what is older than the roster's retention allows; a schedule does it every day."""
    from aeries_pipeline.cli.privacy import prune_old

    if not prune_old(load_settings(), console):
        sys.exit(1)


@click.command()
@click.argument("district")
@click.option("--student", type=int, help="Only this StudentID; the whole district by default.")
@click.option("--reason", required=True, help="Why, without identifying anyone; kept permanently.")
@click.option("--by", "who", default=getuser, help="Who decides; you by default.")
@click.option("--although-listed", is_flag=True, help="Although the next pull may bring it back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def forget(
    district: str,
    student: int | None,
    reason: str,
    who: str,
    although_listed: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
) -> None:
    """Delete a student, or all of DISTRICT, from every file, and prove it by a search."""
    from aeries_pipeline.cli.privacy import forget_somebody
    from aeries_pipeline.operations.privacy.forget import Wish

    what = f"everything of {district}" if student is None else f"one student of {district}"
    if not yes:
        click.confirm(f"Delete {what}, backups included, for ever?", abort=True)
    wish = Wish(district, who, reason, student, although_listed)
    if not forget_somebody(load_settings(), wish, console):
        sys.exit(1)


@click.command("publish")
@click.option("--again", is_flag=True, help="Read every district again, changed or not.")
@sentences
def publish_now(again: bool) -> None:  # noqa: FBT001
    """Make the analysts' copy now, however recent the last one is."""
    from aeries_pipeline.cli.publish import publish_copy

    if not publish_copy(load_settings(), console, again=again):
        sys.exit(1)


@click.command("clock")
@click.option("--mend", is_flag=True, help="Move what is in the future back to now.")
@sentences
def clock(mend: bool) -> None:  # noqa: FBT001
    """Show whether a clock that was ahead has left moments from the future behind."""
    from aeries_pipeline.cli.clock import mend_clock, show_clock

    if mend:
        mend_clock(load_settings(), console)
    elif not show_clock(load_settings(), console):
        sys.exit(1)


@click.command("digest")
@click.option("--print", "prints", is_flag=True, help="Print it and send nothing.")
@sentences
def digest(prints: bool) -> None:  # noqa: FBT001
    """Send one message about the state of each district; for cron, once a morning."""
    from aeries_pipeline.cli.watch import send_digest

    if not send_digest(load_settings(), console, sends=not prints):
        sys.exit(1)


@click.command("watch")
@sentences
def watch_openings() -> None:
    """Report districts whose opening passed without a pull; for cron, not for the daemon."""
    from aeries_pipeline.cli.watch import watch

    if not watch(load_settings(), console):
        sys.exit(1)


@click.command("metrics")
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file, for node_exporter's textfile collector.",
)
@sentences
def metrics(textfile: Path | None) -> None:
    """Print the state of the districts in Prometheus' text format."""
    from aeries_pipeline.cli.watch import show_metrics

    show_metrics(load_settings(), textfile, console)


@click.command("deliver")
@click.argument("district")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and test the connection.")
@click.option("--again", is_flag=True, help="Send again what has already arrived.")
@click.option("--by", "who", default=getuser, help="Who wants it again; you by default.")
@sentences
def deliver_now(district: str, dry_run: bool, again: bool, who: str) -> None:  # noqa: FBT001
    """Deliver DISTRICT's newest files as the roster says, unless they have arrived."""
    from aeries_pipeline.cli.deliver import Wish, deliver_files

    if not deliver_files(load_settings(), Wish(district, dry_run, again, who), console):
        sys.exit(1)


@click.command("oneroster")
@click.argument("district")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the zip file, outside of the data directory.",
)
@click.option("--demographics", is_flag=True, help="Include birth dates and genders.")
@sentences
def oneroster(district: str, folder: Path, demographics: bool) -> None:  # noqa: FBT001
    """Write DISTRICT, as last published, as a OneRoster 1.2 CSV package."""
    from aeries_pipeline.cli.oneroster import write_package

    write_package(load_settings(), district, folder, console, demographics=demographics)


COMMANDS = (
    deliver_now,
    oneroster,
    digest,
    watch_openings,
    metrics,
    clock,
    publish_now,
    backup,
    restore,
    forget,
    prune_now,
)
