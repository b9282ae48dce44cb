"""Deliveries to a real FTP server over TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from aeries_pipeline.deliveries.deliver import NotDeliveredError, look, send
from aeries_pipeline_tests.deliveries.servers import line
from aeries_pipeline_tests.deliveries.sets import MARKER, Outgoing, received
from aeries_pipeline_tests.operations.onboarding.test_tls import write_certificate

WORD = "open sesame"
ALL = "elradfmwMT"


@contextmanager
def ftps(folder: Path, certificate: Path, key: Path, may: str = ALL) -> Iterator[int]:
    authorizer = DummyAuthorizer()
    authorizer.add_user("eagle", WORD, str(folder), perm=may)
    handler = type(
        "Handler",
        (TLS_FTPHandler,),
        {
            "authorizer": authorizer,
            "certfile": str(certificate),
            "keyfile": str(key),
            "tls_control_required": True,
            "tls_data_required": True,
        },
    )
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            server.serve_forever(timeout=0.05, blocking=False, handle_exit=False)
        server.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        done.set()
        thread.join(timeout=30)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    return tmp_path / "theirs"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return write_certificate(tmp_path, 30)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAGLE_FTPS", WORD)


def target(port: int, **changes: object) -> dict[str, object]:
    return {
        "to": "ftps",
        "host": "127.0.0.1",
        "port": port,
        "user": "eagle",
        "password_env": "EAGLE_FTPS",  # pragma: allowlist secret
        "ca_file": "cert.pem",
        "retry_for": "0 s",
        **changes,
    }


def failure(outgoing: Outgoing) -> NotDeliveredError:
    with pytest.raises(NotDeliveredError) as caught:
        send(outgoing.job())
    assert MARKER not in str(caught.value)
    assert WORD not in str(caught.value)
    return caught.value


def test_a_set_arrives_and_replaces_the_last(place: Path, pair, tmp_path: Path) -> None:
    (place / "incoming").mkdir()
    with ftps(place, *pair) as port:
        outgoing = Outgoing(tmp_path, target(port, folder="incoming"))
        outgoing.make_set(size=300_000)
        look(outgoing.job())
        assert received(place / "incoming") == {}
        send(outgoing.job())
        second = outgoing.make_set("20261128T180000Z", "second")
        send(outgoing.job())
    assert received(place / "incoming") == second
    assert [row["outcome"] for row in outgoing.rows()] == ["arrived", "arrived"]


def test_a_certificate_of_nobody_ends_it_before_the_login(
    place: Path, pair, tmp_path: Path
) -> None:
    with ftps(place, *pair) as port:
        outgoing = Outgoing(tmp_path, target(port, ca_file=""))
        outgoing.make_set()
        assert failure(outgoing).code == "wrong_certificate"
    assert received(place) == {}


def test_a_wrong_password_and_a_missing_one(
    place: Path, pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ftps(place, *pair) as port:
        outgoing = Outgoing(tmp_path, target(port))
        outgoing.make_set()
        monkeypatch.setenv("EAGLE_FTPS", "another word")
        assert failure(outgoing).code == "not_logged_in"
        monkeypatch.delenv("EAGLE_FTPS")
        error = failure(outgoing)
        assert error.code == "no_secret"
        assert "the environment variable EAGLE_FTPS is not set" in str(error)


@pytest.mark.parametrize("missing", ["w", "f", "r"])
def test_what_the_account_may_not_do_leaves_the_last_files(
    place: Path, pair, tmp_path: Path, missing: str
) -> None:
    (place / "School.txt").write_text("the last one")
    with ftps(place, *pair, may=ALL.replace(missing, "")) as port:
        outgoing = Outgoing(tmp_path, target(port, retry_for="1 h"))
        outgoing.make_set()
        assert failure(outgoing).code == "not_permitted"
    assert received(place) == {"School.txt": b"the last one"}
    assert outgoing.rows()[0]["attempts"] == 1


def test_where_nothing_may_be_removed_the_set_is_there_all_the_same(
    place: Path, pair, tmp_path: Path
) -> None:
    (place / "School.txt").write_text("the last one")
    with ftps(place, *pair, may=ALL.replace("d", "")) as port:
        outgoing = Outgoing(tmp_path, target(port))
        content = outgoing.make_set()
        assert send(outgoing.job()).attempts == 1
        there = received(place)
        assert {name: there[name] for name in content} == content
        assert [row["outcome"] for row in outgoing.rows()] == ["placed"]
        assert not send(outgoing.job()).is_new, "it has arrived"
    with ftps(place, *pair) as port:
        outgoing.settle(target(port))
        with outgoing.warehouse.open() as connection:
            connection.execute("UPDATE meta.sent SET target = ?", [str(outgoing.district.delivery)])
        second = outgoing.make_set("20261128T180000Z", "second")
        send(outgoing.job())
    assert received(place) == second
    assert [row["outcome"] for row in outgoing.rows()] == ["arrived", "arrived"]


def test_a_folder_in_the_way_and_one_that_is_missing(place: Path, pair, tmp_path: Path) -> None:
    (place / "Student.txt").mkdir()
    with ftps(place, *pair) as port:
        outgoing = Outgoing(tmp_path, target(port))
        outgoing.make_set()
        assert failure(outgoing).code == "in_the_way"
        outgoing.settle(target(port, folder="elsewhere"))
        assert failure(outgoing).code == "not_permitted"
        with pytest.raises(NotDeliveredError):
            look(outgoing.job())
    assert [one.name for one in place.iterdir()] == ["Student.txt"]


def test_a_full_disk_leaves_nothing_and_passes(
    small_disk: Path, pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This server falls silent where its disk is full.
    monkeypatch.setattr("aeries_pipeline.deliveries.ftps.SECONDS", 2.0)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 150_000)
    with ftps(small_disk, *pair) as port:
        outgoing = Outgoing(tmp_path, target(port))
        content = outgoing.make_set(size=60_000)
        failure(outgoing)
        assert [one.name for one in small_disk.iterdir()] == ["ballast"]
        outgoing.settle(target(port, retry_for="5 min"))
        found = send(outgoing.job(sleep=lambda _seconds: ballast.unlink(missing_ok=True)))
    assert found.attempts == 2
    assert received(small_disk) == content


def test_a_line_that_breaks_is_tried_again(place: Path, pair, tmp_path: Path) -> None:
    with ftps(place, *pair) as port, line(port, cuts=(900, 1500, 2200)) as way:
        outgoing = Outgoing(tmp_path, target(way.port, retry_for="30 min"))
        content = outgoing.make_set()
        found = send(outgoing.job(sleep=lambda _seconds: None))
    assert found.attempts == 4
    assert received(place) == content


def test_a_server_that_is_down(place: Path, pair, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, target(9))
    outgoing.make_set()
    assert failure(outgoing).code == "broken_off"
