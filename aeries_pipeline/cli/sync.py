"""``aeries-pipeline sync``: a district's pull as Dagster runs in this process."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from aeries_pipeline.catalog.registry import RESOURCES, of_grain
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.cli.accounts import compute_accounts, tell_accounts
from aeries_pipeline.cli.common import schools_of, warn
from aeries_pipeline.cli.deliver import run_delivery, tell_delivery
from aeries_pipeline.cli.publish import publish_if_due
from aeries_pipeline.cli.requests import failures, follow_requests, tell_requests
from aeries_pipeline.cli.runs import run_job
from aeries_pipeline.districts.errors import ConfigurationError, StoppedError
from aeries_pipeline.districts.roster import District, load_roster
from aeries_pipeline.ingest.progress import Progress as Step
from aeries_pipeline.ingest.progress import watching
from aeries_pipeline.ingest.session import whole_sync, window_is_closed
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.operator_page import report_page
from aeries_pipeline.orchestration.assets.resources import (
    ACCEPT_SHRUNKEN_TAG,
    FULL_TAG,
    OUTSIDE_WINDOW_TAG,
)
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import pull_job, pull_job_of
from aeries_pipeline.orchestration.partitions import (
    DISTRICT_TAG,
    school_key,
    school_keys,
)
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.ledger import last_good
from aeries_pipeline.stores.store import Store
from aeries_pipeline.stores.told_once import told_once


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks ``sync`` for.

    Attributes:
        district: District id.
        school: One school alone, None for all.
        outside_window: Why to pull although the window is closed.
        accept_shrunken: Why to believe far fewer rows.
        full: Whether to read every list whole, with no short cut.
        resources: Names of the resources to pull; all where empty.
    """

    district: str
    school: int | None = None
    outside_window: str | None = None
    accept_shrunken: str | None = None
    full: bool = False
    resources: tuple[str, ...] = ()


def sync_district(settings: Settings, request: Request, console: Console) -> bool:
    """Pull a district and print what became of it.

    Returns:
        Whether everything that was asked for happened.

    Raises:
        ConfigurationError: If roster or certificate is wrong.
        StoppedError: If the district's window is closed.
        DistrictBusyError: If another command is syncing it.
    """
    district = checked(settings, request)
    with open_instance(settings) as instance:
        with whole_sync(district.id, settings):
            puller = _Puller(build_defs(settings), instance, district, request, console, settings)
            runs = list(puller.runs())
            follow = puller.follow_up()
            requests_done = follow_requests(puller.defs, instance, settings, district)
            published = publish_if_due(settings, puller.defs, instance, console)
        # A receiver that is down may be waited for; nobody else has to wait meanwhile.
        delivers = district.delivery is not None and follow is not None and follow.success
        sent = [run_delivery(puller.defs, instance, district)] if delivers else []
        report_page(settings, instance)
    ids = [run.run_id for run in runs]
    rows = (
        Store(settings.data)
        .warehouse(district.id)
        .dicts("SELECT * FROM meta.pulls WHERE list_contains(?, run_id)", [ids])
    )
    console.print(pulls_table(district, rows))
    for reason in _reasons(district.id, rows, runs):
        warn(console, reason)
    if follow is not None:
        tell_accounts(district.id, follow, console)
    if requests_done:
        tell_requests(settings, district, requests_done, console)
    for delivery in sent:
        tell_delivery(settings, district, delivery, console)
    follow_ups = [*([follow] if follow else []), *requests_done, *sent]
    return published and all(run.success for run in [*runs, *follow_ups])


def checked(settings: Settings, request: Request) -> District:
    """Return the district of a request, once it is sure that it can be asked now.

    Raises:
        ConfigurationError: If roster or certificate is wrong.
        StoppedError: If the district's window is closed.
    """
    district = load_roster(settings.roster).get(request.district)
    if not district.schools:
        raise ConfigurationError(
            "no_schools",
            f"{district.id}: the roster lists no schools; run: "
            f"aeries-pipeline roster sync {district.id}",
        )
    schools_of(district, request.school)
    district.certificate()
    if request.outside_window is None:
        closed = window_is_closed(district, datetime.now(UTC))
        if closed:
            raise StoppedError("outside_window", closed)
    return district


