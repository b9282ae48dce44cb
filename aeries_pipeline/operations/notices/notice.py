"""What a notice says and who is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aeries_pipeline.districts.channels import About, Email, Webhook
from aeries_pipeline.words import counted

MOST_LINES = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that failed.

    Attributes:
        about: A run, a check or the digest.
        text: A sentence without any student's value.
        district: Whose; empty if it is nobody's in particular.
    """

    about: About
    text: str
    district: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What one channel is told.

    Attributes:
        title: One line.
        lines: The sentences, at most ``MOST_LINES`` and one that counts the rest.
        link: Where to look; empty if nowhere.
    """

    title: str
    lines: tuple[str, ...]
    link: str = ""


def notice_for(
    channel: Email | Webhook,
    lines: Iterable[Line],
    run_id: str | None = None,
    title: str | None = None,
) -> Notice | None:
    """Return what a channel is told, None if nothing here is for it.

    Args:
        channel: Its settings say which districts and what it is about.
        lines: Everything that failed.
        run_id: The Dagster run, for the link.
        title: One line; by default it says what failed and where.
    """
    wanted = [
        line
        for line in lines
        if line.about in channel.about
        and (not channel.districts or not line.district or line.district in channel.districts)
    ]
    if not wanted:
        return None
    districts = list(dict.fromkeys(line.district for line in wanted if line.district))
    what = "A run failed" if any(line.about == "runs" for line in wanted) else "A check failed"
    link = f"{channel.ui.rstrip('/')}/runs/{run_id}" if channel.ui and run_id else ""
    if title is not None:
        return Notice(title, shortened([line.text for line in wanted]), link or channel.ui)
    title = f"{what}: {', '.join(districts[:3])}" if districts else what
    if len(districts) > 3:
        title += f" and {counted(len(districts) - 3, 'more district')}"
    return Notice(title, shortened([line.text for line in wanted]), link)


def shortened(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the first texts, each once, and how many more there are."""
    found = list(dict.fromkeys(texts))
    if len(found) <= MOST_LINES:
        return tuple(found)
    return (*found[:MOST_LINES], f"and {len(found) - MOST_LINES} more, see the Dagster UI")


def plain(notice: Notice) -> str:
    """Return the body of an e-mail."""
    body = "\n".join(f"- {line}" for line in notice.lines)
    return f"{notice.title}\n\n{body}\n" + (f"\n{notice.link}\n" if notice.link else "")


def slack_payload(notice: Notice) -> dict[str, object]:
    """Return what Slack's incoming webhooks take."""

    def safe(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    lines = [f"*{safe(notice.title)}*", *(f"• {safe(line)}" for line in notice.lines)]
    if notice.link:
        lines.append(f"<{notice.link}|Open the run>")
    return {"text": "\n".join(lines)}


def teams_payload(notice: Notice) -> dict[str, object]:
    """Return an Adaptive Card as the webhook trigger of a Teams workflow takes it."""
    body: list[dict[str, object]] = [
        {"type": "TextBlock", "text": notice.title, "weight": "Bolder", "wrap": True},
        *({"type": "TextBlock", "text": f"- {line}", "wrap": True} for line in notice.lines),
    ]
    card: dict[str, object] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if notice.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the run", "url": notice.link}]
    content = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content, "content": card}]}
