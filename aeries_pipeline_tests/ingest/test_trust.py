"""The certificate goes to an Aeries and to nobody else, over real HTTP and TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aeries_pipeline.districts.errors import AeriesError, ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.ingest.api.client import AeriesClient
from aeries_pipeline.ingest.api.retry import RetryPolicy
from aeries_pipeline.operations.onboarding.check import check
from aeries_pipeline_tests.conftest import CERTIFICATE, World, roster_entry, write_roster
from aeries_pipeline_tests.operations.onboarding.test_tls import write_certificate

INFO = b'{"AeriesVersion":"9.26.1.1","DatabaseYear":"2026-2027"}'
Replies = dict[str, tuple[int, dict[str, str], bytes]]


@contextmanager
def stranger(
    replies: Replies, tls: tuple[Path, Path] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Serve answers by the end of the path; give the address and everything that was received."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path}\n{self.headers}")
            end = self.path.partition("?")[0].rsplit("/", 1)[-1]
            status, headers, body = replies.get(end, replies["*"])
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{server.server_port}/aeries", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client_of(url: str, ca_file: Path | None = None) -> AeriesClient:
    retry = RetryPolicy(attempts=2, base_seconds=0.01)
    return AeriesClient(url, Certificate(CERTIFICATE), retry=retry, ca_file=ca_file)


STRANGERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "page": (200, {}, b"<html>Your link was scanned</html>"),
    "login": (200, {}, b"<html><input type='password'></html>"),
    "json": (200, {}, b'{"status":"ok"}'),
    "list": (200, {}, b"[]"),
    "half": (200, {}, b'{"DatabaseYear":"2026-2027"}'),
    "401": (401, {}, b'{"Message":"Authorization has been denied for this request."}'),
    "403": (403, {}, b'{"Message":"no"}'),
    "404": (404, {}, b"{}"),
    "503": (503, {}, b""),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_never_sees_the_certificate(kind: str) -> None:
    with stranger({"*": STRANGERS[kind]}) as (url, seen), client_of(url) as client:
        for path in ("schools", "systeminfo", "schools/1/students"):
            if path == "systeminfo" and kind in {"json", "list", "half"}:
                client.get(path)
                continue
            with pytest.raises(AeriesError) as caught:
                client.get(path)
            assert CERTIFICATE not in str(caught.value)
    assert seen
    assert CERTIFICATE.lower() not in "".join(seen).lower()


@pytest.mark.parametrize("kind", STRANGERS)
def test_neither_a_pull_nor_the_check_shows_it_to_a_stranger(world: World, kind: str) -> None:
    with stranger({"*": STRANGERS[kind]}) as (url, seen):
        write_roster(world.settings.roster, [roster_entry(url, world.schools, url=url)])
        with world.session() as session, pytest.raises(AeriesError):
            session.preflight()
        list(check(world.district))
    assert seen
    assert CERTIFICATE.lower() not in "".join(seen).lower()


def test_it_follows_once_an_aeries_has_answered_and_never_across_a_redirect() -> None:
    with stranger({"*": STRANGERS["page"]}) as (elsewhere, seen_there):
        away = (302, {"Location": f"{elsewhere}/api/v5/schools/1/terms"}, b"")
        replies = {"systeminfo": (200, {}, INFO), "terms": away, "*": (200, {}, b"[]")}
        with stranger(replies) as (url, seen), client_of(url) as client:
            client.get("schools")
            with pytest.raises(ConfigurationError):
                client.get("schools/1/terms")
    assert [CERTIFICATE in one for one in seen] == [False, True, True]
    assert not seen_there


def test_it_never_goes_over_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with stranger({"systeminfo": (200, {}, INFO), "*": (200, {}, b"[]")}) as (proxy, seen):
        monkeypatch.setenv("HTTP_PROXY", proxy.removesuffix("/aeries"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with (
            client_of("http://eagle.example/aeries") as client,
            pytest.raises(ConfigurationError, match="plain http"),
        ):
            client.get("schools")
        with stranger({"systeminfo": (200, {}, INFO), "*": (200, {}, b"[]")}) as (near, _):
            before = len(seen)
            with client_of(near) as client:
                client.get("schools")
    assert len(seen) == before, "what stays on this machine takes no proxy"
    assert CERTIFICATE not in "".join(seen)


def test_a_district_with_an_authority_of_its_own(tmp_path: Path, world: World) -> None:
    tls = write_certificate(tmp_path, 300)
    replies = {"systeminfo": (200, {}, INFO), "*": (200, {}, b"[]")}
    with stranger(replies, tls) as (url, seen):
        with client_of(url) as client, pytest.raises(ConfigurationError, match="ca_file"):
            client.get("schools")
        assert not seen
        with client_of(url, tls[0]) as client:
            assert client.get("schools").rows == []
        (world.settings.roster.parent / "own.pem").write_bytes(tls[0].read_bytes())
        entry = roster_entry(url, world.schools, url=url, ca_file="own.pem")
        write_roster(world.settings.roster, [entry])
        with world.session() as session:
            assert session.preflight().database_year == "2026-2027"
        steps = {one.step: one.text for one in check(world.district)}
        assert "valid until" in steps["TLS"]
    (world.settings.roster.parent / "own.pem").write_text("no authority")
    with pytest.raises(ConfigurationError, match="no certificate authority can be read"):
        world.district.authorities()


def test_nothing_of_the_environment_turns_the_verification_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stranger({"*": (200, {}, INFO)}, write_certificate(tmp_path, 300)) as (url, seen):
        for name, value in (
            ("REQUESTS_CA_BUNDLE", ""),
            ("CURL_CA_BUNDLE", "0"),
            ("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem")),
            ("PYTHONHTTPSVERIFY", "0"),
        ):
            monkeypatch.setenv(name, value)
            with client_of(url) as client, pytest.raises(ConfigurationError):
                client.get("systeminfo")
    assert not seen


def test_a_dead_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://kim:hidden@127.0.0.1:9")  # pragma: allowlist secret
    with client_of("https://eagle.example/aeries") as client, pytest.raises(AeriesError) as caught:
        client.get("systeminfo")
    assert "the proxy 127.0.0.1:9" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_one_maintenance_page_is_tried_again() -> None:
    pages = iter([(200, {}, b"<html>Back at 6</html>")])

    class Once(dict[str, tuple[int, dict[str, str], bytes]]):
        def get(self, _key: str, default: object = None) -> object:  # type: ignore[override]
            return next(pages, default)

    replies = Once({"*": (200, {}, INFO)})
    with stranger(replies) as (url, seen), client_of(url) as client:
        assert client.get("systeminfo").rows
    assert len(seen) == 2


def test_a_roster_refuses_the_address_of_a_mail_scanner(world: World) -> None:
    entry = roster_entry(world.url, world.schools, url="https://protect-us.mimecast.com/s/x")
    write_roster(world.settings.roster, [entry])
    with pytest.raises(ConfigurationError, match="open it in a browser and copy"):
        load_roster(world.settings.roster)
