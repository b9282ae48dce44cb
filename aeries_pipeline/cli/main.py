"""Entry point and commands of ``aeries-pipeline``.

Exit status 0 only when all that was asked for happened; 2 for a mistake in
the configuration; 1 otherwise. Mistakes are sentences, not stack traces.
"""

from __future__ import annotations

import os
import sys
from getpass import getuser
from pathlib import Path
from typing import Any

import click

from aeries_pipeline import __version__
from aeries_pipeline.cli.account_commands import accounts
from aeries_pipeline.cli.common import Commands, console, sentences, stop
from aeries_pipeline.cli.upkeep import COMMANDS
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import DEMO_PORT, load_settings

PORT = click.IntRange(1, 65535)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Pull Aeries districts into DuckDB through Dagster.

    The roster is data/districts.yaml, or the file named by AERIES_DISTRICTS;
    everything is written below data/, or AERIES_DATA_DIR.
    """
    # What the pipeline writes is about children: nobody else on the machine reads it.
    os.umask(0o077)


@main.command()
@click.argument("district")
@click.option("--school", type=int, help="Pull only this school.")
@click.option("--full", is_flag=True, help="Read every list whole, whatever was read before.")
@click.option("--outside-window", metavar="REASON", help="Pull now although the window is closed.")
@click.option("--accept-shrunken", metavar="REASON", help="Believe an answer with far fewer rows.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would change, in counts; change nothing. "
    "Of the whole district, in its window: not with --school or --outside-window.",
)
@sentences
def sync(
    district: str,
    school: int | None,
    full: bool,  # noqa: FBT001 - click passes it so
    outside_window: str | None,
    accept_shrunken: str | None,
    dry_run: bool,  # noqa: FBT001
) -> None:
    """Pull DISTRICT through Dagster; the runs are in the UI afterwards."""
    from aeries_pipeline.cli.dry_run import rehearse_sync
    from aeries_pipeline.cli.sync import Request, sync_district

    settings = load_settings()
    request = Request(district, school, outside_window, accept_shrunken, full)
    if dry_run:
        if not rehearse_sync(settings, request, console):
            sys.exit(1)
    elif not sync_district(settings, request, console):
        sys.exit(1)


@main.command()
@click.option("--keep-serving", is_flag=True, help="Leave the emulator running at the end.")
@sentences
def demo(keep_serving: bool) -> None:  # noqa: FBT001
    """Emulate three districts, pull them, and move them through several days."""
    from aeries_pipeline.cli.demo import run_demo

    if not run_demo(load_settings(or_demo=True), console, keep_serving=keep_serving):
        sys.exit(1)


@main.command()
@click.option("--port", type=PORT, default=DEMO_PORT, show_default=True, help="Port on 127.0.0.1.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same district.")
@click.option("--schools", default=5, show_default=True, type=click.IntRange(1, 200))
@click.option("--students", default=2400, show_default=True, type=click.IntRange(1))
@click.option("--day", default=0, show_default=True, help="School days to advance at the start.")
@click.option("--faults", type=click.Path(path_type=Path), help="YAML file of faults.")
@click.option("--demo", "demo_districts", is_flag=True, help="Serve the demo's three districts.")
@click.option("--may-write", is_flag=True, help="Let the certificate write course requests.")
@sentences
def emulator(  # noqa: PLR0913 - the options above
    port: int,
    seed: int,
    schools: int,
    students: int,
    day: int,
    faults: Path | None,
    *,
    demo_districts: bool,
    may_write: bool,
) -> None:
    """Serve an emulated Aeries site on this machine until stopped."""
    from aeries_pipeline.emulator.faults import FaultPlan, load_faults
    from aeries_pipeline.emulator.serve import Shape, demo_emulator, make_site, serve
    from aeries_pipeline.emulator.server import Emulator
    from aeries_pipeline.emulator.site import DEMO_CERTIFICATE
    from aeries_pipeline.emulator.writing import WRITE_GRANT

    try:
        plan = FaultPlan(load_faults(faults) if faults else [])
    except ValueError as error:
        stop(str(error), 2)
    if demo_districts:
        served = demo_emulator()
        served.faults = plan
    else:
        site = make_site(Shape(seed=seed, schools=schools, students=students))
        served = Emulator({"aeries": site}, plan)
    for name, site in served.sites.items():
        if may_write:
            site.certificates = {one: may | WRITE_GRANT for one, may in site.certificates.items()}
        site.advance(day)
        codes = ", ".join(str(one.code) for one in site.district.real_schools())
        console.print(f"http://127.0.0.1:{port}/{name}  schools {codes}", soft_wrap=True)
    console.print(f"certificate {DEMO_CERTIFICATE}; stop with Ctrl-C", soft_wrap=True)
    serve(served, port)


@main.group()
def roster() -> None:
    """Show the roster, and bring a district's schools up to date."""


