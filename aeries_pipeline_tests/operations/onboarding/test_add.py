"""From a district's e-mail to a roster entry, with the secret kept out of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.onboarding.entry import read_email
from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.processes.test_command_line import call

ZONE = "America/Los_Angeles"
EMAIL = f"""\
From: data@eagle.example
Hi,

here is what you asked for.

Certificate: {CERTIFICATE}
Aeries URL: https://eagle.example/aeries.net/SecurityForAPI.aspx.
Best times to pull: Weekends only from 8:00 p.m. - 2:00 a.m.

Let me know if anything is missing!
Kim, (555) 010-0199
"""


def test_the_three_facts_of_an_email() -> None:
    facts = read_email(EMAIL, ZONE)
    assert facts.url == "https://eagle.example/aeries.net/SecurityForAPI.aspx"
    assert facts.times == "Weekends only from 8:00 p.m. - 2:00 a.m"
    assert facts.certificate is not None
    assert facts.certificate.reveal() == CERTIFICATE


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("any time", "any time"),
        ("Times: M-F 22:00-05:00", "M-F 22:00-05:00"),
        ("  - weeknights after 6pm", "weeknights after 6pm"),
        ("You can pull daily 1am to 4am", "You can pull daily 1am to 4am"),
        ("I will call you at 5", None),
    ],
)
def test_times_are_found_where_a_line_is_a_window(line: str, times: str | None) -> None:
    assert read_email(f"Hello,\n{line}\nKim", ZONE).times == times


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("You can pull daily 1 to 4", "or give them as --window"),
        (f"{CERTIFICATE}\nabcdefghijklmnopqrstuvwxyz012345", "2 texts that may be a certificate"),
        ("https://a.example/aeries https://b.example/aeries", "names 2 addresses"),
        ("Best times to pull: 1-4", "read"),
    ],
)
def test_what_is_ambiguous_is_refused_without_repeating_a_secret(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        read_email(text, ZONE)
    assert CERTIFICATE not in str(caught.value)


def test_what_a_person_gives_is_not_looked_for() -> None:
    text = f"https://a.example/aeries https://b.example/aeries\nTimes to pull: 1-4\n{CERTIFICATE}"
    facts = read_email(text, ZONE, url="https://b.example/aeries", times="any time")
    assert (facts.url, facts.times) == ("https://b.example/aeries", "any time")
    assert facts.certificate is not None


def test_an_email_becomes_a_district_that_can_be_pulled(world: World, tmp_path: Path) -> None:
    email = tmp_path / "mail.txt"
    page = f"{world.url}/eagle-usd/SecurityForAPI.aspx"
    email.write_text(f"Certificate: {CERTIFICATE}\nURL: {page}\nany time\n", encoding="utf-8")
    before = world.district
    result = call(world, "add", "falcon-usd", "--name", "Falcon", "--email", str(email))
    assert result.exit_code == 0, result.output
    assert CERTIFICATE not in result.output
    assert f"delete {email}" in result.output
    after = world.settings.roster.read_text(encoding="utf-8")
    assert CERTIFICATE not in after
    assert [one.id for one in load_roster(world.settings.roster).districts] == [
        "eagle-usd",
        "falcon-usd",
    ]
    assert load_roster(world.settings.roster).districts[0] == before
    secret = world.settings.roster.parent / "certificates" / "falcon-usd.cert"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert secret.read_text(encoding="utf-8").strip() == CERTIFICATE
    assert "can be pulled" in call(world, "check", "falcon-usd").output
    assert "added 992, 993, 994" in call(world, "roster", "sync", "falcon-usd").output


def test_a_first_district_makes_the_roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from aeries_pipeline.cli.main import main

    monkeypatch.chdir(tmp_path)
    arguments = [
        "add",
        "eagle-usd",
        "--name",
        "Eagle",
        "--url",
        "https://e.example/aeries",
        "--window",
        "any time",
    ]
    result = CliRunner().invoke(main, [*arguments, "--certificate-env", "EAGLE_CERT"])
    assert result.exit_code == 0, result.output
    (district,) = load_roster(tmp_path / "data" / "districts.yaml").districts
    assert (district.id, district.certificate_env) == ("eagle-usd", "EAGLE_CERT")
    assert district.pull_window == "any time"
    assert not (tmp_path / "data" / "certificates").exists()
    asked = CliRunner().invoke(
        main,
        ["add", "osprey", "--name", "O", "--url", "https://o.example/", "--window", "any time"],
        input=CERTIFICATE + "\n",
    )
    assert asked.exit_code == 0, asked.output
    assert CERTIFICATE not in asked.output
    kept = tmp_path / "data" / "certificates" / "osprey.cert"
    assert kept.read_text(encoding="utf-8").strip() == CERTIFICATE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eagle-usd", "--url", "https://e.example"], "is in the roster"),
        (["Falcon USD", "--url", "https://e.example"], "small letters"),
        (["falcon"], "no address of an Aeries site"),
        (["falcon", "--url", "https://e.example"], "no best times were found"),
        (["falcon", "--url", "ftp://e.example", "--window", "any time"], "url: "),
        (["falcon", "--url", "https://e.example", "--window", "1-4"], "pull_window"),
        (
            ["falcon", "--url", "https://e.example", "--window", "any time", "--timezone", "Mars"],
            "timezone",
        ),
        (["falcon", "--email", "none.txt"], "cannot be read"),
    ],
)
def test_mistakes_write_nothing(world: World, arguments: list[str], says: str) -> None:
    before = world.settings.roster.read_text(encoding="utf-8")
    result = call(world, "add", *arguments, "--name", "N", "--certificate-env", "X")
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert world.settings.roster.read_text(encoding="utf-8") == before
    assert not (world.settings.roster.parent / "certificates").exists()
