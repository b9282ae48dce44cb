"""The operator's page as Markdown and as HTML: who needs a person, then every district."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from aeries_pipeline.districts.nights import NIGHTS
from aeries_pipeline.operations.document import document
from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.nights import (
    LEGEND,
    NOTHING,
    PART,
    QUIET,
    WHOLE,
)
from aeries_pipeline.operations.status.read import DistrictStatus
from aeries_pipeline.words import counted, doing, verb

HEADINGS = (
    "district", "id", "health", f"last {NIGHTS} nights", "all complete since", "accounts",
    "next opening",
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


def never_pulled(one: DistrictStatus) -> str:
    """Return how many partitions are still waited for, as a sentence."""
    were = verb(one.waits_for, "was", "were")
    return f"{counted(one.waits_for, 'partition')} {were} never completely pulled"


def asks_of(one: DistrictStatus) -> list[str]:
    """Return what a person should see to, and with which command."""
    reasons = [*one.left_out, *one.reasons]
    lines = reasons[:_SHOWN]
    if len(reasons) > _SHOWN:
        lines.append(f"and {len(reasons) - _SHOWN} more that are missing: aeries-pipeline status")
    if one.holds:
        lines.append(
            f"{doing(one.holds, 'account change', 'waits', 'wait')}: aeries-pipeline accounts "
            f"review {one.id}"
        )
    lines += one.undecided
    if one.waits_for:
        lines.append(never_pulled(one))
    if one.is_stale:
        lines.append(f"all complete since {_since(one)}")
    return lines


def _notes(one: DistrictStatus) -> list[str]:
    """Return what is good to know of a district."""
    missing = f"not granted: {', '.join(one.not_granted)}" if one.not_granted else ""
    times = f"may be read {one.times}" if one.times else ""
    return [line for line in (missing, times, *one.month, one.reading) if line]


def _cells(one: DistrictStatus) -> list[str]:
    numbers = (_since(one), f"{one.active_accounts:,}", one.window)
    return [one.name, one.id, one.nights, f"{health_of(one).percent} %", *numbers]


def markdown(statuses: Sequence[DistrictStatus], moment: datetime) -> str:
    """Return the page as Markdown; who needs a person comes first, in sentences.

    A table would be wider than the UI shows: its cells do not wrap between columns.
    """

    def text(value: str) -> str:
        return value.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")

    lines = [f"{summary(statuses)} As of {moment:%Y-%m-%d %H:%M %Z}.", ""]
    look = [one for one in statuses if one.needs_a_person]
    if look:
        lines += ["## Needs a person", ""]
    for one in look:
        lines += [f"### {text(one.name)}", "", f"`{one.id}`", ""]
        lines += [f"- {text(line)}" for line in (*asks_of(one), *_notes(one))]
        lines.append("")
    lines += ["## All districts", ""]
    for one in ordered(statuses):
        name, district, nights, health, since, accounts, opens = _cells(one)
        since = f"all complete since {since}" if one.complete_since else since
        lines += [
            f"- **{text(name)}** `{district}` {health}",
            f"  - `{nights}` {text(since)}, {accounts} "
            f"{verb(one.active_accounts, 'account', 'accounts')}",
            f"  - next opening: {text(opens)}",
        ]
        if not one.needs_a_person:
            lines += [f"  - {text(line)}" for line in _notes(one)]
    lines += ["", LEGEND]
    return "\n".join(lines)


def html(statuses: Sequence[DistrictStatus], moment: datetime) -> str:
    """Return the page as one HTML file without anything from elsewhere."""
    look = "\n".join(
        f"<section><h3>{escape(one.name)} <small>{escape(one.id)}</small></h3>\n<ul>"
        + "".join(f"<li>{escape(line)}</li>" for line in (*asks_of(one), *_notes(one)))
        + "</ul></section>"
        for one in statuses
        if one.needs_a_person
    )
    rows = "\n".join(_row(one) for one in ordered(statuses))
    headings = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    first = f"<h2>Needs a person</h2>\n{look}\n" if look else ""
    return document(
        "Districts",
        _STYLE,
        "<h1>Districts</h1>\n"
        f"<p>{escape(summary(statuses))} <small>As of {moment:%Y-%m-%d %H:%M %Z}.</small></p>\n"
        f"{first}<h2>All districts</h2>\n"
        f"<table><thead><tr>{headings}</tr></thead><tbody>\n{rows}\n</tbody></table>\n"
        f"<p><small>{LEGEND}</small></p>",
    )


def _row(one: DistrictStatus) -> str:
    name, district, nights, health, *rest = map(escape, _cells(one))
    notes = "".join(f"<br><small>{escape(line)}</small>" for line in _notes(one))
    cells = [name + notes, f"<code>{district}</code>", health, svg(nights), *rest]
    kind = "look" if one.needs_a_person else "fine"
    return f'<tr class="{kind}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


_BARS = {WHOLE: (16, "#2e7d32"), PART: (9, "#ef6c00"), NOTHING: (16, "#c62828"), QUIET: (2, "#bbb")}


def svg(nights: str) -> str:
    """Return the nights as a small picture, with its signs for those who cannot see it."""
    bars = "".join(
        f'<rect x="{8 * place}" y="{16 - height}" width="6" height="{height}" fill="{colour}"/>'
        for place, (height, colour) in enumerate(_BARS[one] for one in nights)
    )
    return (
        f'<svg role="img" aria-label="{nights}" width="{8 * NIGHTS}" height="16"'
        f"><title>{nights}</title>{bars}</svg>"
    )


def ordered(statuses: Sequence[DistrictStatus]) -> list[DistrictStatus]:
    """Return those that need a person first, else in the order of the roster."""
    return sorted(statuses, key=lambda one: not one.needs_a_person)


def summary(statuses: Sequence[DistrictStatus]) -> str:
    """Return the first sentence of the page."""
    look = sum(one.needs_a_person for one in statuses)
    of_all = counted(len(statuses), "district")
    return f"{of_all}, {look} of them {verb(look, 'needs', 'need')} a person."
