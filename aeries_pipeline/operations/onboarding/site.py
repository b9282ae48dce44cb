"""What the Aeries site reports: where its API is, its year and clock, what may be read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import API_SECURITY, Grain, Resource
from aeries_pipeline.districts.errors import (
    AeriesError,
    PermissionMissingError,
    StoppedError,
)
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.server_zone import fits, zone_trouble
from aeries_pipeline.ingest.api.answer import Answer
from aeries_pipeline.ingest.api.client import AeriesClient, is_system_info
from aeries_pipeline.operations.onboarding.findings import Finding, failed, passed, warned

SPELLINGS = ("", "/aeries", "/aeries.net", "/aeriesnet", "/aeries/aeries.net", "/admin")
"""Folders in which Aeries sites are usually found, tried after the one given."""

_SKEW_SECONDS = 300
Ask = Callable[[str], AeriesClient]

ASKS = {
    "windows_authentication": "Your Aeries address asks for a Windows login. Please give us one "
    "that is open to API certificates.",
    "html_page": "At the address you gave us a web page answers instead of the Aeries API. Please "
    f"copy the address from the API Security page ({API_SECURITY}), and tell us whether single "
    "sign-on or a proxy stands before it.",
    "redirected": "The address you gave us redirects to a login page. Please copy the address from "
    f"the API Security page of Aeries ({API_SECURITY}).",
    "moved": "Your Aeries site has moved. Please confirm its new address.",
    "blocked": "A firewall or proxy answers in place of Aeries. Please let our servers through.",
    "not_found": "No Aeries API was found at the address you gave us. Please copy the address from "
    f"the API Security page ({API_SECURITY}).",
}


@dataclass(frozen=True, slots=True)
class Located:
    """Where the API was found.

    Attributes:
        base: The API base that answers.
        info: What ``systeminfo`` said.
        client: The client that has asked it; whoever gets it closes it.
    """

    base: str
    info: dict[str, Any]
    client: AeriesClient


def locate(base: str, client_of: Ask) -> tuple[list[Finding], Located | None]:
    """Find the API: at the address given, or in the usual folders of its host."""
    first: AeriesError | None = None
    for candidate in _candidates(base):
        client = client_of(candidate)
        try:
            answer = client.get("systeminfo", what="system information")
        except StoppedError:
            client.close()
            raise
        except AeriesError as error:
            client.close()
            first = first or error
            if error.code in {"windows_authentication", "blocked", "moved"}:
                break
            continue
        if is_system_info(answer.rows):
            return [_address(base, candidate)], Located(candidate, answer.rows[0], client)
        client.close()
    code = first.code if first else "not_found"
    text = str(first) if first else "no Aeries API answers at this address"
    return [failed("address", text, ASKS.get(code, ASKS["not_found"]))], None


def _candidates(base: str) -> Iterator[str]:
    parts = urlsplit(base)
    given = parts.path.removesuffix("/api/v5")
    for folder in dict.fromkeys((given, *SPELLINGS)):
        yield urlunsplit((parts.scheme, parts.netloc, f"{folder}/api/v5", "", ""))
    # Where Aeries hosts a site, its API may stand on a host of its own beside the pages'.
    hosted = re.fullmatch(r"([a-z0-9-]+?)(?:api)?\.aeries\.net", parts.netloc)
    if hosted and parts.netloc != f"{hosted[1]}api.aeries.net":
        yield f"{parts.scheme}://{hosted[1]}api.aeries.net/admin/api/v5"


def _address(given: str, found: str) -> Finding:
    site = found.removesuffix("/api/v5")
    if found == given:
        return passed("address", f"the API answers at {site}")
    return failed(
        "address",
        f"the API answers at {site}, not at the address in the roster; write url: {site}",
        blocks=False,
    )


def describe(located: Located, district: District, moment: datetime) -> list[Finding]:
    """Judge version, school year, clock and time zone."""
    info = located.info
    found = [passed("Aeries", f"version {info.get('AeriesVersion') or 'not told'}")]
    year = str(info.get("DatabaseYear", ""))
    today = moment.astimezone(district.zone).date()
    expected = district.database_year or (today.year if today.month >= 7 else today.year - 1)
    if year[:4] == str(expected):
        found.append(passed("school year", year))
    else:
        source = "the roster says" if district.database_year else "today's date suggests"
        found.append(
            warned(
                "school year",
                f"the server answers for {year}, {source} {expected}-{expected + 1}; set "
                "database_year in the roster to the one that is right",
                f"Your Aeries answers for school year {year}. Is that the year we should read?",
            )
        )
    found.append(_clock(info.get("CurrentDateTime"), moment))
    found.append(time_zone(info.get("LocalTimeZoneName"), district, moment))
    return found


def time_zone(stated: object, district: District, moment: datetime) -> Finding:
    """Compare the server's time zone with the roster's, in which the pull window is read."""
    text = stated if isinstance(stated, str) else ""
    expected = ZoneInfo(district.server_timezone or district.timezone)
    trouble = zone_trouble(text, expected, moment, is_told=False, is_bound=True)
    if trouble is None and fits(text, expected, moment) is None:
        return passed("time zone", f"the server does not tell; {expected.key} is in the roster")
    if trouble is None:
        return passed("time zone", f"{expected.key}, as the server's")
    sentence, is_refused = trouble
    if not is_refused:
        return warned("time zone", sentence, "Which time zone is your Aeries server set to?")
    return failed(
        "time zone",
        sentence,
        f"We read your times for pulls as {district.timezone} time, but your Aeries server is set "
        "to another time zone. Which one do you mean?",
        blocks=False,
    )


def _clock(stated: object, moment: datetime) -> Finding:
    try:
        text = str(stated)
        # Seven digits after the second, where Python reads six.
        head, dot, tail = text.partition(".")
        digits = "".join(one for one in tail[:7] if one.isdigit())[:6]
        zone = tail.lstrip("0123456789")
        clock = datetime.fromisoformat(f"{head}{dot}{digits}{zone}")
    except ValueError:
        return warned("clock", "the server does not tell its time")
    if clock.tzinfo is None:
        return passed("clock", "told without a zone")
    skew = (clock - moment.astimezone(UTC)).total_seconds()
    if abs(skew) <= _SKEW_SECONDS:
        return passed("clock", f"{abs(skew):.0f} s from ours")
    way = "ahead of" if skew > 0 else "behind"
    return warned(
        "clock",
        f"the server's clock is {abs(skew) / 60:.0f} minutes {way} ours",
        f"The clock of your Aeries server is {abs(skew) / 60:.0f} minutes {way} the right time.",
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """What one resource gave.

    Attributes:
        resource: What was asked for.
        rows: Elements of the first page.
        seconds: How long it took.
        answer: The page itself.
    """

    resource: Resource
    rows: int
    seconds: float
    answer: Answer | None = None


def schools(client: AeriesClient, year: int) -> tuple[Finding, list[dict[str, Any]]]:
    """Read the list of schools, which any valid certificate may."""
    try:
        answer = client.get("schools", params={"DatabaseYear": year}, what="the list of schools")
    except StoppedError:
        raise
    except AeriesError as error:
        ask = ""
        if error.code == "certificate_rejected":
            ask = (
                "Your Aeries does not accept the certificate. Please check on the API Security "
                f"page ({API_SECURITY}) that its status is Active, and send it again; upper and "
                "lower case count."
            )
        return failed("certificate", str(error), ask), []
    return passed("certificate", "accepted"), answer.rows


def permissions(
    client: AeriesClient, district: District, school: int, year: int
) -> tuple[list[Finding], list[Sample]]:
    """Ask for the first page of everything that is to be pulled."""
    found: list[Finding] = []
    samples: list[Sample] = []
    for resource in RESOURCES.values():
        if not district.wants(resource) or resource.name == "schools":
            continue
        started = time.monotonic()
        try:
            answer = _first_page(client, resource, school, year)
        except StoppedError:
            raise
        except PermissionMissingError as error:
            found.append(_missing(resource, error))
            continue
        except AeriesError as error:
            found.append(failed(resource.name, str(error), blocks=False))
            continue
        sample = Sample(resource, len(answer.rows), time.monotonic() - started, answer)
        samples.append(sample)
        found.append(_sampled(sample))
    return found, samples


def _first_page(client: AeriesClient, resource: Resource, school: int, year: int) -> Answer:
    params: dict[str, str | int] = {"DatabaseYear": year}
    if resource.paging is not None:
        params |= resource.paging.window(1, resource.paging.size)
    path = resource.path.format(school=school, year=year, part=next(iter(resource.parts), ""))
    where = f"school {school}, " if resource.grain is Grain.SCHOOL else ""
    return client.get(path, params=params, what=f"{where}{resource.name}")


def _missing(resource: Resource, error: PermissionMissingError) -> Finding:
    if resource.area is None:
        return failed(resource.name, str(error), blocks=False)
    also = ""
    if resource.area.name in {"Graduation Status", "Student Data"}:
        also = (
            f" If your grid has a block 'Multiple LEA Student Data Sharing', tick "
            f"'{resource.area.name}' there, too."
        )
    return failed(
        resource.name,
        f"not granted: {resource.area.instruction}",
        f"Please {resource.area.instruction}.{also}",
        blocks=False,
    )


def _sampled(sample: Sample) -> Finding:
    text = f"{sample.rows} rows in {sample.seconds:.2f} s"
    if not sample.rows and not sample.resource.may_be_empty:
        return failed(
            sample.resource.name,
            f"granted, and empty: {text}; compare with Aeries",
            f"Aeries gives us no {sample.resource.name} at all. Are there any in this database?",
            blocks=False,
        )
    return passed(sample.resource.name, f"granted, {text}")


def estimate(samples: Sequence[Sample], district: District, schools_number: int) -> Finding:
    """Say how long a full pull may take, and whether the window is long enough.

    A rough figure: the sampled school stands for all, and a page that came
    back full for three.
    """
    seconds = 0.0
    number = 0
    for sample in samples:
        paging = sample.resource.paging
        pages = 3 if paging and sample.rows >= paging.size else 1
        times = schools_number if sample.resource.grain is Grain.SCHOOL else 1
        number += pages * times
        seconds += pages * times * sample.seconds
    minutes = seconds / district.max_concurrent_requests / 60
    text = (
        f"roughly {number} requests and {max(minutes, 0.1):.1f} minutes for a full pull, with "
        f"{district.max_concurrent_requests} requests at a time"
    )
    windows = district.windows
    moment = datetime.now(UTC)
    spans = list(windows.openings(moment, 5)) if not windows.is_always else []
    # An opening that has begun is given from now on, which is not its length.
    lengths = [
        (closes - opens).total_seconds() / 60
        for opens, closes in spans
        if closes and opens > moment
    ]
    shortest = min(lengths, default=None)
    if shortest is not None and minutes > 0.8 * shortest:
        return warned(
            "time",
            f"{text}; the shortest window has {shortest:.0f} minutes",
            f"A full pull takes about {minutes:.0f} minutes. Could the window be longer than "
            f"{shortest:.0f} minutes, at least for the first load?",
        )
    return passed("time", text)