@roster.command("show")
@sentences
def roster_show() -> None:
    """List the districts with their schools and windows."""
    from rich.table import Table

    settings = load_settings()
    table = Table("district", "name", "schools", "pull window", "optional resources")
    for one in load_roster(settings.roster).districts:
        schools = ", ".join(map(str, one.schools)) or "none yet"
        table.add_row(one.id, one.name, schools, str(one.windows), ", ".join(one.resources))
    console.print(f"roster {settings.roster}", soft_wrap=True)
    console.print(table)


@roster.command("sync")
@click.argument("district")
@click.option("--outside-window", metavar="REASON", help="Ask now although the window is closed.")
@click.option("--yes", is_flag=True, help="Take the proposal of a first sync without asking.")
@sentences
def roster_sync(district: str, outside_window: str | None, yes: bool) -> None:  # noqa: FBT001
    """Ask DISTRICT's Aeries for its schools and write them to the roster."""
    from aeries_pipeline.cli.roster import sync_roster

    sync_roster(load_settings(), district, outside_window, console, is_agreed=yes)


@main.command()
@click.argument("district")
@click.option("--name", required=True, help="Name of the district, for people.")
@click.option("--email", type=click.Path(path_type=Path), help="Text of the district's e-mail.")
@click.option("--url", help="Any page of its Aeries site.")
@click.option("--window", metavar="WORDS", help="Best times, in the district's words.")
@click.option("--timezone", "zone", default="America/Los_Angeles", show_default=True)
@click.option("--certificate-env", metavar="NAME", help="Environment variable with the secret.")
@click.option(
    "--yes", "accepts", is_flag=True, help="Accept the reading of its times without asking."
)
@sentences
def add(district: str, **said: Any) -> None:  # noqa: ANN401 - the options above
    """Add DISTRICT to the roster, from its onboarding e-mail or from options.

    The certificate is taken from the e-mail or asked for; it is never an
    option, since those are seen by others on the machine. Without a terminal
    nothing is pulled until its window is accepted, unless --yes is given.
    """
    from aeries_pipeline.cli.add import NewDistrict, add_district

    if not add_district(load_settings(or_demo=True), NewDistrict(district, **said), console):
        sys.exit(1)


@main.command()
@click.argument("district")
@click.option("--outside-window", metavar="REASON", help="Ask now although the window is closed.")
@sentences
def check(district: str, outside_window: str | None) -> None:
    """Test the connection to DISTRICT's Aeries: network, address, certificate, every permission."""
    from aeries_pipeline.cli.check import run_check

    good = run_check(load_settings(), district, console, outside_window=outside_window is not None)
    if not good:
        sys.exit(1)


@main.command()
@click.argument("district")
@sentences
def fields(district: str) -> None:
    """List the fields that only DISTRICT or only the catalog has, and since when."""
    from aeries_pipeline.cli.fields import show_fields

    show_fields(load_settings(), district, console)


@main.command()
@sentences
def status() -> None:
    """Show the state of every district; failures and held changes come first."""
    from aeries_pipeline.cli.status import show_status

    show_status(load_settings(), console)


@main.command()
@sentences
def notify() -> None:
    """Send a test message to each of the roster's notifications."""
    from aeries_pipeline.cli.notify import send_test

    if not send_test(load_settings(), console):
        sys.exit(1)


@main.group()
def requests() -> None:
    """Take course requests from a file, and show how they stand."""


@requests.command("take")
@click.argument("district")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--covers",
    type=click.Choice(["students", "school", "district", "additions"]),
    help="Whom the file covers; by default, what the district's setting says.",
)
@sentences
def requests_take(district: str, file: Path, covers: str | None) -> None:
    """Put FILE into DISTRICT's inbox, take it, and write the files for Aeries."""
    from aeries_pipeline.cli.requests import take_file

    if not take_file(load_settings(), district, file, console, covers=covers):
        sys.exit(1)


@requests.command("answer")
@click.argument("district")
@click.argument("file")
@click.argument("said", type=click.Choice(["accept", "refuse", "withdraw", "keep"]))
@click.option("--by", "who", default=getuser, help="Who decides; you by default.")
@sentences
def requests_answer(district: str, file: str, said: str, who: str) -> None:
    """Decide about FILE of DISTRICT, which waits for a person.

    accept or refuse a file that would remove much; withdraw or keep the
    requests of students whom a complete export no longer names.
    """
    from aeries_pipeline.cli.requests import answer_file

    if not answer_file(load_settings(), district, (file, said, who), console):
        sys.exit(1)