@dataclass(frozen=True, slots=True)
class _Puller:
    """What every run of one sync shares."""

    defs: dg.Definitions
    instance: dg.DagsterInstance
    district: District
    request: Request
    console: Console
    settings: Settings

    def selected(self, grain: Grain) -> list[str]:
        """Return the resources of a grain that this sync pulls."""
        wanted = self.request.resources
        return [
            resource.name
            for resource in of_grain(grain)
            if self.district.wants(resource) and (not wanted or resource.name in wanted)
        ]

    def runs(self) -> Iterator[dg.ExecuteInProcessResult]:
        """Pull what the district has once, then its schools as one range."""
        if self.request.school is not None:
            yield self.run(Grain.SCHOOL, [school_key(self.district.id, self.request.school)])
            return
        if self.selected(Grain.DISTRICT):
            yield self.run(Grain.DISTRICT, [self.district.id])
        if self.selected(Grain.SCHOOL):
            yield self.run(Grain.SCHOOL, school_keys(self.district))

    def follow_up(self) -> dg.ExecuteInProcessResult | None:
        """Compute accounts and files, once any school's students were ever pulled."""
        found = last_good(
            Store(self.settings.data).warehouse(self.district.id), self.district.id, "students"
        )
        if not found:
            return None
        missing = [school for school in self.district.schools if school not in found]
        if missing:
            # Whoever is missing from Xello's files is deactivated there.
            self.console.print(
                "files for Xello: not before every school was pulled (missing: "
                f"{', '.join(map(str, missing))})",
                soft_wrap=True,
            )
        return compute_accounts(
            self.defs, self.instance, self.district.id, with_files=not missing,
            outside_window=self.request.outside_window,
        )  # fmt: skip

    def run(self, grain: Grain, keys: Sequence[str]) -> dg.ExecuteInProcessResult:
        """Pull what is wanted of a grain, over an unbroken range of partitions."""
        names = self.selected(grain)
        job = pull_job_of(grain, names)
        tags = {DISTRICT_TAG: self.district.id}
        if self.request.outside_window:
            tags[OUTSIDE_WINDOW_TAG] = self.request.outside_window
        if self.request.accept_shrunken:
            tags[ACCEPT_SHRUNKEN_TAG] = self.request.accept_shrunken
        if self.request.full:
            tags[FULL_TAG] = "sync --full"
        label = f"{self.district.id} {'district' if grain is Grain.DISTRICT else 'schools'}"
        with _bars(self.console, label, len(names) * len(keys)):
            keys_of_assets = [dg.AssetKey(["raw", name]) for name in names]
            return run_job(
                pull_job(self.defs, job, keys_of_assets),
                self.instance,
                keys=keys,
                tags=tags,
            )


@contextlib.contextmanager
def _bars(console: Console, label: str, total: int) -> Iterator[None]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        fetch = progress.add_task(f"{label}: fetched", total=total, now="")
        load = progress.add_task(f"{label}: loaded ", total=total, now="")

        def step(one: Step) -> None:
            progress.update(fetch if one.fetched else load, advance=1, now=one.resource)

        with watching(step):
            yield
        for task in (fetch, load):
            progress.update(task, now="")


_STATES = ("complete", "refused", "failed", "not_granted", "skipped")


_READ = {"full": "whole", "changes": "by changes", "unchanged": "as before"}


def pulls_table(district: District, rows: Sequence[dict[str, Any]]) -> Table:
    """Return what became of each resource, from rows of the ledger."""
    table = Table("resource", "partitions", "read", title=district.id, title_justify="left")
    for heading in ("rows", "bad rows", "requests", "MB"):
        table.add_column(heading, justify="right")
    for name in RESOURCES:
        mine = [row for row in rows if row["resource"] == name]
        if not mine:
            continue
        counts = Counter(row["status"] for row in mine)
        modes = Counter(row["mode"] for row in mine if row["status"] == "complete")
        table.add_row(
            name,
            ", ".join(f"{counts[s]} {s.replace('_', ' ')}" for s in _STATES if counts[s]),
            ", ".join(f"{modes[mode]} {words}" for mode, words in _READ.items() if modes[mode]),
            f"{sum(row['rows'] or 0 for row in mine if row['status'] == 'complete'):,}",
            str(sum(row["quarantined"] for row in mine)),
            str(sum(row["requests"] for row in mine)),
            f"{sum(row['bytes'] for row in mine) / 1e6:.1f}",
        )
    return table


def reasons_of(district: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return each reason once; a permission that no school has is one reason."""
    found: list[tuple[str, int | None, str]] = []
    told: set[str] = set()
    answered = {row["resource"] for row in rows if row["status"] != "not_granted"}
    for row in rows:
        if row["status"] == "not_granted" and row["resource"] not in answered:
            if row["resource"] in told:
                continue
            told.add(row["resource"])
        if row["reason"]:
            found.append((row["resource"], row["school"], row["reason"]))
    return told_once(district, found)


def _reasons(
    district: str, rows: Sequence[dict[str, Any]], runs: Sequence[dg.ExecuteInProcessResult]
) -> list[str]:
    found = reasons_of(district, rows)
    for run in runs:
        if not run.success and not found:
            found = list(dict.fromkeys(failures(run)))
    return found
