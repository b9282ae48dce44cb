"""The operator's page: the same table as Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from aeries_pipeline.operations.status.read import DistrictStatus

HEADINGS = (
    "district", "all complete since", "failing", "not granted", "held changes", "accounts",
    "next opening and the month's exceptions",
)  # fmt: skip
_SHOWN = 3
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem; }
td { border-top: 1px solid #ddd; }
tr.look td:first-child { border-left: 4px solid #c62828; }
tr.fine td:first-child { border-left: 4px solid #2e7d32; }
small { color: #555; }
"""


def _since(one: DistrictStatus) -> str:
    if one.complete_since is None:
        return f"{one.waits_for} never pulled"
    text = f"{one.complete_since:%Y-%m-%d %H:%M} UTC"
    return f"{text}, too old" if one.is_stale else text


def _failing(one: DistrictStatus) -> list[str]:
    shown = [trouble.reason for trouble in one.troubles[:_SHOWN]]
    more = len(one.troubles) - _SHOWN
    return [*shown, f"and {more} more"] if more > 0 else shown


def _cells(one: DistrictStatus, text: Callable[[str], str], line_break: str) -> list[str]:
    held = f"{one.holds}: aeries-pipeline accounts review {one.id}" if one.holds else "none"
    return [
        f"{text(one.id)}{line_break}{text(one.name)}",
        text(_since(one)),
        line_break.join(text(reason) for reason in _failing(one)) or "nothing",
        text(", ".join(one.not_granted)) or "nothing",
        text(held),
        f"{one.active_accounts:,}",
        line_break.join(text(line) for line in (one.window, *one.month, one.reading) if line),
    ]


def markdown(statuses: Sequence[DistrictStatus], moment: datetime) -> str:
    """Return the page as a Markdown table; who needs a person comes first."""

    def text(value: str) -> str:
        return value.replace("|", "\\|").replace("\n", " ")

    lines = [
        f"{summary(statuses)} As of {moment:%Y-%m-%d %H:%M %Z}.",
        "",
        "| | " + " | ".join(HEADINGS) + " |",
        "|---" * (len(HEADINGS) + 1) + "|",
    ]
    for one in ordered(statuses):
        mark = "look" if one.needs_a_person else "ok"
        lines.append(f"| {mark} | " + " | ".join(_cells(one, text, "<br>")) + " |")
    return "\n".join(lines)


def html(statuses: Sequence[DistrictStatus], moment: datetime) -> str:
    """Return the page as one HTML file without anything from elsewhere."""
    rows = "\n".join(
        f'<tr class="{"look" if one.needs_a_person else "fine"}">'
        + "".join(f"<td>{cell}</td>" for cell in _cells(one, escape, "<br>"))
        + "</tr>"
        for one in ordered(statuses)
    )
    headings = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Districts</title><style>{_STYLE}</style></head><body>\n<h1>Districts</h1>\n"
        f"<p>{escape(summary(statuses))} <small>As of {moment:%Y-%m-%d %H:%M %Z}.</small></p>\n"
        f"<table><thead><tr>{headings}</tr></thead><tbody>\n{rows}\n</tbody></table>\n"
        "</body></html>\n"
    )


def ordered(statuses: Sequence[DistrictStatus]) -> list[DistrictStatus]:
    """Return those that need a person first, else in the order of the roster."""
    return sorted(statuses, key=lambda one: not one.needs_a_person)


def summary(statuses: Sequence[DistrictStatus]) -> str:
    """Return the first sentence of the page."""
    look = sum(one.needs_a_person for one in statuses)
    return f"{len(statuses)} districts, {look} of them need a person."
