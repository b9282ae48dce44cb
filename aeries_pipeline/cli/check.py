"""``aeries-pipeline check``: the onboarding check as a table, and as a page for the district."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.ingest.session import take_district
from aeries_pipeline.operations.onboarding.check import check
from aeries_pipeline.operations.onboarding.findings import Finding, Verdict, is_good
from aeries_pipeline.operations.onboarding.page import page_of, text, write_page
from aeries_pipeline.settings import Settings

_MARKS = {
    Verdict.PASSED: Text("ok     ", "green"),
    Verdict.WARNED: Text("warning", "yellow"),
    Verdict.FAILED: Text("failed ", "red"),
    Verdict.SKIPPED: Text("-      ", "dim"),
}


def run_check(
    settings: Settings, district_id: str, console: Console, *, outside_window: bool
) -> bool:
    """Check a district, print each step as it ends, then what to send to the district.

    Returns:
        Whether the district can be pulled as it stands.

    Raises:
        DistrictBusyError: If another process is asking its server just now.
    """
    district = load_roster(settings.roster).get(district_id)
    console.print(f"{district.id}: {district.name}", markup=False)
    findings: list[Finding] = []
    with take_district(district.id, settings) as right:
        for finding in check(
            district,
            outside_window=outside_window,
            clock=right.present,
            refusal=right.refusal,
        ):
            findings.append(finding)
            step = (f"{finding.step:<26}", "bold")
            console.print(Text.assemble("  ", _MARKS[finding.verdict], " ", step), end="")
            console.print(finding.text or str(finding.verdict), markup=False, soft_wrap=True)
    good = is_good(findings)
    if good:
        console.print(f"{district.id} can be pulled: aeries-pipeline sync {district.id}")
    page = page_of(district, findings)
    if page.asks:
        console.rule("To send to the district")
        console.print(text(page), markup=False, soft_wrap=True)
    place = write_page(settings, district, page)
    if place is not None:
        console.print(f"the page for the district: {place}", markup=False, soft_wrap=True)
    return good
