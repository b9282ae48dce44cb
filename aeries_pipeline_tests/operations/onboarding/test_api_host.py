"""Where Aeries hosts a district, its API may stand on a host beside that of its pages."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aeries_pipeline.districts.secret import Certificate
from aeries_pipeline.ingest.api.client import AeriesClient
from aeries_pipeline.ingest.api.retry import RetryPolicy
from aeries_pipeline.operations.onboarding.site import locate
from aeries_pipeline_tests.conftest import CERTIFICATE
from aeries_pipeline_tests.ingest.test_trust import INFO, stranger
from aeries_pipeline_tests.operations.onboarding.test_tls import write_certificate

PAGES, API = "https://eagle.aeries.net/api/v5", "https://eagleapi.aeries.net/admin/api/v5"


@contextmanager
def internet(hosts: dict[str, int]) -> Iterator[tuple[str, list[str]]]:
    """Serve a proxy that reaches these hosts alone; give its address and the hosts asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            host = self.path.partition(":")[0]
            asked.append(host)
            if host not in hosts:
                self.send_error(502)
                return
            with socket.create_connection(("127.0.0.1", hosts[host])) as other:
                self.send_response(200)
                self.end_headers()
                pair = {self.connection: other, other: self.connection}
                while True:
                    for one in select.select(list(pair), [], [], 10)[0] or [None]:
                        data = one.recv(65_536) if one else b""
                        if not data:
                            return
                        pair[one].sendall(data)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("pages", ["unreachable", "without an API"])
def test_the_host_beside_is_tried_without_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: str
) -> None:
    (tmp_path / "pages").mkdir()
    shop = write_certificate(tmp_path / "pages", 300, name_of_host="eagle.aeries.net")
    tls = write_certificate(tmp_path, 300, name_of_host="eagleapi.aeries.net")

    def client_of(address: str) -> AeriesClient:
        trusted = (tls if "eagleapi" in address else shop)[0]
        patience = RetryPolicy(attempts=1)
        return AeriesClient(address, Certificate(CERTIFICATE), retry=patience, ca_file=trusted)

    answers = {"systeminfo": (200, {}, INFO), "*": (200, {}, b"[]")}
    with (
        stranger(answers, tls) as (api, seen),
        stranger({"*": (404, {}, b"")}, shop) as (site, shown),
        internet({"eagleapi.aeries.net": urlsplit(api).port or 0}) as (proxy, asked),
        internet(
            {
                "eagleapi.aeries.net": urlsplit(api).port or 0,
                "eagle.aeries.net": urlsplit(site).port or 0,
            }
        ) as (other, _asked),
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy if pages == "unreachable" else other)
        findings, located = locate(PAGES, client_of)
        assert located is not None
        assert located.base == API
        assert "write url: https://eagleapi.aeries.net/admin" in findings[0].text
        assert CERTIFICATE not in "".join(seen + shown)
        assert (pages == "unreachable") == (asked != [])
        with located.client as client:
            assert client.get("schools").rows == []
    assert CERTIFICATE in seen[-1], "an Aeries has answered there"
    assert CERTIFICATE not in "".join(shown)


def test_a_host_of_somebody_else_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = write_certificate(tmp_path, 300, name_of_host="eagle.example")
    with internet({}) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        _findings, located = locate(
            "https://eagle.example/aeries/api/v5",
            lambda address: AeriesClient(
                address,
                Certificate(CERTIFICATE),
                retry=RetryPolicy(attempts=1),
                ca_file=tls[0],
            ),
        )
    assert located is None
    assert set(asked) == {"eagle.example"}
