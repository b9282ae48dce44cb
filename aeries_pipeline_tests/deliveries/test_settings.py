"""``delivery`` of the roster: one sentence for each mistake, and no secret in the file."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from aeries_pipeline.districts.delivery import FolderDelivery, SftpDelivery
from aeries_pipeline.districts.roster import RosterError, load_roster

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb1Ku0kz0Dn3P8kHk6o3m8b8Zb1s5S0o4w1mJ0p2u3q"
GOOD = f"""\
districts:
  - id: eagle-usd
    name: Eagle
    url: https://demo.aeries.net/aeries.net/
    certificate_env: EAGLE_CERT
    delivery:
      to: sftp
      host: sftp.receiver.example
      user: eagle
      password_env: EAGLE_SFTP
      host_key: "{KEY}"
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "districts.yaml"
    path.write_text(text, encoding="utf-8")
    return load_roster(path).get("eagle-usd").delivery


def test_a_delivery_loads_with_defaults(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert isinstance(found, SftpDelivery)
    assert (found.port, found.deadline, found.retry_for) == (22, time(20), 1800)
    assert found.host_keys == [KEY]
    assert str(found) == "sftp://eagle@sftp.receiver.example:22/"


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("30 min", 1800), ("2 h", 7200), ("90 s", 90), ("45", 2700), ("1.5 hours", 5400)],
)
def test_spans_are_read_as_people_write_them(tmp_path: Path, line: str, seconds: float) -> None:
    assert load(tmp_path, f"{GOOD}      retry_for: {line}\n").retry_for == seconds


def test_the_line_of_a_scan_may_stand_as_it_is(tmp_path: Path) -> None:
    scanned = GOOD.replace(KEY, f"[sftp.receiver.example]:2222 {KEY} of the receiver")
    assert load(tmp_path, scanned).host_keys == [KEY]


START = GOOD[: GOOD.index("      to:")]


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        (["to: ftps", "host: ftp.example", "user: eagle"], "ftps.password_env: is missing"),
        (
            ["to: s3", "bucket: files", "endpoint: http://s3.example"],
            "s3.endpoint: students' data",
        ),
        (["to: s3", "bucket: files", "access_key_env: A"], "s3: name both access_key_env and"),
        (["to: s3", "bucket: files", "secret_key: abc"], "s3: secret_key: a secret must not be"),
        (["to: folder"], "folder.folder: is missing"),
    ],
)
def test_mistakes_of_the_other_ways(tmp_path: Path, lines: list[str], mistake: str) -> None:
    with pytest.raises(RosterError) as caught:
        load(tmp_path, START + "".join(f"      {line}\n" for line in lines))
    (found,) = caught.value.mistakes
    assert f"eagle-usd: delivery.{mistake}" in found


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["to: ftps", "host: ftp.example", "user: eagle", "password_env: P", "folder: in"],
            "ftps://eagle@ftp.example:21/in",
        ),
        (["to: s3", "bucket: files", "folder: a/b/"], "s3://files/a/b"),
    ],
)
def test_where_it_goes_is_told_without_a_secret(
    tmp_path: Path, lines: list[str], told: str
) -> None:
    assert str(load(tmp_path, START + "".join(f"      {line}\n" for line in lines))) == told


def test_no_deadline_and_a_folder(tmp_path: Path) -> None:
    start = GOOD[: GOOD.index("      to:")]
    text = f"{start}      to: folder\n      folder: /mnt/share\n      deadline: null\n"
    found = load(tmp_path, text)
    assert isinstance(found, FolderDelivery)
    assert found.deadline is None


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (f'      host_key: "{KEY}"\n', "", "delivery.sftp.host_key: is missing; run ssh-keyscan"),
        (KEY, "ssh-ed25519 nonsense!", "delivery.sftp.host_key: not a host key; run ssh-keyscan"),
        (KEY, "yes", "delivery.sftp.host_key: not a host key"),
        ("to: sftp", "to: pigeon", "delivery.to: is not known; choose from sftp"),
        ("      to: sftp\n", "", "delivery.to: is missing"),
        ("      user: eagle\n", "", "delivery.sftp.user: is missing"),
        (
            "password_env: EAGLE_SFTP",
            "password: hunter2",
            "delivery.sftp: password: a secret must not be in this file",
        ),
        ("      password_env: EAGLE_SFTP\n", "", "delivery.sftp: give key_file, or name"),
        ("to: sftp", "to: sftp\n      deadline: 8pm", "delivery.sftp.deadline: not a time of day"),
        ("to: sftp", "to: sftp\n      deadline: 20:00:00", "deadline: not a time of day"),
        ("to: sftp", "to: sftp\n      retry_for: soon", "retry_for: not a span of time"),
        ("to: sftp", "to: sftp\n      colour: red", "delivery.sftp.colour: no such setting"),
        ("to: sftp", "to: sftp\n      port: 0", "delivery.sftp.port"),
    ],
)
def test_each_mistake_is_one_sentence(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    assert old in GOOD
    with pytest.raises(RosterError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    (line,) = caught.value.mistakes
    assert f"eagle-usd: {mistake}" in line or mistake in line
    assert "hunter2" not in line
