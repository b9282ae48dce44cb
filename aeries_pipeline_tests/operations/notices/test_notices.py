"""Who is told what, and that it arrives: over real SMTP and real HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aeries_pipeline.districts.channels import Email, Webhook
from aeries_pipeline.districts.roster import RosterError, load_roster
from aeries_pipeline.operations.notices import deliver as delivery
from aeries_pipeline.operations.notices.deliver import NotDeliveredError, deliver, tell_channels
from aeries_pipeline.operations.notices.notice import (
    MOST_LINES,
    Line,
    Notice,
    notice_for,
    slack_payload,
    teams_payload,
)
from aeries_pipeline_tests.conftest import roster_entry, write_roster
from aeries_pipeline_tests.operations.notices.listeners import mail_server, webhook

RUN = Line("runs", "eagle-usd, school 994, students: 503", "eagle-usd")
CHECK = Line("checks", "core/accounts eagle-usd, no_change_is_held: 12 wait", "eagle-usd")
ELSEWHERE = Line("runs", "hawk-usd: refused", "hawk-usd")
NOTICE = Notice("A run failed: eagle-usd", (RUN.text,), "http://ui.example/runs/1")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_BACKOFF", 0.01)


def slack(**changes: Any) -> Webhook:
    return Webhook(kind="slack", webhook_env="TEST_WEBHOOK", **changes)


def mail(port: int, **changes: Any) -> Email:
    settled = {"to": ["a@example.org", "b@example.org"], "sender": "pipeline@example.org"}
    settled |= {"host": "127.0.0.1", "port": port, "security": "none"}
    return Email(kind="email", **(settled | changes))


@pytest.mark.parametrize(
    ("settled", "lines", "told"),
    [
        ({}, [RUN, CHECK], [RUN.text, CHECK.text]),
        ({"about": ["checks"]}, [RUN, CHECK], [CHECK.text]),
        ({"about": ["runs"]}, [CHECK], None),
        ({"districts": ["hawk-usd"]}, [RUN, CHECK, ELSEWHERE], [ELSEWHERE.text]),
        ({"districts": ["hawk-usd"]}, [RUN], None),
        ({"districts": ["hawk-usd"]}, [Line("runs", "the run died")], ["the run died"]),
        ({}, [RUN, RUN], [RUN.text]),
        ({}, [], None),
    ],
)
def test_a_channel_is_told_what_is_for_it(
    settled: dict[str, Any], lines: list[Line], told: list[str] | None
) -> None:
    notice = notice_for(slack(**settled), lines)
    assert (list(notice.lines) if notice else None) == told


def test_a_long_list_is_cut_and_counted_and_the_run_is_linked() -> None:
    lines = [Line("checks", f"school {n} fails", f"district-{n}") for n in range(40)]
    notice = notice_for(slack(ui="http://ui.example/"), lines, "abc")
    assert len(notice.lines) == MOST_LINES + 1
    assert notice.lines[-1].startswith("and 28 more")
    assert (
        notice.title == "A check failed: district-0, district-1, district-2 and 37 more districts"
    )
    assert notice.link == "http://ui.example/runs/abc"


def test_what_slack_and_teams_get() -> None:
    odd = Notice("A run failed: <b> & co", ("5 < 6",), "http://ui.example/runs/1")
    assert slack_payload(odd)["text"].splitlines() == [
        "*A run failed: &lt;b&gt; &amp; co*",
        "• 5 &lt; 6",
        "<http://ui.example/runs/1|Open the run>",
    ]
    card = teams_payload(odd)["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert [block["text"] for block in card["body"]] == ["A run failed: <b> & co", "- 5 < 6"]
    assert card["actions"][0]["url"] == "http://ui.example/runs/1"
    assert json.dumps(card)


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_webhook_gets_the_notice_and_a_busy_one_is_asked_again(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook(503, 429) as hook:
        monkeypatch.setenv("TEST_WEBHOOK", hook.url)
        assert deliver(Webhook(kind=kind, webhook_env="TEST_WEBHOOK"), NOTICE) is None
        assert len(hook.got) == 1
        assert "school 994" in json.dumps(hook.got)


@pytest.mark.parametrize("answers", [(404,), (302,), (500, 500, 500)])
def test_a_webhook_that_does_not_take_it_is_named_without_its_address(
    answers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook(*answers) as hook:
        monkeypatch.setenv("TEST_WEBHOOK", hook.url)
        trouble = deliver(slack(), NOTICE)
    assert f"answered {answers[0]}" in trouble
    monkeypatch.setenv("TEST_WEBHOOK", "http://127.0.0.1:9/services/SECRET-PATH")
    unreachable = deliver(slack(), NOTICE)
    assert "cannot be reached" in unreachable
    assert "SECRET-PATH" not in trouble + unreachable


def test_mail_arrives_with_every_sentence() -> None:
    with mail_server("451 busy") as post:
        assert deliver(mail(post.port), NOTICE) is None
    (message,) = post.got
    assert message["Subject"] == "aeries_pipeline: A run failed: eagle-usd"
    assert message["To"] == "a@example.org, b@example.org"
    assert "- eagle-usd, school 994, students: 503" in message.get_content()
    assert "http://ui.example/runs/1" in message.get_content()


def test_a_mail_server_that_does_not_take_it_is_named() -> None:
    with mail_server(*["554 no"] * 3) as post:
        assert "does not take it (SMTPDataError)" in deliver(mail(post.port), NOTICE)
    assert "does not take it (ConnectionRefusedError)" in deliver(mail(9), NOTICE)


def test_every_channel_is_tried_and_the_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as post:
        with pytest.raises(NotDeliveredError, match="TEST_WEBHOOK is not set"):
            tell_channels([slack(), mail(post.port)], [RUN])
        assert len(post.got) == 1
        assert tell_channels([mail(post.port, districts=["hawk-usd"])], [RUN]) == 0


def write(path: Path, notifications: Any) -> Path:
    write_roster(path, [roster_entry("http://127.0.0.1", [1])], notifications=notifications)
    return path


def test_the_roster_settles_the_channels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.yaml",
        [
            {"kind": "email", "to": ["x@y.org"], "sender": "p@y.org", "host": "smtp.y.org"},
            {"kind": "teams", "webhook_env": "TEAMS", "about": ["checks"]},
        ],
    )
    first, second = load_roster(path).notifications
    assert (first.port, first.security) == (587, "starttls")
    assert (second.kind, second.about) == ("teams", ("checks",))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"kind": "pager"}, "notifications: 0.kind: is not known; choose from email, slack, teams"),
        ({"kind": "slack"}, "webhook_env: is missing"),
        ({"kind": "slack", "webhook": "https://hooks.example/SECRET"}, "no such setting"),
        ({"kind": "slack", "webhook_env": "A", "districts": ["x"]}, "'x' is not in the roster"),
        (
            {"kind": "email", "to": ["a"], "sender": "abc", "host": "h", "user": "u"},
            "name the variable with the password as password_env",
        ),
        (
            {"kind": "email", "to": ["a"], "sender": "abc", "host": "h", "user": "u",
             "password_env": "P", "security": "none"},
            "not sent unencrypted",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_roster_is_named(tmp_path: Path, entry: dict[str, Any], says: str) -> None:
    with pytest.raises(RosterError) as caught:
        load_roster(write(tmp_path / "r.yaml", [entry]))
    assert says in str(caught.value)
    assert "notifications" in str(caught.value)
    assert "SECRET" not in str(caught.value)
