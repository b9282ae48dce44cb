"""From a district's e-mail to a roster entry, with the secret kept out of it."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
    ("text", "fact", "says"),
    [
        ("You can pull daily 1 to 4", "times", "or give them as --window"),
        (
            f"{CERTIFICATE}\nabcdefghijklmnopqrstuvwxyz012345",
            "certificate",
            "2 texts that may be a certificate",
        ),
        ("https://a.example/aeries https://b.example/aeries", "url", "names 2 addresses"),
        ("Best times to pull: 1-4", "times", "read"),
    ],
)
def test_what_is_ambiguous_is_not_taken_and_no_secret_is_repeated(
    text: str, fact: str, says: str
) -> None:
    facts = read_email(f"{text}\n", ZONE)
    assert getattr(facts, fact) is None
    assert says in facts.unread[fact]
    assert CERTIFICATE not in str(facts.unread)


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
    result = call(world, "add", "falcon-usd", "--name", "Falcon", "--email", str(email), "--yes")
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
    result = CliRunner().invoke(main, [*arguments, "--certificate-env", "EAGLE_CERT", "--yes"])
    assert result.exit_code == 0, result.output
    (district,) = load_roster(tmp_path / "data" / "districts.yaml").districts
    assert (district.id, district.certificate_env) == ("eagle-usd", "EAGLE_CERT")
    assert district.pull_window == "any time"
    assert not district.paused
    assert district.pull_window_accepted is not None
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


def test_without_a_terminal_a_reading_waits_for_a_person(world: World, tmp_path: Path) -> None:
    email = tmp_path / "mail.txt"
    email.write_text(EMAIL, encoding="utf-8")
    result = call(world, "add", "falcon-usd", "--name", "Falcon", "--email", str(email))
    assert result.exit_code == 0, result.output
    assert "may be read Saturday and Sunday from 8 pm to 2 am the next day" in result.output
    assert "\nSat  ......" in result.output
    assert result.output.count("  opens ") == 5
    assert "aeries-pipeline window falcon-usd --accept" in result.output
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert falcon.paused
    assert falcon.pull_window_accepted is None
    assert "nobody has accepted the reading" in call(world, "check", "falcon-usd").output
    assert "nobody has accepted the reading" in call(world, "roster", "sync", "falcon-usd").output
    assert call(world, "window", "falcon-usd", "--accept").exit_code == 0
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert not falcon.paused
    assert falcon.reading.text == ""


def test_sentences_that_were_not_taken_are_shown_without_a_terminal_too(
    world: World, tmp_path: Path
) -> None:
    email = tmp_path / "mail.txt"
    email.write_text(EMAIL + "\nAnother vendor pulls Sunday 1am - 2am.\n", encoding="utf-8")
    result = call(world, "add", "falcon-usd", "--name", "F", "--email", str(email), "--yes")
    assert "not taken for times: 'Another vendor pulls Sunday 1am - 2am.'" in result.output


def test_what_is_missing_leaves_the_district_paused_with_what_was_understood(
    world: World, tmp_path: Path
) -> None:
    email = tmp_path / "mail.txt"
    email.write_text(
        f"Certificate: {CERTIFICATE}\nURL: https://falcon.example/aeries/?cert={CERTIFICATE}\n"
        "Best times: after hours, whatever is quiet\n",
        encoding="utf-8",
    )
    result = call(world, "add", "falcon-usd", "--name", "F", "--email", str(email), "--yes")
    assert result.exit_code == 1
    assert "'whatever', 'quiet' was not understood" in result.output
    text = world.settings.roster.read_text(encoding="utf-8")
    assert "    # the best times are missing: the times of the e-mail: 'after hours" in text
    assert CERTIFICATE not in text
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert falcon.paused
    assert falcon.url == "https://falcon.example/aeries/"
    assert falcon.certificate().reveal() == CERTIFICATE
    assert "no best times are known" in call(world, "status").output
    # What was understood is not typed again.
    again = ("window", "falcon-usd", "--as", "weekdays 8pm - 2am", "--accept", "--resume")
    assert call(world, *again).exit_code == 0
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert (falcon.pull_window, falcon.paused) == ("weekdays 8pm - 2am", False)
    assert falcon.reading.text == ""


def test_who_completes_an_entry_by_hand_has_still_not_accepted_its_reading(
    world: World, tmp_path: Path
) -> None:
    email = tmp_path / "mail.txt"
    email.write_text("Best times: 10pm - 4am\nhttps://falcon.example/aeries/\n", encoding="utf-8")
    result = call(world, "add", "falcon-usd", "--name", "F", "--email", str(email))
    assert result.exit_code == 1, "the certificate is missing"
    text = world.settings.roster.read_text(encoding="utf-8")
    assert "paused: true" in text
    world.settings.roster.write_text(text.replace("paused: true", "paused: false"), "utf-8")
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert falcon.paused, "nobody has seen how the times are read"
    assert "nobody has accepted the reading" in call(world, "check", "falcon-usd").output
    assert call(world, "window", "falcon-usd", "--accept").exit_code == 0
    assert not load_roster(world.settings.roster).get("falcon-usd").paused


def test_a_missing_address_and_certificate_are_asked_for_later(
    world: World, tmp_path: Path
) -> None:
    email = tmp_path / "mail.txt"
    email.write_text("Best times: 10pm - 4am\n", encoding="utf-8")
    result = call(world, "add", "falcon-usd", "--name", "F", "--email", str(email), "--yes")
    assert result.exit_code == 1
    assert "put the certificate into" in result.output
    assert "write the address of its Aeries site as url" in result.output
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert (falcon.paused, falcon.url) == (True, "")
    assert falcon.pull_window_accepted is not None
    text = world.settings.roster.read_text(encoding="utf-8")
    assert "# the address of the Aeries site is missing\n" in text
    assert "# the certificate is missing from this place\n" in text
    email.write_text("Hello, see you soon\n", encoding="utf-8")
    nothing = call(world, "add", "heron-usd", "--name", "H", "--email", str(email))
    assert nothing.exit_code == 2
    assert "heron-usd" not in world.settings.roster.read_text(encoding="utf-8")


def at_a_terminal(world: World, arguments: list[str], answers: list[tuple[str, str]]) -> str:
    """Give a command at a terminal, and an answer to each question; returns the screen."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aeries_pipeline.cli", *arguments],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        env=os.environ | world.variables | {"COLUMNS": "200", "TERM": "dumb"},
    )  # fmt: skip
    os.close(terminal)
    shown, place = "", 0
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            if answers and (found := shown.find(answers[0][0], place)) >= 0:
                place = found + len(answers[0][0])
                os.write(master, (answers.pop(0)[1] + "\n").encode())
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                shown += os.read(master, 65536).decode()
            except OSError:  # the other side is closed
                break
        process.wait(timeout=60)
    finally:
        process.kill()
        os.close(master)
    assert not answers, shown
    return shown