@requests.command("export")
@click.argument("district")
@sentences
def requests_export(district: str) -> None:
    """Decide DISTRICT's requests again and write the files for Aeries."""
    from aeries_pipeline.cli.requests import export_requests

    if not export_requests(load_settings(), district, console):
        sys.exit(1)


@requests.command("reconcile")
@click.argument("district")
@sentences
def requests_reconcile(district: str) -> None:
    """Compare what was given to DISTRICT's schools with what is in Aeries."""
    from aeries_pipeline.cli.requests import show_reconciled

    if not show_reconciled(load_settings(), district, console):
        sys.exit(1)


@requests.command("send")
@click.argument("district")
@click.option("--school", type=int, help="Only this school.")
@click.option("--dry-run", is_flag=True, help="Show what would be written; send nothing.")
@click.option("--again", is_flag=True, help="Also what was written and is gone, as after blanking.")
@sentences
def requests_send(district: str, school: int | None, *, dry_run: bool, again: bool) -> None:
    """Write DISTRICT's exported requests through Aeries' API, if the roster has write: api.

    Writes what a dry run has shown, one student at a time, inside the pull
    window. Deletes nothing.
    """
    from aeries_pipeline.cli.send_requests import send_requests

    if not send_requests(load_settings(), district, school, console, dry=dry_run, again=again):
        sys.exit(1)


@requests.command("show")
@click.argument("district")
@sentences
def requests_show(district: str) -> None:
    """Show how many requests of DISTRICT are in which state, and why."""
    from aeries_pipeline.cli.requests import show_requests

    show_requests(load_settings(), district, console)


@main.command()
@click.argument("district")
@click.option("--at", metavar="TIME", help="Ask about this moment, such as 2026-03-08T01:30.")
@click.option("--accept", "accepts", is_flag=True, help="Accept the reading without a question.")
@click.option("--as", "words", metavar="WORDS", help="Correct it: WORDS say what is meant.")
@click.option("--resume", "resumes", is_flag=True, help="Also set paused to false.")
@sentences
def window(
    district: str,
    at: str | None,
    accepts: bool,  # noqa: FBT001
    words: str | None,
    resumes: bool,  # noqa: FBT001
) -> None:
    """Show how DISTRICT's pull window is read and when it opens next; accept or correct it."""
    from aeries_pipeline.cli.window import Wish, moment_of, settle_window

    settings = load_settings()
    moment = moment_of(load_roster(settings.roster).get(district), at)
    if not settle_window(settings, district, moment, Wish(accepts, words, resumes), console):
        sys.exit(1)


@main.command()
@click.argument("query")
@click.option("--published", is_flag=True, help="Query the analysts' copy, not the warehouses.")
@click.option("--district", default="", help="Only this district's; all by default.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(("table", "record", "csv", "json", "markdown", "parquet")),
    help="By default what fits the terminal, and CSV into a file or another program.",
)
@click.option("--limit", type=click.IntRange(0), help="Rows at most; 0 for all.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
@sentences
def sql(query: str, **said: Any) -> None:  # noqa: ANN401 - the options above
    """Run one read-only QUERY on the districts' warehouses, and print its rows."""
    from aeries_pipeline.cli.sql import BadQueryError, Query, run_query

    try:
        run_query(load_settings(), Query(query, **said), console)
    except BadQueryError as error:
        stop(str(error), 2)


@main.command()
@click.option("--port", type=PORT, default=3000, show_default=True, help="Port on 127.0.0.1.")
@click.option("--emulator", "with_emulator", is_flag=True, help="Serve the demo's districts too.")
@sentences
def ui(port: int, with_emulator: bool) -> None:  # noqa: FBT001
    """Open the Dagster UI and daemon for this data directory, until stopped."""
    from aeries_pipeline.cli.ui import serve_ui

    sys.exit(serve_ui(load_settings(or_demo=True), port, console, with_emulator=with_emulator))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8090, show_default=True, help="Port to listen on.")
@click.option("--user-header", metavar="NAME", help="Header in which a proxy names the user.")
@sentences
def web(host: str, port: int, user_header: str | None) -> None:
    """Serve read-only pages about districts, questions and the dictionary."""
    from aeries_pipeline.cli.web import serve_web

    serve_web(load_settings(or_demo=True), console, host=host, port=port, user_header=user_header)


for _command in (*COMMANDS, accounts):
    main.add_command(_command)
