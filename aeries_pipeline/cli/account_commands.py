"""The commands below ``aeries-pipeline accounts``: what waits, decisions, what comes next."""

from __future__ import annotations

import sys
from collections.abc import Callable
from getpass import getuser

import click

from aeries_pipeline.accounts.duplicates import Verdict
from aeries_pipeline.accounts.model import Kind
from aeries_pipeline.cli.common import Commands, console, sentences
from aeries_pipeline.settings import load_settings

Option = Callable[[Callable[..., None]], Callable[..., None]]

_WHY_AND_WHO: tuple[Option, ...] = (
    click.option("--reason", required=True, help="Why; kept in the audit trail."),
    click.option("--by", "who", default=getuser, help="Who decides; you by default."),
)


@click.group(cls=Commands)
def accounts() -> None:
    """Show account changes that wait for a person; approve or reject them."""


@accounts.command("review")
@click.argument("district")
@click.option("--students", is_flag=True, help="List the StudentIDs, too.")
@sentences
def accounts_review(district: str, students: bool) -> None:  # noqa: FBT001
    """List the changes of DISTRICT that are held, and why."""
    from aeries_pipeline.cli.accounts import show_waiting

    show_waiting(load_settings(), district, console, with_students=students)


@accounts.command("preview")
@click.argument("district")
@sentences
def accounts_preview(district: str) -> None:
    """Show what DISTRICT's next delivery to Xello will change, and the last 14 nights."""
    from aeries_pipeline.cli.accounts import show_preview

    show_preview(load_settings(), district, console)


def _decides(action: str) -> Callable[[Callable[..., None]], click.Command]:
    """Give a command the arguments that approving and rejecting share."""
    return _command(
        action,
        click.argument("district"),
        click.argument("batch"),
        *_WHY_AND_WHO,
        click.option(
            "--kind",
            type=click.Choice([str(kind) for kind in Kind]),
            help="Only changes of this kind.",
        ),
        click.option("--school", type=int, help="Only this school."),
    )


def _command(name: str, *options: Option) -> Callable[[Callable[..., None]], click.Command]:
    def wrap(command: Callable[..., None]) -> click.Command:
        for option in reversed(options):
            command = option(command)
        return accounts.command(name)(command)

    return wrap


@_decides("approve")
@sentences
def accounts_approve(
    district: str, batch: str, reason: str, who: str, kind: str | None, school: int | None
) -> None:
    """Approve the held changes of BATCH, as far as the newest pulls still call for them."""
    _decide(district, ("approve", batch, reason, who), kind, school)


@_decides("reject")
@sentences
def accounts_reject(
    district: str, batch: str, reason: str, who: str, kind: str | None, school: int | None
) -> None:
    """Refuse the held changes of BATCH; the accounts stay as they are."""
    _decide(district, ("reject", batch, reason, who), kind, school)


def _decide(
    district: str, said: tuple[str, str, str, str], kind: str | None, school: int | None
) -> None:
    from aeries_pipeline.accounts.review import Wish
    from aeries_pipeline.cli.accounts import decide_held

    action, batch, reason, who = said
    wish = Wish(batch, action, who, reason, kind, school)
    if not decide_held(load_settings(), district, wish, console):
        sys.exit(1)


@accounts.command("share")
@click.argument("district")
@click.option(
    "--accept",
    is_flag=True,
    help="Let those be shared again whom the list and the fields no longer name.",
)
@click.option("--reason", default="", help="Why; kept in the audit trail.")
@click.option("--by", "who", default=getuser, help="Who decides; you by default.")
@sentences
def accounts_share(district: str, accept: bool, reason: str, who: str) -> None:  # noqa: FBT001
    """Show how many students of DISTRICT are not shared with Xello, and why."""
    from aeries_pipeline.cli.share import show_share

    if not show_share(load_settings(), district, console, reason=reason, who=who, accepts=accept):
        sys.exit(1)


@accounts.command("files")
@click.argument("district")
@click.option("--accept", default="", metavar="FILE", help="Approve what waits for this file.")
@click.option("--keep", default="", metavar="FILE", help="Whoever would leave this file stays.")
@click.option("--reason", default="", help="Why; kept in the audit trail.")
@click.option("--by", "who", default=getuser, help="Who decides; you by default.")
@sentences
def accounts_files(district: str, accept: str, keep: str, reason: str, who: str) -> None:
    """Show who is in DISTRICT's files of families and educators for Xello, and what waits."""
    from aeries_pipeline.cli.more_files import show_files

    if accept and keep:
        raise click.UsageError("give --accept or --keep, one of the two")
    said = {"accepts": accept, "keeps": keep, "reason": reason, "who": who}
    if not show_files(load_settings(), district, console, **said):
        sys.exit(1)


def _speaks(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Give a command the arguments that both words about a pair share."""
    return _command(name, *_WHY_AND_WHO)


@_speaks("same")
@click.argument("district")
@click.argument("closed", type=int)
@click.argument("goes_on", type=int)
@sentences
def accounts_same(district: str, closed: int, goes_on: int, reason: str, who: str) -> None:
    """Say that two StudentIDs are one child: CLOSED is closed as merged, GOES_ON stays."""
    _speak(district, Verdict.SAME, (closed, goes_on), reason, who)


@_speaks("different")
@click.argument("district")
@click.argument("one", type=int)
@click.argument("other", type=int)
@sentences
def accounts_different(district: str, one: int, other: int, reason: str, who: str) -> None:
    """Say that two StudentIDs are two children; they are not asked about again."""
    _speak(district, Verdict.DIFFERENT, (one, other), reason, who)


def _speak(district: str, verdict: Verdict, ids: tuple[int, int], reason: str, who: str) -> None:
    from aeries_pipeline.accounts.review import Word
    from aeries_pipeline.cli.accounts import speak_of_pair

    word = Word(verdict, *ids, who, reason)
    if not speak_of_pair(load_settings(), district, word, console):
        sys.exit(1)