def test_a_person_at_a_terminal_is_asked_for_what_is_missing(world: World, tmp_path: Path) -> None:
    email = tmp_path / "mail.txt"
    email.write_text("Best times: weekends 8pm - 2am\nKim\n", encoding="utf-8")
    shown = at_a_terminal(
        world,
        ["add", "falcon-usd", "--name", "Falcon", "--email", str(email)],
        [
            ("Address of any page", "https://falcon.example/aeries/Login.aspx"),
            ("Are these the times meant?", "n"),
            ("Best times in other words", "1-4"),
            ("Best times in other words", "Saturdays 8pm - 2am"),
            ("Are these the times meant?", "y"),
            ("Certificate of falcon-usd", CERTIFICATE),
        ],
    )
    assert CERTIFICATE not in shown
    assert "can be read in 4 ways" in shown
    falcon = load_roster(world.settings.roster).get("falcon-usd")
    assert not falcon.paused
    assert falcon.pull_window == "weekends 8pm - 2am", "the district's own words stay"
    assert str(falcon.windows) == "sat 20:00 to 02:00"
    assert falcon.reading.text == ""
    assert falcon.certificate().reveal() == CERTIFICATE


def test_window_asks_at_a_terminal_until_the_reading_is_accepted(world: World) -> None:
    world.write_roster(pull_window="weekends 8pm - 2am", paused=True)
    shown = at_a_terminal(
        world,
        ["window", "eagle-usd"],
        [("Are these the times meant?", "y"), ("pull it from now on?", "y")],
    )
    assert "the reading is accepted" in shown
    assert world.district.reading.text == ""
    assert not world.district.paused
    assert "Are these" not in at_a_terminal(world, ["window", "eagle-usd"], [])
