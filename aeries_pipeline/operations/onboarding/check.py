"""The onboarding check of one district, from its window to the size of a pull."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from aeries_pipeline.accounts.policy import policy_of
from aeries_pipeline.districts.errors import ConfigurationError, StoppedError
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.share import unknown_schools
from aeries_pipeline.districts.urls import api_base
from aeries_pipeline.ingest.api.client import AeriesClient
from aeries_pipeline.ingest.api.retry import RetryPolicy
from aeries_pipeline.ingest.api.transport import Timeouts
from aeries_pipeline.ingest.checks import roster_drift
from aeries_pipeline.ingest.listed_schools import teaching_schools
from aeries_pipeline.ingest.session import window_is_closed
from aeries_pipeline.operations.onboarding import network, site
from aeries_pipeline.operations.onboarding.findings import Finding, Verdict, failed, passed, warned
from aeries_pipeline.operations.onboarding.status_codes import status_codes

PATIENCE = RetryPolicy(attempts=2, base_seconds=0.5, cap_seconds=5.0, deadline_seconds=30.0)
TIMEOUTS = Timeouts(connect=10.0, read=60.0, total=120.0)
STEPS = ("window", "certificate at hand", "host name", "port", "TLS", "address", "certificate")
"""Steps that block the later ones, in order."""


def check(
    district: District,
    *,
    outside_window: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    timeouts: Timeouts = TIMEOUTS,
    refusal: Callable[[], str | None] = lambda: None,
) -> Iterator[Finding]:
    """Yield what each step found, and stop when the rest would make no sense.

    Args:
        district: The roster's entry.
        outside_window: Whether a person wants it now although the window is closed.
        clock: The present, aware.
        timeouts: How long one request may take.
        refusal: Returns why no request may be sent just now, such as a lease that is lost.
    """
    done: list[str] = []
    for finding in _steps(district, clock, timeouts, refusal, outside_window=outside_window):
        yield finding
        done.append(finding.step)
        if finding.blocks:
            for step in STEPS:
                if step not in done:
                    yield Finding(step, Verdict.SKIPPED, "")
            yield Finding("permissions", Verdict.SKIPPED, "")
            return


def _steps(
    district: District,
    clock: Callable[[], datetime],
    timeouts: Timeouts,
    refusal: Callable[[], str | None],
    *,
    outside_window: bool,
) -> Iterator[Finding]:
    if district.paused:
        yield failed("window", district.why_paused)
        return
    closed = window_is_closed(district, clock())
    if closed and not outside_window:
        yield failed("window", closed.replace("sync with", "check with"), blocks=False)
    else:
        yield passed("window", f"{district.windows} ({'closed' if closed else 'open'} now)")
    if district.reading.text:
        yield warned("reading of the window", district.reading.text)
    try:
        certificate = district.certificate()
        authorities = district.authorities()
    except ConfigurationError as error:
        yield failed("certificate at hand", str(error))
        return
    yield passed("certificate at hand", "found where the roster says")
    base = api_base(district.url)
    if closed and not outside_window:
        # The rest would knock at the district's door.
        yield replace(network.look_without_asking(base, timeouts.connect), blocks=True)
        return
    yield from network.look(base, timeouts.connect, authorities)

    def gate() -> None:
        _stop_if_refused(district, refusal)
        if not outside_window:
            _stop_if_closed(district, clock())

    def client_of(address: str) -> AeriesClient:
        return AeriesClient(
            address,
            certificate,
            concurrent=1,
            per_second=district.max_requests_per_second,
            retry=PATIENCE,
            timeouts=timeouts,
            gate=gate,
            ca_file=authorities,
        )

    try:
        yield from _ask_site(district, base, client_of, clock())
    except StoppedError as error:
        yield failed("window", str(error))


def _stop_if_refused(district: District, refusal: Callable[[], str | None]) -> None:
    refused = refusal()
    if refused:
        raise StoppedError("right_lost", f"{district.id}: {refused}")


def _stop_if_closed(district: District, moment: datetime) -> None:
    shut = window_is_closed(district, moment)
    if shut:
        raise StoppedError("outside_window", shut)


def _ask_site(
    district: District,
    base: str,
    client_of: Callable[[str], AeriesClient],
    moment: datetime,
) -> Iterator[Finding]:
    findings, located = site.locate(base, client_of)
    yield from findings
    if located is None:
        return
    yield from site.describe(located, district, moment)
    year = int(str(located.info["DatabaseYear"])[:4])
    with located.client as client:
        accepted, rows = site.schools(client, year)
        yield accepted
        if accepted.blocks:
            return
        teaching = teaching_schools(rows, district.inactive_school, district.exclude_schools)
        drift = roster_drift(district.schools, teaching, district.id)
        verdict = Verdict.PASSED if drift.passed else Verdict.WARNED
        yield Finding("schools", verdict, drift.text)
        unknown = unknown_schools(district.share, teaching, "among those that teach in Aeries")
        if unknown:
            yield warned("schools that are shared", unknown)
        if not teaching:
            yield failed(
                "schools",
                "Aeries lists no school that teaches",
                "We see no school with terms in your Aeries. Which database should we read?",
            )
            return
        chosen = next((one for one in district.schools if one in teaching), teaching[-1])
        granted, samples = site.permissions(client, district, chosen, year)
        yield from granted
        students = next((one.answer for one in samples if one.resource.name == "students"), None)
        if students is not None:
            others = [one for one in district.schools or teaching if one != chosen]
            policy = policy_of(district, district.day_of(moment.replace(tzinfo=None)))
            yield from status_codes(client, policy, [chosen, *others], year, {chosen: students})
        number = len(district.schools) or len(teaching)
        yield site.estimate(samples, district, number)
