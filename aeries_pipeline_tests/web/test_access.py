"""Who may read the pages: every way in, and every way that is none."""

from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.cli.main import main
from aeries_pipeline.settings import Settings
from aeries_pipeline.web.access import COOKIE, Access, ExposedError, is_loopback
from aeries_pipeline.web.app import application
from aeries_pipeline.web.serve import serving

TOKEN = "correct-horse-battery"
PAGES = ("/", "/districts/eagle-usd", "/questions", "/dictionary", "/districts/x/requests/1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    roster = tmp_path / "districts.yaml"
    roster.write_text("districts: []\n")
    return Settings(roster, tmp_path / "data")


@given(st.text(max_size=15))
def test_a_token_that_could_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(ExposedError):
        Access(token=token)


def test_a_header_is_trusted_on_this_machine_alone() -> None:
    access = Access(user_header="X-Remote-User")
    for host in ("127.0.0.1", "::1", "localhost"):
        access.check_host(host)
    for host in ("0.0.0.0", "::", "10.1.2.3", "pages.example"):
        assert not is_loopback(host)
        with pytest.raises(ExposedError, match="anybody who reaches"):
            access.check_host(host)
    with pytest.raises(ExposedError):
        Access(token=TOKEN, user_header="X-Remote-User")


@pytest.mark.parametrize(
    "name",
    [
        "Host", "user-agent", "Cookie", "X-Forwarded-For", "Sec-Fetch-Site", "Accept-Language",
        "Authorization", "", " ", "X Remote", "A:",
    ],
)  # fmt: skip
def test_a_header_that_everybody_sends_names_nobody(name: str) -> None:
    with pytest.raises(ExposedError):
        Access(user_header=name)


def test_every_header_that_a_client_sends_by_itself_is_refused() -> None:
    for name in requests.Request("POST", "http://a/", data="x").prepare().headers:
        with pytest.raises(ExposedError):
            Access(user_header=name)
    for name in requests.Session().headers:
        with pytest.raises(ExposedError):
            Access(user_header=name)
    for name in ("X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Auth-Request-Email"):
        Access(user_header=name)


@pytest.mark.parametrize(("option", "value"), [("--host", ""), ("--user-header", "Host")])
def test_the_command_refuses_what_would_let_everybody_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    monkeypatch.setenv("AERIES_DISTRICTS", str(settings.roster))
    refused = CliRunner().invoke(main, ["web", option, value])
    assert refused.exit_code == 2
    assert "127.0.0.1" in refused.stderr or "X-Remote-User" in refused.stderr


def test_nobody_reads_a_page_without_the_token(settings: Settings) -> None:
    with serving(application(settings, Access(token=TOKEN))) as address:
        for page in PAGES:
            for headers in (
                {}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN},
                {"Cookie": f"{COOKIE}=wrong"}, {"Cookie": f"{COOKIE}="}, {"X-Remote-User": "me"},
            ):  # fmt: skip
                answer = requests.get(
                    address + page, headers=headers, timeout=9, allow_redirects=False
                )
                assert (answer.status_code, answer.headers["location"]) == (303, "/enter"), page
                assert not answer.content
        shown = requests.get(
            f"{address}/dictionary", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=9
        )
        assert shown.status_code == 200
        assert shown.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]


def test_the_token_opens_the_door_and_is_kept_in_a_cookie_that_no_script_reads(
    settings: Settings,
) -> None:
    with serving(application(settings, Access(token=TOKEN))) as address:
        with requests.Session() as reader:
            wrong = reader.post(f"{address}/enter", data={"token": "wrong"}, timeout=9)
            assert "That is not the token." in wrong.text
            assert not reader.cookies
            entered = reader.post(
                f"{address}/enter", data={"token": f" {TOKEN} "}, timeout=9, allow_redirects=False
            )
            assert entered.headers["location"] == "/"
            cookie = entered.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert "0 districts" in reader.get(f"{address}/", timeout=9).text
        assert requests.post(f"{address}/enter", data="t" * 9999, timeout=9).status_code == 413


def test_whom_the_proxy_names_may_read_and_nobody_else(settings: Settings) -> None:
    with serving(application(settings, Access(user_header="X-Remote-User"))) as address:
        for headers in ({}, {"X-Remote-User": ""}, {"Authorization": f"Bearer {TOKEN}"}):
            assert requests.get(address, headers=headers, timeout=9).status_code == 403
        named = requests.get(address, headers={"X-Remote-User": "clerk"}, timeout=9)
        assert "0 districts" in named.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(settings: Settings, method: str) -> None:
    with serving(application(settings, Access(token=TOKEN))) as address:
        for page in PAGES:
            answer = requests.request(
                method, address + page, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=9
            )
            assert answer.status_code == 405
