"""One page for a district after its check, as text and as HTML: what works, what to do, where.

Plain words for whoever looks after Aeries there. No certificate, no student, and nothing
about how this side is set up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import District
from aeries_pipeline.districts.window_pictures import times_in_words
from aeries_pipeline.operations.document import document
from aeries_pipeline.operations.onboarding.findings import Finding, Verdict, is_good
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically
from aeries_pipeline.stores.outcomes import now

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto;
       padding: 0 1rem; color: #1a1a1a; }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
li { margin: .3rem 0; }
footer { margin-top: 2rem; color: #555; font-size: .9rem; }
"""
_FINE = {Verdict.PASSED, Verdict.WARNED}
_OF_THE_SITE = {"Aeries", "schools"}
"""Steps that have come as far as the district's site."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a district is told.

    Attributes:
        title: Of the page, and of the e-mail.
        opening: The first sentences.
        asks: What the district should do, in order.
        works: What was tried and is right.
        closing: The last sentences.
        is_of_site: Whether the check has come as far as the district's site.
    """

    title: str
    opening: str
    asks: tuple[str, ...]
    works: tuple[str, ...]
    closing: str
    is_of_site: bool


def page_of(district: District, findings: Sequence[Finding]) -> Page:
    """Return the page. Pure.

    Args:
        district: The roster's entry.
        findings: Of the whole check.
    """
    asks = tuple(dict.fromkeys(one.ask for one in findings if one.ask))
    tested = "We have tested the connection to your Aeries site"
    closing = ""
    if asks:
        missing = "One thing is missing:" if len(asks) == 1 else "Some things are missing:"
        opening = f"{tested}. {missing}"
        closing = (
            "We will test again as soon as you tell us. Please do not send the certificate by "
            "e-mail unless it is encrypted."
        )
        if any(one.verdict is Verdict.SKIPPED for one in findings):
            closing = f"The rest could not be tested before that. {closing}"
    elif is_good(findings):
        opening = (
            f"{tested}, and everything works. As you told us, we read it "
            f"{times_in_words(district.windows)}."
        )
    else:
        opening = (
            f"{tested} and have found something on our side that we are correcting. There is "
            "nothing for you to do."
        )
    title = f"Aeries data for {district.name}"
    is_of_site = any(one.step in _OF_THE_SITE for one in findings)
    return Page(title, opening, asks, tuple(_works(findings)), closing, is_of_site)


def _works(findings: Sequence[Finding]) -> list[str]:
    """Return what is right, in the words of Aeries' own pages."""
    fine = {one.step: one for one in findings if one.verdict in _FINE and not one.ask}
    found = []
    if "port" in fine:
        found.append("Your site can be reached from our servers.")
    if "TLS" in fine:
        found.append("Its encryption (TLS) is in order.")
    if "address" in fine:
        found.append("The Aeries API answers at the address that you gave us.")
    if "certificate" in fine:
        found.append("The certificate is accepted.")
    areas: dict[str, bool] = {}
    for resource in RESOURCES.values():
        mine = [one for one in findings if one.step == resource.name]
        if resource.area is not None and mine:
            area = f"{resource.area.name} ({resource.area.group})"
            is_fine = all(one.verdict in _FINE for one in mine)
            areas[area] = areas.get(area, True) and is_fine
    read = [area for area, is_fine in areas.items() if is_fine]
    if read:
        found.append(f"Read is ticked, and works, for: {', '.join(read)}.")
    return found


def write_page(settings: Settings, district: District, page: Page) -> Path | None:
    """Write the page as HTML, with the text version next to it.

    Returns:
        Where the HTML lies; None if it has nothing to say to the district.
    """
    if not page.asks and not page.is_of_site:
        return None
    folder = private_directory(settings.out / district.id / "check")
    write_atomically(folder / "page.txt", text(page) + "\n")
    write_atomically(folder / "page.html", html(page, district.day_of(now())))
    return folder / "page.html"


def text(page: Page) -> str:
    """Return the page as an e-mail that can be sent as it is."""
    lines = [f"Subject: {page.title}", "", "Hello,", "", page.opening]
    if page.asks:
        lines += ["", *(f"{number}. {ask}" for number, ask in enumerate(page.asks, start=1))]
    if page.works:
        lines += ["", "What works:", "", *(f"- {one}" for one in page.works)]
    if page.closing:
        lines += ["", page.closing]
    return "\n".join([*lines, "", "Thank you."])


def html(page: Page, day: date) -> str:
    """Return the page as one HTML file without anything from elsewhere.

    Args:
        page: What it says.
        day: When the district was checked, by its own calendar.
    """
    asks = "".join(f"<li>{escape(one)}</li>" for one in page.asks)
    works = "".join(f"<li>{escape(one)}</li>" for one in page.works)
    parts = [
        f"<h1>{escape(page.title)}</h1>\n<p>{escape(page.opening)}</p>",
        f"<h2>What to do</h2>\n<ol>{asks}</ol>" if asks else "",
        f"<h2>What works</h2>\n<ul>{works}</ul>" if works else "",
        f"<p>{escape(page.closing)}</p>" if page.closing else "",
        f"<footer>Tested on {day:%B} {day.day}, {day.year}.</footer>",
    ]
    body = "\n".join(part for part in parts if part)
    return document(page.title, _STYLE, f"{body}\n")
